"""Clustered covariance: equal to the plain one without clusters, larger with them, never negative."""

import numpy as np
import pandas as pd
import pytest

from app.study.intervals import (
    one_way_meat,
    positive_part,
    share_interval,
    shares,
    t_interval,
    t_p_value,
    two_way_meat,
)


@pytest.fixture
def scores():
    return np.random.default_rng(0).normal(size=(300, 2))


def test_clusters_of_one_are_the_plain_sandwich(scores):
    plain = scores.T @ scores * 300 / 299
    np.testing.assert_allclose(one_way_meat(scores, np.arange(300)), plain)


def test_copied_votes_add_no_information(scores):
    once = one_way_meat(scores, np.arange(300))
    twice = one_way_meat(np.repeat(scores, 2, axis=0), np.repeat(np.arange(300), 2))
    np.testing.assert_allclose(twice, 4 * once)


def test_two_way_is_at_least_each_one_way(scores):
    random = np.random.default_rng(1)
    prompt, rater = random.integers(0, 20, 300), random.integers(0, 5, 300)
    both = two_way_meat(scores, prompt, rater)
    for cluster in (prompt, rater):
        assert (np.diag(both) >= np.diag(one_way_meat(scores, cluster)) - 1e-9).all()
    assert np.linalg.eigvalsh(both).min() >= -1e-9


def test_positive_part_keeps_a_good_matrix_and_mends_a_bad_one():
    good = np.array([[2.0, 0.5], [0.5, 1.0]])
    np.testing.assert_allclose(positive_part(good), good)
    assert np.linalg.eigvalsh(positive_part(np.diag([1.0, -1.0]))).min() == pytest.approx(0)


def test_t_interval_widens_with_few_clusters_and_needs_two():
    low, high = t_interval(np.zeros(3), np.ones(3), np.array([0, 4, 1e9]))
    assert np.isnan(low[0]) and high[1] == pytest.approx(2.776, abs=1e-3) and high[2] == pytest.approx(1.96, abs=1e-3)
    assert np.isnan(t_p_value(1.0, 1.0, 0)) and t_p_value(1.96, 1.0, 1e9) == pytest.approx(0.05, abs=1e-3)


def test_share_interval_is_wilsons():
    assert share_interval(8, 10) == pytest.approx((0.490, 0.943), abs=1e-3)
    assert share_interval(0, 10)[0] == 0
    assert np.isnan(share_interval(0, 0)).all()


def test_shares_count_ties_half_with_the_interval_of_each_group():
    table = shares(pd.DataFrame({"side": list("aabb"), "score": [1.0, 0.5, 0.0, 0.0]}), "side")
    assert table.columns.tolist() == ["side", "n", "share", "low", "high"]
    assert table["share"].tolist() == [0.75, 0.0] and table["n"].tolist() == [2, 2]
    assert tuple(table[["low", "high"]].iloc[0]) == share_interval(1.5, 2)
