"""What measurements of speed count."""

import time
from collections.abc import Callable

import torch


def clock() -> Callable[[], float]:
    """Processor seconds where one CPU thread works, which other programs do not lengthen; else those of a clock."""
    return time.process_time if clock_name() == "processor" else time.perf_counter


def clock_name() -> str:
    """ "processor" or "wall"."""
    return "processor" if torch.get_num_threads() == 1 and not torch.cuda.is_available() else "wall"
