"""Planted effects come back, intervals cover, null effects are found at the nominal rate."""

import os
import runpy

import pandas as pd
import pytest

from app.study.__main__ import FEWEST_STUDIES, DatabaseLedger, one_study, simulate, table_text
from app.study.planted import Truth, marginal
from app.study.reliability import overlap_share
from app.study.simulate import Plan, pair_table, recovery, simulate_study, summary

EFFECTS = {"window=4": -0.8, "resolution=128×128": 0.7}
SMALL = Plan(windows=(1, 4), schedules=("constant 4", "linear 4"), prompts=14, raters=8, assignments=40)


def run(plan, truth, studies):
    tables = []
    for seed in range(studies):
        votes, coding, target = simulate_study(plan, truth, seed)
        tables.append(recovery(votes, coding, target, plan.criteria))
    return pd.concat(tables, ignore_index=True)


@pytest.fixture(scope="module")
def found():
    return run(SMALL, Truth(EFFECTS), 16)


def test_planted_effects_are_recovered(found):
    table = summary(found).set_index("term")
    for term in EFFECTS:
        assert abs(table.loc[term, "bias"]) < 0.12
        assert table.loc[term, "target"] * EFFECTS[term] > 0
    assert table.loc["left side", "bias"] == pytest.approx(0, abs=0.06)


def test_intervals_cover_and_naive_ones_do_not(found):
    covered = found["target"].between(found["low"], found["high"]).mean()
    naive = found["target"].between(found["naive_low"], found["naive_high"]).mean()
    assert 0.90 <= covered <= 0.99
    assert naive < covered


def test_null_effects_are_found_at_the_nominal_rate(found):
    null = found[found["term"] == "schedule=linear 4"]
    assert len(null) == 48 and (null["p_value"] < 0.05).mean() <= 0.12


def test_spread_flattens_the_marginal_effect():
    _, coding, contrast = pair_table(SMALL)
    sharp = marginal(Truth(EFFECTS, prompt_sd=0, rater_sd=0), coding, contrast)
    flat = marginal(Truth(EFFECTS, prompt_sd=1.5, rater_sd=0), coding, contrast)
    assert sharp[0] == pytest.approx(-0.8, abs=1e-3)
    assert abs(flat[0]) < 0.75 * abs(sharp[0])


def test_simulated_raters_overlap_enough():
    votes, _, _ = simulate_study(SMALL, Truth(), 0)
    assert overlap_share(votes) >= 0.20
    assert (votes["propensity"] > 0).all() and (votes["propensity"] <= 1).all()


def test_the_real_database_tells_the_same_story_as_memory(store):
    """Same seed, same pairs, sides, chances and answers: what holds for many studies in memory holds for the database."""
    plan = Plan(windows=(1, 4), schedules=("constant 4",), prompts=6, raters=3, assignments=15)
    told = []

    def in_database(pairs, _):
        told.append(DatabaseLedger(store, plan, pairs, "planted"))
        return told[0]

    columns = [
        "criterion",
        "answer",
        "left_side",
        "propensity",
        "prompt",
        "window_a",
        "window_b",
        "resolution_a",
        "resolution_b",
    ]
    memory, database = (
        simulate_study(plan, Truth(EFFECTS), 5, *ledger)[0][columns]
        .astype(object)
        .sort_values(["criterion", "propensity", "prompt", "answer"])
        for ledger in ((), (in_database,))
    )
    assert len(memory) == 3 * 15 * 3
    pd.testing.assert_frame_equal(memory.reset_index(drop=True), database.reset_index(drop=True), check_dtype=False)
    assert store.votes_frame(told[0].study, simulated=False) == [] and store.list_studies() == []
    assert {row["simulated"] for row in store.votes_frame(simulated=True)} == {True}


def test_a_handful_of_studies_prints_no_rates():
    row = dict.fromkeys(("estimate", "target", "low", "high", "naive_low", "naive_high", "p_value"), 0.5)
    study, agreement = pd.DataFrame([row | {"term": "window=4"}]), pd.DataFrame({"measure": ["x"]})
    few, enough = (table_text([study] * number, agreement) for number in (FEWEST_STUDIES - 1, FEWEST_STUDIES))
    assert few.startswith("4 studies") and "naive_coverage" not in few and "need 5 studies" in few
    assert enough.startswith("5 studies") and "all intervals: coverage 1.000" in enough


@pytest.mark.timeout(300)
def test_studies_run_side_by_side_until_the_time_is_up():
    plan = Plan(windows=(1, 4), schedules=("constant 4",), prompts=4, raters=3, assignments=6)
    recovered, agreement = simulate(5, seed=1, until=0.0, plan=plan)  # over already: one round, one study a processor
    assert len(recovered) == min(os.cpu_count() or 1, 5) and "overlap" in agreement
    pd.testing.assert_frame_equal(recovered[0], one_study(plan, 1)[0])


@pytest.mark.filterwarnings("ignore:.*found in sys.modules:RuntimeWarning")
def test_the_program_runs_under_a_name_that_its_processes_can_import(monkeypatch):
    ran = []
    monkeypatch.setattr("app.study.__main__.main", lambda: ran.append("main"))
    runpy.run_module("app.study", run_name="__main__")
    assert ran == ["main"]


def test_unknown_planted_effect_is_refused():
    _, coding, _ = pair_table(SMALL)
    with pytest.raises(ValueError, match="window=9"):
        Truth({"window=9": 1.0}).vector(coding)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_four_hundred_studies():
    table = summary(run(SMALL, Truth(EFFECTS), 400)).set_index("term")
    print(table.round(4).to_string())
    assert table["coverage"].between(0.90, 0.99).all()
    assert (table["bias"].abs() < 0.03).all()
    null = [term for term in table.index if abs(table.loc[term, "target"]) < 1e-9 or term == "schedule=linear 4"]
    assert table.loc[null, "significant"].between(0.01, 0.08).all()
