"""What a request will cost, before it starts: steps, seconds from this machine's own history, memory."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.drawing.memory import resident_bytes
from app.request import GenerationRequest
from model.settings import covers, sides
from storage.records import Measured
from storage.store import Store


@dataclass(frozen=True)
class Estimate:
    steps: int
    seconds: float | None  # None: nothing was measured yet
    measured: int  # how many pictures the seconds rest on
    memory_bytes: int  # measured peak of the process, else what it takes at least
    memory_measured: bool
    trained: bool
    reason: str  # why it is called trained or untrained


def estimate(pipeline: Any, store: Store, request: GenerationRequest) -> Estimate:
    plan = pipeline.plan(**request.arguments())
    same_cell = store.measured_seconds(
        request.width, request.height, request.shuffle_window, checkpoint=pipeline.checkpoint, limit=20
    )
    others = [] if same_cell else store.measured_seconds(checkpoint=pipeline.checkpoint, limit=50)
    seconds, measured = expected_seconds(plan["steps"], request.num_images, same_cell, others)
    peaks = [
        row.peak_memory_bytes for row in same_cell if row.peak_memory_bytes and row.num_images == request.num_images
    ]
    trained = pipeline.is_trained(request.width, request.height, request.shuffle_window)
    return Estimate(
        steps=plan["steps"],
        seconds=seconds,
        measured=measured,
        memory_bytes=max(peaks, default=0) or least_memory(pipeline, plan),
        memory_measured=bool(peaks),
        trained=trained,
        reason=named(request, training_text(pipeline.supported_cells(), request)),
    )


def least_memory(pipeline: Any, plan: dict[str, float]) -> int:
    """Bytes: the caches on top of what the process holds already, or on another device on top of the weights."""
    held = resident_bytes() if pipeline.device.type == "cpu" else None
    return int((held or plan["weight_bytes_per_step"]) + plan["kv_bytes"])


def named(request: GenerationRequest, text: str) -> str:
    """The text, with the checkpoint that it speaks of where the request names one."""
    return f"{request.checkpoint_name}: {text}" if request.checkpoint_name else text


def training_text(cells: Sequence[dict[str, Any]], request: GenerationRequest) -> str:
    """What the checkpoint saw of this size and window, or what it saw instead."""
    of_window = [cell for cell in cells if cell["window"] == request.shuffle_window]
    covering = [cell for cell in of_window if covers(cell, request.width, request.height, request.shuffle_window)]
    if covering:  # a cell speaks for wide and tall alike; the one of this very size knows best
        cell = max(covering, key=lambda each: each.get("size") == f"{request.width}x{request.height}")
        return f"trained on {cell['samples']:,} samples" if cell.get("samples") else "trained on this size and window"
    if not of_window:
        windows = ", ".join(str(window) for window in sorted({cell["window"] for cell in cells}))
        return f"window {request.shuffle_window} was not trained; trained windows: {windows or 'none'}"
    ranges = ", ".join(dict.fromkeys(range_text(cell) for cell in squares_first(of_window)))
    size = f"{request.width} × {request.height}"
    return f"{size} was not trained with window {request.shuffle_window}; trained: {ranges}"


def check_trained(cells: Sequence[dict[str, Any]], request: GenerationRequest) -> None:
    """ValueError for a size and window that the checkpoint was not trained for, unless they were allowed deliberately."""
    shape = request.width, request.height, request.shuffle_window
    if not request.allow_untrained and not any(covers(cell, *shape) for cell in cells):
        text = named(request, training_text(cells, request))
        raise ValueError(f"{text}; to draw it all the same, allow untrained sizes and windows")


def squares_first(cells: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(cells, key=lambda cell: (cell.get("max_aspect", 1), cell["min_pixels"], cell["window"]))


def range_text(cell: dict[str, Any]) -> str:
    """What a trained cell covers: its very size where it is one, else the range of areas and aspects."""
    if "size" in cell:
        return "{} × {} px".format(*sides(cell["size"]))
    low, high = round(cell["min_pixels"] ** 0.5), round(cell["max_pixels"] ** 0.5)
    sizes = str(low) if low == high else f"{low}–{high}"
    aspect = cell.get("max_aspect", 1)
    return f"squares of {sizes} px" if aspect == 1 else f"the area of squares of {sizes} px, sides up to {aspect:.3g}:1"


def expected_seconds(
    steps: int, num_images: int, same_cell: Sequence[Measured], others: Sequence[Measured]
) -> tuple[float | None, int]:
    """Median of this size and window; else this machine's median seconds per step, from whatever the checkpoint drew."""
    if same_cell:
        known = alike(same_cell, num_images)
        return statistics.median(row.seconds * share for row, share in known), len(known)
    known = [(row, share) for row, share in alike(others, num_images) if row.steps]
    if not known:
        return None, 0
    return steps * statistics.median(row.seconds / row.steps * share for row, share in known), len(known)


def alike(rows: Sequence[Measured], num_images: int) -> list[tuple[Measured, float]]:
    """Those that drew as many pictures at once, else all of them; each with what its seconds are multiplied by."""
    exact = [(row, 1.0) for row in rows if row.num_images == num_images]
    return exact or [(row, num_images / row.num_images) for row in rows]
