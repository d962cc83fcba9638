"""What the page shows of a job that is not done, of one that is drawn now, and of an example. Records -> safe HTML."""

from dataclasses import dataclass

from app.components.amounts import seconds_text
from app.components.data_uri import data_uri
from app.components.stage import Stage, shape_of, stage_html
from app.drawing.live import LiveJob
from app.playground.examples import Example
from app.request import GenerationRequest
from storage.records import Job


@dataclass(frozen=True)
class View:
    """What the page shows of a job; stage and details are safe HTML."""

    stage: str
    busy: bool
    details: str = ""
    generation_id: str | None = None
    resumable: bool = False


def stage(request: GenerationRequest, headline: str, detail: str, tone: str, **progress: int) -> str:
    return stage_html(Stage(**shape_of(request), headline=headline, detail=detail, tone=tone, **progress))


def example_stage(example: Example, hint: str) -> str:
    request = example.request
    shown = Stage(
        **shape_of(request),
        sources=[example.url],
        headline=f"Example: {request.typed}",
        detail=f"s = {request.shuffle_window}: {example.steps} fused windows, drawn one a step · {hint}",
        tone="done",
        alt=f"Example picture of {request.typed}",
        zoomable=True,
        reveal=True,
    )
    return stage_html(shown)


def unfinished_view(job: Job, request: GenerationRequest, ahead: int) -> View:
    """Any state but done, as its row tells. ahead: jobs before it in the queue."""
    if job.state == "queued":
        detail = f"{ahead} before it in the queue" if ahead else "starts next"
        return View(stage(request, "Waiting", detail, "busy"), busy=True)
    if job.state == "running":
        return View(stage(request, "Drawing", "", "busy", step=job.step, total=job.total), busy=True)
    texts = {
        "cancelled": ("Stopped", "nothing was kept"),
        "failed": ("This did not work", job.error or "unknown error"),
        "interrupted": ("Interrupted", "it was not finished; Go on draws it with the same seed"),
    }
    return View(stage(request, *texts[job.state], "bad"), busy=False, resumable=job.state == "interrupted")


def running_view(request: GenerationRequest, live: LiveJob) -> View:
    parts = [f"step {live.step} of {live.total}"] if live.total else []
    if live.codes_per_second:
        parts.append(f"{live.codes_per_second:,.0f} tokens/s")
    if live.remaining_seconds is not None and live.phase == "drawing windows":
        parts.append(f"{seconds_text(live.remaining_seconds)} left")
    shown = Stage(
        **shape_of(request),
        sources=[data_uri(preview) for preview in live.previews],
        step=live.step,
        shown=live.shown,
        total=live.total,
        headline=live.phase.capitalize(),
        detail=" · ".join(parts),
        tone="busy",
        alt=f"Unfinished picture of {request.typed}",
    )
    return View(stage_html(shown), busy=True)
