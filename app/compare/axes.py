"""Axes of a grid: what may vary, the range syntax, and the crossing of all levels into requests.

    1,2,4          512, 512x768          3..9 step 1.5          half-linear 7.5, constant 3, custom 0:1 0.5:7

Prompts are separated by new lines or |; checkpoints go by the operator's names. A study's settings are the same crossing
with more axes.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

from app.drawing.checkpoints import NAME
from app.request import GenerationRequest, finite, parse_points, request_from
from model import SCHEDULES

MAX_LEVELS = 500
_RANGE = re.compile(r"(-?[\d.]+)\s*\.\.\s*(-?[\d.]+)(?:\s+step\s+([\d.]+))?")
_CHECKPOINT = re.compile(rf"({NAME.pattern})(@[0-9a-f]+)?")
_SIZE = re.compile(r"(\d{2,4})(?:\s*[x×]\s*(\d{2,4}))?")

Changes = Mapping[str, Any]


@dataclass(frozen=True)
class Axis:
    """name: a key of AXES; text: its levels as typed."""

    name: str
    text: str

    def levels(self) -> list["Level"]:
        return parse_levels(self.name, self.text)


@dataclass(frozen=True)
class Level:
    """One stop of an axis: what stands beside it, and what it changes in a request."""

    label: str
    changes: Changes = field(default_factory=dict)


@dataclass(frozen=True)
class Cell:
    """labels: one level label an axis, in the order of the axes."""

    labels: tuple[str, ...]
    request: GenerationRequest


def parse_levels(name: str, text: str) -> list[Level]:
    """Text -> distinct levels in the order typed; ValueError says what was not understood."""
    if name not in AXES:
        raise ValueError(f"axis {name!r:.40}; allowed: {', '.join(AXES)}")
    found = {level.label: level for level in (AXES[name](part) for part in parts_of(name, text))}
    if not found:
        raise ValueError(f"the axis {name} is empty; write its levels, such as {EXAMPLES[name]}")
    return list(found.values())


def parts_of(name: str, text: str) -> list[str]:
    """Split at commas (prompts: new lines and |) and unfold ranges."""
    pieces = re.split(r"[\n|]" if name == "prompt" else r"[,;\n]", text or "")
    parts = [each for piece in pieces if piece.strip() for each in unfold(name, " ".join(piece.split()))]
    if len(parts) > MAX_LEVELS:
        raise ValueError(f"the axis {name} has {len(parts)} levels; at most {MAX_LEVELS} are allowed")
    return parts


def unfold(name: str, piece: str) -> list[str]:
    """ "3..9 step 1.5" -> 3, 4.5, 6, 7.5, 9; anything else is one level."""
    match = None if name in ("prompt", "schedule", "resolution", "checkpoint") else _RANGE.fullmatch(piece)
    if not match:
        return [piece]
    low, high, step = (finite(text) if text else 1.0 for text in match.groups())
    if step <= 0 or high < low:
        raise ValueError(f"{piece!r:.40} is no range; write low..high step size, such as 3..9 step 1.5")
    count = math.floor((high - low) / step + 1e-9) + 1
    if count > MAX_LEVELS:
        raise ValueError(f"{piece!r:.40} has {count} levels; at most {MAX_LEVELS} are allowed")
    return [f"{low + i * step:.10g}" for i in range(count)]


def _window(part: str) -> Level:
    value = _whole("window", part)
    return Level(f"s = {value}", {"shuffle_window": value})


def _seed(part: str) -> Level:
    value = _whole("seed", part)
    return Level(f"seed {value}", {"seed": value})


def _scale(part: str) -> Level:
    value = finite(part)
    return Level(f"scale {value:g}", {"guidance_scale": value})


def _temperature(part: str) -> Level:
    value = finite(part)
    return Level(f"T {value:g}", {"temperature": value})


def _resolution(part: str) -> Level:
    match = _SIZE.fullmatch(part)
    if not match:
        raise ValueError(f"{part!r:.40} is no resolution; write 512 or 512x768")
    width, height = int(match[1]), int(match[2] or match[1])
    return Level(f"{width}×{height}", {"width": width, "height": height})


def _schedule(part: str) -> Level:
    kind, _, rest = part.partition(" ")
    if kind not in SCHEDULES:
        raise ValueError(f"schedule {kind!r:.40}; allowed: {', '.join(SCHEDULES)}")
    changes: dict[str, Any] = {"guidance_schedule": kind, "guidance_points": None}
    if kind == "custom":
        points = parse_points(rest.replace(" ", ","))
        if points is None:
            raise ValueError("a custom schedule needs points, such as custom 0:1 0.5:7.5 1:7.5")
        changes["guidance_points"] = points
    elif rest:
        changes["guidance_scale"] = finite(rest)
    return Level(part, changes)


def _prompt(part: str) -> Level:
    return Level(part, {"prompt": part, "typed": part})


def _checkpoint(part: str) -> Level:
    match = _CHECKPOINT.fullmatch(part)
    if not match:
        raise ValueError(f"{part!r:.60} is no name of a checkpoint")
    return Level(match[1], {"checkpoint": part})


def _whole(name: str, part: str) -> int:
    value = finite(part)
    if value != int(value) or value < 0:
        raise ValueError(f"{name} {part!r:.40} must be a whole number from 0")
    return int(value)


AXES: dict[str, Callable[[str], Level]] = {
    "window": _window,
    "schedule": _schedule,
    "scale": _scale,
    "resolution": _resolution,
    "temperature": _temperature,
    "seed": _seed,
    "prompt": _prompt,
    "checkpoint": _checkpoint,
}
EXAMPLES = {  # app/compare/examples.py has those of the loaded checkpoint
    "window": "1, 2, 4",
    "schedule": "half-linear, constant 2",
    "scale": "1..3 step 0.5",
    "resolution": "512, 448x576",
    "temperature": "0.5, 1",
    "seed": "1..4",
    "prompt": "a red apple | two green cars",
    "checkpoint": "default, other",
}


@dataclass(frozen=True)
class Crossing:
    """A base request and the axes that vary it; what a grid and a study store of themselves."""

    base: GenerationRequest
    axes: tuple[Axis, ...]

    def __post_init__(self) -> None:
        names = [axis.name for axis in self.axes]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two axes vary the {twice[0]}; every axis needs a setting of its own")

    def levels_of(self, name: str) -> list[Level]:
        """Empty where that is no axis of this crossing."""
        return [level for axis in self.axes if axis.name == name for level in axis.levels()]

    def count(self) -> int:
        return math.prod(len(axis.levels()) for axis in self.axes)

    def cells(self) -> list[Cell]:
        """All combinations, the last axis fastest. A level of an axis wins over the base."""
        levels = [axis.levels() for axis in self.axes]
        return [
            Cell(tuple(level.label for level in chosen), replace(self.base, **_merged(chosen)))
            for chosen in product(*levels)
        ]

    def as_dict(self) -> dict[str, Any]:
        return {"base": self.base.as_dict(), "axes": [[axis.name, axis.text] for axis in self.axes]}


def _merged(chosen: Sequence[Level]) -> dict[str, Any]:
    """A scale axis wins over the scale that a schedule level carries."""
    merged: dict[str, Any] = {}
    for level in chosen:
        merged.update(level.changes)
    for level in chosen:
        if set(level.changes) == {"guidance_scale"}:
            merged.update(level.changes)
    return merged


def crossing_from(values: Mapping[str, Any]) -> Crossing:
    return Crossing(request_from(values["base"]), tuple(Axis(name, text) for name, text in values["axes"]))
