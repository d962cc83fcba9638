"""What a running job looks like right now: in memory, for whoever watches. Losing it loses nothing."""

import io
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from PIL import Image

PREVIEW_QUALITY = 80


@dataclass
class LiveJob:
    """Progress of one job; written by the worker, read by pages."""

    started: float = field(default_factory=time.monotonic)
    step: int = 0
    total: int = 0
    phase: str = "reading the prompt"
    codes_per_second: float = 0.0
    remaining_seconds: float | None = None
    previews: tuple[bytes, ...] = ()
    shown: int = 0  # the step that the previews show
    version: int = 0

    def advance(self, step: int, total: int, codes_per_step: int) -> None:
        """Note a finished step; the rate is measured from the first step on (the first holds the prompt)."""
        now = time.monotonic()
        if self.step == 0:
            self._first, self._first_step = now, step
        self.step, self.total, self.phase = step, total, "drawing windows"
        drawn = step - self._first_step
        if drawn > 0:
            seconds_per_step = (now - self._first) / drawn
            self.codes_per_second = codes_per_step / max(seconds_per_step, 1e-9)
            self.remaining_seconds = (total - step) * seconds_per_step
        self.version += 1

    def show(self, pictures: Sequence[Image.Image]) -> None:
        self.previews, self.shown = tuple(jpeg(picture) for picture in pictures), self.step
        self.version += 1

    def enter(self, phase: str) -> None:
        self.phase = phase
        self.version += 1


class LiveJobs:
    """The jobs that this process works on, by id."""

    def __init__(self) -> None:
        self._jobs: dict[str, LiveJob] = {}
        self._lock = threading.Lock()

    def start(self, job_id: str) -> LiveJob:
        with self._lock:
            self._jobs[job_id] = live = LiveJob()
        return live

    def get(self, job_id: str) -> LiveJob | None:
        return self._jobs.get(job_id)

    def end(self, job_id: str) -> None:
        with self._lock:
            self._jobs.pop(job_id, None)


def jpeg(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, "JPEG", quality=PREVIEW_QUALITY)
    return buffer.getvalue()
