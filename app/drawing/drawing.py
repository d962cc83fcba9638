"""One job from its claim to one of its ends, on whatever draws; whoever drives it may look after every step, and leave.

A drawing knows neither browsers nor where the generator runs: `Generator` may be the pipeline in this process or a
proxy of one elsewhere.
"""

import contextvars
import io
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from PIL import Image

from app.drawing.live import LiveJob, LiveJobs
from app.drawing.memory import PeakMemory
from app.drawing.record import recorded_fields, replay_verdict
from app.request import GenerationRequest, request_from
from storage.errors import NotFound, StorageError
from storage.records import Job
from storage.store import Store

log = logging.getLogger(__name__)

STOP_CHECK_SECONDS = 0.1
ROW_SECONDS = 1.0
PREVIEW_SECONDS = 1 / 8
SETTLE_SECONDS = 1.0
PREVIEW_SHARE = 0.05  # of the running time
DECODING = "decoding the picture"


class Generator(Protocol):
    """What the worker needs of a pipeline (see model/pipeline.py)."""

    def stream(self, **settings: Any) -> Iterator[Any]:
        """Events with step, total_steps, tokens, preview() and, at the end, result. ValueError at once, with a text for the
        owner, for what cannot be drawn."""


class Refused(Exception):
    """This cannot be drawn; the text is meant for the owner. Whatever else goes wrong is for the log."""


class Stopped(Exception):
    """The owner asked to stop."""


class ShuttingDown(Exception):
    """The process ends; the job does not."""


class Drawing:
    """Draws claimed jobs, one at a time or several at once. generator_of: what draws for a request's checkpoint.
    `closing` set: the process ends, the jobs do not."""

    def __init__(
        self,
        store: Store,
        generator_of: Callable[[str | None], Generator],
        live: LiveJobs,
        environment: Mapping[str, Any],
        closing: threading.Event,
    ) -> None:
        self.store = store
        self.generator_of = generator_of
        self.live = live
        self.environment = dict(environment)
        self.closing = closing

    def steps(self, job: Job) -> Iterator[None]:
        """Run one claimed job to one of its ends, yielding after every step. Closing the iterator interrupts the job."""
        live = self.live.start(job.id)
        try:
            yield from self._generate(job, request_from(job.request), live)
            self._settle(self.store.finish_job, job.id)
            log.info("job %s is done", job.id)
        except GeneratorExit:
            self._settle(self.store.interrupt_job, job.id)
            raise
        except Stopped:
            self._settle(self.store.cancel_job, job.id)
        except ShuttingDown:
            log.info("job %s is left for the next start", job.id)
        except Refused as error:
            self._settle(self.store.fail_job, job.id, str(error))
        except Exception:
            log.exception("job %s failed", job.id)
            self._settle(self.store.fail_job, job.id, "the generator failed; the server's log has the details")
        finally:
            self.live.end(job.id)

    def _settle(self, end: Callable[..., Any], *arguments: str) -> None:
        """Note a job's end, as often as it takes: the database may be away for a while."""
        while True:
            try:
                end(*arguments)
            except StorageError:  # it has another end already
                log.exception("job %s could not be ended", arguments[0])
            except Exception:
                log.exception("the end of job %s could not be noted yet", arguments[0])
                if not self.closing.wait(SETTLE_SECONDS):
                    continue
            return

    def _generate(self, job: Job, request: GenerationRequest, live: LiveJob) -> Iterator[None]:
        try:
            events = self.generator_of(request.checkpoint).stream(**request.arguments())
        except ValueError as error:  # unknown checkpoint, bad settings
            raise Refused(str(error)) from error
        watcher = _Watcher(self.store, job.id, live, self.closing)
        memory = PeakMemory()
        started = time.perf_counter()
        result = None
        try:
            for event in events:
                watcher.see(event)
                result = event.result if event.result is not None else result
                yield
        finally:
            events.close()  # frees caches at once, also when stopped
        if result is None:
            raise RuntimeError("the generator ended without a result")
        live.enter("saving")
        seconds = time.perf_counter() - started
        if request.replay_of:
            self._compare(job, request, result)
        else:
            on_processor = result.device == "cpu"  # elsewhere this process's memory says nothing of the picture's
            self._record(
                job, request, result, seconds, memory.peak_bytes() if on_processor else result.peak_memory_bytes
            )

    def _record(
        self, job: Job, request: GenerationRequest, result: Any, seconds: float, peak_bytes: int | None
    ) -> None:
        for index, picture in enumerate(result.images):
            stored = self.store.images.put(png(picture))
            self.store.record_generation(
                job.id,
                image=stored.image,
                thumbnail=stored.thumbnail,
                pixel_hash=stored.pixel_hash,
                image_index=index,
                seconds=seconds,
                peak_memory_bytes=peak_bytes,
                environment=self.environment,
                **recorded_fields(request, result, index),
            )

    def _compare(self, job: Job, request: GenerationRequest, result: Any) -> None:
        try:
            original = self.store.get_generation(request.replay_of, job.owner)
        except NotFound as error:
            raise Refused("the picture that was drawn again was deleted or made private meanwhile") from error
        verdict = replay_verdict(original, result, self.environment)
        self.store.update_progress(job.id, job.total, job.total, {"verdict": verdict})


class _Watcher:
    """Turns pipeline events into live progress, preview pictures, the job row and stopping, each at its own pace."""

    def __init__(self, store: Store, job_id: str, live: LiveJob, closing: threading.Event) -> None:
        self.store, self.job_id, self.live, self.closing = store, job_id, live, closing
        self.started = self.stop_checked = self.row_written = self.shown = time.monotonic()
        self.preview_cost = 0.0

    def see(self, event: Any) -> None:
        now = time.monotonic()
        self._check_stop(now)
        if event.result is not None:
            return
        if event.step < event.total_steps:
            self.live.advance(event.step, event.total_steps, event.tokens.numel() // event.total_steps)
            self._preview(event, now)
        elif self.live.phase != DECODING:
            self.live.step = event.total_steps
            self._preview(event, now)
            self.live.enter(DECODING)
        if now - self.row_written >= ROW_SECONDS:
            self.row_written = now
            self.store.update_progress(self.job_id, event.step, event.total_steps)

    def _check_stop(self, now: float) -> None:
        if self.closing.is_set():
            raise ShuttingDown
        if now - self.stop_checked >= STOP_CHECK_SECONDS:
            self.stop_checked = now
            if self.store.cancel_requested(self.job_id):
                raise Stopped

    def _preview(self, event: Any, now: float) -> None:
        """At most 8 a second, and never more than 5 % of the time."""
        first = not self.live.previews
        affordable = self.preview_cost <= PREVIEW_SHARE * (now - self.started)
        if first or (now - self.shown >= PREVIEW_SECONDS and affordable):
            self.live.show(event.preview())
            self.shown = time.monotonic()
            self.preview_cost += self.shown - now


def png(picture: Image.Image) -> bytes:
    """Without any text chunk: what a download adds is the downloader's choice."""
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, "PNG", compress_level=4)
    return buffer.getvalue()


class Drive(threading.Thread):
    """Draws one job on behalf of a request, in that request's context; `leave()` interrupts the job at its next step."""

    def __init__(self, drawing: Drawing, job: Job) -> None:
        super().__init__(name=f"drive-{job.id}", daemon=True)
        self.drawing, self.job = drawing, job
        self._context = contextvars.copy_context()
        self._left = threading.Event()

    def run(self) -> None:
        self._context.run(self._draw)

    def leave(self) -> None:
        self._left.set()

    def _draw(self) -> None:
        steps = self.drawing.steps(self.job)
        for _ in steps:
            if self._left.is_set():
                steps.close()
