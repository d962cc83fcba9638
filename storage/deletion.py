"""Tombstones: what goes when something is deleted, and which files may then be removed."""

from collections.abc import Sequence

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from storage.schema import Generation, Job, Study, utc_now

DELETED_OWNER = "deleted"
DELETED_PROMPT = "deleted prompt"  # and its number among the grid's prompts
Files = list[tuple[str, str]]  # (hash, suffix)
SOME = 500  # ids in one query


def bury(session: Session, row: Generation) -> Files:
    """Strip one generation, the copies made from it, whoever's replays of it and its grid; returns the files that lost a
    name."""
    prompt, study_id = row.prompt, row.study_id
    files = _strip(session, row)
    _scrub_replays(session, [row.id])
    if prompt is not None and study_id is not None:
        _forget_prompt(session, study_id, prompt)
    return files


def _strip(session: Session, row: Generation) -> Files:
    files: Files = []
    for copy in session.scalars(select(Generation).where(Generation.derived_from == row.id)):
        files += _strip(session, copy)
    files += [(name, suffix) for name, suffix in ((row.image, ".png"), (row.thumbnail, ".webp")) if name]
    row.prompt = row.prompt_sent = row.owner = row.image = row.thumbnail = row.tokens = None
    row.published_at = None
    row.deleted_at = row.deleted_at or utc_now()
    session.flush()
    _scrub_job(session, row.job_id)
    return files


def bury_all(session: Session, owner: str) -> tuple[int, Files]:
    """Every generation of an owner with its replays, the requests of all jobs, and the grids; a study that an administrator
    made is the studio's."""
    rows = list(session.scalars(select(Generation).where(Generation.owner == owner)))
    files = [name for row in rows for name in _strip(session, row)]
    _scrub_replays(session, [row.id for row in rows])
    for job in session.scalars(select(Job).where(Job.owner == owner)):
        _scrub(job)
    for study in session.scalars(select(Study).where(Study.owner == owner)):
        if "grid" in study.plan:
            study.owner, study.prompts, study.plan = DELETED_OWNER, [], {"grid": {}}
    return len(rows), files


def unnamed(session: Session, files: Files) -> Files:
    """Those files that no generation names any more."""
    return [
        (name, suffix)
        for name, suffix in sorted(set(files))
        if session.scalar(
            select(Generation.id).where(or_(Generation.image == name, Generation.thumbnail == name)).limit(1)
        )
        is None
    ]


def _scrub_job(session: Session, job_id: str | None) -> None:
    """The request repeats the prompt: it goes with the last picture of the job."""
    if job_id is None:
        return
    alive = select(Generation.id).where(Generation.job_id == job_id, Generation.deleted_at.is_(None)).limit(1)
    job = session.get(Job, job_id)
    if job is not None and session.scalar(alive) is None and job.state not in ("queued", "running"):
        _scrub(job)


def _forget_prompt(session: Session, study_id: str, prompt: str) -> None:
    """A grid repeats the prompt, in its base and in an axis of prompts, one a line: it goes with the last picture of it. The
    cells stay where they were, since their jobs are known by their order."""
    study = session.get(Study, study_id, with_for_update=True)  # the last two pictures may go at the same time
    grid = study.plan.get("grid") if study else None
    if not grid or prompt not in study.prompts or _is_in_use(session, study_id, prompt):
        return
    study.prompts = [f"{DELETED_PROMPT} {i}" if each == prompt else each for i, each in enumerate(study.prompts, 1)]
    base = {**grid["base"], "prompt": study.prompts[0], "typed": study.prompts[0]}  # an axis of prompts wins over it
    axes = [[name, "\n".join(study.prompts) if name == "prompt" else text] for name, text in grid["axes"]]
    study.plan = {**study.plan, "grid": {**grid, "base": base, "axes": axes}}


def _is_in_use(session: Session, study_id: str, prompt: str) -> bool:
    """Whether the study has a picture of the prompt, or a job that may still draw one."""
    living = select(Generation.id).where(Generation.study_id == study_id, Generation.prompt == prompt)
    coming = select(Job.id).where(Job.study_id == study_id, Job.request["prompt"].as_string() == prompt)
    coming = coming.where(Job.state.in_(("queued", "running", "interrupted")))
    return any(session.scalar(query.limit(1)) is not None for query in (living, coming))


def _scrub_replays(session: Session, generation_ids: Sequence[str]) -> None:
    """A replay's request repeats the prompt of its picture, whoever asked for it."""
    replayed = Job.request["replay_of"].as_string()
    for start in range(0, len(generation_ids), SOME):
        for job in session.scalars(select(Job).where(replayed.in_(generation_ids[start : start + SOME]))):
            _scrub(job)


def _scrub(job: Job) -> None:
    job.request, job.progress, job.owner, job.request_key = {}, {}, DELETED_OWNER, None
    if job.state in ("queued", "interrupted"):
        job.state, job.finished_at = "cancelled", utc_now()
    elif job.state == "running":
        job.cancel_requested_at = job.cancel_requested_at or utc_now()
