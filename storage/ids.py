"""UUIDv7 ids (RFC 9562 §5.7): sorting by id is sorting by time, so a page cursor is just the last id."""

import os
import threading
import time
import uuid

_lock = threading.Lock()
_last = 0


def new_id() -> str:
    """A UUIDv7 whose 60 leading time bits (milliseconds + 1/4096 ms) never repeat or fall within a process."""
    global _last
    with _lock:
        nanoseconds = time.time_ns()
        ticks = (nanoseconds // 1_000_000 << 12) | (nanoseconds % 1_000_000 * 4096 // 1_000_000)
        _last = ticks = max(ticks, _last + 1)
    random = int.from_bytes(os.urandom(8), "big") & (2**62 - 1)
    value = (ticks >> 12) << 80 | 0x7 << 76 | (ticks & 0xFFF) << 64 | 0b10 << 62 | random
    return str(uuid.UUID(int=value))


def advance_past(earlier: str) -> None:
    """From now on ids sort after this one, even if the clock was set back since it was made."""
    global _last
    value = uuid.UUID(earlier).int
    with _lock:
        _last = max(_last, (value >> 80) << 12 | (value >> 64) & 0xFFF)
