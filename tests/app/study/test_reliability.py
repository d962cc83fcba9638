"""Agreement measures against published values, and the controls."""

import krippendorff
import numpy as np
import pandas as pd
import pytest

from app.study import reliability as r


def make_votes(answers, **more):
    """{(comparison, rater): answer} -> vote frame of one criterion."""
    rows = [
        {"assignment": f"{c}/{who}", "comparison": c, "rater": who, "answer": answer}
        for (c, who), answer in answers.items()
    ]
    shared = {
        "kind": "matched",
        "repeat_of": None,
        "criterion": "flaws",
        "excluded": None,
        "expected": None,
        "left_side": "a",
    }
    return pd.DataFrame(rows).assign(**(shared | more))


def once(counts):
    """Units as patterns that occur once each."""
    return counts, np.ones(len(counts), dtype=int)


def test_units_with_one_rater_do_not_count():
    votes = make_votes({("1", "x"): "a", ("1", "y"): "a", ("2", "x"): "b"})
    assert r.unit_counts(votes).tolist() == [[0, 0, 0, 2]]
    assert r.reliability(votes).empty


def test_alpha_matches_krippendorffs_nominal_example():
    """Krippendorff (2011), Computing Krippendorff's Alpha-Reliability, section C: alpha = 0.743."""
    table = [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
        [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
    ]
    counts = np.array([[sum(row[u] == value for row in table) for value in range(1, 6)] for u in range(12)])
    assert r.alpha_nominal(*once(counts[counts.sum(axis=1) >= 2])) == pytest.approx(0.743, abs=5e-4)


@pytest.mark.parametrize("seed", range(5))
def test_alpha_over_patterns_is_that_of_the_krippendorff_package_over_units(seed):
    random = np.random.default_rng(seed)
    counts = random.multinomial(1, [0.3, 0.2, 0.1, 0.4], size=(80, 3)).sum(axis=1) + random.multinomial(
        1, [0.7, 0.1, 0.1, 0.1], size=80
    )
    patterns, times = np.unique(counts, axis=0, return_counts=True)
    assert len(patterns) < len(counts)
    expected = krippendorff.alpha(value_counts=counts, level_of_measurement="nominal")
    assert r.alpha_nominal(patterns, times) == pytest.approx(expected)
    ordered = np.stack([counts[:, 0], counts[:, 1] + counts[:, 2], counts[:, 3]], axis=1)
    expected = krippendorff.alpha(value_counts=ordered, level_of_measurement="ordinal")
    assert r.alpha_ordinal(patterns, times) == pytest.approx(expected)


def test_ac1_survives_the_paradox_that_sinks_alpha():
    """118 + 5 + 2 + 0 of two raters: Gwet (2008), table 2: AC1 = 0.940, while kappa and alpha are below zero."""
    counts, times = np.array([[2, 0], [1, 1]]), np.array([118, 7])
    assert r.gwet_ac1(counts, times) == pytest.approx(0.940, abs=1e-3)
    assert r.alpha_nominal(counts, times) < 0.01
    assert r.exact_agreement(counts, times) == pytest.approx(118 / 125)


def test_guessing_raters_have_an_interval_around_zero():
    covered = 0
    for seed in range(100):
        first = np.random.default_rng(seed).binomial(3, 0.5, 120)
        units = once(np.stack([first, 3 - first], axis=1))
        low, high = r.bounds(r.alpha_nominal(units[0], r.resamples(units[1], seed=1000 + seed)))
        covered += low < 0 < high
    assert covered >= 80


def test_raters_of_one_mind_agree_in_every_measure():
    table = r.reliability(make_votes({(str(c), who): "ab"[c % 2] for c in range(120) for who in "xyz"}))
    assert (table["value"] == 1).all() and (table["units"] == 120).all() and (table["ratings"] == 360).all()


def test_ordinal_alpha_forgives_a_tie_more_than_a_reversal():
    near = np.array([[0, 1, 0, 1], [1, 1, 0, 0]] * 20 + [[0, 0, 0, 2], [2, 0, 0, 0]] * 20)
    far = np.array([[1, 0, 0, 1], [1, 0, 0, 1]] * 20 + [[0, 0, 0, 2], [2, 0, 0, 0]] * 20)
    assert r.alpha_ordinal(*once(near)) > r.alpha_ordinal(*once(far)) + 0.2


def test_overlap_share_counts_pairs_of_other_raters():
    votes = make_votes({("1", "x"): "a", ("1", "y"): "a", ("2", "x"): "b", ("3", "x"): "b"})
    assert r.overlap_share(votes) == pytest.approx(0.25)
    assert r.overlap_share(votes.iloc[:0]) == 0


def test_noise_floor_is_the_preference_among_identical_pictures():
    votes = make_votes(
        {("1", "x"): "a", ("2", "x"): "both_good", ("3", "x"): "both_bad", ("4", "x"): "b"}, kind="identical"
    )
    row = r.noise_floor(votes).iloc[0]
    assert row["share"] == 0.5 and row["n"] == 4 and row["low"] < 0.5 < row["high"]


def test_controls_expect_the_right_picture_or_a_tie():
    wrong = make_votes(
        {("1", "x"): "a", ("2", "x"): "b", ("3", "x"): "both_good"},
        kind="wrong_prompt",
        expected="a",
        criterion="alignment",
    )
    same = make_votes({("4", "x"): "both_bad"}, kind="identical")
    table = r.controls(pd.concat([wrong, same])).set_index("kind")["share"]
    assert table["wrong_prompt"] == pytest.approx(1 / 3) and table["identical"] == 1


def test_a_picture_of_another_text_is_wrong_in_alignment_only():
    votes = make_votes({("1", "x"): "a", ("2", "x"): "b"}, kind="wrong_prompt", expected="a", criterion="alignment")
    table = r.controls(pd.concat([votes, votes.assign(criterion="appearance"), votes.assign(criterion="flaws")]))
    assert table["criterion"].tolist() == ["alignment"] and table["n"].tolist() == [2]


def test_agreement_about_controls_is_no_agreement_about_settings():
    random = np.random.default_rng(0)
    votes = make_votes({(str(c), who): random.choice(["a", "b"]) for c in range(60) for who in "xy"})
    checks = make_votes({(f"check {c}", who): "a" for c in range(60) for who in "xy"}, kind="degraded", expected="a")
    pd.testing.assert_frame_equal(r.reliability(pd.concat([votes, checks])), r.reliability(votes))


def test_self_agreement_compares_pictures_not_sides():
    first = make_votes({("1", "x"): "a", ("2", "x"): "b"})
    again = make_votes({("1", "x"): "a", ("2", "x"): "a"}, left_side="b")
    again = again.assign(repeat_of=again["assignment"], assignment=["r1", "r2"])
    row = r.self_agreement(pd.concat([first, again])).iloc[0]
    assert row["share"] == 0.5 and row["n"] == 2


def test_acceptability_reads_the_two_kinds_of_ties():
    votes = make_votes({("1", "x"): "both_good", ("2", "x"): "both_bad", ("3", "x"): "a"})
    table = r.acceptability(votes.assign(window_a=[1, 2, 1], window_b=[2, 4, 4]), "window").set_index("level")
    assert table["share"].to_dict() == {1: 1.0, 2: 0.5, 4: 0.0} and table.loc[2, "n"] == 2
