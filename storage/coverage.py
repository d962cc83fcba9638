"""How far a study's design is covered: how many raters answered each pair, and which pairs may be shown."""

from functools import cache

from sqlalchemy import Select, and_, exists, func, or_, select
from sqlalchemy.orm import Session, aliased

from storage.errors import NotAllowed, WrongState
from storage.records import Comparison, Coverage
from storage.schema import Assignment, Exclusion, Flaw, Generation, Vote
from storage.schema import Comparison as ComparisonRow

BROKEN_REPORTS = 2  # raters who say that a picture of a pair is none, until the pair is no longer shown


@cache
def current_votes() -> Select[tuple[Vote]]:
    """The highest revision of every (assignment, criterion), unless it was taken back."""
    later = aliased(Vote)
    superseded = exists().where(later.supersedes == Vote.id)
    return select(Vote).where(Vote.answer.is_not(None), ~superseded)


def not_excluded() -> Select[tuple[Vote]]:
    """Current votes without an exclusion in force."""
    excluded = exists().where(Exclusion.vote_id == Vote.id, Exclusion.lifted_at.is_(None))
    return current_votes().where(~excluded)


def of_study(session: Session, study_id: str) -> list[Coverage]:
    """One entry per comparison, oldest first."""
    raters = dict(session.execute(rater_counts(study_id)).all())
    found = select(ComparisonRow).where(ComparisonRow.study_id == study_id).order_by(ComparisonRow.id)
    return [Coverage(to_comparison(row), raters.get(row.id, 0)) for row in session.scalars(found)]


def showable(study_id: str) -> Select[tuple[ComparisonRow]]:
    """Comparisons of which both pictures may be shown and are pictures, oldest first."""
    foreign = or_(Generation.study_id.is_(None), Generation.study_id != ComparisonRow.study_id)
    gone = exists().where(
        or_(Generation.id == ComparisonRow.generation_a, Generation.id == ComparisonRow.generation_b),
        or_(Generation.deleted_at.is_not(None), and_(foreign, Generation.published_at.is_(None))),
    )
    mine = ComparisonRow.study_id == study_id, ComparisonRow.id.not_in(broken_pairs(study_id))
    return select(ComparisonRow).where(*mine, ~gone).order_by(ComparisonRow.id)


def broken_pairs(study_id: str) -> Select[tuple[str]]:
    """Comparisons that BROKEN_REPORTS reporters reported, whose reports stand."""
    reports = select(Assignment.comparison_id).join(Flaw, Flaw.assignment_id == Assignment.id)
    reports = reports.where(Assignment.study_id == study_id, Flaw.kind == "broken", Flaw.lifted_at.is_(None))
    counted = func.count(Flaw.reporter.distinct())
    return reports.group_by(Assignment.comparison_id).having(counted >= BROKEN_REPORTS)


def rater_counts(study_id: str) -> Select[tuple[str, int]]:
    """Comparison and how many raters answered it; what is excluded, taken back or a repeat does not count."""
    votes = not_excluded().join(Assignment, Assignment.id == Vote.assignment_id)
    counted = votes.with_only_columns(Assignment.comparison_id, func.count(Assignment.rater_id.distinct()))
    counted = counted.where(Assignment.study_id == study_id, Assignment.repeat == 0)
    return counted.group_by(Assignment.comparison_id)


def rated_pictures(study_id: str) -> Select[tuple[str, str]]:
    """Pictures of matched pairs and their settings, deleted pictures included."""
    matched = (ComparisonRow.study_id == study_id, ComparisonRow.kind == "matched")
    shown = select(ComparisonRow.generation_a).where(*matched).union(select(ComparisonRow.generation_b).where(*matched))
    return select(Generation.id, Generation.setting_id).where(Generation.id.in_(shown))


def token_hashes(study_id: str) -> Select[tuple[str, str | None]]:
    """Pictures of all pairs and their token hashes."""
    mine = ComparisonRow.study_id == study_id
    shown = select(ComparisonRow.generation_a).where(mine).union(select(ComparisonRow.generation_b).where(mine))
    return select(Generation.id, Generation.token_hash).where(Generation.id.in_(shown))


def check_showable(picture: Generation, study_id: str) -> None:
    """Raters see the study's own pictures and published ones; nobody's private picture enters an arena."""
    if picture.deleted_at is not None:
        raise WrongState("a picture of this pair was deleted")
    if picture.study_id != study_id and picture.published_at is None:
        raise NotAllowed("a picture of this pair is private; only the study's own and published pictures are rated")


def to_comparison(row: ComparisonRow) -> Comparison:
    return Comparison(
        id=row.id,
        study_id=row.study_id,
        generation_a=row.generation_a,
        generation_b=row.generation_b,
        kind=row.kind,
        factor=row.factor,
        block=row.block,
        expected=row.expected,
    )
