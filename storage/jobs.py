"""Jobs: what was asked for, who does it, how far it is."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, or_, select, update
from sqlalchemy.orm import Session

from storage import schema
from storage.errors import NotFound, QueueFull, WrongState
from storage.part import Part, insert_or_get, must_find
from storage.records import Job
from storage.schema import utc_now

QUEUE_ORDER = (schema.Job.priority.desc(), schema.Job.id)
ENDED = ("done", "failed", "cancelled")
UNFINISHED = ("queued", "running")


class Jobs(Part):
    """Part of the store. States: queued -> running -> done | failed | cancelled | interrupted -> queued."""

    def submit_job(
        self,
        owner: str,
        request: Mapping[str, Any],
        *,
        study_id: str | None = None,
        request_key: str | None = None,
        priority: int = 0,
        max_queued: int | None = None,
        max_queued_per_owner: int | None = None,
    ) -> Job:
        """Queue a request. The same (owner, request_key) returns the job that exists, whatever its state.

        Raises QueueFull when a limit would be exceeded; the count and the insert are one transaction. Only jobs that
        would not be overtaken count: a long grid of low priority leaves the room of people who wait as it is.
        """
        row = _new_job(owner, request, study_id=study_id, request_key=request_key, priority=priority)
        with self.database.write() as session:
            if max_queued is not None or max_queued_per_owner is not None:
                self.database.serialise(session, "submit_job")
            known = _by_key(session, row)
            if known is None:
                _check_room(session, None, max_queued, priority)
                _check_room(session, owner, max_queued_per_owner, priority)
                known = _add(session, row)
            return to_job(known)

    def claim_job(self, worker_id: str) -> Job | None:
        """Take the first queued job (priority, then age) and mark it running; None when none waits. Atomic."""
        first = select(schema.Job).where(schema.Job.state == "queued").order_by(*QUEUE_ORDER).limit(1)
        return self._start(first, worker_id)

    def take_job(self, job_id: str, worker_id: str) -> Job | None:
        """This job, if it is queued, for a caller that draws it itself (ZeroGPU: the visitor's request); else None."""
        mine = select(schema.Job).where(schema.Job.id == job_id, schema.Job.state == "queued")
        return self._start(mine, worker_id)

    def _start(self, waiting: Select[tuple[schema.Job]], worker_id: str) -> Job | None:
        with self.database.write() as session:
            row = session.scalar(waiting.with_for_update(skip_locked=True))
            if row is None:
                return None
            _mark_running(row, worker_id)
            return to_job(row)

    def update_progress(self, job_id: str, step: int, total: int, extra: Mapping[str, Any] | None = None) -> None:
        """Note how far a running job is; also its sign of life."""
        if not 0 <= step <= total:
            raise ValueError(f"step {step} of {total}; allowed: 0 <= step <= total")
        # A plain UPDATE keeps these many small writes out of the journal, which records whole rows.
        change = update(schema.Job).where(schema.Job.id == job_id, schema.Job.state == "running")
        values = {"step": step, "total": total, "heartbeat_at": utc_now()}
        with self.database.write() as session:
            session.execute(change.values(**values, **({} if extra is None else {"progress": dict(extra)})))

    def finish_job(self, job_id: str) -> Job:
        """running -> done (done stays done)."""
        return self._end(job_id, "done", allowed=("running", "done"))

    def fail_job(self, job_id: str, error: str) -> Job:
        """running or queued -> failed, with the text that the owner sees."""
        return self._end(job_id, "failed", allowed=("running", "queued", "failed"), error=error)

    def cancel_job(self, job_id: str) -> Job:
        """The worker stopped: running or queued -> cancelled."""
        return self._end(job_id, "cancelled", allowed=("running", "queued", "cancelled"))

    def interrupt_job(self, job_id: str) -> Job:
        """running -> interrupted (a closed tab on ZeroGPU); resume_job queues it again."""
        return self._end(job_id, "interrupted", allowed=("running", "interrupted"))

    def resume_job(self, job_id: str, owner: str) -> Job:
        """interrupted -> queued, by its owner."""
        with self.database.write() as session:
            row = _owned(session, job_id, owner, lock=True)
            if row.state != "interrupted":
                raise WrongState(f"the job is {row.state}; only an interrupted job can be resumed")
            _requeue(row)
            return to_job(row)

    def hold_jobs(self, study_id: str, owner: str) -> int:
        """A pause: the owner's queued jobs of a study become interrupted until resumed; the running one goes on."""
        mine = select(schema.Job).where(schema.Job.study_id == study_id, schema.Job.owner == owner)
        with self.database.write() as session:
            rows = list(session.scalars(mine.where(schema.Job.state == "queued").with_for_update(skip_locked=True)))
            for row in rows:
                row.state = "interrupted"
            return len(rows)

    def interrupt_waiting(self, seconds: float) -> int:
        """Jobs that have waited longer than this become interrupted (ZeroGPU: whoever asked went away before a request took
        them); how many."""
        since = func.coalesce(schema.Job.heartbeat_at, schema.Job.created_at, type_=schema.UtcDateTime())
        old = select(schema.Job).where(schema.Job.state == "queued", since < utc_now() - timedelta(seconds=seconds))
        with self.database.write() as session:
            rows = list(session.scalars(old.with_for_update(skip_locked=True)))
            for row in rows:
                row.state = "interrupted"
            return len(rows)

    def request_cancel(self, job_id: str, owner: str) -> Job:
        """A queued or interrupted job is cancelled at once; a running one is told to stop (cancel_requested)."""
        with self.database.write() as session:
            row = _owned(session, job_id, owner, lock=True)
            if row.state not in ENDED and row.cancel_requested_at is None:
                row.cancel_requested_at = utc_now()
            if row.state in ("queued", "interrupted"):
                row.state, row.finished_at = "cancelled", utc_now()
            return to_job(row)

    def cancel_requested(self, job_id: str) -> bool:
        """Asked by the worker between steps."""
        with self.database.read() as session:
            asked = select(schema.Job.cancel_requested_at).where(schema.Job.id == job_id)
            return session.scalar(asked) is not None

    def recover_jobs(
        self, *, silent_seconds: float, gone: str | None = None, alive: str | None = None, max_attempts: int = 2
    ) -> list[Job]:
        """Running jobs of the worker that is `gone`, and those without a sign of life for `silent_seconds` except of the one
        that is `alive`, are queued again, cancelled if that was asked, or interrupted after max_attempts. Returns them."""
        silent = schema.Job.heartbeat_at <= utc_now() - timedelta(seconds=silent_seconds)
        silent = silent if alive is None else and_(silent, schema.Job.worker_id != alive)
        lost = silent if gone is None else or_(silent, schema.Job.worker_id == gone)
        query = select(schema.Job).where(schema.Job.state == "running", lost).with_for_update(skip_locked=True)
        with self.database.write() as session:
            rows = list(session.scalars(query))
            for row in rows:
                _recover(row, max_attempts)
            return [to_job(row) for row in rows]

    def queue_position(self, job_id: str) -> int | None:
        """How many jobs come before this one, running ones included; None when it neither waits nor runs."""
        with self.database.read() as session:
            row = must_find(session, schema.Job, job_id)
            if row.state == "running":
                return 0
            if row.state != "queued":
                return None
            return session.scalar(select(func.count()).select_from(schema.Job).where(_before(row)))

    def get_job(self, job_id: str, owner: str | None) -> Job:
        """The owner's job. Unknown and foreign jobs raise the same NotFound. owner=None: the program itself."""
        with self.database.read() as session:
            return to_job(_owned(session, job_id, owner))

    def unfinished_jobs(self) -> set[str]:
        """The ids of all jobs that wait or run."""
        with self.database.read() as session:
            return set(session.scalars(select(schema.Job.id).where(schema.Job.state.in_(UNFINISHED))))

    def jobs_of(self, owner: str, *, of_studies: bool = True, limit: int = 50) -> list[Job]:
        """Newest first. of_studies: with those of grids and studies."""
        query = select(schema.Job).where(schema.Job.owner == owner).order_by(schema.Job.id.desc()).limit(limit)
        if not of_studies:
            query = query.where(schema.Job.study_id.is_(None))
        with self.database.read() as session:
            return [to_job(row) for row in session.scalars(query)]

    def jobs_of_study(self, study_id: str) -> list[Job]:
        """Oldest first."""
        query = select(schema.Job).where(schema.Job.study_id == study_id).order_by(schema.Job.id)
        with self.database.read() as session:
            return [to_job(row) for row in session.scalars(query)]

    def _end(self, job_id: str, state: str, *, allowed: tuple[str, ...], error: str | None = None) -> Job:
        with self.database.write() as session:
            row = must_find(session, schema.Job, job_id, lock=True)
            if row.state not in allowed:
                raise WrongState(f"the job is {row.state} and cannot become {state}")
            if row.state != state:
                row.state, row.error, row.finished_at = state, error, utc_now()
            return to_job(row)


def _new_job(owner: str, request: Mapping[str, Any], **values: Any) -> schema.Job:
    if not owner:
        raise ValueError("a job needs an owner; got an empty string")
    values.setdefault("priority", 0)
    return schema.Job(
        owner=owner, request=dict(request), state="queued", attempts=0, step=0, total=0, progress={}, **values
    )


def _mark_running(row: schema.Job, worker_id: str) -> None:
    row.state, row.worker_id, row.attempts = "running", worker_id, row.attempts + 1
    row.started_at = row.heartbeat_at = utc_now()


def _requeue(row: schema.Job) -> None:
    row.state, row.worker_id, row.step, row.progress = "queued", None, 0, {}
    row.finished_at = row.cancel_requested_at = row.error = None
    row.heartbeat_at = utc_now()


def _recover(row: schema.Job, max_attempts: int) -> None:
    if row.cancel_requested_at is not None:
        row.state, row.finished_at = "cancelled", utc_now()
    elif row.attempts < max_attempts:
        _requeue(row)
    else:
        row.state, row.finished_at = "interrupted", utc_now()
        row.error = f"the program stopped {row.attempts} times while working on this"


def _key_query(row: schema.Job) -> Select[tuple[schema.Job]]:
    return select(schema.Job).where(schema.Job.owner == row.owner, schema.Job.request_key == row.request_key)


def _by_key(session: Session, row: schema.Job) -> schema.Job | None:
    return None if row.request_key is None else session.scalar(_key_query(row))


def _add(session: Session, row: schema.Job) -> schema.Job:
    if row.request_key is not None:
        return insert_or_get(session, row, _key_query(row))[0]
    session.add(row)
    session.flush()
    return row


def _check_room(session: Session, owner: str | None, limit: int | None, priority: int) -> None:
    if limit is None:
        return
    waiting = select(func.count()).select_from(schema.Job).where(schema.Job.state.in_(UNFINISHED))
    waiting = waiting.where(schema.Job.priority >= priority)
    if owner is not None:
        waiting = waiting.where(schema.Job.owner == owner)
    count = session.scalar(waiting) or 0
    if count >= limit:
        whose = "jobs are" if owner is None else "of your jobs are"
        raise QueueFull(f"{count} {whose} waiting or running; allowed: {limit}")


def _before(row: schema.Job) -> ColumnElement[bool]:
    ahead = or_(schema.Job.priority > row.priority, and_(schema.Job.priority == row.priority, schema.Job.id < row.id))
    return or_(schema.Job.state == "running", and_(schema.Job.state == "queued", ahead))


def _owned(session: Session, job_id: str, owner: str | None, *, lock: bool = False) -> schema.Job:
    row = must_find(session, schema.Job, job_id, lock=lock)
    if owner is not None and row.owner != owner:
        raise NotFound("no such job")
    return row


def to_job(row: schema.Job) -> Job:
    return Job(
        id=row.id,
        owner=row.owner,
        study_id=row.study_id,
        request=row.request,
        state=row.state,
        step=row.step,
        total=row.total,
        progress=row.progress,
        error=row.error,
        attempts=row.attempts,
        priority=row.priority,
        worker_id=row.worker_id,
        cancel_requested=row.cancel_requested_at is not None,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
    )
