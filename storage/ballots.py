"""What must hold before an assignment is opened or a vote is taken, and how they turn into records."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Select, exists, select
from sqlalchemy.orm import Session

from storage import schema
from storage.coverage import BROKEN_REPORTS, broken_pairs, check_showable, current_votes, to_comparison
from storage.errors import AssignmentExpired, DuplicateVote, NotFound, WrongState
from storage.part import must_find
from storage.records import Assignment, Flaw, Vote
from storage.schema import utc_now

SAW_RESULTS, BROKEN = "saw results", "broken"  # rules of exclusions
BROKEN_REASON = f"{BROKEN_REPORTS} raters reported a picture of the pair as broken"
VOTING_STATES = ("open", "paused")  # a pause hands out nothing new, but a pair on screen may be answered


def owned(session: Session, assignment_id: str, rater_id: str, *, lock: bool = False) -> schema.Assignment:
    """The rater's own assignment; foreign and unknown ones raise the same NotFound."""
    row = must_find(session, schema.Assignment, assignment_id, lock=lock)
    if row.rater_id != rater_id:
        raise NotFound("no such assignment")
    return row


def check_opening(session: Session, row: schema.Assignment) -> schema.Comparison:
    """Study, rater, pair and criteria fit together, and both pictures may be shown; the pair."""
    study = must_find(session, schema.Study, row.study_id)
    rater = must_find(session, schema.Rater, row.rater_id)
    comparison = must_find(session, schema.Comparison, row.comparison_id)
    if study.state != "open":
        raise WrongState(f"the study is {study.state}; pairs are handed out while it is open")
    if rater.simulated != study.simulated:
        raise WrongState("simulated raters rate simulated studies only, people rate the others")
    if comparison.study_id != study.id:
        raise NotFound("no such comparison in this study")
    if not row.criteria or not set(row.criteria) <= set(study.criteria):
        raise ValueError(f"criteria {row.criteria}; allowed: {study.criteria}")
    for generation_id in (comparison.generation_a, comparison.generation_b):
        check_showable(must_find(session, schema.Generation, generation_id), study.id)
    if row.repeat_of is not None and owned(session, row.repeat_of, row.rater_id).comparison_id != comparison.id:
        raise ValueError("a repeat shows the pair of the assignment that it repeats")
    return comparison


def prolong(session: Session, row: schema.Assignment, expires_at: datetime) -> None:
    """The same pair again for the same rater: go on where it was left, sides unchanged."""
    if set(row.criteria) <= set(_answered(session, [row.id])[row.id]):
        raise DuplicateVote("you have already rated this pair")
    row.expires_at = max(row.expires_at, expires_at)


def has_read(session: Session, study_id: str, rater_id: str) -> bool:
    """Whether this rater has seen the results of the study."""
    table = schema.Reading
    query = select(table.id).where(table.study_id == study_id, table.rater_id == rater_id)
    return session.scalar(query) is not None


def is_broken(session: Session, row: schema.Assignment) -> bool:
    """Whether enough raters have reported the pair."""
    found = broken_pairs(row.study_id).where(schema.Assignment.comparison_id == row.comparison_id)
    return session.scalar(found) is not None


def why_aside(session: Session, row: schema.Assignment) -> dict[str, str]:
    """Rule -> reason for which an answer that is given now does not count."""
    table = schema.Reading
    read = exists().where(table.study_id == row.study_id, table.rater_id == row.rater_id)
    broken = broken_pairs(row.study_id).where(schema.Assignment.comparison_id == row.comparison_id).exists()
    reasons = {SAW_RESULTS: "the rater had seen the results of the study", BROKEN: BROKEN_REASON}
    holds = session.execute(select(read, broken)).one()  # one question: every vote asks it
    return {rule: reason for (rule, reason), true in zip(reasons.items(), holds) if true}


def check_open(session: Session, row: schema.Assignment) -> None:
    """Not expired, and the study takes answers."""
    if utc_now() > row.expires_at:
        raise AssignmentExpired(
            f"this pair was open until {row.expires_at:%Y-%m-%d %H:%M:%S} UTC; ask for the next one"
        )
    check_study_takes_votes(session, row)


def check_study_takes_votes(session: Session, row: schema.Assignment) -> None:
    """The state stays what it is until this transaction ends: nothing is counted after the study was closed."""
    query = select(schema.Study.state).where(schema.Study.id == row.study_id)
    state = session.scalar(query.with_for_update(read=True))
    if state not in VOTING_STATES:
        raise WrongState(f"the study is {state}; it takes no answers now")


def check_voting(session: Session, row: schema.Assignment, criterion: str) -> None:
    if criterion not in row.criteria:
        raise ValueError(f"criterion {criterion!r}; this pair asks for {', '.join(row.criteria)}")
    check_open(session, row)


def same_assignment(row: schema.Assignment) -> Select[tuple[schema.Assignment]]:
    table = schema.Assignment
    return select(table).where(
        table.rater_id == row.rater_id, table.comparison_id == row.comparison_id, table.repeat == row.repeat
    )


def of_rater(rater_id: str, study_id: str) -> Select[tuple[schema.Assignment]]:
    table = schema.Assignment
    return select(table).where(table.rater_id == rater_id, table.study_id == study_id)


def last_vote(session: Session, assignment_id: str, criterion: str) -> schema.Vote | None:
    """The highest revision, taken back or not."""
    query = select(schema.Vote).where(schema.Vote.assignment_id == assignment_id, schema.Vote.criterion == criterion)
    return session.scalar(query.order_by(schema.Vote.revision.desc()).limit(1))


def decision_ms(row: schema.Assignment, told: int | None) -> int:
    """What the rater's clock says, and no more than has passed here since the pair was shown."""
    passed = int((utc_now() - (row.shown_at or row.created_at)).total_seconds() * 1000)
    return passed if told is None else min(told, passed)


def same_report(session: Session, row: schema.Flaw) -> schema.Flaw | None:
    """An earlier report of this picture in this assignment, lifted or not."""
    table = schema.Flaw
    same = (table.assignment_id == row.assignment_id, table.generation_id == row.generation_id, table.kind == row.kind)
    return session.scalar(select(table).where(*same).limit(1))


def reports_on(session: Session, comparison_ids: Sequence[str]) -> list[schema.Flaw]:
    """Reports of broken pictures that stand."""
    table, given = schema.Flaw, select(schema.Assignment.id).where(schema.Assignment.comparison_id.in_(comparison_ids))
    standing = (table.kind == BROKEN, table.lifted_at.is_(None), table.assignment_id.in_(given))
    return list(session.scalars(select(table).where(*standing)))


def votes_on(session: Session, comparison_ids: Sequence[str]) -> list[schema.Vote]:
    """Current votes on some pairs."""
    given = select(schema.Assignment.id).where(schema.Assignment.comparison_id.in_(comparison_ids))
    return list(session.scalars(current_votes().where(schema.Vote.assignment_id.in_(given))))


def generation_on(session: Session, row: schema.Assignment, side: str) -> str:
    """The generation that stood left or right."""
    comparison = must_find(session, schema.Comparison, row.comparison_id)
    is_a = (row.left_side == "a") == (side == "left")
    return comparison.generation_a if is_a else comparison.generation_b


def _answered(session: Session, assignment_ids: Sequence[str]) -> dict[str, dict[str, str]]:
    """assignment -> criterion -> current answer."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for vote in session.scalars(current_votes().where(schema.Vote.assignment_id.in_(assignment_ids))):
        found[vote.assignment_id][vote.criterion] = vote.answer or ""
    return found


def to_assignments(session: Session, rows: Sequence[schema.Assignment]) -> list[Assignment]:
    """Many at once, in three queries."""
    answered = _answered(session, [row.id for row in rows])
    wanted = {row.comparison_id for row in rows}
    comparisons = session.scalars(select(schema.Comparison).where(schema.Comparison.id.in_(wanted)))
    by_id = {comparison.id: comparison for comparison in comparisons}
    return [_to_assignment(row, by_id[row.comparison_id], answered[row.id]) for row in rows]


def to_new_assignment(row: schema.Assignment, comparison: schema.Comparison) -> Assignment:
    return _to_assignment(row, comparison, {})


def to_assignment(session: Session, row: schema.Assignment) -> Assignment:
    return to_assignments(session, [row])[0]


def _to_assignment(row: schema.Assignment, comparison: schema.Comparison, answered: dict[str, str]) -> Assignment:
    return Assignment(
        id=row.id,
        study_id=row.study_id,
        rater_id=row.rater_id,
        comparison=to_comparison(comparison),
        left_side=row.left_side,
        criteria=row.criteria,
        propensity=row.propensity,
        chosen_by=row.chosen_by,
        repeat_of=row.repeat_of,
        shown_at=row.shown_at,
        expires_at=row.expires_at,
        created_at=row.created_at,
        answered=answered,
    )


def to_vote(row: schema.Vote) -> Vote:
    return Vote(
        id=row.id,
        assignment_id=row.assignment_id,
        criterion=row.criterion,
        revision=row.revision,
        answer=row.answer,
        decision_ms=row.decision_ms,
        display=row.display,
        created_at=row.created_at,
    )


def to_flaw(row: schema.Flaw, rater_id: str, *, left: bool, settings: dict[str, object] | None = None) -> Flaw:
    return Flaw(
        id=row.id,
        assignment_id=row.assignment_id,
        generation_id=row.generation_id,
        rater_id=rater_id,
        kind=row.kind,
        x0=row.x0,
        y0=row.y0,
        x1=row.x1,
        y1=row.y1,
        note=row.note,
        created_at=row.created_at,
        settings=settings or {},
        left=left,
    )
