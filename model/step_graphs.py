"""A decoding step as one CUDA graph: a single launch instead of that of some hundred small kernels.

A graph repeats the same kernels on the same addresses, so whatever changes from step to step must lie in tensors.
That is so for all of `Run.draw_and_look` but one number, how many positions attention reads. Read ahead to the end it
would cost twice the keys and values on average, so an image has `SPANS` graphs, each reading up to its own end with
the positions to come masked out, and one more when the unconditional rows leave.

On a machine without a GPU the tests replay recorded steps (tests/model/test_step_graphs.py); on one, tests/model/test_cuda.py.
"""

import math
import warnings
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from model.decoder import Run

SPANS = 4


class StepGraphs:
    """The graph of one run that fits its present step; holds no reference to the run."""

    def __init__(self) -> None:
        self.fits: tuple[int, int] | None = None  # rows and span of `graph`
        self.graph: torch.cuda.CUDAGraph | None = None
        self.usable = True

    def replay(self, run: "Run") -> None:
        """Do one step of `run`, recording it for the steps that follow where none was recorded."""
        span = self.span(run)
        if self.graph is not None and self.fits == (run.rows, span):
            self.graph.replay()
            return
        run.draw_and_look(span)  # also makes every library ready, which must not happen while recording
        if self.usable:
            self._record(run, span)

    def span(self, run: "Run") -> int:
        """The end of the part of the image that this step belongs to, counted in positions from the first."""
        part = math.ceil((run.steps - 1) / SPANS)
        return run.prompt_length + min(run.steps - 1, (run.step // part + 1) * part)

    def _record(self, run: "Run", span: int) -> None:
        self.graph, self.fits = torch.cuda.CUDAGraph(), (run.rows, span)
        try:
            with torch.cuda.graph(self.graph):
                run.draw_and_look(span)  # nothing is computed now
        except RuntimeError as error:
            self.graph, self.usable = None, False
            warnings.warn(
                f"steps are launched one kernel at a time, since no CUDA graph could be made: {error}", stacklevel=2
            )
