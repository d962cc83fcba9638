"""Which worker of a shared database this process is, and which one it certainly follows.

The name is kept in the data folder under a lock that dies with the process: whoever gets the lock knows that the worker
named there is gone, and its unfinished job can go on at once. Of all others only silence tells.
"""

import uuid
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: every interrupted job waits for the silence
    fcntl = None

FILE = "worker.id"


class WorkerName:
    """own: unique to this process. earlier: the dead worker whose place it takes, or None where there is none or one still
    lives. close() leaves the place."""

    def __init__(self, folder: Path) -> None:
        self.own = f"worker-{uuid.uuid4().hex[:12]}"
        self.earlier: str | None = None
        self._file = open(folder / FILE, "a+", encoding="utf-8")  # noqa: SIM115 - open as long as the lock is held
        if self._lock():
            self._file.seek(0)
            self.earlier = self._file.read().strip() or None
            self._file.truncate(0)
            self._file.write(self.own)
            self._file.flush()

    def _lock(self) -> bool:
        if fcntl is None:
            return False
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def close(self) -> None:
        self._file.close()
