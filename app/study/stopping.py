"""When may a study stop? Five looks that together spend 5 % of alpha, on the clustered variance.

Lan and DeMets (1983) spending with O'Brien-Fleming shape: looking five times with plain 95 % intervals
would be wrong in 14 % of null studies. Information is one over the clustered variance of a contrast.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import optimize, stats
from scipy.special import (
    ndtr,
    ndtri,
)  # of the normal distribution; `stats.norm` checks every call for as long as it computes

LOOKS = 5
SMALLEST_STEP = (
    0.02  # of the information, between two looks: less is nothing new, and its boundary is numerically empty
)
ALPHA = 0.05
POWER = 0.80
TARGET_EFFECT = 0.5  # log-odds: 62 % wins; smaller differences are called undecided
INFLATION = 1.03  # what five O'Brien-Fleming looks cost in information
GRID = 301


@dataclass(frozen=True)
class Verdict:
    """State of one contrast. `decided` is True only at a look whose boundary was crossed."""

    look: int  # looks taken, this one included; 0 before the first
    fraction: float  # share of the planned information
    z: float
    boundary: float  # nan between looks
    decided: bool
    finished: bool  # decided, or all information is used
    votes_left: int | None  # about; None before an interval exists


def spent_alpha(fraction):
    """Two-sided alpha (half a side) that may be spent by an information fraction in (0, 1]."""
    return 4 * ndtr(ndtri(ALPHA / 4) / np.sqrt(fraction))


def boundaries(fractions: Sequence[float]) -> np.ndarray:
    """(looks,) critical |z| at increasing information fractions, by recursive integration."""
    return np.array(_boundaries(tuple(round(float(fraction), 4) for fraction in fractions)))


@lru_cache(maxsize=1024)
def _boundaries(fractions: tuple[float, ...]) -> tuple[float, ...]:
    steps = np.diff([0.0, *fractions])
    if len(steps) == 0 or (steps <= 0).any() or fractions[-1] > 1 + 1e-9:
        raise ValueError(f"information fractions {list(fractions)} must rise inside (0, 1]")
    spend = np.diff([0.0, *spent_alpha(np.asarray(fractions))])
    points, mass = np.zeros(1), np.ones(1)
    limits = []
    for fraction, step, share in zip(fractions, steps, spend):
        limit = _limit(points, mass, np.sqrt(step), share)
        limits.append(limit / np.sqrt(fraction))
        points, mass = _carry(points, mass, np.sqrt(step), limit)
    return tuple(limits)


def _limit(points, mass, deviation: float, share: float) -> float:
    """The |score| that paths now at `points` exceed after one step with probability `share`.

    `ndtr` is the normal distribution without the checks of `stats.norm`, which take longer than all else here.
    """

    def excess(limit):
        outside = ndtr((points - limit) / deviation) + ndtr((-limit - points) / deviation)
        return mass @ outside - share

    return optimize.brentq(excess, 0.0, 12.0)


def _carry(points, mass, deviation: float, limit: float):
    """Paths that stay inside the limit: grid points and probability mass after the step."""
    grid = np.linspace(-limit, limit, GRID)
    density = (
        np.exp(-(((grid[:, None] - points[None, :]) / deviation) ** 2) / 2) @ mass / (deviation * np.sqrt(2 * np.pi))
    )
    weight = np.full(GRID, grid[1] - grid[0])
    weight[[0, -1]] /= 2
    return grid, density * weight


def planned_information(effect: float = TARGET_EFFECT) -> float:
    """Information (1 / variance of a log-odds contrast) that decides an effect of this size with POWER at ALPHA."""
    if effect <= 0:
        raise ValueError(f"effect {effect} must be above 0 (log-odds)")
    return INFLATION * ((ndtri(POWER) - ndtri(ALPHA / 2)) / effect) ** 2


def review(
    estimate: float,
    error: float,
    freedom: float,
    votes: int,
    earlier: Sequence[float] = (),
    information: float | None = None,
) -> Verdict:
    """Judge one contrast now. `earlier` are the information fractions of the looks already taken.

    A look is due when the fraction passes the next fifth above the last look (`coming_looks`); in between nothing is
    tested. Few clusters: the t-statistic is turned into the z of equal probability.
    """
    if freedom < 1 or not np.isfinite(error) or error <= 0:
        return Verdict(len(earlier), 0.0, float("nan"), float("nan"), False, False, None)
    information = information or planned_information()
    fraction = min(1 / error**2 / information, 1.0)
    z = float(-ndtri(stats.t.sf(abs(estimate) / error, freedom)))
    coming = coming_looks(earlier)
    if not coming or fraction < coming[0] - 1e-9:
        return Verdict(
            len(earlier), fraction, z, float("nan"), False, not coming, _votes_left(z, fraction, votes, earlier)
        )
    taken = [*earlier, fraction]
    boundary = float(boundaries(taken)[-1])
    decided = z >= boundary
    finished = decided or not coming_looks(taken)
    return Verdict(
        len(taken), fraction, z, boundary, decided, finished, 0 if finished else _votes_left(z, fraction, votes, taken)
    )


def coming_looks(taken: Sequence[float]) -> list[float]:
    """Information fractions at which looks are still due: the fifths above the last look. A look that came late takes
    the place of those that it passed, so that there are never more than LOOKS."""
    last = round(taken[-1], 4) if taken else 0.0
    return [k / LOOKS for k in range(1, LOOKS + 1) if k / LOOKS >= last + SMALLEST_STEP]


def _votes_left(z: float, fraction: float, votes: int, taken: Sequence[float]) -> int:
    """Votes until the first coming look that today's estimate would cross, else until all information is in."""
    coming = [each for each in coming_looks(taken) if each > fraction + 1e-9]
    if not coming:
        return 0
    limits = boundaries([*taken, *coming])[len(taken) :]
    crossed = [f for f, limit in zip(coming, limits) if z * np.sqrt(f / fraction) >= limit]
    return int(np.ceil(votes * ((crossed[0] if crossed else 1.0) / fraction - 1)))
