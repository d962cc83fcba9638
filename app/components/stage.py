"""The growing picture: previews, the fused windows filling one by one, and how far it is. Data -> safe HTML."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from app.request import GenerationRequest
from model.prompt import DOWNSAMPLE


@dataclass(frozen=True)
class Stage:
    """What the stage shows. sources: image addresses (data URIs or signed links), one per picture."""

    width: int = 512
    height: int = 512
    window: int = 2
    sources: Sequence[str] = ()
    step: int = 0
    shown: int = 0  # the step that the sources show; the windows since are drawn, but not yet seen
    total: int = 0
    headline: str = ""
    detail: str = ""
    tone: str = "idle"  # idle, busy, done, bad
    alt: str = "Generated picture"
    zoomable: bool = False
    reveal: bool = False  # the finished picture appears window by window, as it was drawn


def stage_html(stage: Stage) -> str:
    """Every text is escaped here; sources are made by the server only."""
    count = max(len(stage.sources), 1)
    frames = "".join(frame_html(stage, source) for source in stage.sources) or empty_frame_html(stage)
    return (
        f'<div class="stage stage-{stage.tone}" data-count="{count}">'
        f'<div class="stage-frames" style="--aspect:{stage.width / stage.height:.4f}">{frames}</div>'
        f"{bar_html(stage)}</div>"
    )


def frame_html(stage: Stage, source: str) -> str:
    busy = stage.tone == "busy"
    overlay = windows_svg(stage) if busy else reveal_svg(stage) if stage.reveal else ""
    zoom = ' data-zoom tabindex="0" role="button"' if stage.zoomable else ""
    kind = "pixels" if busy else "final"
    return (
        f'<figure class="frame"{zoom}><img class="{kind}" src="{escape(source)}" alt="{escape(stage.alt)}" '
        f'width="{stage.width}" height="{stage.height}">{overlay}</figure>'
    )


def empty_frame_html(stage: Stage) -> str:
    overlay = windows_svg(stage) if stage.tone in ("busy", "idle") else ""
    return f'<figure class="frame frame-empty">{overlay}</figure>'


def windows_svg(stage: Stage) -> str:
    """A grid of fused windows: shown ones clear, from there to the next one lit, the rest veiled. Units are windows."""
    unit = DOWNSAMPLE * stage.window
    columns, rows = max(stage.width // unit, 1), max(stage.height // unit, 1)
    total = rows * columns
    veil = windows_path(stage.shown, total, columns)
    lit = windows_path(stage.shown, min(stage.step + 1, total), columns) if stage.step else ""
    lines = "".join(f"M{x} 0V{rows}" for x in range(1, columns)) + "".join(f"M0 {y}H{columns}" for y in range(1, rows))
    return (
        f'<svg class="windows" viewBox="0 0 {columns} {rows}" preserveAspectRatio="none" aria-hidden="true">'
        f'<path class="veil" d="{veil}"/><path class="lines" d="{lines}"/><path class="lit" d="{lit}"/></svg>'
    )


def windows_path(start: int, end: int, columns: int) -> str:
    """The windows `start` to `end` (exclusive) in the order of drawing: one rectangle a row."""
    rows = range(start // columns, -(-end // columns))
    spans = [(row, max(start - row * columns, 0), min(end - row * columns, columns)) for row in rows]
    return "".join(f"M{left} {row}H{right}V{row + 1}H{left}Z" for row, left, right in spans)


def reveal_svg(stage: Stage) -> str:
    """A veil of fused windows that lift one after the other (the style does the rest)."""
    unit = DOWNSAMPLE * stage.window
    columns, rows = max(stage.width // unit, 1), max(stage.height // unit, 1)
    cells = "".join(
        f'<rect x="{x}" y="{y}" width="1.02" height="1.02" style="--at:{(y * columns + x) / (rows * columns):.4f}"/>'
        for y in range(rows)
        for x in range(columns)
    )
    return (
        f'<svg class="windows reveal" viewBox="0 0 {columns} {rows}" preserveAspectRatio="none" aria-hidden="true">'
        f"{cells}</svg>"
    )


def bar_html(stage: Stage) -> str:
    done = 100 * stage.step / stage.total if stage.total else 0
    meter = (
        f'<div class="meter" role="progressbar" aria-valuemin="0" aria-valuemax="{stage.total}" '
        f'aria-valuenow="{stage.step}"><i style="width:{done:.1f}%"></i></div>'
        if stage.tone == "busy"
        else ""
    )
    return (
        f'<div class="stage-bar">{meter}<div class="stage-text" role="status"><b>{escape(stage.headline)}</b>'
        f"<span>{escape(stage.detail)}</span></div></div>"
    )


def shape_of(request: GenerationRequest) -> dict[str, int]:
    return {"width": request.width, "height": request.height, "window": request.shuffle_window}
