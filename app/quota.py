"""What a network address may start, whatever names its visitors take: pictures an hour, and jobs that wait."""

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from storage.records import Job

HOUR = 3600.0  # seconds
MAX_TRACKED = 10_000  # addresses, before those whose hour is over are forgotten


class TooMany(ValueError):
    """A quota is used up; the text says which and for how long."""


class HourlyQuota:
    """Counts in memory: a restart forgives everybody."""

    def __init__(self) -> None:
        self._starts: dict[str, deque[float]] = defaultdict(deque)
        self._lock = threading.Lock()

    @contextmanager
    def spending(self, address: str | None, count: int, allowed: int) -> Iterator[None]:
        """Spend `count` of the `allowed` pictures, and give them back where the block raises. No address, no quota.

        Raises TooMany.
        """
        if address is None:
            yield
            return
        self.spend(address, count, allowed)
        try:
            yield
        except Exception:
            self._give_back(address, count)
            raise

    def spend(self, address: str, count: int, allowed: int) -> None:
        """Raises TooMany."""
        now = time.monotonic()
        with self._lock:
            self._forget(now)
            starts = self._starts[address]
            while starts and now - starts[0] > HOUR:
                starts.popleft()
            if len(starts) + count > allowed:
                wait = f"try again in {int((HOUR - (now - starts[0])) / 60) + 1} minutes" if starts else "ask for fewer"
                raise TooMany(f"{allowed} pictures an hour are allowed here; {wait}")
            starts.extend([now] * count)

    def _give_back(self, address: str, count: int) -> None:
        with self._lock:
            starts = self._starts[address]
            for _ in range(min(count, len(starts))):
                starts.pop()

    def _forget(self, now: float) -> None:
        if len(self._starts) > MAX_TRACKED:
            recent = {
                address: starts for address, starts in self._starts.items() if starts and now - starts[-1] <= HOUR
            }
            self._starts = defaultdict(deque, recent)


class AddressJobs:
    """Jobs of each address that have not ended. In memory too, so it is one process that counts."""

    def __init__(self) -> None:
        self._address_of: dict[str, str] = {}  # job -> who asked for it
        self._lock = threading.Lock()

    def submit(
        self, address: str | None, allowed: int, unfinished: Callable[[], set[str]], submit: Callable[[], Job]
    ) -> Job:
        """One job more of the `allowed` ones. unfinished: the ids of all jobs that wait or run. No address, no limit.

        Raises TooMany.
        """
        if address is None:
            return submit()
        with self._lock:
            there = unfinished()
            self._address_of = {job: asked_by for job, asked_by in self._address_of.items() if job in there}
            count = list(self._address_of.values()).count(address)
            if count >= allowed:
                raise TooMany(f"{count} jobs from your address are waiting or running; allowed: {allowed}")
            job = submit()
            self._address_of[job.id] = address
            return job
