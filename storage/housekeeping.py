"""A thread that proves the newest snapshot at boot, takes one now and then and says so when it cannot, and looks around once a
minute."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from storage import backup
from storage.store import Store

log = logging.getLogger(__name__)

BACKUP_SECONDS = 3600.0
LOOK_SECONDS = 60.0


class Housekeeping(threading.Thread):
    """start() it once; close() waits for a snapshot in progress. Failures are logged and tried again next time. look_around:
    done every LOOK_SECONDS."""

    def __init__(self, store: Store, look_around: Callable[[], Any], every_seconds: float = BACKUP_SECONDS) -> None:
        super().__init__(name="housekeeping", daemon=True)
        if every_seconds <= 0:
            raise ValueError(f"every_seconds is {every_seconds}; allowed: above 0")
        self.store = store
        self.look_around = look_around
        self.every_seconds = every_seconds
        self.last_error: str | None = None
        self._closing = threading.Event()

    def run(self) -> None:
        if not self.prove():
            self.back_up()
        backed_up = time.monotonic()
        while not self._closing.wait(min(LOOK_SECONDS, self.every_seconds)):
            try:
                self.look_around()
            except Exception:  # the database may be away for a while
                log.exception("could not look around")
            if time.monotonic() - backed_up >= self.every_seconds:
                self.back_up()
                backed_up = time.monotonic()

    def prove(self) -> bool:
        """Restore the newest snapshot aside; whether it is sound and young enough to wait for the next."""
        try:
            proved = self.store.prove_backup()
        except (backup.BackupDamaged, OSError):
            log.exception("the newest snapshot cannot be restored; a new one is taken")
            return False
        return proved is not None and proved.age_seconds < self.every_seconds

    def back_up(self) -> None:
        try:
            self.store.back_up()
            self.last_error = None
        except Exception as error:
            log.exception("backup failed")
            self.last_error = str(error)

    def close(self) -> None:
        self._closing.set()
        if self.is_alive():
            self.join()
