"""The long tables that the rating model, the results page and the exports read.

`votes` gives one row per current vote (excluded ones included), answers in terms of the
comparison's pictures a and b:

    vote, study, assignment, comparison, rater, criterion, answer, revision
    kind, factor, block, expected          the design: matched or which control, what differs, where it belongs
    left_side, propensity, chosen_by, repeat_of, simulated
    decision_ms, display, shown_at, answered_at
    excluded, exclusions                   the first rule in force or None; all of them
    prompt                                 as sent; a deleted one is replaced by a mark that is unique to its block
    and for each picture, ending in _a and _b: generation, source, seed, setting, settings (the whole mapping),
    window, schedule, resolution ("256×256"), width, height, scale, temperature, top_k, top_p, checkpoint,
    steps, seconds, peak_memory_bytes, numerics
"""

import json
from collections import defaultdict
from functools import lru_cache
from typing import Any

from sqlalchemy import Select, String, cast, func, select
from sqlalchemy.orm import Session

from storage import ballots
from storage.coverage import current_votes
from storage.records import Flaw as FlawRecord
from storage.records import StudyTables
from storage.schema import Assignment, Comparison, Exclusion, Flaw, Generation, Rater, Setting, Study, Vote

Row = dict[str, Any]


def votes(session: Session, study_id: str | None, simulated: bool | None) -> list[Row]:
    """The long table, oldest vote first. Pictures and pairs are read once each, not once per vote."""
    pictures = _pictures(session, study_id)
    pairs = _pairs(session, study_id, pictures)
    excluded = _rules_in_force(session, study_id)
    found = session.execute(_vote_query(study_id, simulated))
    names = list(found.keys())
    rows = []
    for values in found:
        row = dict(zip(names, values, strict=True))
        rules = excluded.get(row["vote"], [])
        row["display"] = _parsed(row["display"])
        row["excluded"], row["exclusions"] = rules[0] if rules else None, rules
        row.update(pairs[row["comparison"]])
        rows.append(row)
    return rows


CHUNK = 500  # rows that live at a time; more than 700 objects would wake Python's garbage collector again and again


def tables(session: Session, study_id: str, simulated: bool) -> StudyTables:
    """The same for readers of 100k votes: nothing is repeated, and the reader joins by ids."""
    of_study = current_votes().join(Assignment, Assignment.id == Vote.assignment_id).join(Study)
    votes = of_study.where(Study.id == study_id, Study.simulated == simulated).with_only_columns(
        Vote.id.label("vote"),
        Vote.assignment_id.label("assignment"),
        Vote.criterion,
        Vote.answer,
        Vote.decision_ms,
    )
    assignments = select(
        Assignment.id.label("assignment"),
        Assignment.comparison_id.label("comparison"),
        Assignment.rater_id.label("rater"),
        Assignment.left_side,
        Assignment.repeat_of,
        Assignment.propensity,
        cast(func.date(Assignment.created_at), String).label("day"),
    ).where(Assignment.study_id == study_id)
    comparisons = select(
        Comparison.id.label("comparison"),
        Comparison.kind,
        Comparison.factor,
        Comparison.block,
        Comparison.expected,
        Comparison.generation_a,
        Comparison.generation_b,
    ).where(Comparison.study_id == study_id)
    pictures = _columns(
        session,
        _picture_query(study_id).with_only_columns(
            Generation.id.label("generation"),
            Generation.prompt_sent.label("prompt"),
            Generation.setting_id.label("setting"),
            Generation.steps,
            Generation.seconds,
            Generation.peak_memory_bytes,
        ),
    )
    used = select(Setting).where(Setting.id.in_(set(pictures["setting"])))
    return StudyTables(
        votes=_columns(session, votes),
        assignments=_columns(session, assignments),
        comparisons=_columns(session, comparisons.order_by(Comparison.id)),
        pictures=pictures,
        settings={row.id: row.values for row in session.scalars(used.order_by(Setting.id))},
        rules=_rules_in_force(session, study_id),
    )


def _columns(session: Session, query: Select[Any]) -> dict[str, list[Any]]:
    """Name -> values of a query for single columns, past the object loader, which has nothing to load here."""
    found = session.connection().execute(query, execution_options={"yield_per": CHUNK})
    by_name: dict[str, list[Any]] = {name: [] for name in found.keys()}  # noqa: SIM118, a result is no mapping
    for rows in found.partitions():
        for values, more in zip(by_name.values(), zip(*rows, strict=True), strict=True):
            values.extend(more)
    return by_name


def flaws(session: Session, study_id: str) -> list[FlawRecord]:
    """Marks of one study that stand, oldest first."""
    query = (
        select(Flaw, Assignment, Comparison.generation_a, Setting.values)
        .join(Assignment, Assignment.id == Flaw.assignment_id)
        .join(Comparison, Comparison.id == Assignment.comparison_id)
        .join(Generation, Generation.id == Flaw.generation_id)
        .join(Setting, Setting.id == Generation.setting_id)
        .where(Assignment.study_id == study_id, Flaw.lifted_at.is_(None))
        .order_by(Flaw.id)
    )
    return [
        ballots.to_flaw(
            flaw,
            assignment.rater_id,
            left=(flaw.generation_id == generation_a) == (assignment.left_side == "a"),
            settings=settings,
        )
        for flaw, assignment, generation_a, settings in session.execute(query)
    ]


def exclusions(session: Session, study_id: str | None) -> list[Row]:
    """The audit trail, oldest first."""
    query = (
        select(
            Exclusion.vote_id,
            Assignment.rater_id,
            Exclusion.rule,
            Exclusion.reason,
            Exclusion.created_at,
            Exclusion.lifted_at,
        )
        .join(Vote, Vote.id == Exclusion.vote_id)
        .join(Assignment, Assignment.id == Vote.assignment_id)
        .order_by(Exclusion.id)
    )
    if study_id is not None:
        query = query.where(Assignment.study_id == study_id)
    return [dict(row) for row in session.execute(query).mappings()]


@lru_cache(maxsize=4096)
def _parsed(text: str) -> Row:
    return json.loads(text)


def _vote_query(study_id: str | None, simulated: bool | None) -> Select[Any]:
    joined = (
        current_votes()
        .join(Assignment, Assignment.id == Vote.assignment_id)
        .join(Rater, Rater.id == Assignment.rater_id)
        .order_by(Vote.id)
    )
    if study_id is not None:
        joined = joined.where(Assignment.study_id == study_id)
    if simulated is not None:
        joined = joined.where(Rater.simulated == simulated)
    return joined.with_only_columns(
        Vote.id.label("vote"),
        Assignment.study_id.label("study"),
        Vote.assignment_id.label("assignment"),
        Assignment.comparison_id.label("comparison"),
        Assignment.rater_id.label("rater"),
        Vote.criterion,
        Vote.answer,
        Vote.revision,
        Assignment.left_side,
        Assignment.propensity,
        Assignment.chosen_by,
        Assignment.repeat_of,
        Rater.simulated,
        Vote.decision_ms,
        cast(Vote.display, String).label("display"),  # as text: most raters have one display for all their votes
        Assignment.shown_at,
        Vote.created_at.label("answered_at"),
    )


def _pictures(session: Session, study_id: str | None) -> dict[str, Row]:
    """generation id -> its columns without the suffix; only pictures that some pair of the study shows."""
    settings = _settings(session)
    found = session.execute(_picture_query(study_id))
    names = list(found.keys())
    rows = (dict(zip(names, values, strict=True)) for values in found)
    return {row["generation"]: {**row, **settings[row["setting"]]} for row in rows}


def _picture_query(study_id: str | None) -> Select[Any]:
    shown = [Comparison.generation_a, Comparison.generation_b]
    scope = [] if study_id is None else [Comparison.study_id == study_id]
    wanted = select(shown[0]).where(*scope).union(select(shown[1]).where(*scope))
    return select(
        Generation.id.label("generation"),
        Generation.source,
        Generation.prompt_sent.label("prompt"),
        Generation.seed,
        Generation.setting_id.label("setting"),
        Generation.steps,
        Generation.seconds,
        Generation.peak_memory_bytes,
        Generation.numerics_id.label("numerics"),
    ).where(Generation.id.in_(wanted))


def _settings(session: Session) -> dict[str, Row]:
    """setting id -> its columns; few rows, shared by many pictures."""
    names = ("window", "schedule", "width", "height", "scale", "temperature", "top_k", "top_p", "checkpoint")
    return {
        row.id: {
            "settings": row.values,
            "resolution": f"{row.width}×{row.height}",
            **{name: getattr(row, name) for name in names},
        }
        for row in session.scalars(select(Setting))
    }


def _pairs(session: Session, study_id: str | None, pictures: dict[str, Row]) -> dict[str, Row]:
    """comparison id -> everything that is the same for all its votes."""
    query = select(*Comparison.__table__.columns)
    if study_id is not None:
        query = query.where(Comparison.study_id == study_id)
    return {row.id: _pair(row, pictures) for row in session.execute(query)}


def _pair(row: Any, pictures: dict[str, Row]) -> Row:
    a, b = pictures[row.generation_a], pictures[row.generation_b]
    pair = {"kind": row.kind, "factor": row.factor, "block": row.block, "expected": row.expected}
    pair["prompt"] = a["prompt"] if a["prompt"] is not None else f"[deleted {row.block or row.id}]"
    for suffix, picture in (("_a", a), ("_b", b)):
        pair.update({key + suffix: value for key, value in picture.items() if key != "prompt"})
    return pair


def _rules_in_force(session: Session, study_id: str | None) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for row in exclusions(session, study_id):
        if row["lifted_at"] is None:
            found[row["vote_id"]].append(row["rule"])
    return found
