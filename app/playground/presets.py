"""Guidance presets: ready shapes up to the scale that a checkpoint was tuned for, and which of them a schedule is."""

from collections.abc import Sequence
from typing import Any

from app.request import format_points, parse_points
from model.guidance import CUSTOM
from model.settings import Settings

RAMPED = ("half-linear",)

Preset = tuple[str, float, float, str]  # schedule, scale, ramp end, control points
SHAPES = {  # fraction of the steps, share of the way from 1 to the scale
    "Late": ((0, 0), (0.4, 0.1), (0.7, 0.75), (1, 1)),
    "Bump": ((0, 0), (0.35, 1), (0.65, 1), (1, 0.15)),
}


def presets(tuned: Settings) -> dict[str, Preset]:
    """Up to the tuned scale; only the paper's has the paper's."""
    own_points = format_points(tuned.guidance_points) if tuned.guidance_points else ""
    return {
        "Tuned": (tuned.guidance_schedule, tuned.guidance_scale, tuned.ramp_end, own_points),
        "Constant": ("constant", tuned.guidance_scale, tuned.ramp_end, ""),
        **{name: (CUSTOM, tuned.guidance_scale, tuned.ramp_end, shaped(name, tuned.guidance_scale)) for name in SHAPES},
        "Off": ("constant", 1.0, tuned.ramp_end, ""),
        "The paper's": ("half-linear", 7.5, 0.5, ""),
    }


def shaped(name: str, scale: float) -> str:
    """The control points of one of SHAPES."""
    return format_points(tuple((at, 1 + (scale - 1) * share) for at, share in SHAPES[name]))


def shape_named(points: Sequence[tuple[float, float]], scale: float) -> str | None:
    """The name of the shape that these points are at this scale, if any."""
    return next((name for name in SHAPES if shaped(name, scale) == format_points(tuple(points))), None)


def shaping(schedule: str, scale: float, ramp_end: float, points: str) -> tuple[Any, ...]:
    """What of a preset shapes its curve. ValueError for control points that are none."""
    if schedule == CUSTOM:
        return schedule, parse_points(points)
    return schedule, scale, ramp_end if schedule in RAMPED else None
