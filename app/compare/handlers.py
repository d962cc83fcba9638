"""What the Compare page does, as methods without a page around them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Any

from app.compare.axes import EXAMPLES, Axis, Crossing
from app.compare.examples import example
from app.compare.grid import Shown, Won, sheets_html
from app.compare.plan import (
    Plan,
    Progress,
    crossing_of,
    grids_of,
    hold,
    is_grid,
    pictures,
    plan,
    progress,
    queue,
    start_grid,
    stop,
)
from app.compare.rating import queue_pair, resume_rating, stop_rating, win_shares
from app.components.amounts import cost_html, cost_text
from app.components.compare_slider import Side, compare_html
from app.gallery_handlers import side_label
from app.request import GenerationRequest
from app.services import Services
from app.studies import cache as study_cache
from app.studies import download
from app.studies.admin import invite_link
from app.visit import refuse
from storage.errors import NotFound
from storage.records import Job, Study

NO_AXIS = "–"
UNKNOWN = "This grid is another visitor's, was deleted, or never existed."
MAX_RECENT = 20
RATE_TEXT = "Whoever has the grid's invite link then sees both pictures and their prompt, published or not, until you stop the rating."
RATING_TEXTS = {
    "open": "Rating is on: whoever has the invite link sees the queued pictures and their prompt, published or not.",
    "paused": "Rating is stopped: the invite link hands out no further pictures. The answers so far stay.",
    "closed": "Rating is closed for ever. The answers stay.",
}
DIFFERENCES = {"schedule": "schedule or its scale"}
ACTIONS = {
    "hold": hold,
    "go-on": queue,
    "stop": stop,
    "stop-rating": stop_rating,
    "resume-rating": resume_rating,
}
STATES = {
    "queued": "waits",
    "running": "is being drawn",
    "done": "was deleted",
    "failed": "failed",
    "cancelled": "stopped",
    "interrupted": "held",
}


@dataclass(frozen=True)
class Wish:
    """The page's inputs, in their order."""

    prompt: str
    resolution: float
    window: int
    schedule: str
    scale: float
    temperature: float
    seed: float
    rows: str
    row_levels: str
    columns: str
    column_levels: str
    sheets: str
    sheet_levels: str
    allow_untrained: bool = False

    def crossing(self) -> Crossing:
        if not isinstance(self.prompt, str):
            raise ValueError(f"the prompt is {self.prompt!r:.40}; it must be a text")
        text = " ".join(self.prompt.split())
        given = ((self.rows, self.row_levels), (self.columns, self.column_levels), (self.sheets, self.sheet_levels))
        axes = tuple(Axis(name, levels or "") for name, levels in given if name and name != NO_AXIS)
        if len(axes) < 2:
            raise ValueError("give two axes at least: rows and columns")
        text = text or next((level.label for axis in axes if axis.name == "prompt" for level in axis.levels()), "")
        base = GenerationRequest(
            prompt=text,
            typed=text,
            width=int(self.given("resolution")),
            height=int(self.given("resolution")),
            shuffle_window=int(self.given("window")),
            guidance_schedule=self.schedule,
            guidance_scale=float(self.given("scale")),
            temperature=float(self.given("temperature")),
            seed=int(self.given("seed")),
            allow_untrained=self.allow_untrained,
        )
        return Crossing(base, axes)

    def given(self, name: str) -> float:
        """The number of a field; ValueError where it was emptied."""
        value = getattr(self, name)
        if value is None:
            raise ValueError(f"the {name} is empty; give a number")
        return value


@dataclass(frozen=True)
class View:
    """What the page shows of one grid; both texts are safe HTML."""

    sheet: str
    status: str
    busy: bool = False
    held: bool = False
    rating: str = ""  # of a grid that raters may see: its state as a study
    found: bool = True


class CompareHandlers:
    """One object per page; keeps no state of its own."""

    def __init__(self, services: Services) -> None:
        self.services = services

    def describe(self, wish: Wish) -> str:
        """The plan of what is filled in, or why it cannot be drawn."""
        try:
            return plan_html(plan(self.services, wish.crossing()), wish.crossing())
        except (ValueError, TypeError, OverflowError) as error:
            return f'<p class="cost cost-bad">{escape(str(error))}</p>'

    def start(self, wish: Wish, owner: str | None, address: str | None = None) -> str:
        """Queue a grid; its id. Its pictures count in the address's hourly quota."""
        try:
            return start_grid(self.services, known(owner), wish.crossing(), address).id
        except (ValueError, TypeError, OverflowError) as error:
            raise refuse(error) from error

    def act(self, action: str, grid: str | None, owner: str | None) -> None:
        """One of ACTIONS on an own grid."""
        try:
            study = self.own(grid, owner)
            ACTIONS[action](self.services, study, known(owner))
        except ValueError as error:
            raise refuse(error) from error

    def own(self, grid: str | None, owner: str | None) -> Study:
        """The visitor's own grid; foreign and unknown ones raise the same NotFound."""
        study = self.services.store.get_study(str(grid)[:64]) if grid else None
        if study is None or owner is None or study.owner != owner or not is_grid(study):
            raise NotFound("no such grid")
        return study

    def recent(self, owner: str | None) -> list[tuple[str, str]]:
        if owner is None:
            return []
        return [(grid_title(study), study.id) for study in grids_of(self.services, owner)[:MAX_RECENT]]

    def view(self, grid: str | None, owner: str | None, criterion: str, picked: Sequence[str] = ()) -> View:
        try:
            study = self.own(grid, owner)
        except NotFound:
            return View(f'<p class="empty">{UNKNOWN}</p>' if grid else empty(self.services), "", found=False)
        now = progress(self.services, study)
        cells = [self._shown(cell, job, made) for cell, job, made in pictures(self.services, study)]
        sheet = sheets_html(crossing_of(study).axes, cells, self.won(study, criterion), list(picked))
        rating = study.state if study.opened_at is not None else ""
        return View(
            sheet, status_html(self.services, study, now), bool(now.busy), bool(now.held or now.missing), rating
        )

    def won(self, study: Study, criterion: str) -> dict[str, Won]:
        """Empty before there are votes."""
        if study.opened_at is None:
            return {}
        votes = study_cache.material(self.services, study.id).votes
        if votes.empty:
            return {}
        return {r.Index: Won(r.share, r.low, r.high, int(r.n)) for r in win_shares(votes, criterion).itertuples()}

    def _shown(self, cell: Any, job: Job | None, made: Any) -> Shown:
        request = cell.request
        shown = Shown(cell.labels, aspect=request.width / request.height)
        if made is None or made.image is None:
            return replace(shown, state=STATES[job.state] if job else "not queued")
        link = self.services.picture_url
        return replace(
            shown,
            generation=made.id,
            source=link(made, "thumb"),
            full=link(made),
            steps=made.steps,
            seconds=made.seconds,
        )

    def slider(self, picked: Sequence[str], owner: str | None) -> str:
        """Both picked cells on top of each other."""
        if len(picked) != 2 or owner is None:
            return ""
        try:
            made = [self.services.store.get_generation(each, owner) for each in picked]
        except NotFound as error:
            raise refuse(error) from error
        a, b = (Side(self.services.picture_url(each), side_label(each)) for each in made)
        return compare_html(a, b, made[0].width / made[0].height)

    def queue(self, grid: str | None, owner: str | None, picked: Sequence[str]) -> str:
        """Queue the two picked cells for rating; the sentence to show."""
        try:
            study = self.own(grid, owner)
            if len(picked) != 2:
                raise ValueError("pick two cells first")
            names = queue_pair(self.services, study, known(owner), *picked)
        except ValueError as error:
            raise refuse(error) from error
        differ = " and ".join(DIFFERENCES.get(name, name) for name in names) or "nothing"
        return f"Queued for rating (they differ in {differ}). Send others the invite link; you cannot rate your own pictures."


def known(owner: str | None) -> str:
    if owner is None:
        raise NotFound("this browser has no visitor mark yet; reload the page")
    return owner


def plan_html(cost: Plan, crossing: Crossing) -> str:
    shape = " × ".join(f"{len(axis.levels())} {axis.name}" for axis in crossing.axes)
    line = f"{shape} = {cost.pictures} pictures · {cost_text(cost.seconds, cost.memory_bytes, cost.memory_measured)}"
    return cost_html(line, cost.untrained)


def status_html(services: Services, study: Study, now: Progress) -> str:
    """How far the grid is, and once it is rated what came of it. The caller has checked that it is the visitor's own."""
    parts = [f"{now.done} of {now.total} pictures"]
    parts += [
        f"{count} {name}"
        for count, name in (
            (now.busy, "waiting or drawn now"),
            (now.held, "held"),
            (now.missing, "not queued"),
            (now.failed, "stopped or failed"),
        )
        if count
    ]
    share = now.done / max(now.total, 1)
    meter = "" if now.finished else f'<div class="meter"><i style="width:{share:.0%}"></i></div>'
    error = f'<p class="cost cost-bad">{escape(now.error)}</p>' if now.error else ""
    links = f'<a class="chip" data-copy href="/compare?grid={escape(study.id)}">Copy link (only you)</a>'
    rating = ""
    if study.opened_at is not None:
        rating = f'<p class="fine">{escape(f"{queued_text(services, study)} {RATING_TEXTS[study.state]}")}</p>'
        links += f' <a class="chip" data-copy href="{escape(invite_link(study))}">Copy invite link for raters</a>'
        links += f' <a class="chip" href="/results?study={escape(study.id)}">Results</a>'
        links += f' <a class="chip" download href="{escape(download.link(services, study.id, download.VOTES))}">Download votes</a>'
    return f'<p class="fine">{escape(" · ".join(parts))}</p>{meter}{error}{rating}<p class="links">{links}</p>'


def queued_text(services: Services, study: Study) -> str:
    entries = services.store.coverage(study.id)
    pairs, raters = len(entries), sum(entry.raters for entry in entries)
    rated = f"rated {'once' if raters == 1 else f'{raters} times'} so far" if raters else "not rated yet"
    return f"{pairs} {'pair' if pairs == 1 else 'pairs'} queued, {rated}."


def grid_title(study: Study) -> str:
    axes = " × ".join(axis.name for axis in crossing_of(study).axes)
    prompt = (study.prompts or [""])[0]
    return f"{study.created_at:%d %b %H:%M} · {axes} · {prompt[:40]}"


def empty(services: Services) -> str:
    shown = " · ".join(f"{name}: {example(services, name)}" for name in list(EXAMPLES)[:4])
    return f'<p class="empty">Choose two or three axes and start. Levels are lists and ranges: {escape(shown)}.</p>'
