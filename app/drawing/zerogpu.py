"""ZeroGPU: a Space's GPU is lent to the request of one visitor, out of that visitor's quota.

So there the request drives the drawing (app/drawing/drawing.py, Drive) while the job's row records it. The lent call runs in a
forked process: settings go in and events come out by pickle, a few a second. `spaces` is on every ZeroGPU machine and
must be imported before anything touches CUDA; elsewhere it is absent and nothing here is used.
"""

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import gradio as gr

from app.drawing.drawing import Refused
from app.drawing.estimate import alike
from model.pipeline import Event, TokenShufflePipeline
from storage.store import Store

try:
    import spaces
except ImportError:
    spaces = None

EVENT_SECONDS = 1 / 8
MOST_SECONDS = 120  # of one call
LEAST_SECONDS = 10
START_SECONDS = 5.0  # the fork, and the weights' way to the GPU
STEP_SECONDS = 0.015  # assumed until something was measured
SAFETY = 1.5  # a call that takes longer than it said is killed

Settings = Mapping[str, Any]


class LentGenerator:
    """A pipeline behind a lent GPU, as `Drawing` needs it. seconds: what settings will take to draw."""

    def __init__(self, pipeline: TokenShufflePipeline, seconds: Callable[[Settings], float]) -> None:
        self._drawn = spaces.GPU(duration=lambda settings: call_seconds(seconds(settings)))(events_of(pipeline))

    def stream(self, **settings: Any) -> Iterator[Event]:
        try:
            yield from self._drawn(settings)
        except gr.Error as error:  # a used-up quota, for one: the text is meant for the visitor
            raise Refused(str(error.message)) from error


def events_of(pipeline: TokenShufflePipeline) -> Callable[[Settings], Iterator[Event]]:
    """The work of one lent call: a few events a second, the last of them with the result."""

    def drawn(settings: Settings) -> Iterator[Event]:
        shown = 0.0
        for event in pipeline.stream(**settings):
            now = time.monotonic()
            if event.result is not None or now - shown >= EVENT_SECONDS:
                shown = now
                yield event.cpu()

    return drawn


def drawing_seconds(pipeline: TokenShufflePipeline, store: Store, settings: Settings) -> float:
    """The drawing alone, without waiting for a GPU: the longest of this size and window so far, else by its steps."""
    chosen = pipeline.validate(**settings)
    known = store.measured_seconds(
        chosen.width, chosen.height, chosen.shuffle_window, checkpoint=pipeline.checkpoint, limit=20
    )
    totals = [
        row.timings["total"] * share for row, share in alike(known, chosen.num_images) if row.timings.get("total")
    ]
    if totals:
        return max(totals)
    measured = alike(store.measured_seconds(limit=50), chosen.num_images)
    others = [
        row.timings["total"] / row.steps * share for row, share in measured if row.steps and row.timings.get("total")
    ]
    return pipeline.plan(**settings)["steps"] * (statistics.median(others) if others else STEP_SECONDS)


def call_seconds(seconds: float) -> int:
    """What a call asks for; a shorter one waits less in ZeroGPU's queue."""
    return round(min(max(START_SECONDS + SAFETY * seconds, LEAST_SECONDS), MOST_SECONDS))


def check_seconds(seconds: float) -> None:
    """ValueError for what no lent call can finish."""
    if START_SECONDS + seconds > MOST_SECONDS:
        raise ValueError(
            f"this takes about {seconds:.0f} s, and a lent GPU is given back after {MOST_SECONDS} s; "
            "choose a larger shuffle window or a smaller size"
        )
