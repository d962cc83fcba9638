"""Levels to begin an axis with, as they are typed: such as the loaded checkpoint was trained for."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.compare.axes import EXAMPLES
from app.drawing.estimate import squares_first
from app.services import Services
from model.settings import covers, sides

MOST_SIZES = 3


def example(services: Services, name: str) -> str:
    """Text of an axis that can be drawn with the tuned window and size; a general one where nothing was trained."""
    return {"window": trained_windows, "resolution": trained_sizes}.get(name, lambda _: "")(services) or EXAMPLES[name]


def trained_windows(services: Services) -> str:
    """ "1, 2, 4": those of the tuned size."""
    tuned = services.tuned
    windows = {cell["window"] for cell in cells_of(services) if covers(cell, tuned.width, tuned.height, cell["window"])}
    return ", ".join(map(str, sorted(windows)))


def trained_sizes(services: Services) -> str:
    """ "512, 448x576": those of the tuned window, squares first."""
    cells = [cell for cell in cells_of(services) if cell["window"] == services.tuned.shuffle_window]
    sizes = dict.fromkeys(size for cell in squares_first(cells) for size in sizes_of(cell))
    return ", ".join(f"{w}" if w == h else f"{w}x{h}" for w, h in list(sizes)[:MOST_SIZES])


def sizes_of(cell: Mapping[str, Any]) -> list[tuple[int, int]]:
    """A trained cell's very size where it is one, else the squares at both ends of its range, px."""
    if "size" in cell:
        return [sides(cell["size"])]
    return [(side, side) for side in (round(cell[end] ** 0.5) for end in ("min_pixels", "max_pixels"))]


def cells_of(services: Services) -> Sequence[dict[str, Any]]:
    return services.pipeline.supported_cells() if services.pipeline is not None else ()
