"""The results page: figures from real rows, empty states, and nothing for those who still rate."""

from types import SimpleNamespace
from urllib.parse import parse_qsl

import numpy as np
import pandas as pd
import pytest
from arena_world import make_study
from rows import set_plan

from app.arena import arena
from app.pages.results import FIGURES, pictures_behind
from app.results import view as results_view
from app.results.pictures import marked_pictures
from app.results.schedule_plot import schedule_curves
from app.results.text import trained_text
from app.results.view import Wish, wish_from
from app.studies import admin as study_admin
from app.studies.cache import material
from app.study.ratings import rate
from app.study.votes import CRITERIA

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
    return results_view.view(services, Wish(study.id, **changes), owner)


def test_every_figure_is_drawn_and_every_number_has_its_n(services):
    study = make_study(services.store)
    for number in range(4):
        sit(services, study, f"visitor {number}", 12, number)
    shown = view(services, study)
    assert set(shown.figures) == set(FIGURES)
    assert [name for name, figure in shown.figures.items() if figure is None] == ["schedules", "flaws"]
    assert "Only one schedule" in shown.notes["schedules"] and "underpowered" in shown.notes["forest"]
    drawn = [name for name in ("forest", *results_view.PREFERENCES) if shown.figures[name] is not None]
    assert len(drawn) == 5 and all("Noise floor" in shown.notes[name] for name in drawn)
    assert all("[" in text and "n = " in text for row in shown.figures["wins"].data[0].text for text in row if text)
    assert f"<b>{4 * 12 * 3}</b>" in shown.summary
    assert "window=4" in shown.verdicts and "n = " in shown.quality
    terms = {text.split("<br>")[0] for trace in shown.figures["forest"].data for text in trace.text or ()}
    assert {"window=2", "window=4", "resolution=128×128"} <= terms


def test_an_unrated_study_says_so_and_shows_its_design(services):
    shown = view(services, make_study(services.store))
    assert "No votes yet" in shown.summary and shown.figures["coverage"] is not None
    assert "forest" not in shown.figures


def test_few_votes_are_called_few_and_one_rater_has_no_interval(services):
    study = make_study(services.store)
    sit(services, study, "only one", 2)
    shown = view(services, study)
    assert "Fewer than" in shown.summary and "needs two raters" in shown.verdicts
    assert shown.figures["reliability"] is None and "agreement stays empty" in shown.quality


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
    rater = arena.rater_of(services, "x").id
    wish = Wish(first.id, ["flaws"], "resolution", "steps", [], [rater])
    query = dict(parse_qsl(wish.link().partition("?")[2]))
    assert wish_from(services, query) == wish
    assert wish_from(services, {"study": "../etc", "factor": "os", "dropped": "x", "lifted": "y"}) == Wish(
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
    services.store.lift_exclusion(votes[0], "too fast")
    assert "<b>8</b><span>votes" in view(services, study).summary  # the cache noticed


def test_a_mark_leads_to_its_pictures_and_whoever_saw_them_rates_them_no_more(services):
    study = make_study(services.store)
    sit(services, study, "rater", 3)
    click = SimpleNamespace(customdata="window=4", x=None, y=None)
    html = pictures_behind(services, Wish(study.id), "forest", click, "reader")
    assert html.count("<figure") == 24 and "12 pairs" in html  # 3 prompts x 2 sizes x windows 1|4 and 2|4
    assert len(services.store.seen_generations("reader")) == 18
    click = SimpleNamespace(customdata=None, x="1", y="2")
    assert "6 pairs" in pictures_behind(services, Wish(study.id), "wins", click, None)
    assert "No pairs" in pictures_behind(services, Wish(study.id), "pareto", SimpleNamespace(customdata="<b>"), None)
    assert "when your sitting is done" in pictures_behind(services, Wish(study.id), "forest", click, "rater")


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


def test_training_is_printed_beside_window_effects():
    cells = [{"window": 2, "samples": 464}, {"window": 4, "samples": 6576}, {"window": 4, "samples": 24}]
    assert trained_text(cells, "window=4", "window=2") == "6,600 against 464 pictures"
    assert trained_text(None, "window=4", "window=2") == "not recorded"
    assert trained_text(cells, "resolution=512×512", "resolution=256×256") == ""


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


def test_every_schedule_names_its_interval_and_n():
    costs = pd.DataFrame(
        {
            "schedule": ["constant 4", "constant 4", "half-linear 7.5"],
            "rating": [0.0, 0.2, 0.9],
            "low": [-0.2, 0.0, 0.5],
            "high": [0.2, 0.4, 1.3],
            "pictures": [3, 4, 5],
        }
    )
    names = {trace.name: trace.text[0] for trace in schedule_curves(costs).data}
    assert list(names) == ["constant 4: +0.10 [-0.10, +0.30], n = 7", "half-linear 7.5: +0.90 [+0.50, +1.30], n = 5"]
    assert all("[" in hover and "n = " in hover for hover in names.values())
