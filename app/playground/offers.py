"""What the loaded checkpoint was trained for, as the controls offer it: plain functions of its trained cells.

Until untrained sizes and windows are allowed, only trained combinations can be set: the control that was moved last
keeps its value, the others follow to the nearest combination.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from app.playground.controls import ASPECTS, CUSTOM_ASPECT, LARGEST, SMALLEST, STEP, Controls, size_of
from model.settings import covers

UNTRAINED_LABEL = "Allow untrained sizes and windows"
UNTRAINED_INFO = "The checkpoint never saw them, so expect worse pictures, or noise. Each is labelled untrained."


@dataclass(frozen=True)
class Combination:
    """One trained position of the three controls."""

    resolution: int
    aspect: str
    window: int


@dataclass(frozen=True)
class Offer:
    """What can be set. least, most, step: of the resolution in px; locked: windows that cannot be chosen."""

    least: int
    most: int
    step: int
    aspects: tuple[str, ...]
    locked: tuple[int, ...]


def combinations(cells: Sequence[dict[str, Any]]) -> list[Combination]:
    """Every trained position of the controls."""
    windows = sorted({cell["window"] for cell in cells})
    return [
        Combination(resolution, aspect, window)
        for window in windows
        for aspect in ASPECTS
        for resolution in range(SMALLEST, LARGEST + 1, STEP)
        if any(covers(cell, *size_of(resolution, aspect, window), window) for cell in cells)
    ]


def offered(trained: Sequence[Combination], windows: Sequence[int], allow_untrained: bool) -> Offer:
    """Everything where that is allowed, or where no control could be set to what was trained."""
    if allow_untrained or not trained:
        return Offer(SMALLEST, LARGEST, STEP, (*ASPECTS, CUSTOM_ASPECT), ())
    resolutions = sorted({each.resolution for each in trained})
    step = math.gcd(*(each - resolutions[0] for each in resolutions)) or STEP
    seen = {each.aspect for each in trained}
    locked = tuple(sorted(set(windows) - {each.window for each in trained}))
    return Offer(resolutions[0], resolutions[-1], step, tuple(name for name in ASPECTS if name in seen), locked)


def settled(trained: Sequence[Combination], controls: Controls, moved: str = "window") -> Controls:
    """The nearest trained controls; `moved` ("resolution", "aspect" or "window") gives way last."""
    now = position(controls)
    if controls.allow_untrained or not trained or now in trained:
        return controls
    order = sorted(("aspect", "window", "resolution"), key=lambda name: name != moved)
    best = min(trained, key=lambda each: [distance(name, now, each) for name in order])
    return replace(controls, resolution=best.resolution, aspect=best.aspect, window=best.window)


def position(controls: Controls) -> Combination:
    return Combination(int(controls.resolution), controls.aspect, int(controls.window))


def distance(name: str, one: Combination, other: Combination) -> float:
    a, b = getattr(one, name), getattr(other, name)
    return float(a != b) if name == "aspect" else abs(math.log(a / b))


def training_note(trained: Sequence[Combination]) -> str:
    """ "Trained for 1:1 at 512 px (s = 2, 4) and 1024 px (s = 4); for 4:3 and 3:4 at 512 px (s = 2)." """
    if not trained:
        return "This checkpoint names no size that it was trained for."
    aspects: dict[str, list[str]] = {}
    for aspect in dict.fromkeys(each.aspect for each in trained):
        aspects.setdefault(sizes_text([each for each in trained if each.aspect == aspect]), []).append(aspect)
    return f"Trained {'; '.join(f'for {listed(names)} at {sizes}' for sizes, names in aspects.items())}."


def sizes_text(trained: Sequence[Combination]) -> str:
    """ "512 px (s = 2, 4) and 1024 px (s = 4)"."""
    sizes: dict[str, list[int]] = {}
    for resolution in sorted({each.resolution for each in trained}):
        windows = sorted({each.window for each in trained if each.resolution == resolution})
        sizes.setdefault(", ".join(map(str, windows)), []).append(resolution)
    return listed([f"{spans(found)} px (s = {windows})" for windows, found in sizes.items()])


def listed(names: Sequence[str]) -> str:
    """ "a, b and c"."""
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def spans(resolutions: Sequence[int]) -> str:
    """Neighbours on the slider as a range: "256–512, 1024"."""
    runs: list[list[int]] = []
    for each in resolutions:
        if runs and each - runs[-1][-1] == STEP:
            runs[-1].append(each)
        else:
            runs.append([each])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}–{run[-1]}" for run in runs)
