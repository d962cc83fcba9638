"""Pictures of another system: brought in once, rated blind, counted apart from the rating model."""

import csv
import shutil
from pathlib import Path

import pytest
from arena_world import PROMPTS, png

from app.arena import arena
from app.results import view as results_view
from app.results.view import Wish
from app.studies import cache as study_cache
from app.studies import panel as study_panel
from app.studies.rivals import LIST, bring_in
from app.study.ratings import rate
from app.study.tables import rival_table
from storage import preferences
from storage.errors import WrongState


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path / "rival", [("one.png", PROMPTS[0]), ("two.png", PROMPTS[1])])


def write(folder, rows):
    folder.mkdir(exist_ok=True)
    for number, (name, _) in enumerate(rows):
        (folder / name).write_bytes(png(900 + number, 96))
    with open(folder / LIST, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("file", "prompt"), *rows])
    return folder


def pairs(services, study):
    return [c for c in [each.comparison for each in services.store.coverage(study.id)] if c.factor == "system"]


def test_every_setting_of_the_prompt_meets_the_rival_once(services, study, folder):
    assert bring_in(services, study, "Other", folder) == 12  # 2 prompts x 2 sizes x 3 windows
    assert bring_in(services, study, "Other", folder) == 12 and len(pairs(services, study)) == 12
    rivals = [g for g in services.store.study_generations(study.id) if g.source == "rival"]
    assert len(rivals) == 2 and {g.settings["checkpoint"] for g in rivals} == {"Other"} and rivals[0].window is None


def test_a_rival_without_a_window_leaves_the_names_of_windows_alone(services, study, folder):
    bring_in(services, study, "Other", folder)
    found = study_cache.material(services, study.id)
    assert {str(level) for level in found.pairs["window_a"].dropna()} == {"1", "2", "4"}
    assert found.coding.levels["window"] == [1, 2, 4] and "Other" not in found.coding.levels["checkpoint"]


def test_rival_votes_count_for_the_rival_and_not_for_the_ratings(services, study, folder):
    bring_in(services, study, "<b>Other</b>", folder)
    services.store.record_consent(arena.rater_of(services, "x").id)
    rater = arena.rater_of(services, "x").id
    for number, pair in enumerate(pairs(services, study)[:8]):
        given = services.store.open_assignment(
            rater,
            study.id,
            pair.id,
            left_side="ab"[number % 2],
            criteria=study.criteria,
            propensity=1.0,
            expires_at=study.created_at.replace(year=2100),
        )
        services.store.record_vote(given.id, rater, "flaws", "a" if number < 6 else "both_bad")
    found = study_cache.material(services, study.id)
    (row,) = rival_table(found.votes).itertuples()
    assert (row.system, row.criterion, row.n, row.share) == ("<b>Other</b>", "flaws", 8, 7 / 8)
    assert row.low < row.share < row.high
    assert rate(found.votes, "flaws", coding=found.coding).n_votes == 0
    shown = results_view.view(services, Wish(study.id), found, None)
    battles = preferences.arena(services.store.votes_frame(study.id)).rows
    assert {(each["model_b"], "window=" in each["model_a"]) for each in battles} == {("<b>Other</b>", True)}
    assert "our picture won 88%" in shown.quality and "<b>Other" not in shown.quality


def test_raters_meet_rivals_in_the_arena(services, study, folder):
    bring_in(services, study, "Other", folder)
    services.store.record_consent(arena.rater_of(services, "x").id)
    wanted, met = {c.id for c in pairs(services, study)}, set()
    while (given := arena.next_pair(services, study, "x")) is not None and not wanted & met:
        for criterion in given.criteria:
            arena.vote(services, "x", {"assignment": given.id, "criterion": criterion, "answer": "left"})
        met.add(given.comparison.id)
    assert wanted & met


@pytest.mark.parametrize(
    ("rows", "text"), [([("one.png", "an unknown text")], "none of the study"), ([], "columns file and prompt")]
)
def test_bad_lists_are_refused_and_nothing_is_written(services, study, tmp_path, rows, text):
    with pytest.raises(ValueError, match=text):
        bring_in(services, study, "Other", write(tmp_path / "bad", rows))
    assert pairs(services, study) == []


def test_a_zip_brings_the_same_and_reaches_nothing_else_on_the_server(services, study, folder):
    packed = Path(shutil.make_archive(str(folder), "zip", folder.parent, folder.name)).read_bytes()
    assert study_panel.brought(services, study.id, "Other", packed).endswith("12 pairs against Other")
    private = services.store.images.path(services.store.study_generations(study.id)[0].image)
    write(folder, [("one.png", PROMPTS[0])])
    (folder / LIST).write_text(f"file,prompt\n{private},{PROMPTS[0]}\n")
    packed = Path(shutil.make_archive(str(folder), "zip", folder)).read_bytes()
    for data, text in ((packed, "no file"), (b"no zip", "no zip"), (None, "give a zip")):
        with pytest.raises(Exception, match=text):
            study_panel.brought(services, study.id, "Other", data)
    assert len(pairs(services, study)) == 12


def test_what_is_no_picture_is_refused_before_anything_is_written(services, study, folder):
    (folder / "two.png").write_bytes(b"words")
    with pytest.raises(ValueError, match="no picture"):
        bring_in(services, study, "Other", folder)
    assert not [g for g in services.store.study_generations(study.id) if g.source == "rival"]


def test_missing_files_long_names_and_closed_studies_are_refused(services, study, folder):
    with pytest.raises(ValueError, match="1 to 60"):
        bring_in(services, study, " ", folder)
    (folder / "one.png").unlink()
    with pytest.raises(ValueError, match="no file"):
        bring_in(services, study, "Other", folder)
    with pytest.raises(WrongState, match="closed"):
        bring_in(services, services.store.set_study_state(study.id, "closed"), "Other", folder)
