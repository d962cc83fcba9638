"""The rating model finds what was planted, stays finite, and says how little it knows."""

import time

import numpy as np
import pandas as pd
import pytest

from app.study import davidson
from app.study.ratings import distinct_rows, effects, predict, rate, side_effect
from app.study.votes import level_order, ratable


def make_votes(n=4000, effect=0.8, side=0.3, log_tie=-0.5, seed=0, windows=(1, 4)):
    """Independent votes on pairs of windows with a known effect of the second one."""
    random = np.random.default_rng(seed)
    left = random.choice(["a", "b"], n)
    difference = -effect + np.where(left == "a", side, -side)
    chance = davidson.probabilities(difference, log_tie)
    drawn = np.array(["a", "b", "both_good"])[(random.random(n)[:, None] > chance.cumsum(axis=1)).sum(axis=1)]
    return pd.DataFrame(
        {
            "assignment": np.arange(n).astype(str),
            "comparison": np.arange(n).astype(str),
            "kind": "matched",
            "repeat_of": None,
            "prompt": random.integers(0, 40, n),
            "rater": random.integers(0, 20, n),
            "criterion": "alignment",
            "answer": drawn,
            "left_side": left,
            "excluded": None,
            "expected": None,
            "window_a": windows[0],
            "window_b": windows[1],
            "schedule_a": "linear 4",
            "schedule_b": "linear 4",
            "resolution_a": "64×64",
            "resolution_b": "64×64",
            "checkpoint_a": "default",
            "checkpoint_b": "default",
        }
    )


def test_effect_side_and_ties_come_back():
    rating = rate(make_votes(), "alignment")
    row = effects(rating).iloc[0]
    assert row["term"] == "window=4" and row["estimate"] == pytest.approx(0.8, abs=0.12)
    assert side_effect(rating)["estimate"].iloc[0] == pytest.approx(0.3, abs=0.08)
    assert rating.parameters[-1] == pytest.approx(-0.5, abs=0.1)
    assert row["low"] < 0.8 < row["high"]
    assert row["n"] == 4000


def test_gradient_and_information_are_the_derivatives_of_the_likelihood():
    random = np.random.default_rng(3)
    design, observed = random.normal(size=(50, 3)), np.eye(3)[random.integers(0, 3, 50)]
    at = np.array([0.3, -0.2, 0.5, -0.4])

    def likelihood(p):
        return (observed * np.log(davidson.probabilities(design @ p[:-1], p[-1]))).sum()

    step = 1e-5 * np.eye(4)
    slope = [(likelihood(at + h) - likelihood(at - h)) / 2e-5 for h in step]
    np.testing.assert_allclose(davidson.scores(design, observed, at).sum(axis=0), slope, atol=1e-6)
    total = [
        (davidson.scores(design, observed, at + h) - davidson.scores(design, observed, at - h)).sum(axis=0) / 2e-5
        for h in step
    ]
    np.testing.assert_allclose(davidson.information(design, np.ones(50), at), -np.array(total), atol=1e-6)


def test_the_pull_of_the_skew_is_the_derivative_of_half_the_log_determinant():
    random = np.random.default_rng(4)
    design, weight = random.normal(size=(9, 3)), random.integers(1, 9, 9).astype(float)
    at, step = np.array([0.3, -0.2, 0.5, -0.4]), 1e-5 * np.eye(4)

    def half_log_determinant(p):
        return np.linalg.slogdet(davidson.information(design, weight, p)).logabsdet / 2

    slope = [(half_log_determinant(at + h) - half_log_determinant(at - h)) / 2e-5 for h in step]
    covariance = np.linalg.inv(davidson.information(design, weight, at))
    np.testing.assert_allclose(davidson.pull_of_skew(design, weight, at, covariance), slope, atol=1e-6)


@pytest.mark.parametrize("counts", [(7, 2, 3), (5, 0, 0), (0, 4, 1)])
def test_few_votes_count_half_a_vote_more_on_every_answer(counts):
    """One pair of settings: Firth's penalty has a closed form there, the Jeffreys prior of three shares."""
    counts = np.array(counts, dtype=float)
    design, weight = np.ones((1, 1)), counts[None].sum(axis=1)
    found = davidson.fit(design, counts[None] / weight[:, None], weight, np.full(2, 1e-9))
    chance = davidson.probabilities(found[:1], found[1])[0]
    np.testing.assert_allclose(chance, (counts + 0.5) / (counts.sum() + 1.5), atol=1e-5)
    endless = davidson.fit(design, (counts[None] + 1) / (weight[:, None] + 3), weight, np.full(2, 1e-9), endless=True)
    chance = davidson.probabilities(endless[:1], endless[1])[0]
    np.testing.assert_allclose(chance, (counts + 1) / (counts.sum() + 3), atol=1e-5)


def test_a_setting_that_always_wins_gets_a_finite_rating():
    votes = make_votes(60).assign(answer="b")
    row = effects(rate(votes, "alignment")).iloc[0]
    assert 2 < row["estimate"] < 12 and np.isfinite(row["low"])


def test_without_votes_the_rating_is_the_prior():
    rating = rate(make_votes(10).iloc[:0], "alignment", coding=rate(make_votes(10), "alignment").coding)
    row = effects(rating).iloc[0]
    assert row["estimate"] == 0 and row["n"] == 0 and np.isnan(row["low"])


def test_one_rater_gives_no_interval():
    row = effects(rate(make_votes(200).assign(rater="only"), "alignment")).iloc[0]
    assert np.isfinite(row["estimate"]) and np.isnan(row["low"]) and np.isnan(row["p_value"])


def test_unrated_combinations_are_predicted_and_wider():
    small, large = make_votes(600, seed=1), make_votes(600, seed=2)
    for side in ("a", "b"):
        large[f"window_{side}"] = 1
    large["resolution_b"] = "256×256"
    rating = rate(pd.concat([small, large], ignore_index=True), "alignment")
    table = predict(
        rating,
        pd.DataFrame(
            {
                "window": [1, 4, 4],
                "schedule": "linear 4",
                "resolution": ["64×64", "64×64", "256×256"],
                "checkpoint": "default",
            }
        ),
    )
    width = table["high"] - table["low"]
    assert table["rating"].iloc[0] == 0 and width.iloc[0] == pytest.approx(0)
    assert table["rating"].iloc[2] > table["rating"].iloc[1] > 0.3
    assert width.iloc[2] > 1.5 * width.iloc[1]


def test_unknown_level_is_refused_by_name():
    rating = rate(make_votes(100), "alignment")
    with pytest.raises(ValueError, match=r"window.*8.*known levels"):
        predict(
            rating,
            pd.DataFrame({"window": [8], "schedule": ["linear 4"], "resolution": ["64×64"], "checkpoint": "default"}),
        )


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("kind", "identical"),
        ("excluded", "too fast"),
        ("repeat_of", "s1"),
        ("answer", "cannot_tell"),
        ("answer", None),
    ],
)
def test_only_first_kept_answers_on_matched_pairs_are_rated(column, value):
    votes = make_votes(20)
    votes[column] = votes[column].astype(object)
    votes.loc[3, column] = value
    assert len(ratable(votes, "alignment")) == 19


def test_unknown_criterion_is_refused():
    with pytest.raises(ValueError, match="beauty"):
        rate(make_votes(10), "beauty")


def test_levels_sort_as_people_count():
    assert level_order([4, 1, 2]) == [1, 2, 4]
    assert level_order(["256×256", "64×64", "1024×1024"]) == ["64×64", "256×256", "1024×1024"]
    assert level_order(["linear 10", "cosine 4", "linear 4"]) == ["cosine 4", "linear 4", "linear 10"]


def test_a_hundred_thousand_votes_fit_in_five_seconds():
    votes = make_votes(100_000)
    start = time.thread_time()  # of a processor: what else runs on the machine does not count
    rate(votes, "alignment")
    assert time.thread_time() - start < 5


def test_distinct_rows_put_the_matrix_together_again():
    matrix = np.random.default_rng(0).choice([-0.5, 0.0, 0.25], (200, 3))
    rows, row = distinct_rows(matrix)
    assert len(rows) == len(np.unique(matrix, axis=0)) and (rows[row] == matrix).all()
    assert [len(part) for part in distinct_rows(matrix[:0])] == [0, 0]
