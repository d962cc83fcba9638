"""Five looks spend 5 % and no more; the forecast counts down."""

import numpy as np
import pytest

from app.study.planted import Crowd, Truth
from app.study.ratings import rate
from app.study.simulate import Plan, pair_table
from app.study.stopping import INFLATION, LOOKS, boundaries, planned_information, review, spent_alpha
from app.study.tables import verdicts


def test_boundaries_are_those_of_the_literature():
    """Lan-DeMets O'Brien-Fleming, five equal looks, two-sided 5 %: 4.877, 3.357, 2.680, 2.290, 2.031."""
    np.testing.assert_allclose(boundaries([0.2, 0.4, 0.6, 0.8, 1.0]), [4.877, 3.357, 2.680, 2.290, 2.031], atol=0.01)
    assert spent_alpha(1.0) == pytest.approx(0.05)


def test_one_look_is_the_plain_test():
    assert boundaries([1.0])[0] == pytest.approx(1.96, abs=1e-3)


def test_fractions_must_rise():
    with pytest.raises(ValueError, match="must rise"):
        boundaries([0.4, 0.4])


def walk(drift, studies, seed=0):
    """Brownian z-values at five looks under an effect of `drift` planned effects; share of studies that decide."""
    random = np.random.default_rng(seed)
    information, steps = planned_information(0.5), np.arange(1, LOOKS + 1) / LOOKS
    score = random.normal(0, np.sqrt(1 / LOOKS), (studies, LOOKS)).cumsum(axis=1)
    estimate = score / steps / np.sqrt(information) + drift * 0.5
    decided = 0
    for row in estimate:
        taken = []
        for value, fraction in zip(row, steps):
            verdict = review(value, 1 / np.sqrt(information * fraction), 1e6, 100, taken, information)
            assert verdict.look == len(taken) + 1
            if verdict.decided:
                decided += 1
                break
            taken.append(fraction)
    return decided / studies


def test_peeking_five_times_keeps_the_error_and_the_power():
    assert 0.03 <= walk(0.0, 600) <= 0.07
    assert 0.74 <= walk(1.0, 300) <= 0.87
    assert INFLATION < 1.05


def test_between_looks_nothing_is_tested():
    information = planned_information(0.5)
    verdict = review(3.0, 1 / np.sqrt(0.1 * information), 30, 50, (), information)
    assert not verdict.decided and verdict.look == 0 and np.isnan(verdict.boundary)
    assert verdict.votes_left > 0


def test_votes_left_counts_down_and_ends_at_zero():
    information = planned_information(0.5)
    left = [
        review(0.3, 1 / np.sqrt(f * information), 50, int(500 * f), (), information).votes_left
        for f in (0.1, 0.15, 0.19)
    ]
    assert left == sorted(left, reverse=True) and left[0] == pytest.approx(450, abs=5)
    assert review(0.9, 1 / np.sqrt(information), 1e6, 500, (0.2, 0.4, 0.6, 0.8), information).votes_left == 0


@pytest.mark.parametrize("late", [0.2, 0.39997, 0.45, 0.59, 0.79, 0.985])
def test_a_look_that_came_late_or_just_before_a_fifth_leaves_the_next_one_to_a_later_fifth(late):
    """Votes trickle in: the fraction after a look is above it by less than anything that can be told apart."""

    def at(fraction, taken):
        return review(0.2, 1 / np.sqrt(fraction * planned_information()), 30, 100, taken)

    first = at(late, [])
    assert first.look == 1 and first.votes_left is not None
    for later in (late, late + 1e-5, late + 3e-5, late + 2e-4):
        assert at(later, [first.fraction]).look == 1
    looks, fraction = [first.fraction], late
    while fraction < 1.2:
        verdict = at(fraction, looks)
        if not np.isnan(verdict.boundary):
            looks.append(verdict.fraction)
        fraction += 0.01
    assert len(looks) <= LOOKS and looks[-1] >= 0.98 and (np.diff(looks) >= 0.02 - 1e-9).all()
    assert verdict.finished and verdict.votes_left == 0


def test_few_clusters_make_the_test_harder():
    information = planned_information(0.5)
    args = (0.5, 1 / np.sqrt(information))
    assert review(*args, 1e6, 500, (0.2, 0.4, 0.6, 0.8), information).decided
    assert not review(*args, 3, 500, (0.2, 0.4, 0.6, 0.8), information).decided


def test_without_an_interval_there_is_no_forecast():
    assert review(0.5, float("nan"), 0, 3).votes_left is None


def test_effect_must_be_positive():
    with pytest.raises(ValueError, match="-1"):
        planned_information(-1)


PEEKED = Plan(windows=(1, 4), resolutions=("64×64",), prompts=30, raters=20, criteria=("alignment",))
PEEKS, VOTES_A_RATER = 12, 40


def peeked(seed, effect=0.0):
    """Whether a study is decided by somebody who looks at its results again and again while votes come in: the rating
    model, clustered variance, verdicts and looks as on the Results page."""
    random = np.random.default_rng(seed)
    pairs, coding, contrast = pair_table(PEEKED)
    crowd = Crowd(Truth({"window=4": effect}), coding, PEEKED.prompts, PEEKED.raters, random)
    prompt = pairs["prompt"].factorize()[0]
    order = np.concatenate([random.permutation(len(pairs))[:VOTES_A_RATER] for _ in range(PEEKED.raters)])
    order = order.reshape(PEEKED.raters, -1).T.ravel()  # all raters, vote by vote
    rater = np.tile(np.arange(PEEKED.raters), VOTES_A_RATER)
    left = random.choice(["a", "b"], len(order))
    answers = [crowd.answer(contrast[j], prompt[j], who, side) for j, who, side in zip(order, rater, left)]
    votes = (
        pairs.iloc[order]
        .reset_index(drop=True)
        .assign(
            rater=rater,
            left_side=left,
            answer=answers,
            criterion="alignment",
            kind="matched",
            excluded=None,
            repeat_of=None,
        )
    )
    looks = []
    for seen in np.linspace(0, len(votes), PEEKS + 1).astype(int)[1:]:
        table = verdicts(rate(votes.iloc[:seen], "alignment", coding=coding), ["window=4"], looks).set_index("term")
        row = table.loc["window=4"]
        if np.isfinite(row["boundary"]):
            result = {"fraction": row["fraction"], "decided": bool(row["decided"])}
            looks.append({"contrast": "window=4", "criterion": "alignment", "result": result})
    assert len(looks) <= LOOKS
    return bool(row["decided"])


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_peeking_at_the_rating_model_itself_keeps_the_error():
    studies = 100
    null = np.mean([peeked(seed) for seed in range(studies)])
    assert null <= 0.05 + 2.5 * np.sqrt(0.05 * 0.95 / studies)
    assert np.mean([peeked(seed, 1.2) for seed in range(10)]) > 0.7
