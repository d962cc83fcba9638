"""Grids: the plan, durable cells, pause, ownership, the sheet, pairs for raters and win shares."""

import html
import io
import re
import zipfile
from dataclasses import replace
from types import SimpleNamespace

import pandas as pd
import pytest
from compare_world import WISH, ids, vote_for, wait_for
from rows import row_counts
from starlette.applications import Starlette
from starlette.testclient import TestClient

from app.arena import arena
from app.compare.axes import AXES
from app.compare.examples import example
from app.compare.handlers import CompareHandlers
from app.compare.plan import crossing_of, grids_of, pictures, progress
from app.compare.rating import pair_of, win_shares
from app.components.cards import toggled
from app.results import view as results_view
from app.study.design import differences
from app.web.launch import launch_arguments
from storage.errors import NotFound


@pytest.fixture(scope="module")
def services(drawing_studio):
    return drawing_studio


@pytest.fixture(scope="module")
def handlers(services):
    return CompareHandlers(services)


@pytest.fixture(scope="module")
def grid(services, handlers):
    made = services.store.get_study(handlers.start(WISH, "ann"))
    wait_for(services, made)
    return made


def test_the_plan_counts_before_anything_starts(services, handlers):
    jobs = row_counts(services.store)["job"]
    html = handlers.describe(replace(WISH, sheets="seed", sheet_levels="1..3"))
    assert "2 window × 2 scale × 3 seed = 12 pictures" in html and "untrained" not in html
    (least,) = re.findall(r"not yet timed here · at least ([\d,]+) MiB", html)
    assert int(least.replace(",", "")) > 100, "a process with weights, not its caches alone"
    assert row_counts(services.store)["job"] == jobs


def test_every_axis_has_an_example_that_can_be_drawn(services, handlers):
    shown = handlers.view(None, "bob", "alignment").sheet
    for name in AXES:
        levels = example(services, name)
        assert name == "checkpoint" or "pictures" in handlers.describe(
            replace(
                WISH,
                resolution=512,
                window=2,
                rows=name,
                row_levels=levels,
                columns="seed" if name != "seed" else "scale",
            )
        )
        assert name not in list(AXES)[:4] or f"{name}: {levels}" in shown


def test_untrained_cells_are_drawn_only_where_they_are_allowed(services, handlers):
    untrained = replace(WISH, row_levels="1, 2")
    assert "window 1 was not trained" in handlers.describe(untrained)
    with pytest.raises(Exception, match="allow untrained"):
        handlers.start(untrained, "bob")
    assert "4 pictures" in (plan := handlers.describe(replace(untrained, allow_untrained=True))) and "untrained" in plan


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"rows": "–"}, "two axes"),
        ({"columns": "window"}, "two axes vary the window"),
        ({"prompt": " "}, "empty"),
        ({"row_levels": "2, 3"}, "shuffle_window is 3"),
        ({"sheets": "seed", "sheet_levels": "1..90"}, "at most 96"),
        ({"resolution": 250}, "multiple"),
        ({"resolution": None}, "the resolution is empty"),
        ({"scale": None}, "the scale is empty"),
        ({"temperature": None}, "the temperature is empty"),
        ({"temperature": -4}, "temperature is -4"),
        ({"seed": None}, "the seed is empty"),
        ({"seed": -1}, "seed is -1"),
        ({"prompt": ["x"]}, "must be a text"),
        ({"column_levels": "9..2"}, "no range"),
    ],
)
def test_what_cannot_be_drawn_is_said_and_refused(services, handlers, change, text):
    wish = replace(WISH, **change)
    assert text in handlers.describe(wish)
    with pytest.raises(Exception, match=text):
        handlers.start(wish, "bob")
    assert not grids_of(services, "bob")


def test_cells_are_ordinary_generations_of_their_settings(services, grid):
    for cell, job, made in pictures(services, grid):
        assert (made.window, made.settings["scale"], made.seed) == (
            cell.request.shuffle_window,
            cell.request.guidance_scale,
            7,
        )
        assert made.owner == "ann" and job.state == "done" and made.study_id == grid.id


def test_the_sheet_has_labels_costs_and_every_cell(services, handlers, grid):
    view = handlers.view(grid.id, "ann", "alignment")
    for text in ("s = 2", "s = 4", "scale 2", "scale 3", "64 steps"):
        assert text in view.sheet
    assert "--columns:2" in view.sheet  # few columns take the width
    assert view.sheet.count("data-id=") == 4 and 'class="won"' not in view.sheet and not view.busy
    assert "4 of 4 pictures" in view.status and "invite" not in view.status and view.rating == ""
    assert "only you" in view.status


def test_others_see_neither_grid_nor_cells(handlers, grid, services):
    foreign = handlers.view(grid.id, "bob", "alignment")
    assert not foreign.found and "another visitor's" in foreign.sheet and not handlers.recent("bob")
    assert handlers.view("nonsense", "bob", "alignment") == foreign
    assert "Choose two or three axes" in handlers.view(None, "bob", "alignment").sheet
    for act in (
        lambda: handlers.act("stop", grid.id, "bob"),
        lambda: handlers.queue(grid.id, "bob", ids(services, grid)[:2]),
    ):
        with pytest.raises(Exception, match="no such grid"):
            act()
    with pytest.raises(NotFound):
        handlers.own(grid.id, None)


def test_pause_go_on_and_stop(services, handlers):
    wish = replace(WISH, sheets="seed", sheet_levels="1..10", resolution=512)
    made = services.store.get_study(handlers.start(wish, "cy"))
    with pytest.raises(Exception, match="not finished"):
        handlers.start(WISH, "cy")
    handlers.act("hold", made.id, "cy")
    held = progress(services, made)
    assert held.held > 0 and held.busy <= 1 and handlers.view(made.id, "cy", "flaws").held
    handlers.act("go-on", made.id, "cy")
    assert progress(services, made).held == 0
    handlers.act("stop", made.id, "cy")
    now = wait_for(services, made)
    assert now.failed > 0 and now.done + now.failed == 40
    assert "stopped" in handlers.view(made.id, "cy", "flaws").sheet


def test_a_deleted_cell_is_said_and_not_drawn_again(services, handlers):
    made = services.store.get_study(handlers.start(WISH, "dee"))
    wait_for(services, made)
    gone = ids(services, made)[1]
    services.store.delete_generation(gone, "dee")
    view = handlers.view(made.id, "dee", "alignment")
    assert "was deleted" in view.sheet and view.sheet.count("data-id=") == 3 and not view.held
    handlers.act("go-on", made.id, "dee")
    assert len(services.store.jobs_of_study(made.id)) == 4 and ids(services, made)[1] is None
    services.store.delete_everything_of("dee")
    assert not handlers.recent("dee") and not handlers.view(made.id, "dee", "alignment").found


def test_a_prompt_goes_with_its_last_cell_and_the_other_cells_stay_in_place(services, handlers):
    wish = replace(WISH, prompt="", columns="prompt", column_levels="a red apple | a blue car")
    made = services.store.get_study(handlers.start(wish, "fay"))
    wait_for(services, made)
    before = ids(services, made)
    for gone in (before[0], before[2]):
        services.store.delete_generation(gone, "fay")
    left = services.store.get_study(made.id)
    assert ids(services, left) == [None, before[1], None, before[3]]
    view = handlers.view(made.id, "fay", "alignment")
    assert "a red apple" not in view.sheet and "deleted prompt 1" in view.sheet and "a blue car" in view.sheet
    assert "deleted prompt 1" in handlers.recent("fay")[0][0]


def test_picks_toggle_and_two_make_a_slider(services, handlers, grid):
    a, b, c, _ = ids(services, grid)
    assert toggled([a], a) == [] and toggled([a, b], c) == [a, c]
    assert 'class="compare"' in handlers.slider([a, b], "ann") and handlers.slider([a], "ann") == ""
    with pytest.raises(Exception, match="no such picture"):
        handlers.slider([a, b], "bob")


def test_queued_cells_are_rated_blind_and_their_win_share_is_shown(services, handlers, grid):
    a, b, _, d = ids(services, grid)
    assert "differ in schedule or its scale)" in handlers.queue(grid.id, "ann", [a, b])
    assert "differ in window and schedule or its scale)" in handlers.queue(grid.id, "ann", [d, a])
    handlers.queue(grid.id, "ann", [a, d])  # the same pair the other way round
    assert len([each.comparison for each in services.store.coverage(grid.id)]) == 2
    study = services.store.get_study(grid.id)
    with pytest.raises(NotFound):
        arena.study_for(services, None, "rater")  # a grid never takes over the arena
    services.store.record_consent(arena.rater_of(services, "ann").id)
    assert arena.next_pair(services, study, "ann") is None
    vote_for(services, arena.study_for(services, study.invite, "rater"), "rater", a)
    sheet = handlers.view(grid.id, "ann", "alignment").sheet
    status = handlers.view(grid.id, "ann", "alignment").status
    assert "2 pairs queued, rated 2 times so far." in status
    link = html.unescape(re.search(r'href="(/studies/[^"]+)"', status)[1])
    routes = launch_arguments(services)["app_kwargs"]["routes"]
    reply = TestClient(Starlette(routes=routes)).get(link)
    assert "long.parquet" in zipfile.ZipFile(io.BytesIO(reply.content)).namelist()
    assert "won 100%" in sheet and "n = 2" in sheet and "won 0%" in sheet and "votes as independent" in sheet
    listed = results_view.studies(services)
    assert grid.id not in [study_id for _, study_id in listed] and results_view.study_from(services, {}) != grid.id
    assert grid.id in [study_id for _, study_id in results_view.studies(services, grid.id)]
    assert results_view.study_from(services, {"study": grid.id}) == grid.id


def test_the_owner_stops_and_resumes_the_rating_and_reads_who_sees_the_pictures(services, handlers):
    made = services.store.get_study(handlers.start(replace(WISH, seed=11), "eve"))
    wait_for(services, made)
    with pytest.raises(Exception, match="queued for rating yet"):
        handlers.act("stop-rating", made.id, "eve")
    handlers.queue(made.id, "eve", ids(services, made)[:2])
    view = handlers.view(made.id, "eve", "flaws")
    assert view.rating == "open" and "published or not" in view.status
    services.store.record_consent(arena.rater_of(services, "guest").id)
    handlers.act("stop-rating", made.id, "eve")
    view = handlers.view(made.id, "eve", "flaws")
    assert view.rating == "paused" and "Rating is stopped" in view.status
    with pytest.raises(Exception, match="paused"):
        arena.next_pair(services, arena.study_for(services, services.store.get_study(made.id).invite, "guest"), "guest")
    with pytest.raises(Exception, match="no such grid"):
        handlers.act("resume-rating", made.id, "bob")
    handlers.act("resume-rating", made.id, "eve")
    assert arena.next_pair(services, services.store.get_study(made.id), "guest") is not None


@pytest.mark.parametrize(
    ("change", "names"),
    [({"temperature": 0.5}, ["temperature"]), ({"seed": 2, "window": 4}, ["window", "seed"]), ({}, [])],
)
def test_what_two_cells_differ_in_is_named(change, names):
    assert differences(cell(), cell(**change)) == names


def test_cells_of_two_prompts_are_no_pair():
    with pytest.raises(ValueError, match="different prompts"):
        pair_of(cell(), cell(prompt="a cat"))
    assert pair_of(cell(), cell(temperature=0.5)).kind == "free"


def cell(prompt="a dog", seed=1, **changes):
    settings = {
        "window": 2,
        "schedule": {"kind": "linear"},
        "scale": 4.0,
        "width": 256,
        "height": 256,
        "temperature": 1.0,
    }
    return SimpleNamespace(
        id=f"{prompt}{seed}{changes}", prompt=prompt, prompt_sent=prompt, seed=seed, settings=settings | changes
    )


def test_win_shares_count_ties_half_and_leave_controls_out():
    base = {"criterion": "flaws", "excluded": None, "repeat_of": None, "generation_a": "x", "generation_b": "y"}
    rows = [
        {"kind": "matched", "answer": "a"},
        {"kind": "free", "answer": "both_bad"},
        {"kind": "degraded", "answer": "b"},
    ]
    rows.append({"kind": "matched", "answer": "cannot_tell"})
    table = win_shares(pd.DataFrame([base | row for row in rows]), "flaws")
    assert table.loc["x", "share"] == 0.75 and table.loc["y", "share"] == 0.25 and table.loc["x", "n"] == 2


def test_a_grid_survives_in_the_database_alone(services, grid):
    assert crossing_of(services.store.get_study(grid.id)).count() == 4
