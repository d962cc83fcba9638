"""Further checkpoints: their names, which are in memory, and grids and studies that compare them."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from compare_world import FORM, WISH, finished, ids, make_studio, vote_for, wait_for
from tiny import write_checkpoint

from app.compare.handlers import CompareHandlers
from app.compare.plan import by_checkpoint, grids_of, pictures
from app.components.details import details_html
from app.drawing.checkpoints import MOST_LOADED, Checkpoints
from app.pages import compare
from app.request import GenerationRequest
from app.results import view as results_view
from app.results.view import Wish
from app.settings import read_settings
from app.studies import admin as study_admin
from app.studies.cache import flops_of, material

PLAIN = GenerationRequest("a red apple", "a red apple", 256, 256, 4, seed=7)


@pytest.fixture(scope="module")
def services(tmp_path_factory):
    """`other` knows window 1 and is tuned differently; `broken` cannot be loaded."""
    folder = tmp_path_factory.mktemp("checkpoints")
    other = write_checkpoint(folder / "other", layers=1, windows=(1, 2, 4), temperature=0.5, top_k=5)
    running = make_studio(folder, checkpoints={"other": str(other), "broken": str(folder / "none")})
    yield running
    running.close()


@pytest.fixture(scope="module")
def handlers(services):
    return CompareHandlers(services)


@pytest.fixture(scope="module")
def grid(services, handlers):
    wish = replace(WISH, rows="checkpoint", row_levels="default, other")
    made = services.store.get_study(handlers.start(wish, "ann"))
    wait_for(services, made)
    return made


def loader(loaded):
    def load(source):
        loaded.append(source)
        if source == "bad":
            raise OSError("no such file")
        return SimpleNamespace(checkpoint=f"weights of {source}")

    return load


def test_the_least_recently_used_gives_way_and_the_default_never():
    loaded, default = [], SimpleNamespace(checkpoint="own")
    known = Checkpoints(default, None, {name: name for name in "abc"}, loader(loaded))
    assert MOST_LOADED == 2
    for name in ("a", "b", "a", "c", "a", "b", "default", None):
        assert known.get(name) is default or known.get(name).checkpoint == f"weights of {name}"
    assert loaded == ["a", "b", "c", "b"]


def test_names_and_weights_are_checked_and_one_bad_checkpoint_harms_no_other():
    known = Checkpoints(SimpleNamespace(checkpoint="own"), None, {"bad": "bad", "b": "b"}, loader([]))
    for reference, text in (
        ("c", "allowed here: default, bad, b"),
        ("bad", "could not be loaded; the log has the reason"),
        ("b@1234", "1234 were asked for"),
    ):
        with pytest.raises(ValueError, match=text):
            known.get(reference)
    assert known.get(known.pinned("b")).checkpoint == "weights of b"
    assert [known.with_weights(w) for w in ("own", "weights of b")] == ["default@own", "b@weights of b"]
    with pytest.raises(ValueError, match="not among the checkpoints here"):
        known.with_weights("weights of c")
    with pytest.raises(ValueError, match="nothing can be drawn: no file"):
        Checkpoints(None, "no file", {}, loader([])).get(None)


def test_the_environment_names_them(tmp_path):
    read = read_settings({"DATA_DIR": str(tmp_path), "STUDIO_CHECKPOINTS": "large=/data/large, old=owner/old,"})
    assert read.checkpoints == {"large": "/data/large", "old": "owner/old"}
    for text in ("large", "=x", "a=", "default=x", "a=x,a=y", "a b=x", "1=x"):
        with pytest.raises(ValueError, match="STUDIO_CHECKPOINTS holds"):
            read_settings({"DATA_DIR": str(tmp_path), "STUDIO_CHECKPOINTS": text})


def axes_offered(services):
    page = compare.build(services)
    return {
        block.elem_id: [value for _, value in block.choices]
        for block in page.blocks.values()
        if str(block.elem_id).startswith("axis-")
    }


def test_the_axis_is_there_only_where_there_is_something_to_compare(services, drawing_studio):
    assert all("checkpoint" in choices for choices in axes_offered(services).values())
    assert not any("checkpoint" in choices for choices in axes_offered(drawing_studio).values())
    html = CompareHandlers(drawing_studio).describe(replace(WISH, rows="checkpoint", row_levels="other"))
    assert "allowed here: default" in html and "other" in html


@pytest.mark.parametrize(
    ("levels", "text"),
    [
        ("default, nobody", "allowed here: default, other, broken"),
        ("broken", "could not be loaded"),
        ("a b", "no name of a checkpoint"),
        ("", "is empty"),
    ],
)
def test_bad_names_are_said_before_anything_is_queued(services, handlers, levels, text):
    wish = replace(WISH, rows="checkpoint", row_levels=levels)
    assert text in handlers.describe(wish)
    with pytest.raises(Exception, match=text):
        handlers.start(wish, "bob")
    assert not grids_of(services, "bob")


def test_each_checkpoint_is_loaded_once_for_all_of_its_cells():
    cells = by_checkpoint(replace(WISH, columns="checkpoint", column_levels="b, a").crossing())
    assert [(number, cell.labels) for number, cell in cells] == [
        (1, ("s = 2", "a")),
        (3, ("s = 4", "a")),
        (0, ("s = 2", "b")),
        (2, ("s = 4", "b")),
    ]


def test_each_checkpoint_judges_and_times_its_own_cells(services, handlers, grid):
    wish = replace(
        WISH,
        rows="checkpoint",
        row_levels="other, default",
        columns="window",
        column_levels="1, 4",
        allow_untrained=True,
    )
    html = handlers.describe(wish)
    assert "2 checkpoint × 2 window = 4 pictures · about" in html
    assert "default: window 1 was not trained" in html and "other: window" not in html
    with pytest.raises(Exception, match="default: window 1 was not trained"):
        handlers.start(replace(wish, allow_untrained=False), "bob")
    known = {name: services.estimate(replace(PLAIN, checkpoint=name)) for name in ("default", "other")}
    assert all(each.measured == 2 for each in known.values())  # of the grid's two pictures each


def test_cells_are_drawn_by_their_checkpoints_and_labelled(services, handlers, grid):
    weights = {name: services.checkpoints.get(name).checkpoint for name in ("default", "other")}
    assert weights["default"] == services.checkpoint != weights["other"]
    for cell, job, made in pictures(services, grid):
        assert (
            made.settings["checkpoint_name"] == cell.labels[0]
            and made.settings["checkpoint"] == weights[cell.labels[0]]
        )
        assert job.request["checkpoint"] == f"{cell.labels[0]}@{weights[cell.labels[0]]}"
        assert f"<dt>weights</dt><dd>{cell.labels[0]} · {made.settings['checkpoint']}</dd>" in details_html(
            services, [made], own=True
        )
    sheet = handlers.view(grid.id, "ann", "alignment").sheet
    assert '<th scope="row">default</th>' in sheet and '<th scope="row">other</th>' in sheet and "@" not in sheet
    a, _, c, _ = ids(services, grid)
    assert "differ in checkpoint" in handlers.queue(grid.id, "ann", [a, c])
    assert ", other, " in handlers.slider([a, c], "ann")  # window, checkpoint, schedule


def test_a_request_without_a_name_is_stored_as_ever(services):
    job = finished(services, services.submit("ann", PLAIN), "ann")
    (made,) = services.generations_of_job(job)
    assert "checkpoint_name" not in made.settings and made.settings["checkpoint"] == services.checkpoint


def test_a_replay_is_drawn_by_the_same_weights_or_refused(services, grid, monkeypatch):
    of_other = ids(services, grid)[2]
    job = finished(services, services.replay(of_other, "ann"), "ann")
    assert job.progress["verdict"] == {"identical": True, "reasons": []}
    monkeypatch.setattr(services.checkpoints, "further", {})
    with pytest.raises(ValueError, match="not among the checkpoints here"):
        services.replay(of_other, "ann")


def test_what_cannot_be_loaded_or_has_changed_fails_its_jobs_and_not_the_worker(services):
    for reference, text in (
        ("broken", "the checkpoint broken could not be loaded"),
        ("other@0123", "0123 were asked for"),
    ):
        job = services.store.submit_job("ann", replace(PLAIN, checkpoint=reference).as_dict())
        ended = finished(services, job, "ann")
        assert ended.state == "failed" and text in ended.error
    assert finished(services, services.submit("ann", PLAIN), "ann").state == "done"


def test_a_study_has_the_checkpoint_as_a_factor_and_the_results_name_it(services):
    form = replace(FORM, name="by checkpoint", checkpoints="default, other", schedules="constant 3")
    made = study_admin.create(services, form, "admin")
    wait_for(services, made)
    study = study_admin.open_study(services, services.store.get_study(made.id))
    entries = [entry.comparison for entry in services.store.coverage(study.id) if entry.comparison.kind == "matched"]
    known = {each.id: each.settings for each in services.store.study_generations(study.id)}
    assert {entry.block for entry in entries} == {"window 2 | 4", "checkpoint default | other"}
    for entry in entries:
        a, b = (known[each] for each in (entry.generation_a, entry.generation_b))
        differing = {key for key in a if a[key] != b[key]}
        assert differing <= (
            {"checkpoint", "checkpoint_name", "trained"} if entry.factor == "checkpoint" else {"window", "trained"}
        )
    assert {cell["checkpoint"] for cell in study.plan["trained_cells"]} == {"default", "other"}
    for rater in ("one", "two"):
        vote_for(services, study, rater, None)
    shown = results_view.view(services, Wish(study.id, factor="checkpoint"), material(services, study.id), None)
    assert "checkpoint=other" in shown.verdicts and "other: 1,000 against 1,000 pictures" in shown.power
    assert list(shown.figures["wins"].data[0].x) == ["default", "other"]
    assert any("· other" in str(trace.customdata) for trace in shown.figures["pareto"].data)
    assert "checkpoint" in results_view.factors_of(material(services, study.id))
    assert len(flops_of(services, material(services, study.id))) == 4


def test_a_study_of_one_checkpoint_offers_no_such_factor(services):
    form = replace(FORM, name="plain", prompts=("a red apple", "two ducks"), schedules="constant 3")
    made = study_admin.create(services, form, "admin")
    wait_for(services, made)
    assert results_view.factors_of(material(services, made.id)) == ["window", "schedule", "resolution"]
