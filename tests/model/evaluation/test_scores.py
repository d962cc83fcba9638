"""Intervals and the table of a run."""

import pytest

from model.evaluation.geneval import read_prompts
from model.evaluation.scores import Rate, difference, markdown, mean_rate, rate, table, wilson


def test_wilson_agrees_with_scipy():
    from scipy.stats import binomtest

    for hits, n in ((0, 7), (7, 7), (33, 40), (1, 100)):
        interval = binomtest(hits, n).proportion_ci(method="wilson")
        assert wilson(hits / n, n).low == pytest.approx(interval.low, abs=1e-6)
        assert wilson(hits / n, n).high == pytest.approx(interval.high, abs=1e-6)


def test_four_pictures_of_a_prompt_are_not_four_prompts():
    once, four = rate([[True], [False]] * 20), rate([[True] * 4, [False] * 4] * 20)
    assert (four.value, four.low, four.n) == (once.value, once.low, 40)


def test_mean_of_independent_rates_is_surer_than_each():
    one = wilson(0.5, 40)
    mean = mean_rate([one] * 6)
    assert mean.value == 0.5
    assert mean.high - mean.low == pytest.approx((one.high - one.low) / 6**0.5)
    assert mean.n == 240


def test_difference_is_newcombes():
    # Newcombe 1998 (17, 873-890), table II, method 10: 56/70 against 48/80
    gap = difference(wilson(56 / 70, 70), wilson(48 / 80, 80))
    assert (gap.value, gap.low, gap.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=1e-4)
    assert str(difference(wilson(0.5, 40), rate([]))) == "–"


def test_empty_rates_do_not_enter_the_mean():
    assert mean_rate([wilson(0.5, 40), rate([])]) == mean_rate([wilson(0.5, 40)])
    assert str(rate([])) == "–" and rate([]).value is None  # NaN is no JSON


def test_table_separates_seen_from_held_out():
    prompts = read_prompts(240)
    rows = table(prompts, [[not p.held_out] for p in prompts])
    assert list(rows) == ["single_object", "two_object", "counting", "colors", "position", "color_attr", "mean"]
    assert (rows["mean"]["seen"].value, rows["mean"]["held-out"].value) == (1, 0)
    assert rows["single_object"]["all"].value == 1
    assert rows["single_object"]["held-out"].n == rows["single_object"]["seen - held-out"].n == 0
    assert rows["mean"]["seen - held-out"].value == 1 > rows["mean"]["seen - held-out"].low > 0.8
    assert rows["mean"]["all"].value == pytest.approx((1 + 5 * 0.6) / 6)


def test_markdown_states_interval_and_n():
    text = markdown({"counting": {"all": Rate(0.5, 0.4, 0.6, 40)}})
    assert text.splitlines()[-1] == "| counting | 0.50 [0.40, 0.60] n=40 |"
