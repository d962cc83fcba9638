"""Resident memory of this process, now and at its peak over a stretch of work on its own processor (Linux; None elsewhere)."""

from pathlib import Path

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


class PeakMemory:
    """Starts counting when made. The figure covers the whole process, weights included."""

    def __init__(self) -> None:
        try:
            _CLEAR.write_text("5")  # resets VmHWM, the high-water mark
            self.counts = True
        except OSError:
            self.counts = False

    def peak_bytes(self) -> int | None:
        return _status_bytes("VmHWM") if self.counts else None


def resident_bytes() -> int | None:
    return _status_bytes("VmRSS") if _STATUS.exists() else None


def _status_bytes(name: str) -> int | None:
    lines = _STATUS.read_text().splitlines()
    kibibytes = next((line.split()[1] for line in lines if line.startswith(f"{name}:")), None)
    return int(kibibytes) * 1024 if kibibytes else None
