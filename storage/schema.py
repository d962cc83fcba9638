"""The tables. Nothing outside storage/ imports this file: the store hands out plain records.

setting <- generation <- comparison <- assignment <- vote <- exclusion, and beside them job, rater, flaw,
study, sighting (who saw which picture with its settings), reading (who saw the results of which study) and look (each
interim analysis of a study).
Votes are append-only: an undo adds a row with the next `revision`; the highest revision counts, and
UNIQUE(assignment, criterion, revision) is what makes fifty parallel posts one row.
"""

from datetime import datetime, timezone
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    MetaData,
    String,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

from storage.ids import new_id

JOB_STATES = ("queued", "running", "done", "failed", "cancelled", "interrupted")
STUDY_STATES = ("draft", "generating", "open", "paused", "closed")
COMPARISON_KINDS = ("matched", "wrong_prompt", "degraded", "identical", "free")
ANSWERS = ("a", "b", "both_good", "both_bad", "cannot_tell")
SOURCES = ("model", "rival", "degraded")
FLAW_KINDS = ("area", "broken")

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


def utc_now() -> datetime:
    return datetime.now(timezone.utc)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC datetime on both databases (SQLite forgets the zone, PostgreSQL the writer's zone)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"time {value!r} has no time zone; give an aware datetime")
        return value.astimezone(timezone.utc)

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=timezone.utc) if value.tzinfo is None else value.astimezone(timezone.utc)


def one_of(column: str, values: tuple[str, ...]) -> CheckConstraint:
    """CHECK(column IN values), named after the column."""
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


Json = JSON().with_variant(JSONB(), "postgresql")


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {datetime: UtcDateTime(), dict[str, Any]: Json, list[Any]: Json, str: String()}


class HasId:
    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id, sort_order=-2)
    created_at: Mapped[datetime] = mapped_column(default=utc_now, sort_order=-1)


class Setting(HasId, Base):
    """One combination of everything that shapes a picture except prompt and seed; unique by hash."""

    __tablename__ = "setting"
    hash: Mapped[str] = mapped_column(String(64), unique=True)
    width: Mapped[int]
    height: Mapped[int]
    window: Mapped[int | None]  # None: a picture of another system
    schedule: Mapped[str | None]  # name or kind, for filters; its points are in `values`
    scale: Mapped[float | None]
    temperature: Mapped[float | None]
    top_k: Mapped[int | None]
    top_p: Mapped[float | None]
    checkpoint: Mapped[str]
    values: Mapped[dict[str, Any]]  # the whole mapping that was hashed


class Study(HasId, Base):
    __tablename__ = "study"
    __table_args__ = (one_of("state", STUDY_STATES), CheckConstraint("raters_per_pair >= 1", name="raters_per_pair"))
    name: Mapped[str] = mapped_column(String(200), unique=True)
    owner: Mapped[str | None]
    invite: Mapped[str] = mapped_column(String(64), unique=True)
    description: Mapped[str]
    prompts: Mapped[list[Any]]
    settings: Mapped[list[Any]]
    criteria: Mapped[list[Any]]
    raters_per_pair: Mapped[int]
    contrasts: Mapped[list[Any]]
    plan: Mapped[dict[str, Any]]
    simulated: Mapped[bool]
    state: Mapped[str] = mapped_column(String(16))
    frozen_at: Mapped[datetime | None]
    opened_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]


class Job(HasId, Base):
    __tablename__ = "job"
    __table_args__ = (UniqueConstraint("owner", "request_key"), one_of("state", JOB_STATES))
    owner: Mapped[str] = mapped_column(index=True)
    study_id: Mapped[str | None] = mapped_column(ForeignKey("study.id"), index=True)
    request: Mapped[dict[str, Any]]
    request_key: Mapped[str | None]
    priority: Mapped[int]  # higher first: a person who waits goes before a grid
    state: Mapped[str] = mapped_column(String(16), index=True)
    worker_id: Mapped[str | None]
    attempts: Mapped[int]
    step: Mapped[int]
    total: Mapped[int]
    progress: Mapped[dict[str, Any]]
    error: Mapped[str | None]
    cancel_requested_at: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    heartbeat_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class Generation(HasId, Base):
    """A picture and everything that repeats it. `image` and `thumbnail` are content hashes (storage/images.py)."""

    __tablename__ = "generation"
    __table_args__ = (UniqueConstraint("job_id", "image_index"), one_of("source", SOURCES))
    job_id: Mapped[str | None] = mapped_column(ForeignKey("job.id"))
    image_index: Mapped[int]
    study_id: Mapped[str | None] = mapped_column(ForeignKey("study.id"), index=True)
    setting_id: Mapped[str] = mapped_column(ForeignKey("setting.id"), index=True)
    owner: Mapped[str | None] = mapped_column(index=True)
    source: Mapped[str] = mapped_column(String(16))
    derived_from: Mapped[str | None] = mapped_column(ForeignKey("generation.id"))
    prompt: Mapped[str | None]  # as typed
    prompt_sent: Mapped[str | None]  # as the model read it
    seed: Mapped[int] = mapped_column(BigInteger)
    tokens: Mapped[bytes | None]
    token_hash: Mapped[str | None] = mapped_column(String(64))
    pixel_hash: Mapped[str | None] = mapped_column(String(64))
    image: Mapped[str | None] = mapped_column(String(64), index=True)
    thumbnail: Mapped[str | None] = mapped_column(String(64), index=True)
    steps: Mapped[int]
    seconds: Mapped[float]
    timings: Mapped[dict[str, Any]]
    peak_memory_bytes: Mapped[int | None] = mapped_column(BigInteger)
    numerics_id: Mapped[str]
    environment: Mapped[dict[str, Any]]
    published_at: Mapped[datetime | None] = mapped_column(index=True)
    taken_down_at: Mapped[datetime | None]
    taken_down_reason: Mapped[str | None]
    deleted_at: Mapped[datetime | None]


class Comparison(HasId, Base):
    __tablename__ = "comparison"
    __table_args__ = (
        UniqueConstraint("study_id", "generation_a", "generation_b", "kind"),
        one_of("kind", COMPARISON_KINDS),
        CheckConstraint("expected IN ('a', 'b')", name="expected"),
    )
    study_id: Mapped[str] = mapped_column(ForeignKey("study.id"))
    generation_a: Mapped[str] = mapped_column(ForeignKey("generation.id"), index=True)
    generation_b: Mapped[str] = mapped_column(ForeignKey("generation.id"), index=True)
    kind: Mapped[str] = mapped_column(String(16))
    factor: Mapped[str | None]  # the one setting that differs
    block: Mapped[str | None]
    expected: Mapped[str | None]  # the answer that a control should get


class Rater(HasId, Base):
    __tablename__ = "rater"
    key_hash: Mapped[str | None] = mapped_column(String(64), unique=True)
    simulated: Mapped[bool]
    consented_at: Mapped[datetime | None]
    practice: Mapped[dict[str, Any]]
    deleted_at: Mapped[datetime | None]


class Assignment(HasId, Base):
    """One pair shown to one rater. Written before anything is shown; its id is all that the browser gets."""

    __tablename__ = "assignment"
    __table_args__ = (
        UniqueConstraint("rater_id", "comparison_id", "repeat"),
        CheckConstraint("left_side IN ('a', 'b')", name="left_side"),
        CheckConstraint("propensity > 0 AND propensity <= 1", name="propensity"),
    )
    study_id: Mapped[str] = mapped_column(ForeignKey("study.id"), index=True)
    rater_id: Mapped[str] = mapped_column(ForeignKey("rater.id"))
    comparison_id: Mapped[str] = mapped_column(ForeignKey("comparison.id"), index=True)
    left_side: Mapped[str] = mapped_column(String(1))
    criteria: Mapped[list[Any]]
    propensity: Mapped[float]
    chosen_by: Mapped[str] = mapped_column(String(32))
    repeat: Mapped[int]  # 0 first sight, 1 swapped repeat
    repeat_of: Mapped[str | None] = mapped_column(ForeignKey("assignment.id"))
    shown_at: Mapped[datetime | None]
    expires_at: Mapped[datetime]


class Vote(HasId, Base):
    __tablename__ = "vote"
    __table_args__ = (UniqueConstraint("assignment_id", "criterion", "revision"),)
    assignment_id: Mapped[str] = mapped_column(ForeignKey("assignment.id"))
    criterion: Mapped[str] = mapped_column(String(32))
    revision: Mapped[int]
    answer: Mapped[str | None] = mapped_column(
        String(16)
    )  # in terms of a and b, never left and right; None: taken back
    decision_ms: Mapped[int | None]
    display: Mapped[dict[str, Any]]
    supersedes: Mapped[str | None] = mapped_column(ForeignKey("vote.id"), unique=True)


class Exclusion(HasId, Base):
    __tablename__ = "exclusion"
    __table_args__ = (UniqueConstraint("vote_id", "rule"),)
    vote_id: Mapped[str] = mapped_column(ForeignKey("vote.id"))
    rule: Mapped[str] = mapped_column(String(64))
    reason: Mapped[str]
    lifted_at: Mapped[datetime | None]


class Flaw(HasId, Base):
    """A rater's mark on a picture: a box in fractions of width and height, or the whole picture broken."""

    __tablename__ = "flaw"
    __table_args__ = (
        one_of("kind", FLAW_KINDS),
        CheckConstraint("x0 >= 0 AND x1 <= 1 AND y0 >= 0 AND y1 <= 1 AND x0 < x1 AND y0 < y1", name="area"),
    )
    assignment_id: Mapped[str] = mapped_column(ForeignKey("assignment.id"), index=True)
    generation_id: Mapped[str] = mapped_column(ForeignKey("generation.id"), index=True)
    kind: Mapped[str] = mapped_column(String(16))
    x0: Mapped[float]
    y0: Mapped[float]
    x1: Mapped[float]
    y1: Mapped[float]
    note: Mapped[str | None]
    reporter: Mapped[str | None] = mapped_column(
        String(64)
    )  # of a broken picture; a reporter's reports count once a pair
    lifted_at: Mapped[datetime | None]  # taken back by the rater, or set aside by who keeps the study


class Sighting(HasId, Base):
    """This viewer has seen this picture together with its settings, so may not rate it blind."""

    __tablename__ = "sighting"
    __table_args__ = (UniqueConstraint("viewer", "generation_id"),)
    viewer: Mapped[str]
    generation_id: Mapped[str] = mapped_column(ForeignKey("generation.id"), index=True)


class Reading(HasId, Base):
    """This rater has seen the results of this study, so answers that come later were led by them."""

    __tablename__ = "reading"
    __table_args__ = (UniqueConstraint("study_id", "rater_id"),)
    study_id: Mapped[str] = mapped_column(ForeignKey("study.id"))
    rater_id: Mapped[str] = mapped_column(ForeignKey("rater.id"))


class Look(HasId, Base):
    """One interim analysis of one contrast; the alpha that it spent cannot be spent again."""

    __tablename__ = "look"
    __table_args__ = (UniqueConstraint("study_id", "contrast", "criterion", "number"),)
    study_id: Mapped[str] = mapped_column(ForeignKey("study.id"))
    contrast: Mapped[str]
    criterion: Mapped[str] = mapped_column(String(32))
    number: Mapped[int]
    votes: Mapped[int]
    result: Mapped[dict[str, Any]]


class JournalMark(Base):
    """The last entry of each journal file that this database contains; written in the same transaction as the entry's rows."""

    __tablename__ = "journal_mark"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    entry: Mapped[str] = mapped_column(String(36))
