"""Where flaws were marked: by place inside the fused s × s window, by height in the picture, by guidance weight.

A mark is a box in fractions of its picture. It is laid over the grid of codes (16 px each); a rate is marked codes over
shown codes, so that uniform marking gives the same rate everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from app.study.intervals import t_interval

CODE_PX = 16  # model.prompt.DOWNSAMPLE, without torch
BANDS = 8  # of height, and of the guidance weight


@dataclass(frozen=True)
class Marked:
    """One picture (`generation`) in one look of one rater: settings, guidance weight of every step, and the boxes
    (x0, y0, x1, y1) marked on it then."""

    settings: Mapping[str, Any]
    weights: Sequence[float]
    boxes: Sequence[tuple[float, float, float, float]]
    generation: str = ""


def code_mask(rows: int, columns: int, boxes: Sequence[tuple[float, float, float, float]]) -> np.ndarray:
    """(rows, columns) True for codes whose centre lies in a box; a box smaller than a code marks the code it lies in."""
    mask = np.zeros((rows, columns), dtype=bool)
    y, x = (np.arange(rows) + 0.5) / rows, (np.arange(columns) + 0.5) / columns
    for x0, y0, x1, y1 in boxes:
        inside = ((y >= y0) & (y <= y1))[:, None] & ((x >= x0) & (x <= x1))[None]
        if not inside.any():
            inside[min(int((y0 + y1) / 2 * rows), rows - 1), min(int((x0 + x1) / 2 * columns), columns - 1)] = True
        mask |= inside
    return mask


KEYS = ["window", "kind", "bin"]


def flaw_rates(pictures: Sequence[Marked]) -> pd.DataFrame:
    """One row a window, kind ("place", "height", "weight") and bin: `marked` codes, `shown` codes, `marks`, `pictures`
    (one counts once a look), `rate` and its 95 % interval `low`, `high`.

    place: row and column inside the window, such as "0,1". height: band from the top. weight: lower end of one of BANDS
    equal bands over the weights that occur. A mark covers many codes at once, so the interval counts pictures, not codes:
    that of a ratio of sums over pictures.
    """
    if not pictures:
        return pd.DataFrame(columns=[*KEYS, "marked", "shown", "marks", "pictures", "rate", "low", "high"])
    edges = weight_edges(pictures)
    each = pd.DataFrame(
        [row for picture in pictures for row in _of_picture(picture, edges)],
        columns=[*KEYS, "marked", "shown", "marks"],
    )
    grouped = each.groupby(KEYS, sort=False)
    table = grouped[["marked", "shown", "marks"]].sum().assign(pictures=grouped.size()).reset_index()
    table["rate"] = table["marked"] / table["shown"]
    gap = each["marked"] - each["shown"] * each.merge(table[[*KEYS, "rate"]], on=KEYS, how="left")["rate"]
    spread = each.assign(square=gap**2).groupby(KEYS, sort=False)["square"].sum().to_numpy()
    freedom = table["pictures"] - 1
    error = np.sqrt(spread * table["pictures"] / freedom.clip(lower=1)) / table["shown"]
    low, high = t_interval(table["rate"], error, freedom)
    return table.assign(low=np.clip(low, 0, 1), high=np.clip(high, 0, 1))


def marked_in(pictures: Sequence[Marked], window: int, kind: str, name: str) -> list[Marked]:
    """The pictures with marked codes in one bin of `flaw_rates`."""
    edges = weight_edges(pictures) if pictures else np.zeros(1)
    return [
        picture
        for picture in pictures
        if picture.boxes and any(row[:3] == (window, kind, name) and row[3] for row in _of_picture(picture, edges))
    ]


def weight_edges(pictures: Sequence[Marked]) -> np.ndarray:
    """(bands,) lower ends of equal bands over all guidance weights of the pictures; one where all are equal."""
    weights = np.concatenate([np.asarray(picture.weights, dtype=float) for picture in pictures])
    return np.unique(np.linspace(weights.min(), weights.max(), BANDS, endpoint=False))


def _of_picture(picture: Marked, edges: np.ndarray) -> list[tuple]:
    """(window, kind, bin, marked codes, shown codes, marks) for every bin that the picture has."""
    window = picture.settings["window"]
    rows, columns = picture.settings["height"] // CODE_PX, picture.settings["width"] // CODE_PX
    mask = code_mask(rows, columns, picture.boxes).ravel()
    row, column = (index.ravel() for index in np.mgrid[:rows, :columns])
    step = (row // window) * (columns // window) + column // window
    weight = np.asarray(picture.weights, dtype=float)[np.minimum(step, len(picture.weights) - 1)]
    found = []
    for kind, code, name in (
        ("place", row % window * window + column % window, lambda i: f"{i // window},{i % window}"),
        ("height", row * BANDS // rows, lambda i: f"{i + 1}/{BANDS}"),
        ("weight", np.searchsorted(edges, weight, side="right") - 1, lambda i: f"{edges[i]:.4g}"),
    ):
        shown, marked = np.bincount(code), np.bincount(code, weights=mask)
        found += [
            (window, kind, name(int(i)), int(marked[i]), int(shown[i]), len(picture.boxes))
            for i in np.flatnonzero(shown)
        ]
    return found
