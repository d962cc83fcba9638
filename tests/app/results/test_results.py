"""The results page: figures from real rows, empty states, and nothing for those who still rate."""

from types import SimpleNamespace
from urllib.parse import parse_qsl

import gradio as gr
import numpy as np
import pandas as pd
import pytest
from arena_world import add_picture, make_study
from rows import set_plan

from app.arena import arena
from app.pages.results import build_panels, pictures_behind
from app.results import plots, votes_plot
from app.results import view as results_view
from app.results.figures import FIGURES, SECTION_OF
from app.results.parallel_plot import parallel
from app.results.pictures import PAIRS_OF_MARK, PAIRS_OF_VOTES, marked_pictures
from app.results.schedule_plot import schedule_curves
from app.results.text import power_text, trained_text
from app.results.view import Wish
from app.studies import admin as study_admin
from app.studies.cache import material
from app.study.design import generation_frame, matched_pairs
from app.study.ratings import rate
from app.study.tables import schedule_ratings
from app.study.votes import CRITERIA
from storage.records import NewComparison

ALL = list(CRITERIA)


def sit(services, study, owner, pairs, seed=0):
    """One visitor answers `pairs` pairs at random."""
    random = np.random.default_rng(seed)
    services.store.record_consent(arena.rater_of(services, owner).id)
    for _ in range(pairs):
        found = arena.next_pair(services, study, owner)
        if found is None:
            return
        for criterion in found.criteria:
            answer = str(random.choice(arena.ANSWERS))
            arena.vote(services, owner, {"assignment": found.id, "criterion": criterion, "answer": answer})


def view(services, study, owner=None, **changes):
    return results_view.view(services, Wish(study.id, **changes), material(services, study.id), owner)


def addressed(services, query):
    study = results_view.study_from(services, query)
    return results_view.wish_from(study, material(services, study), query)


def test_every_figure_is_drawn_and_every_number_has_its_n(services):
    study = make_study(services.store)
    for number in range(4):
        sit(services, study, f"visitor {number}", 12, number)
    shown = view(services, study)
    assert set(shown.figures) == set(FIGURES)
    assert [name for name, figure in shown.figures.items() if figure is None] == ["schedules", "flaws"]
    assert "Only one schedule" in shown.missing and "brush" in shown.missing and shown.missing.count("Not shown") == 1
    assert "underpowered" in shown.power and "Noise floor" in shown.floor
    assert all("[" in text and "n = " in text for row in shown.figures["wins"].data[0].text for text in row if text)
    assert f"<b>{4 * 12 * 3}</b>" in shown.summary
    assert "window=4" in shown.verdicts and "n = " in shown.quality
    terms = {text.split("<br>")[0] for trace in shown.figures["forest"].data for text in trace.text or ()}
    assert {"window=2", "window=4", "resolution=128×128"} <= terms


def test_an_unrated_study_says_so_once_and_shows_its_design_alone(services):
    shown = view(services, make_study(services.store))
    assert "No votes yet" in shown.summary and shown.figures["coverage"].layout.xaxis.range[0] == 0
    assert shown.figures["coverage"].layout.xaxis.dtick == 1  # there are no half ratings
    with gr.Blocks():
        panels = build_panels()
    values = panels.values(shown)
    visible = [name for name, part in {**panels.columns, **panels.sections}.items() if values[part]["visible"]]
    assert visible == ["coverage", SECTION_OF["coverage"]] and shown.missing == ""


def test_one_filter_reaches_every_number(services):
    study = make_study(services.store)
    for number in range(4):
        sit(services, study, f"visitor {number}", 12, number)
    whole, one = view(services, study), view(services, study, criteria=("flaws",))
    assert "<b>144</b><span>votes" in whole.summary and "<b>48</b><span>votes" in one.summary
    for name in ("forest", "acceptability", "reliability", "timeline"):
        assert {trace.name for trace in one.figures[name].data if "naive" not in trace.name} <= {"Fewer flaws", "flaws"}
    assert len(whole.figures["reliability"].data) == 3  # a criterion each
    assert one.figures["conflicts"] is None and "two criteria" in one.missing
    assert "fewer flaws" in one.quality and "alignment" not in one.floor + one.quality
    for owner in range(4):
        dropped = tuple(arena.rater_of(services, f"visitor {number}").id for number in range(owner + 1))
        counts = [
            int(text.split()[0]) for text in view(services, study, dropped=dropped).figures["coverage"].data[0].text
        ]
        kept = [
            a
            for number in range(owner + 1, 4)
            for a in services.store.assignments_of(arena.rater_of(services, f"visitor {number}").id, study.id)
        ]
        assert sum(counts) == sum(a.repeat_of is None for a in kept)  # a repeat adds no rater to a pair


def test_few_votes_are_called_few_and_one_rater_has_no_interval(services):
    study = make_study(services.store)
    sit(services, study, "only one", 2)
    shown = view(services, study)
    assert "Fewer than" in shown.summary and "needs two raters" in shown.verdicts
    assert shown.figures["reliability"] is None and "agreement stays empty" in shown.quality
    drawn = "".join(figure.to_json() for figure in shown.figures.values() if figure is not None)
    assert "nan" not in drawn and "no interval yet" in drawn and "No clustered interval" in shown.power


def test_whoever_still_rates_sees_no_win_shares(services):
    study = make_study(services.store)
    sit(services, study, "rater", 3)
    held = view(services, study, "rater")
    assert not held.figures and "open when your sitting is done" in held.summary
    assert view(services, study, "somebody else").figures
    services.store.set_study_state(study.id, "closed")
    assert view(services, study, "rater").figures


def test_answers_after_a_look_at_the_results_are_set_aside_and_may_be_counted_again(services):
    study = make_study(services.store)
    sit(services, study, "first", 4)
    assert "set aside" in view(services, study, "reader").summary
    sit(services, study, "reader", 2)
    assert "already" in arena.welcome(services, study, "reader")["description"]
    assert "<b>12</b><span>votes" in view(services, study).summary
    assert "<b>18</b><span>votes" in view(services, study, lifted=("saw results",)).summary
    assert "had seen the results" in view(services, study).audit


def test_the_page_opens_on_the_newest_study_with_votes_and_never_on_a_draft(services):
    store = services.store
    assert results_view.study_from(services, {}) is None
    older, rated, newest = (make_study(store, name) for name in ("older", "rated", "newest"))
    draft = store.create_study("draft", prompts=[], settings=[], criteria=["flaws"], raters_per_pair=1)
    assert results_view.study_from(services, {"study": draft.id}) == newest.id
    sit(services, older, "x", 1)
    sit(services, rated, "y", 1)
    assert results_view.study_from(services, {}) == rated.id
    assert results_view.study_from(services, {"study": newest.id}) == newest.id
    assert draft.id not in [study_id for _, study_id in results_view.studies(services)]


def test_looking_at_a_study_without_votes_leads_nobody(services):
    study = make_study(services.store)
    view(services, study, "reader")
    sit(services, study, "reader", 2)
    assert "<b>6</b><span>votes" in view(services, study).summary


def test_reports_of_broken_pictures_reach_whoever_keeps_the_study(services):
    study = make_study(services.store)
    sit(services, study, "x", 1)
    pair = arena.next_pair(services, study, "x")
    arena.report_broken(services, "x", {"assignment": pair.id, "side": "left"}, None)
    assert "reports of broken pictures: 1" in study_admin.status_text(services, study)
    assert "broken pictures: 1" in view(services, study).audit


def test_prompts_and_names_cannot_inject_html(services):
    study = make_study(services.store, name="<script>alert(1)</script>")
    set_plan(services.store, study.id, {})
    sit(services, study, "x", 2)
    shown = view(services, study)
    assert "<script>" not in shown.summary + shown.verdicts + shown.quality


def test_the_address_restores_the_view_and_nonsense_is_ignored(services):
    first, second = make_study(services.store, "first"), make_study(services.store, "second")
    sit(services, first, "x", 2)
    sit(services, second, "y", 1)
    rater = arena.rater_of(services, "x").id
    wish = Wish(first.id, ["flaws"], "resolution", "steps", [], [rater])
    query = dict(parse_qsl(wish.link().partition("?")[2]))
    assert addressed(services, query) == wish
    assert addressed(services, {"study": "../etc", "factor": "os", "dropped": "x", "lifted": "y"}) == Wish(
        second.id, ALL, lifted=[], dropped=[]
    )


def test_leaving_a_rater_out_recomputes_and_takes_no_look(services):
    study = make_study(services.store, contrasts=("window=4",))
    for number in range(3):
        sit(services, study, f"visitor {number}", 10, number)
    rater = arena.rater_of(services, "visitor 0").id
    whole, without = view(services, study), view(services, study, dropped=(rater,))
    assert "<b>60</b><span>votes" in without.summary and "supposition" in without.summary
    assert whole.verdicts != without.verdicts and "supposition" not in whole.summary


def test_lifting_a_rule_counts_its_votes_again(services):
    study = make_study(services.store)
    sit(services, study, "hasty", 4)
    votes = [row["vote"] for row in services.store.votes_frame(study.id)]
    services.store.exclude_many(votes[:5], "too fast", "answered in under a second")
    assert "<b>7</b><span>votes" in view(services, study).summary
    assert "<b>12</b><span>votes" in view(services, study, lifted=("too fast",)).summary
    assert "answered in under a second" in view(services, study).audit
    services.store.lift_many(votes[:1], "too fast")
    assert "<b>8</b><span>votes" in view(services, study).summary  # the cache noticed


def test_a_mark_leads_to_its_pictures_and_whoever_saw_them_rates_them_no_more(services):
    study = make_study(services.store)
    sit(services, study, "rater", 3)
    click = SimpleNamespace(customdata="window=4", x=None, y=None)
    html = pictures_behind(services, Wish(study.id), "forest", click, "reader")
    assert html.count("<figure") == 24 and "12 pairs" in html  # 3 prompts x 2 sizes x windows 1|4 and 2|4
    assert len(services.store.seen_generations("reader")) == 18
    assert "when your sitting is done" in pictures_behind(services, Wish(study.id), "forest", click, "rater")


@pytest.mark.parametrize("name", [*PAIRS_OF_MARK, *PAIRS_OF_VOTES, "flaws"])
def test_every_mark_of_a_figure_leads_to_pictures_and_nonsense_to_none(services, name):
    study = make_study(services.store)
    for px, window in ((64, 1), (128, 4)):
        add_picture(services.store, study.id, "a red apple on a table", px, window, 99, None, scale=7.0)
    for owner in "vwxyz" if name == "reliability" else "xy":  # agreement needs many on the same pairs
        services.store.record_consent(arena.rater_of(services, owner).id)
        pair = arena.next_pair(services, study, owner)
        arena.mark_flaw(services, owner, {"assignment": pair.id, "side": "left", "box": [0, 0, 0.5, 0.5]})
        sit(services, study, owner, 12)
    frame = generation_frame(services.store.study_generations(study.id))
    new = [p for p in matched_pairs(frame).itertuples() if p.factor == "schedule"]
    services.store.add_comparisons(study.id, [NewComparison(p.a, p.b, factor=p.factor, block=p.block) for p in new])
    figure = view(services, study).figures[name]
    marks = {str(mark) for trace in figure.data if trace.customdata is not None for mark in np.ravel(trace.customdata)}
    behind = {
        mark: pictures_behind(services, Wish(study.id), name, SimpleNamespace(customdata=mark), None) for mark in marks
    }
    assert marks and any("<img" in html for html in behind.values())
    if name not in ("forest", "wins", "flaws"):  # which have terms, cells and bins without anything in them
        assert all("<img" in html for html in behind.values())
    for nonsense in ("<b>", "window=", "os=1", "window=x place 0,0", None):
        html = pictures_behind(services, Wish(study.id), name, SimpleNamespace(customdata=nonsense), None)
        assert "behind “" in html and "<b>" not in html


def test_marked_flaws_are_drawn_by_place(services):
    study = make_study(services.store)
    services.store.record_consent(arena.rater_of(services, "x").id)
    pair = arena.next_pair(services, study, "x")
    arena.mark_flaw(services, "x", {"assignment": pair.id, "side": "left", "box": [0, 0, 0.5, 0.5]})
    sit(services, study, "x", 2)
    figure = view(services, study).figures["flaws"]
    assert figure is not None and any(max(trace.y) > 0 for trace in figure.data)


def test_marks_count_once_a_look_and_not_from_raters_who_are_set_aside(services):
    study = make_study(services.store)
    box = {"side": "left", "box": [0, 0, 1, 1]}
    for owner in ("careful", "careless"):
        services.store.record_consent(arena.rater_of(services, owner).id)
        arena.mark_flaw(services, owner, {"assignment": arena.next_pair(services, study, owner).id, **box})
        sit(services, study, owner, 4)
    votes = services.store.votes_frame(study.id)
    out = [row["vote"] for row in votes if row["rater"] == arena.rater_of(services, "careless").id]
    services.store.exclude_many(out, "risk", "in a hurry")
    marked = marked_pictures(services, study.id, material(services, study.id).votes)
    assert sum(len(each.boxes) for each in marked) == 1
    kept = [row for row in votes if row["vote"] not in out]
    assert len(marked) == len({(row["assignment"], row[f"generation_{side}"]) for row in kept for side in "ab"})


def test_power_counts_no_vote_that_says_nothing():
    answers = ["a", "b", "both_bad", "cannot_tell", "cannot_tell"]
    votes = pd.DataFrame({"answer": answers, "criterion": "flaws", "block": "window 1 | 4", "kind": "matched"})
    votes = votes.assign(excluded=None, repeat_of=None)
    assert "has 3 votes a criterion" in power_text(votes) and "almost one-sided" in power_text(votes)
    assert "log-odds (6" in power_text(pd.concat([votes] * 100)) and "62% wins" in power_text(votes)
    assert power_text(votes[3:]).startswith("No votes")


def test_training_at_the_sizes_of_the_study_is_printed_beside_window_effects():
    def cell(window, px, samples):
        return {"window": window, "min_pixels": px * px, "max_pixels": px * px, "samples": samples}

    cells, sizes = (
        [cell(2, 512, 464), cell(4, 512, 6576), cell(4, 256, 24), cell(4, 1024, 10**6)],
        ["256×256", "512×512"],
    )
    assert trained_text(cells, sizes, "window=4", "window=2") == "6,600 against 464 pictures"
    assert trained_text(None, sizes, "window=4", "window=2") == "not recorded"
    assert trained_text(cells, sizes, "resolution=512×512", "resolution=256×256") == ""


def test_a_due_look_at_a_primary_contrast_is_written_once(services):
    study = make_study(services.store, "frozen", contrasts=("window=4",))
    random = np.random.default_rng(0)
    n = 600
    votes = pd.DataFrame(
        {
            "criterion": "flaws",
            "kind": "matched",
            "excluded": None,
            "repeat_of": None,
            "left_side": random.choice(["a", "b"], n),
            "answer": random.choice(["a", "b", "b"], n),
            "prompt": np.arange(n) % 30,
            "rater": np.arange(n) % 20,
            "window_a": 1,
            "window_b": 4,
            "schedule_a": "s",
            "schedule_b": "s",
            "resolution_a": "r",
            "resolution_b": "r",
            "checkpoint_a": "c",
            "checkpoint_b": "c",
        }
    )
    rating = rate(votes, "flaws")
    first = results_view.judge(services, study, rating).iloc[0]
    looks = services.store.looks(study.id)
    assert first["look"] == 1 and first["decided"] and len(looks) == 1
    assert looks[0]["result"]["fraction"] == pytest.approx(first["fraction"])
    results_view.judge(services, study, rating)
    assert services.store.looks(study.id) == looks  # nothing new was learnt: no second look


def test_every_schedule_names_its_interval_and_its_votes_and_an_unrated_one_is_dashed():
    costs = pd.DataFrame(
        {
            "schedule": ["constant 4", "constant 4", "half-linear 7.5", "linear 3"],
            "rating": [0.0, 0.2, 0.9, 0.5],
            "low": [-0.2, 0.0, 0.5, -2],
            "high": [0.2, 0.4, 1.3, 2],
        }
    )
    seen = {"schedule_a": ["constant 4"] * 3, "schedule_b": ["constant 4", "constant 4", "half-linear 7.5"]}
    votes = pd.DataFrame(seen).assign(criterion="flaws", kind="matched", answer="a", excluded=None, repeat_of=None)
    settings = {
        "constant 4": {"schedule": {"kind": "constant", "range": [0.5, 0.8]}, "scale": 4},
        "half-linear 7.5": {"schedule": {"kind": "half-linear", "ramp_end": 0.2}, "scale": 7.5},
        "linear 3": {"schedule": "linear", "scale": 3},
    }
    curves = schedule_curves(schedule_ratings(costs, votes, "flaws"), settings).data
    assert [curve.name for curve in curves] == [
        "constant 4: +0.10 [-0.10, +0.30], n = 3",
        "half-linear 7.5: +0.90 [+0.50, +1.30], n = 1",
        "linear 3: +0.50 [-2.00, +2.00], n = 0",
    ]
    assert [curve.line.dash for curve in curves] == ["solid", "solid", "dash"] and "predicted" in curves[2].text[0]
    constant, half, linear = (np.array(curve.y) for curve in curves)
    assert set(constant[:50]) == set(constant[81:]) == {1} and set(constant[51:79]) == {4}, "its interval"
    assert set(half[20:]) == {7.5} and half[10] < 7 and linear[-1] == 3


def test_a_setting_without_votes_is_a_dashed_line_and_levels_that_do_not_vary_take_no_row():
    costs = pd.DataFrame({"window": [1, 2], "schedule": "constant 4", "resolution": "64×64", "checkpoint": "default"})
    costs = costs.assign(seconds=[2.0, 1.0], rating=[0.0, -0.4], low=[0.0, -1], high=[0.0, 0.2], n=[7, 0], pictures=3)
    figure = parallel(costs, "seconds", "s")
    assert [line.line.dash for line in figure.data] == ["solid", "dash"] and "n = 0" in figure.data[1].text[0]
    words = [each.text for each in figure.layout.annotations]
    assert "window" in words and "schedule" not in words and figure.data[0].x[0] == 0 and figure.data[1].x[0] == 1


def test_long_names_are_broken_for_phones_and_rows_grow_with_them():
    long = "schedule constant 7.5 | custom 0:1 0.25:3.5 0.5:7.25 0.75:8.5 1:7.5"
    table = pd.DataFrame({"block": ["window 1 | 2", long], "matched": True, "pairs": 9, "rated": 9, "ratings": 14})
    short, tall = votes_plot.coverage(table[:1]).layout, votes_plot.coverage(table).layout
    lines = tall.annotations[1].text.split("<br>")
    assert " ".join(lines) == long and max(map(len, lines)) <= plots.ROW_CHARACTERS
    assert tall.height - short.height > short.height - 70  # more than a row of one line


@pytest.mark.parametrize("cost", results_view.COSTS)
def test_an_axis_says_what_is_measured_and_what_is_computed(services, cost):
    study = make_study(services.store)
    sit(services, study, "x", 3)
    figure = view(services, study, cost=cost).figures["pareto"]
    if figure is not None:  # no weights here, no FLOPs
        assert ("measured" in figure.layout.xaxis.title.text) == (cost in ("seconds", "memory"))
