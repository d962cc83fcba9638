"""What the store hands out: frozen records without any tie to the database session."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Job:
    id: str
    owner: str
    study_id: str | None
    request: Mapping[str, Any]
    state: str  # schema.JOB_STATES
    step: int
    total: int
    progress: Mapping[str, Any]  # whatever the worker told last (phase, tokens per second, preview name)
    error: str | None
    attempts: int
    priority: int
    worker_id: str | None
    cancel_requested: bool
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True)
class Generation:
    """A picture with its setting. After deletion prompt, owner, image and thumbnail are None."""

    id: str
    job_id: str | None
    image_index: int
    study_id: str | None
    setting_id: str
    settings: Mapping[str, Any]  # the whole mapping given to record_generation
    width: int
    height: int
    window: int | None
    owner: str | None
    source: str  # schema.SOURCES
    derived_from: str | None
    prompt: str | None
    prompt_sent: str | None
    seed: int
    token_hash: str | None
    pixel_hash: str | None
    image: str | None  # content hash; ImageStore.path(hash)
    thumbnail: str | None
    steps: int
    seconds: float
    timings: Mapping[str, float]
    peak_memory_bytes: int | None
    numerics_id: str
    environment: Mapping[str, Any]
    published: bool
    taken_down_reason: str | None
    deleted: bool
    created_at: datetime


@dataclass(frozen=True)
class GenerationFilter:
    """Every field that is set must match. `viewer` sees own pictures and published ones, nothing else."""

    viewer: str | None = None
    text: str | None = None  # case-insensitive part of the prompt
    sizes: Sequence[tuple[int, int]] = ()  # (width, height)
    windows: Sequence[int] = ()
    schedules: Sequence[str] = ()
    since: datetime | None = None
    until: datetime | None = None
    mine: bool = False  # only the viewer's own
    published: bool = False  # only published ones
    study_id: str | None = None
    job_id: str | None = None
    admin: bool = False  # sees everything that is not deleted


@dataclass(frozen=True)
class Page:
    items: list[Generation]
    next_cursor: str | None  # give it back as `cursor` for the next page; None at the end


@dataclass(frozen=True)
class Study:
    id: str
    name: str
    owner: str | None
    invite: str
    description: str
    prompts: list[Any]
    settings: list[Any]
    criteria: list[str]
    raters_per_pair: int
    contrasts: list[Any]
    plan: Mapping[str, Any]
    simulated: bool
    state: str  # schema.STUDY_STATES
    frozen_at: datetime | None
    opened_at: datetime | None
    closed_at: datetime | None
    created_at: datetime


@dataclass(frozen=True)
class Comparison:
    id: str
    study_id: str
    generation_a: str
    generation_b: str
    kind: str  # schema.COMPARISON_KINDS
    factor: str | None
    block: str | None
    expected: str | None


@dataclass(frozen=True)
class NewComparison:
    generation_a: str
    generation_b: str
    kind: str = "matched"
    factor: str | None = None
    block: str | None = None
    expected: str | None = None  # controls: "a" or "b"


@dataclass(frozen=True)
class Assignment:
    id: str
    study_id: str
    rater_id: str
    comparison: Comparison
    left_side: str  # "a" or "b": which generation stands left
    criteria: list[str]
    propensity: float
    chosen_by: str
    repeat_of: str | None
    shown_at: datetime | None
    expires_at: datetime
    created_at: datetime
    answered: Mapping[str, str]  # criterion -> current answer (taken-back ones are absent)


@dataclass(frozen=True)
class Vote:
    id: str
    assignment_id: str
    criterion: str
    revision: int
    answer: str | None  # schema.ANSWERS in terms of a and b; None: taken back
    decision_ms: int | None
    display: Mapping[str, Any]
    created_at: datetime


@dataclass(frozen=True)
class Rater:
    id: str
    simulated: bool
    consented_at: datetime | None
    practice: Mapping[str, Any]
    created_at: datetime


@dataclass(frozen=True)
class Flaw:
    """Box in fractions of the picture: 0 <= x0 < x1 <= 1, same for y."""

    id: str
    assignment_id: str
    generation_id: str
    rater_id: str
    kind: str  # schema.FLAW_KINDS
    x0: float
    y0: float
    x1: float
    y1: float
    note: str | None
    created_at: datetime
    settings: Mapping[str, Any] = field(default_factory=dict)  # of the marked generation
    left: bool = False  # the picture stood left


@dataclass(frozen=True)
class Coverage:
    """How many raters answered one comparison."""

    comparison: Comparison
    raters: int  # with at least one vote that is not excluded


@dataclass(frozen=True)
class StudyTables:
    """What the ratings of a study are computed from, as columns that join by ids."""

    votes: Mapping[str, Sequence[Any]]  # current ones: vote, assignment, criterion, answer, decision_ms
    assignments: Mapping[
        str, Sequence[Any]
    ]  # assignment, comparison, rater, left_side, repeat_of, propensity, day (UTC)
    comparisons: Mapping[str, Sequence[Any]]  # comparison, kind, factor, block, expected, generation_a, generation_b
    pictures: Mapping[str, Sequence[Any]]  # generation, prompt, setting, steps, seconds, peak_memory_bytes
    settings: Mapping[str, Mapping[str, Any]]  # setting -> its values
    rules: Mapping[str, Sequence[str]]  # vote -> rules that exclude it


@dataclass(frozen=True)
class Measured:
    """One finished generation as material for time estimates."""

    width: int
    height: int
    window: int | None
    steps: int
    seconds: float  # of its whole job
    num_images: int  # that the job drew together
    timings: Mapping[str, float]
    peak_memory_bytes: int | None
    checkpoint: str
    environment: Mapping[str, Any]
    created_at: datetime
