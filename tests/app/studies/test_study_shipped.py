"""The study that comes with the studio: packed, taken in once, whole after a crash, ready for raters, without votes."""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
from arena_world import finish_practice, make_services
from compare_world import FORM, make_studio, wait_for
from PIL import Image
from rows import row_counts

import app as package
from app.arena import arena
from app.studies import admin as study_admin
from app.studies import shipped as study_shipped
from app.studies.shipped import FOLDER, MANIFEST, pack, take_in
from app.study.design import CONTROL_KINDS
from model.checkpoint import checkpoint_hash
from model.pipeline import WEIGHTS

SAME = (
    "settings",
    "prompt",
    "prompt_sent",
    "seed",
    "token_hash",
    "steps",
    "seconds",
    "timings",
    "peak_memory_bytes",
    "numerics_id",
    "environment",
)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A folder that `pack` wrote from a study drawn by a real pipeline, and what stood in the store."""
    services = make_studio(tmp_path_factory.mktemp("studio"))
    study = study_admin.create(services, FORM, "keeper")
    wait_for(services, study)
    folder = tmp_path_factory.mktemp("shipped")
    (folder / "999.webp").write_bytes(b"left by an earlier run")
    pack(services.store, services.store.get_study(study.id), folder)
    made = services.store.study_generations(study.id)
    tokens = [services.store.generation_tokens(each.id) for each in made]
    pictures = [np.asarray(Image.open(services.store.images.path(each.image))) for each in made]
    yield folder, made, tokens, pictures
    services.close()


@pytest.fixture
def fresh(tmp_path, database_url):
    built = make_services(tmp_path / "fresh", database_url)
    yield built
    built.close()


def counts(services):
    return row_counts(services.store)


def test_a_packed_study_comes_out_as_it_went_in(drawn, fresh):
    folder, made, tokens, pictures = drawn
    study = take_in(fresh, folder)
    again = fresh.store.study_generations(study.id)
    again = [each for each in again if each.source == "model"]
    assert len(list(folder.glob("*.webp"))) == len(made) == len(again)
    for before, after in zip(made, again):
        assert {key: getattr(before, key) for key in SAME} == {key: getattr(after, key) for key in SAME}
        assert after.owner is None and after.job_id is None
    assert [fresh.store.generation_tokens(each.id) for each in again] == tokens
    shown = [np.asarray(Image.open(fresh.store.images.path(each.image)), dtype=float) for each in again]
    assert all(before.shape == after.shape for before, after in zip(pictures, shown))


def test_it_is_open_for_raters_with_every_control_and_without_a_vote(drawn, fresh):
    study = take_in(fresh, drawn[0])
    assert study.state == "open" and study.contrasts == ["window=4"] and study.frozen_at <= study.opened_at
    assert {entry.comparison.kind for entry in fresh.store.coverage(study.id)} == {"matched", *CONTROL_KINDS}
    assert fresh.store.votes_frame(study.id) == [] and counts(fresh)["vote"] == 0
    fresh.store.record_consent(arena.rater_of(fresh, "a stranger").id)
    finish_practice(fresh, study, "a stranger")
    pair = arena.next_pair(fresh, arena.study_for(fresh, None, "a stranger"), "a stranger")
    assert arena.card(fresh, pair)["left"].startswith("data:image/jpeg")


def test_the_second_start_takes_nothing_in_and_changes_nothing(drawn, fresh):
    study = take_in(fresh, drawn[0])
    fresh.store.set_study_state(study.id, "closed")
    before = counts(fresh)
    assert take_in(fresh, drawn[0]).state == "closed"
    assert counts(fresh) == before


@pytest.mark.parametrize("after", [0, 5])
def test_a_crash_on_the_way_is_made_good_at_the_next_start(drawn, fresh, monkeypatch, after):
    whole, done = study_shipped.record, []

    def breaking(*arguments):
        if len(done) == after:
            raise KeyboardInterrupt
        done.append(whole(*arguments))

    monkeypatch.setattr(study_shipped, "record", breaking)
    with pytest.raises(KeyboardInterrupt):
        take_in(fresh, drawn[0])
    assert fresh.store.list_studies()[0].state == "draft"
    monkeypatch.setattr(study_shipped, "record", whole)
    study = take_in(fresh, drawn[0])
    made = [each for each in fresh.store.study_generations(study.id) if each.source == "model"]
    assert study.state == "open" and len(made) == len(drawn[1]) and counts(fresh)["study"] == 1


def test_another_study_of_that_name_is_left_alone(drawn, fresh):
    fresh.store.create_study(FORM.name, prompts=["x"], settings=[], criteria=["flaws"], raters_per_pair=1)
    assert take_in(fresh, drawn[0]) is None
    assert counts(fresh)["study"] == 1 and counts(fresh)["generation"] == 0


def test_nothing_shipped_nothing_done(fresh, tmp_path):
    assert take_in(fresh, tmp_path / "nowhere") is None


def test_what_is_shipped_is_small_complete_and_drawn_by_the_shipped_weights():
    manifest = json.loads((FOLDER / MANIFEST).read_text(encoding="utf-8"))
    files = {path.name: path.stat().st_size for path in FOLDER.iterdir()}
    assert set(files) == {MANIFEST, *(entry["file"] for entry in manifest["pictures"])}
    assert sum(files.values()) < 3 * 2**20
    assert {entry["settings"]["checkpoint"] for entry in manifest["pictures"]} == {checkpoint_hash(WEIGHTS)}
    sizes = {(entry["settings"]["width"], entry["settings"]["height"]) for entry in manifest["pictures"]}
    for entry in manifest["pictures"][:8]:
        assert Image.open(FOLDER / entry["file"]).size in sizes
    assert str(Path.home()) not in json.dumps(manifest)


def test_the_program_takes_it_in_before_it_serves(monkeypatch, tmp_path):
    """`python app.py` up to the launch, on an empty data folder."""
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    monkeypatch.setenv("STUDIO_WEIGHTS", str(tmp_path / "none"))
    entry = Path(package.__file__).parent.parent / "app.py"
    found = {}

    class Page:
        def launch(self, **_):
            found["studies"] = [study.state for study in found["services"].store.list_studies()]

    def build_ui(services):
        found["services"] = services
        return Page()

    program = runpy.run_path(str(entry))["main"]
    program.__globals__["build_ui"] = build_ui
    program()
    assert found["studies"] == ["open"]
