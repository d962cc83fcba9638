"""Takes queued jobs one at a time and draws them. A job that the process does not survive is queued again by the next one
(`Services.recover`)."""

import logging
import threading

from app.drawing.drawing import Drawing
from storage.store import Store

log = logging.getLogger(__name__)


class Worker(threading.Thread):
    """One thread, one job at a time. `wake()` after a submit saves the polling delay."""

    def __init__(self, store: Store, drawing: Drawing, worker_id: str) -> None:
        super().__init__(name="worker", daemon=True)
        self.store = store
        self.drawing = drawing
        self.worker_id = worker_id
        self._wake = threading.Event()

    def wake(self) -> None:
        self._wake.set()

    def close(self, timeout: float = 5.0) -> None:
        """Stop after the current step; the unfinished job stays marked as running, so the next start queues it again."""
        self.drawing.closing.set()
        self._wake.set()
        self.join(timeout)

    def run(self) -> None:
        while not self.drawing.closing.is_set():
            try:
                job = self.store.claim_job(self.worker_id)
            except Exception:  # the database may be away for a while; the queue must outlive that
                log.exception("could not take a job")
                job = None
            if job is None:
                self._wake.wait(1.0)
                self._wake.clear()
                continue
            for _ in self.drawing.steps(job):
                pass
