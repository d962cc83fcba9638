"""Seconds and memory in words."""

from collections.abc import Iterable
from html import escape


def seconds_text(seconds: float | None) -> str:
    """ "0.8 s", "42 s", "3 min 20 s", "5 h 12 min", "3 days 4 h"."""
    if seconds is None:
        return "unknown time"
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes, hours, days = (int(seconds // unit) for unit in (60, 3600, 86400))
    if not hours:
        return f"{minutes} min {int(seconds % 60)} s"
    return f"{days} days {hours % 24} h" if days > 1 else f"{hours} h {minutes % 60} min"


def cost_text(seconds: float | None, memory_bytes: int, memory_measured: bool) -> str:
    """ "about 4.2 s · 895 MiB"; what was not measured is said."""
    time = f"about {seconds_text(seconds)}" if seconds is not None else "not yet timed here"
    return f"{time} · {'' if memory_measured else 'at least '}{memory_bytes / 2**20:,.0f} MiB"


def cost_html(line: str, untrained: Iterable[str]) -> str:
    """What something will cost, and a note for every reason why part of it was not trained; safe HTML."""
    notes = "".join(
        f'<p class="cost-note"><span class="badge">untrained</span>{escape(reason)}</p>' for reason in untrained
    )
    return f'<p class="cost">{escape(line)}</p>{notes}'
