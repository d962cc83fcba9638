"""Balanced first, adaptive later, always with a floor; sides, controls, repeats and overlap as promised."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from app.study.choice import (
    RANDOM_FLOOR,
    REPEAT_DISTANCE,
    Pool,
    Seen,
    balanced_side,
    choose,
    least_rated,
    open_slots,
    pair_chances,
)
from app.study.planted import Truth
from app.study.ratings import rate
from app.study.simulate import MemoryLedger, Plan, pair_table, simulate_study

RATERS_PER_PAIR = 3


def make_pool(n=60, controls=6, rated=0):
    kind = np.array(["matched"] * n + ["identical"] * controls)
    block = np.array([f"contrast {i % 3}" for i in range(n)] + [""] * controls)
    raters = np.zeros(n + controls, dtype=int)
    raters[:rated] = 1
    names = np.array([f"c{i}" for i in range(n + controls)])
    return Pool(names, kind, block, raters, np.zeros((n + controls, 1)))


def walk(pool, steps, seed=0):
    """One rater's choices in a row."""
    random, history, choices = np.random.default_rng(seed), [], []
    kinds = dict(zip(pool.comparison, pool.kind))
    for i in range(steps):
        choice = choose(pool, history, np.ones(len(pool.kind), bool), RATERS_PER_PAIR, random)
        choices.append(choice)
        history.append(Seen(f"s{i}", choice.comparison, choice.left_side, kinds[choice.comparison], choice.repeat_of))
    return choices, history


def test_no_pair_twice_except_swapped_repeats_ten_later():
    _, history = walk(make_pool(300), 200)
    position = {seen.assignment: i for i, seen in enumerate(history)}
    repeats = [(i, seen) for i, seen in enumerate(history) if seen.repeat_of]
    assert repeats
    for i, seen in repeats:
        first = history[position[seen.repeat_of]]
        assert first.comparison == seen.comparison and first.left_side != seen.left_side
        assert i - position[seen.repeat_of] >= REPEAT_DISTANCE
    firsts = [seen.comparison for seen in history if not seen.repeat_of]
    assert len(firsts) == len(set(firsts))
    assert len({seen.repeat_of for _, seen in repeats}) == len(repeats)


def test_shares_of_controls_repeats_and_overlap():
    counts = Counter()
    for seed in range(15):
        choices, _ = walk(make_pool(400, controls=60, rated=200), 100, seed)
        counts.update(choice.chosen_by for choice in choices)
    total = sum(counts.values())
    assert 0.05 <= counts["control"] / total <= 0.11
    assert 0.03 <= counts["repeat"] / total <= 0.07
    assert counts["overlap"] / (counts["overlap"] + counts["fresh"]) >= 0.20


def test_sides_are_balanced_in_every_block_of_four():
    random, history = np.random.default_rng(0), []
    for i in range(40):
        history.append(Seen(str(i), str(i), balanced_side(history, random), "matched"))
        if len(history) % 4 == 0:
            assert [seen.left_side for seen in history[-4:]].count("a") == 2
    patterns = {"".join(s.left_side for s in history[i : i + 4]) for i in range(0, 40, 4)}
    assert len(patterns) > 2


def test_what_a_rater_may_not_see_is_never_offered():
    pool = make_pool(20, controls=0)
    allowed = np.zeros(20, dtype=bool)
    allowed[7] = True
    assert choose(pool, [], allowed, 3, np.random.default_rng(0)).comparison == "c7"
    assert choose(pool, [], np.zeros(20, dtype=bool), 3, np.random.default_rng(0)) is None


def test_a_repeat_is_of_a_pair_that_was_answered_and_may_be_seen():
    pool = make_pool(REPEAT_DISTANCE + 3, controls=0)
    history = [Seen(f"s{i}", f"c{i}", "a", "matched", answered=i > 0) for i in range(REPEAT_DISTANCE + 2)]
    slots = open_slots(pool, history, np.ones(REPEAT_DISTANCE + 3, bool), 3)
    assert slots["repeat"].tolist() == [1]  # c0 was left half answered
    slots = open_slots(pool, history, pool.comparison != "c1", 3)
    assert "repeat" not in slots


def test_a_pair_with_enough_raters_is_done():
    pool = make_pool(3, controls=2)
    pool.raters[:] = [3, 3, 2, 0, 0]
    slots = open_slots(pool, [], np.ones(5, bool), 3)
    assert slots["overlap"].tolist() == [2] and "fresh" not in slots
    pool.raters[2] = 3
    assert open_slots(pool, [], np.ones(5, bool), 3) == {}  # controls alone never go on


def test_propensity_is_the_frequency_of_the_choice():
    pool = make_pool(6, controls=2, rated=3)
    drawn, promised = Counter(), {}
    random = np.random.default_rng(1)
    for _ in range(6000):
        choice = choose(pool, [], np.ones(8, bool), 3, random)
        drawn[choice.comparison] += 1
        promised[choice.comparison] = choice.propensity
    assert sum(promised.values()) == pytest.approx(1)
    for name, share in promised.items():
        assert drawn[name] / 6000 == pytest.approx(share, abs=0.025)


def test_balanced_stage_serves_the_least_rated_contrast_but_keeps_the_floor():
    pool = make_pool(30, controls=0)
    pool.raters[(pool.block == "contrast 1") | (pool.block == "contrast 0")] = 1
    chance = pair_chances(pool, np.arange(30), None)
    assert chance[pool.block == "contrast 2"].sum() == pytest.approx(1 - RANDOM_FLOOR * 2 / 3)
    assert chance.min() == pytest.approx(RANDOM_FLOOR / 30)


def test_adaptive_stage_prefers_the_uncertain_contrast():
    plan = Plan(prompts=8, raters=6, assignments=40, criteria=("alignment",))
    votes, coding, _ = simulate_study(plan, Truth(), 0)
    rating = rate(votes[votes["window_a"] == votes["window_b"]], "alignment", coding=coding)  # windows never compared
    pairs, _, contrast = pair_table(plan)
    pool = replace(MemoryLedger(pairs, contrast).pool(), raters=np.full(len(pairs), 12))
    chance = pair_chances(pool, np.arange(len(pairs)), rating)
    windows = (pairs["factor"] == "window").to_numpy()
    assert chance[windows].mean() > 2 * chance[~windows].mean()
    assert chance.min() >= RANDOM_FLOOR / len(pairs) * 0.99


def test_the_choice_adapts_once_every_contrast_has_its_share():
    pool = make_pool(30, controls=2)
    assert least_rated(pool) == 0
    rated = replace(pool, raters=np.where(pool.kind == "matched", 2, 0))
    assert least_rated(rated) == 20  # ten pairs a contrast, two ratings each
    assert least_rated(replace(pool, kind=np.full(32, "identical"))) == 0


def test_queued_cells_that_differ_in_more_than_one_thing_are_offered():
    pool = make_pool(4, controls=1)
    free = replace(pool, kind=np.array(["free"] * 4 + ["identical"]))
    slots = open_slots(free, [], np.ones(5, bool), RATERS_PER_PAIR)
    assert list(slots["fresh"]) == [0, 1, 2, 3] and list(slots["control"]) == [4]
