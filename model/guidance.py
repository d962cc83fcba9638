"""Classifier-free guidance schedules (arXiv 2504.17789, section 3.3): how strongly each step is guided.

The unconditional prompt holds no text, so its first prediction is the same for every picture; full guidance
there injects an error that all later steps inherit. The paper therefore raises the weight w from 1:
logits = l_u + w (l_c - l_u), half-linear by default. With u = i / (N - 1) over the N steps:

| schedule    | weight                                              |
|-------------|-----------------------------------------------------|
| constant    | scale                                               |
| linear      | 1 + (scale - 1) u                                   |
| half-linear | 1 + (scale - 1) min(1, u / ramp_end), ramp_end = .5 |
| drop-first  | 1 in the first step, then scale                     |
| sin         | 1 + (scale - 1) sin(pi u / 2)                       |
| sigmoid     | 1 + (scale - 1) g(u), g logistic, rescaled to 0..1  |
| custom      | monotone curve through guidance points              |
"""

import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from scipy.interpolate import PchipInterpolator
from torch import Tensor

from model.checks import is_number

SIGMOID_STEEPNESS = 10.0
MAX_SCALE = 30.0
MAX_POINTS = 12  # more say nothing that a hand could have meant, and every picture's record holds them

Ramp = Callable[[Tensor, float], Tensor]  # (u in 0..1, ramp_end) -> share of the way from 1 to the scale


def _sigmoid(u: Tensor, _ramp_end: float) -> Tensor:
    raw = torch.sigmoid(SIGMOID_STEEPNESS * (u - 0.5))
    low = 1 / (1 + math.exp(SIGMOID_STEEPNESS / 2))
    return (raw - low) / (1 - 2 * low)


RAMPS: dict[str, Ramp] = {
    "half-linear": lambda u, ramp_end: (u / ramp_end).clamp(max=1.0),
    "constant": lambda u, _: torch.ones_like(u),
    "linear": lambda u, _: u,
    "drop-first": lambda u, _: (torch.arange(len(u)) > 0).to(u.dtype),
    "sin": lambda u, _: torch.sin(math.pi / 2 * u),
    "sigmoid": _sigmoid,
}
CUSTOM = "custom"
SCHEDULES = (*RAMPS, CUSTOM)


def guidance_weights(
    schedule: str,
    scale: float,
    steps: int,
    *,
    points: Sequence[tuple[float, float]] | None = None,
    interval: tuple[float, float] | None = None,
    ramp_end: float = 0.5,
) -> Tensor:
    """Guidance weight of every step, float32 [steps]; 1 means unguided.

    Args:
        schedule: one of `SCHEDULES`; "custom" needs `points`.
        scale: the weight that the schedule reaches, 1 (off) to 30.
        points: up to 12 (fraction of the steps, weight) pairs for "custom", interpolated without overshoot.
        interval: guidance is on while start <= fraction <= stop, and 1 outside; None: always on.
        ramp_end: fraction at which half-linear reaches the scale.
    """
    check_guidance(schedule, scale, points, interval, ramp_end)
    if steps < 1:
        raise ValueError(f"steps is {steps}; it must be at least 1")
    fractions = torch.arange(steps, dtype=torch.float64) / max(steps - 1, 1)
    if schedule == CUSTOM:
        weights = _through_points(fractions, points)
    else:
        weights = 1 + (scale - 1) * RAMPS[schedule](fractions, ramp_end)
    if interval is not None:
        weights[(fractions < interval[0]) | (fractions > interval[1])] = 1.0
    return weights.float()


def check_guidance(
    schedule: str,
    scale: float,
    points: Sequence[tuple[float, float]] | None = None,
    interval: tuple[float, float] | None = None,
    ramp_end: float = 0.5,
) -> None:
    """Raise ValueError with the value and what is allowed."""
    if schedule not in SCHEDULES:
        raise ValueError(f"guidance_schedule is {schedule!r}; it must be one of {', '.join(SCHEDULES)}")
    _check_range("guidance_scale", scale, 1.0, MAX_SCALE)
    if not is_number(ramp_end) or not 0 < ramp_end <= 1:
        raise ValueError(f"ramp_end is {ramp_end!r}; it must be above 0 and at most 1")
    if interval is not None and not (_is_pair(interval) and 0 <= interval[0] <= interval[1] <= 1):
        raise ValueError(f"guidance_range is {interval!r}; it must be (start, stop) with 0 <= start <= stop <= 1")
    if schedule == CUSTOM:
        _check_points(points)
    elif points:
        raise ValueError(f"guidance_points need guidance_schedule='custom', not {schedule!r}")


def _check_points(points: Sequence[tuple[float, float]] | None) -> None:
    if not isinstance(points, Sequence) or not points or not all(_is_pair(point) for point in points):
        raise ValueError(f"guidance_points is {points!r}; it must be a list of (fraction, weight) pairs")
    if len(points) > MAX_POINTS:
        raise ValueError(f"guidance_points holds {len(points)} points; at most {MAX_POINTS} are allowed")
    for fraction, weight in points:
        _check_range("fraction of a guidance point", fraction, 0.0, 1.0)
        _check_range("weight of a guidance point", weight, 1.0, MAX_SCALE)
    fractions = [fraction for fraction, _ in points]
    if any(b <= a for a, b in itertools.pairwise(fractions)):
        raise ValueError(f"fractions of guidance_points are {fractions}; they must increase")


def _is_pair(value: object) -> bool:
    return isinstance(value, Sequence) and len(value) == 2 and all(is_number(part) for part in value)


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if not is_number(value) or not low <= value <= high:
        raise ValueError(f"{name} is {value!r}; it must be between {low:g} and {high:g}")


def _through_points(fractions: Tensor, points: Sequence[tuple[float, float]]) -> Tensor:
    """Monotone cubic through the points, level before the first and after the last."""
    x, y = np.array(points, dtype=np.float64).T
    if len(x) == 1:
        return torch.full_like(fractions, y[0])
    return torch.from_numpy(PchipInterpolator(x, y)(np.clip(fractions.numpy(), x[0], x[-1])))
