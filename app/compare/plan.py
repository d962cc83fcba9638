"""A crossing of settings as durable work: plan, start, follow, hold, go on. Grids and studies share it.

The work belongs to a row of `study`: its jobs, its pictures and later its comparisons. A grid is a study whose plan
says so; it becomes open for rating when somebody queues two of its cells.
"""

import secrets
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

from app.compare.axes import Axis, Cell, Crossing, crossing_from
from app.drawing.estimate import Estimate
from app.request import OFF
from app.services import Services
from app.study.votes import CRITERIA
from storage.errors import NotFound, WrongState
from storage.records import Generation, Job, Study

MAX_CELLS = 96
TUNED = ("guidance_scale", "ramp_end", "temperature", "top_k", "top_p")  # what a checkpoint may bring its own values of
BUSY = ("queued", "running")
GRID_RATERS = 20


@dataclass(frozen=True)
class Plan:
    """What a crossing will cost. seconds: None while this machine has measured nothing."""

    pictures: int
    seconds: float | None
    memory_bytes: int
    memory_measured: bool  # of every cell
    untrained: tuple[str, ...]  # one reason a size and window that the checkpoint does not know


@dataclass(frozen=True)
class Progress:
    total: int
    done: int
    failed: int
    busy: int
    held: int
    missing: int  # never queued, because the program stopped while it queued them
    error: str | None = None

    @property
    def finished(self) -> bool:
        return not (self.busy or self.held or self.missing)


def plan(services: Services, crossing: Crossing, most: int = MAX_CELLS) -> Plan:
    """Checks every cell before anything starts: ValueError names the first one that cannot be drawn."""
    count = crossing.count()
    if count > most:
        raise ValueError(f"{count} pictures; at most {most} are allowed in one go")
    known: dict[Any, Estimate] = {}
    for _, cell in by_checkpoint(crossing):
        request = cell.request
        kind = (
            request.width,
            request.height,
            request.shuffle_window,
            request.guidance_schedule,
            request.guidance_scale,
            request.guidance_points,
            request.temperature,
            request.prompt,
            request.checkpoint,
        )
        if kind not in known:
            services.check(request)
            known[kind] = services.estimate(request)
    return _summed(list(known.values()), count)


def _summed(estimates: list[Estimate], count: int) -> Plan:
    seconds = [each.seconds for each in estimates if each.seconds is not None]
    complete = len(seconds) == len(estimates) and estimates
    return Plan(
        count,
        sum(seconds) / len(seconds) * count if complete else None,
        max((each.memory_bytes for each in estimates), default=0),
        all(each.memory_measured for each in estimates),
        tuple(dict.fromkeys(each.reason for each in estimates if not each.trained)),
    )


def by_checkpoint(crossing: Crossing) -> list[tuple[int, Cell]]:
    """The cells with their numbers, one checkpoint after the other, so that each is loaded once."""
    return sorted(enumerate(crossing.cells()), key=lambda each: each[1].request.checkpoint or "")


def pinned(services: Services, crossing: Crossing) -> Crossing:
    """The same with the hash of every checkpoint, so that other weights cannot draw the rest of it after a restart, and
    with the default one's tuned settings for all: everyone's own would be a second difference."""
    levels = crossing.levels_of("checkpoint")
    if not levels:
        return crossing
    text = ", ".join(services.checkpoints.pinned(level.label) for level in levels)
    tuned = {**OFF, **{name: value for name, value in vars(services.tuned).items() if value is not None}}
    left_open = {name: tuned[name] for name in TUNED if getattr(crossing.base, name) is None}
    axes = tuple(Axis("checkpoint", text) if axis.name == "checkpoint" else axis for axis in crossing.axes)
    return Crossing(replace(crossing.base, **left_open), axes)


def start_grid(services: Services, owner: str, crossing: Crossing, address: str | None = None) -> Study:
    """Queue every cell as an ordinary job. One unfinished grid a visitor, and the hourly quota of an address."""
    crossing = pinned(services, crossing)
    pictures_wanted = plan(services, crossing).pictures
    mine = [study for study in services.store.list_studies() if study.owner == owner]
    for study in mine:
        if is_grid(study) and not progress(services, study).finished:
            raise WrongState("your last grid is not finished; wait for it, go on with it, or stop it")
    with services.spending(address, pictures_wanted):
        study = services.store.create_study(
            f"Grid {secrets.token_hex(5)}",
            owner=owner,
            prompts=prompts_of(crossing),
            settings=[],
            criteria=list(CRITERIA),
            raters_per_pair=GRID_RATERS,
            plan={"grid": crossing.as_dict()},
            known=[study.id for study in mine],
        )
    queue(services, study, owner)
    return services.store.get_study(study.id)


def queue(services: Services, study: Study, owner: str) -> None:
    """Submit what is not submitted yet, and take up what was held. Harmless when called again."""
    if study.state == "draft":
        services.store.set_study_state(study.id, "generating")
    for job in services.store.jobs_of_study(study.id):
        if job.state == "interrupted" and job.owner == owner:
            services.store.resume_job(job.id, owner)
    there = jobs_of_cells(services, study)
    for number, cell in by_checkpoint(crossing_of(study)):
        if number in there:
            continue
        services.submit(owner, cell.request, study_id=study.id, request_key=f"{study.id}/{number}", grid=True)
    if services.worker is not None:
        services.worker.wake()


def hold(services: Services, study: Study, owner: str) -> int:
    """Pause: nothing more is started; the picture that is being drawn is finished."""
    return services.store.hold_jobs(study.id, owner)


def stop(services: Services, study: Study, owner: str) -> None:
    """What is not finished is cancelled; finished cells stay."""
    for job in services.store.jobs_of_study(study.id):
        if job.owner == owner and job.state in (*BUSY, "interrupted"):
            services.store.request_cancel(job.id, owner)


def stored_crossing(study: Study) -> Any:
    return study.plan.get("grid") or study.plan.get("crossing")


def crossing_of(study: Study) -> Crossing:
    stored = stored_crossing(study)
    if not stored:
        raise NotFound("this study was not made from a grid of settings")
    return crossing_from(stored)


def is_grid(study: Study) -> bool:
    return "grid" in study.plan


def grids_of(services: Services, owner: str) -> list[Study]:
    """The visitor's own grids, newest first."""
    return [study for study in services.store.list_studies() if is_grid(study) and study.owner == owner]


def prompts_of(crossing: Crossing) -> list[str]:
    return list(dict.fromkeys(cell.request.prompt for cell in crossing.cells()))


def progress(services: Services, study: Study) -> Progress:
    jobs = services.store.jobs_of_study(study.id)
    states = Counter(job.state for job in jobs)
    total = crossing_of(study).count() if stored_crossing(study) else len(jobs)
    failed = [job for job in jobs if job.state == "failed"]
    return Progress(
        total,
        states["done"],
        states["failed"] + states["cancelled"],
        states["queued"] + states["running"],
        states["interrupted"],
        0 if states["cancelled"] else max(total - len(jobs), 0),
        failed[0].error if failed else None,
    )


def jobs_of_cells(services: Services, study: Study) -> dict[int, Job]:
    """The job of every cell that has one, by the cell's number. Jobs are queued in the cells' order, which also tells whose
    job it was when a deletion has taken its request."""
    numbers = (number for number, _ in by_checkpoint(crossing_of(study)))
    return dict(zip(numbers, services.store.jobs_of_study(study.id)))


def pictures(services: Services, study: Study) -> list[tuple[Cell, Job | None, Generation | None]]:
    """Every cell in order, with its job and its picture as far as they exist."""
    jobs = jobs_of_cells(services, study)
    made = {each.job_id: each for each in services.store.study_generations(study.id) if each.source == "model"}
    found = []
    for number, cell in enumerate(crossing_of(study).cells()):
        job = jobs.get(number)
        found.append((cell, job, made.get(job.id) if job else None))
    return found
