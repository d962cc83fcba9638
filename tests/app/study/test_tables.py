"""What is drawn is what was voted."""

import numpy as np
import pandas as pd
import pytest
from test_ratings import make_votes

from app.results.preference_plot import pareto
from app.results.text import verdict_table
from app.study.coding import make_coding
from app.study.ratings import rate
from app.study.tables import (
    ALL_CONTRASTS,
    capacity,
    conflicts,
    rated_costs,
    setting_costs,
    verdicts,
    win_table,
)
from app.study.votes import FACTORS, levels


@pytest.fixture
def votes():
    frame = make_votes(400).assign(factor="window", block="window 1 | 4")
    for side, seconds in (("a", 9.0), ("b", 2.0)):
        frame[f"generation_{side}"] = [f"{side}{i}" for i in range(len(frame))]
        frame[f"seconds_{side}"], frame[f"steps_{side}"], frame[f"peak_memory_bytes_{side}"] = (
            seconds,
            10,
            1e9,
        )
    return frame


def test_win_shares_are_complements_and_ties_count_half(votes):
    table = win_table(votes, "alignment", "window").set_index(["row", "column"])
    wins = (votes["answer"] == "b").sum() + 0.5 * votes["answer"].eq("both_good").sum()
    assert table.loc[(4, 1), "share"] == pytest.approx(wins / 400)
    assert table.loc[(4, 1), "share"] + table.loc[(1, 4), "share"] == pytest.approx(1)
    assert (table["n"] == 400).all() and (table["low"] < table["share"]).all()


def test_the_front_holds_what_nothing_beats_in_both(votes):
    assert setting_costs(votes)["seconds"].tolist() == [9.0, 2.0]
    table = rated_costs(rate(votes, "alignment"), votes, votes).set_index("window")
    assert table.loc[4, "front"] and not table.loc[1, "front"]  # window 4 is faster and preferred here


def test_of_two_settings_that_cost_the_same_only_the_better_is_on_the_front(votes):
    table = rated_costs(rate(votes, "alignment"), votes.assign(steps_a=64, steps_b=64), votes, "steps").set_index(
        "window"
    )
    assert table.loc[4, "front"] and not table.loc[1, "front"]


def test_clusters_that_agree_by_luck_take_no_look_too_early(votes):
    few = votes[votes["criterion"] == "alignment"].head(60)
    few = few.assign(
        answer=["a", "b"] * 30, rater=[f"r{i // 20}" for i in range(60)], prompt=[f"p{i // 30}" for i in range(60)]
    )
    rating = rate(few, "alignment")
    (row,) = verdicts(rating, ["window=4"], []).itertuples()
    assert row.se < 0.1 < (row.naive_high - row.naive_low) / 4 and row.fraction < 0.5


def test_what_nobody_rated_is_predicted_and_says_so(votes):
    names = {"comparison": "new", "generation_a": "x", "generation_b": "y"}
    unrated = votes.head(1).assign(schedule_a="constant 9", schedule_b="constant 9", **names)
    pairs = pd.concat([votes.drop_duplicates("comparison"), unrated])
    coding = make_coding(pd.concat([levels(pairs, FACTORS, side) for side in "ab"]), FACTORS)
    table = rated_costs(rate(votes, "alignment", coding=coding), pairs, votes)
    assert table.groupby("schedule")["n"].sum().to_dict() == {"constant 9": 0, votes["schedule_a"].iloc[0]: 800}
    figure = pareto(table, "seconds", "s", "measured", "alignment")
    symbols = [symbol for trace in figure.data for symbol in trace.marker.symbol or () if trace.customdata is not None]
    assert sorted(symbol.endswith("-open") for symbol in symbols) == [False, False, True, True]
    assert len({symbol.removesuffix("-open") for symbol in symbols}) == 4
    assert sum("predicted" in text for trace in figure.data for text in trace.text or ()) == 2
    key = {
        trace.name: trace.marker.symbol for trace in figure.data if trace.hoverinfo == "skip" and trace.marker.symbol
    }
    marks = {
        label: symbol
        for trace in figure.data
        for label, symbol in zip(trace.customdata or (), trace.marker.symbol or ())
    }
    assert key["s=1, constant 9"] == next(s for label, s in marks.items() if label.startswith("w1 · constant 9"))


def test_capacity_is_what_all_raters_of_all_pairs_can_say(votes):
    coding = rate(votes, "alignment").coding
    pairs = pd.concat([votes.head(3), votes.head(5).assign(kind="degraded")])
    assert capacity(coding, pairs, 4) == {"window=4": 12}


@pytest.mark.parametrize(("possible", "text"), [(10_000, "votes left"), (450, "cannot be reached with this design")])
def test_a_verdict_that_the_design_cannot_reach_is_called_so(votes, possible, text):
    row = verdicts(rate(votes.assign(answer="both_good"), "alignment"), ["window=4"], []).assign(
        capacity=possible, trained="", votes_left=300
    )
    assert text in verdict_table(row)


def test_only_frozen_contrasts_are_primary_and_the_rest_is_adjusted(votes):
    rating = rate(votes, "alignment")
    exploratory, primary = verdicts(rating, [], []).iloc[0], verdicts(rating, ["window=4"], []).iloc[0]
    assert exploratory["claim"] == "exploratory" and exploratory["adjusted_p"] < 0.05
    assert primary["claim"] == "primary" and np.isnan(primary["adjusted_p"]) and primary["look"] == 1


def test_after_a_look_that_decided_none_is_taken_and_its_number_is_told(votes):
    looks = [
        {"contrast": "window=4", "criterion": "alignment", "result": {"fraction": fraction, "decided": decided}}
        for fraction, decided in ((0.2, False), (0.3, True))
    ]
    row = verdicts(rate(votes, "alignment"), ["window=4"], looks).iloc[0]
    assert row["decided"] and row["look"] == 2 and np.isnan(row["boundary"]) and row["votes_left"] == 0


def test_conflicts_compare_decided_answers_only(votes):
    other = votes.assign(criterion="appearance", answer="a")
    table = conflicts(pd.concat([votes, other]))
    decided = votes[votes["answer"].isin(["a", "b"])]
    assert table["block"].tolist() == [ALL_CONTRASTS, "window 1 | 4"] and set(table["first"]) == {"alignment"}
    assert (table["n"] == len(decided)).all()
    assert table["share"].tolist() == pytest.approx([(decided["answer"] == "b").mean()] * 2)
    assert (table["low"] < table["share"]).all() and (table["share"] < table["high"]).all()
    assert conflicts(votes).empty


def test_conflicts_are_told_apart_by_contrast(votes):
    blocks = np.where(np.arange(len(votes)) % 2, "window 1 | 4", "schedule x | y")
    votes = votes.assign(block=blocks, answer="a")
    other = votes.assign(criterion="flaws", answer=np.where(blocks == "window 1 | 4", "b", "a"))
    share = conflicts(pd.concat([votes, other])).set_index("block")["share"]
    assert share.to_dict() == {ALL_CONTRASTS: 0.5, "window 1 | 4": 1.0, "schedule x | y": 0.0}
