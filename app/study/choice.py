"""Which pair a rater sees next, on which side, and with what probability.

A slot is drawn first (control, swapped repeat, a pair that others rated, a fresh pair), then a pair inside
it: balanced blocks until every contrast has its share, afterwards by information gain; one draw in five
is uniform throughout. The product of both probabilities is the propensity that goes into the assignment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.study import davidson
from app.study.ratings import Rating

CONTROL_SHARE = 0.08
REPEAT_SHARE = 0.05
OVERLAP_SHARE = 0.30  # of what is left; the report demands 0.20
RANDOM_FLOOR = 0.20
REPEAT_DISTANCE = 10  # assignments between a pair and its swapped repeat
BALANCED_RATINGS = 12  # ratings of every contrast before the choice adapts
SIDE_BLOCK = 4
RATED_KINDS = ("matched", "free")  # free: two cells that somebody queued although more than one thing differs


@dataclass(frozen=True)
class Pool:
    """All comparisons of a study as arrays of one length n."""

    comparison: np.ndarray
    kind: np.ndarray
    block: np.ndarray  # the contrast
    raters: np.ndarray  # who answered so far
    contrast: np.ndarray  # (n, terms) coding of a minus b; zeros for controls


@dataclass(frozen=True)
class Seen:
    """One earlier assignment of this rater, oldest first in a history."""

    assignment: str
    comparison: str
    left_side: str
    kind: str
    repeat_of: str | None = None
    answered: bool = True  # every question


@dataclass(frozen=True)
class Choice:
    comparison: str
    left_side: str
    propensity: float
    chosen_by: str
    repeat_of: str | None = None


def choose(
    pool: Pool,
    history: Sequence[Seen],
    allowed: np.ndarray,
    raters_per_pair: int,
    random: np.random.Generator,
    rating: Rating | None = None,
) -> Choice | None:
    """The next pair for one rater, or None when nothing is left.

    allowed: (n,) False for pairs that this rater made, queued or saw with their settings.
    """
    slots = open_slots(pool, history, allowed, raters_per_pair)
    if not slots:
        return None
    share = slot_shares(slots)
    slot = str(random.choice(list(share), p=list(share.values())))
    members = slots[slot]
    chance = pair_chances(pool, members, rating if slot in ("fresh", "overlap") else None)
    index = random.choice(len(members), p=chance)
    picked = members[index]
    first = _first_look(history, pool.comparison[picked]) if slot == "repeat" else None
    return Choice(
        str(pool.comparison[picked]),
        _other(first.left_side) if first else balanced_side(history, random),
        float(share[slot] * chance[index]),
        slot,
        first.assignment if first else None,
    )


def open_slots(pool: Pool, history: Sequence[Seen], allowed: np.ndarray, raters_per_pair: int) -> dict[str, np.ndarray]:
    """Slot -> indices of the pairs that may fill it; empty slots are absent.

    Controls never end a study: they are offered only while matched pairs are left.
    """
    matched = still_open(pool, history, allowed, raters_per_pair)
    new = allowed & ~np.isin(pool.comparison, [seen.comparison for seen in history])
    slots = {
        "fresh": matched & (pool.raters == 0),
        "overlap": matched & (pool.raters > 0),
        "repeat": allowed & np.isin(pool.comparison, repeatable(history)),
        "control": new & ~np.isin(pool.kind, RATED_KINDS),
    }
    if not matched.any():
        return {}
    return {name: np.flatnonzero(mask) for name, mask in slots.items() if mask.any()}


def still_open(pool: Pool, history: Sequence[Seen], allowed: np.ndarray, raters_per_pair: int) -> np.ndarray:
    """(n,) pairs that are no controls, need raters, and are new to this one."""
    new = allowed & ~np.isin(pool.comparison, [seen.comparison for seen in history])
    return new & np.isin(pool.kind, RATED_KINDS) & (pool.raters < raters_per_pair)


def repeatable(history: Sequence[Seen]) -> list[str]:
    """Matched pairs that this rater answered once, long enough ago."""
    twice = {seen.repeat_of for seen in history}
    old = history[: max(len(history) - REPEAT_DISTANCE, 0)]
    first = [s for s in old if s.kind == "matched" and s.repeat_of is None and s.answered]
    return [s.comparison for s in first if s.assignment not in twice]


def slot_shares(slots: dict[str, np.ndarray]) -> dict[str, float]:
    """Chance of every open slot; what a closed slot leaves goes to the fresh and overlapping pairs."""
    share = {}
    for name, wanted in (("control", CONTROL_SHARE), ("repeat", REPEAT_SHARE)):
        if name in slots:
            share[name] = wanted
    rest = 1 - sum(share.values())
    if "fresh" in slots and "overlap" in slots:
        return share | {"overlap": rest * OVERLAP_SHARE, "fresh": rest * (1 - OVERLAP_SHARE)}
    return share | {name: rest for name in ("fresh", "overlap") if name in slots}


def pair_chances(pool: Pool, members: np.ndarray, rating: Rating | None) -> np.ndarray:
    """(members,) chance of each pair inside its slot: four fifths by need, one fifth uniform."""
    need = balanced_need(pool, members)
    if rating is not None and least_rated(pool) >= BALANCED_RATINGS:
        need = information_gain(rating, pool.contrast[members])
    uniform = np.full(len(members), 1 / len(members))
    focus = need / need.sum() if need.sum() > 0 else uniform
    mixed = (1 - RANDOM_FLOOR) * focus + RANDOM_FLOOR * uniform
    return mixed / mixed.sum()


def least_rated(pool: Pool) -> int:
    """Ratings of the contrast that has the fewest."""
    matched = pool.kind == "matched"
    return int(_ratings_per_block(pool)[matched].min()) if matched.any() else 0


def _ratings_per_block(pool: Pool) -> np.ndarray:
    """(n,) ratings that the whole contrast of each pair has."""
    code = np.unique(pool.block, return_inverse=True)[1]
    return np.bincount(code, weights=pool.raters)[code]


def balanced_need(pool: Pool, members: np.ndarray) -> np.ndarray:
    """(members,) one for the pairs of the least rated contrast among them, zero for the others."""
    ratings = _ratings_per_block(pool)[members]
    return (ratings == ratings.min()).astype(float)


def information_gain(rating: Rating, contrast: np.ndarray) -> np.ndarray:
    """(n, terms) -> (n,) log-determinant gain of one more vote on each pair, clustered covariance as it stands."""
    count = contrast.shape[1]
    spread = np.einsum("ni,ij,nj->n", contrast, rating.covariance[:count, :count], contrast)
    chance = davidson.probabilities(contrast @ rating.parameters[:count], rating.parameters[-1])
    weight = (chance[:, 0] + chance[:, 1] - (chance[:, 0] - chance[:, 1]) ** 2) / 4
    return np.log1p(weight * spread)


def balanced_side(history: Sequence[Seen], random: np.random.Generator) -> str:
    """Side of picture a: in every block of four first looks of a rater, a stands left twice."""
    first = [seen.left_side for seen in history if seen.repeat_of is None]
    block = first[len(first) - len(first) % SIDE_BLOCK :]
    left = SIDE_BLOCK // 2 - block.count("a")
    return "a" if random.random() < left / (SIDE_BLOCK - len(block)) else "b"


def _first_look(history: Sequence[Seen], comparison: str) -> Seen:
    return next(seen for seen in history if seen.comparison == comparison and seen.repeat_of is None)


def _other(side: str) -> str:
    return "b" if side == "a" else "a"
