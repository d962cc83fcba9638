"""Studies, their comparisons, and the interim looks that spend alpha."""

import secrets
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from storage import coverage, schema
from storage.errors import NotFound, WrongState
from storage.generations import joined, to_generation
from storage.part import Part, insert_or_get, must_find
from storage.records import Comparison, Coverage, Generation, NewComparison, Study
from storage.schema import STUDY_STATES, utc_now


class Studies(Part):
    """Part of the store."""

    def create_study(
        self,
        name: str,
        *,
        prompts: Sequence[Any],
        settings: Sequence[Mapping[str, Any]],
        criteria: Sequence[str],
        raters_per_pair: int,
        owner: str | None = None,
        description: str = "",
        contrasts: Sequence[Any] = (),
        plan: Mapping[str, Any] | None = None,
        simulated: bool = False,
        known: Collection[str] | None = None,
    ) -> Study:
        """A draft; names are unique. known: the owner's studies as the caller found them; with any other, which somebody made
        meanwhile, WrongState."""
        row = schema.Study(
            name=_checked_name(name),
            owner=owner,
            invite=secrets.token_urlsafe(24),
            description=description,
            prompts=list(prompts),
            settings=[dict(setting) for setting in settings],
            criteria=_checked_criteria(criteria),
            raters_per_pair=_checked_raters(raters_per_pair),
            contrasts=list(contrasts),
            plan=dict(plan or {}),
            simulated=simulated,
            state="draft",
        )
        with self.database.write() as session:
            if known is not None:
                self.database.serialise(session, f"studies of {owner}")
                _check_known(session, owner, known)
            kept, new = insert_or_get(session, row, select(schema.Study).where(schema.Study.name == row.name))
            if not new:
                raise WrongState(f"a study named {name!r} exists already")
            return to_study(kept)

    def get_study(self, study_id: str) -> Study:
        """NotFound if there is none."""
        with self.database.read() as session:
            return to_study(must_find(session, schema.Study, study_id))

    def study_by_invite(self, invite: str) -> Study:
        """The study behind an invite link."""
        with self.database.read() as session:
            row = session.scalar(select(schema.Study).where(schema.Study.invite == invite))
            if row is None:
                raise NotFound("no such study")
            return to_study(row)

    def list_studies(self, *, states: Sequence[str] = ()) -> list[Study]:
        """Newest first, without simulated ones."""
        query = select(schema.Study).where(schema.Study.simulated.is_(False)).order_by(schema.Study.id.desc())
        if states:
            query = query.where(schema.Study.state.in_(states))
        with self.database.read() as session:
            return [to_study(row) for row in session.scalars(query)]

    def set_study_state(self, study_id: str, state: str) -> Study:
        """draft/generating/open/paused/closed. Opening freezes the contrasts if that was not done; closed is final."""
        if state not in STUDY_STATES:
            raise ValueError(f"state {state!r}; allowed: {', '.join(STUDY_STATES)}")
        with self.database.write() as session:
            row = must_find(session, schema.Study, study_id, lock=True)
            if row.state == "closed" and state != "closed":
                raise WrongState("the study is closed, and closing is final")
            if state in ("draft", "generating") and row.opened_at is not None:
                raise WrongState(f"the study was opened already; it cannot go back to {state}")
            _enter(row, state)
            return to_study(row)

    def freeze_contrasts(self, study_id: str, contrasts: Sequence[Any]) -> Study:
        """Declare the primary contrasts with a time stamp; refused after the first vote or a second time."""
        with self.database.write() as session:
            row = must_find(session, schema.Study, study_id, lock=True)
            if row.frozen_at is not None:
                raise WrongState(f"the contrasts were frozen at {row.frozen_at:%Y-%m-%d %H:%M} UTC")
            if _has_votes(session, study_id):
                raise WrongState("the study has votes already; contrasts are declared before the first one")
            row.contrasts, row.frozen_at = list(contrasts), utc_now()
            return to_study(row)

    def add_comparisons(self, study_id: str, comparisons: Sequence[NewComparison]) -> list[Comparison]:
        """Those that exist already are returned as they are."""
        with self.database.write() as session:
            if must_find(session, schema.Study, study_id).state == "closed":
                raise WrongState("the study is closed; it takes no more comparisons")
            return [coverage.to_comparison(_add_comparison(session, study_id, new)) for new in comparisons]

    def study_generations(self, study_id: str) -> list[Generation]:
        """All generations of the study that are not deleted, oldest first."""
        mine = joined().where(schema.Generation.study_id == study_id, schema.Generation.deleted_at.is_(None))
        with self.database.read() as session:
            return [to_generation(*pair) for pair in session.execute(mine.order_by(schema.Generation.id))]

    def study_settings(self, study_id: str) -> tuple[dict[str, str], dict[str, Mapping[str, Any]]]:
        """Picture -> setting id, of all pictures in matched pairs, and setting id -> settings. Deleted pictures are
        among them, because the votes on them stay."""
        with self.database.read() as session:
            pictures = dict(session.execute(coverage.rated_pictures(study_id)).all())
            rows = session.scalars(select(schema.Setting).where(schema.Setting.id.in_(set(pictures.values()))))
            return pictures, {row.id: row.values for row in sorted(rows, key=lambda row: row.id)}

    def study_version(self, study_id: str) -> tuple[Any, ...]:
        """Changes with every vote, exclusion, picture and pair of a study: what a cache may be keyed by."""
        assignments = select(schema.Assignment.id).where(schema.Assignment.study_id == study_id)
        votes = select(func.count(), func.max(schema.Vote.id)).where(schema.Vote.assignment_id.in_(assignments))
        excluded = select(func.count(), func.count(schema.Exclusion.lifted_at), func.max(schema.Exclusion.lifted_at))
        pictures = select(func.count(), func.count(schema.Generation.deleted_at)).where(
            schema.Generation.study_id == study_id
        )
        pairs = select(func.count()).select_from(schema.Comparison).where(schema.Comparison.study_id == study_id)
        with self.database.read() as session:
            return tuple(tuple(session.execute(query).one()) for query in (votes, excluded, pictures, pairs))

    def design_version(self, study_id: str) -> tuple[int, ...]:
        """Changes with every pair that is added or can no longer be shown: what a cache of the pairs may be keyed by."""
        pictures = select(func.count(schema.Generation.deleted_at)).where(schema.Generation.study_id == study_id)
        pairs = select(func.count()).select_from(schema.Comparison).where(schema.Comparison.study_id == study_id)
        broken = select(func.count()).select_from(coverage.broken_pairs(study_id).subquery())
        restored = select(func.count(schema.Flaw.lifted_at)).join(schema.Assignment)
        restored = restored.where(schema.Assignment.study_id == study_id, schema.Flaw.kind == "broken")
        with self.database.read() as session:
            return tuple(session.scalar(query) or 0 for query in (pictures, pairs, broken, restored))

    def pairs_on_offer(self, study_id: str) -> list[Comparison]:
        """The comparisons that may be shown, oldest first."""
        with self.database.read() as session:
            return [coverage.to_comparison(row) for row in session.scalars(coverage.showable(study_id))]

    def tokens_of_pairs(self, study_id: str) -> dict[str, str | None]:
        """Generation -> token hash, of all pictures in pairs."""
        with self.database.read() as session:
            return dict(session.execute(coverage.token_hashes(study_id)).all())

    def raters_of_pairs(self, study_id: str) -> dict[str, int]:
        """Comparison -> raters whose first look counts; comparisons without any are absent."""
        with self.database.read() as session:
            return dict(session.execute(coverage.rater_counts(study_id)).all())

    def coverage(self, study_id: str) -> list[Coverage]:
        """One entry per comparison."""
        with self.database.read() as session:
            return coverage.of_study(session, study_id)

    def record_look(
        self, study_id: str, contrast: str, criterion: str, number: int, votes: int, result: Mapping[str, Any]
    ) -> None:
        """Keep an interim analysis; a look number is spent once (WrongState on the second)."""
        row = schema.Look(
            study_id=study_id,
            contrast=contrast,
            criterion=criterion,
            number=number,
            votes=votes,
            result=dict(result),
        )
        with self.database.write() as session:
            must_find(session, schema.Study, study_id)
            if not insert_or_get(session, row, select(schema.Look).where(*_same_look(row)))[1]:
                raise WrongState(f"look {number} at {contrast} ({criterion}) is spent already")

    def looks(self, study_id: str) -> list[dict[str, Any]]:
        """contrast, criterion, number, votes, result, created_at; oldest first."""
        keys = ("contrast", "criterion", "number", "votes", "result", "created_at")
        query = select(schema.Look).where(schema.Look.study_id == study_id).order_by(schema.Look.id)
        with self.database.read() as session:
            return [{key: getattr(row, key) for key in keys} for row in session.scalars(query)]


def _check_known(session: Session, owner: str | None, known: Collection[str]) -> None:
    theirs = select(schema.Study.id).where(schema.Study.owner == owner, schema.Study.simulated.is_(False))
    if not set(session.scalars(theirs)) <= set(known):
        raise WrongState("another grid or study of yours was begun at the same time")


def _enter(row: schema.Study, state: str) -> None:
    row.state = state
    if state == "open":
        row.opened_at = row.opened_at or utc_now()
        row.frozen_at = row.frozen_at or utc_now()
    if state == "closed":
        row.closed_at = row.closed_at or utc_now()


def _has_votes(session: Session, study_id: str) -> bool:
    votes = select(schema.Vote.id).join(schema.Assignment, schema.Assignment.id == schema.Vote.assignment_id)
    return session.scalar(votes.where(schema.Assignment.study_id == study_id).limit(1)) is not None


def _add_comparison(session: Session, study_id: str, new: NewComparison) -> schema.Comparison:
    _check_pair(new)
    row = schema.Comparison(
        study_id=study_id,
        generation_a=new.generation_a,
        generation_b=new.generation_b,
        kind=new.kind,
        factor=new.factor,
        block=new.block,
        expected=new.expected,
    )
    for generation_id in (new.generation_a, new.generation_b):
        coverage.check_showable(must_find(session, schema.Generation, generation_id), study_id)
    table = schema.Comparison
    same = select(table).where(
        table.study_id == study_id,
        table.generation_a == new.generation_a,
        table.generation_b == new.generation_b,
        table.kind == new.kind,
    )
    return insert_or_get(session, row, same)[0]


def _check_pair(new: NewComparison) -> None:
    if new.kind not in schema.COMPARISON_KINDS:
        raise ValueError(f"comparison kind {new.kind!r}; allowed: {', '.join(schema.COMPARISON_KINDS)}")
    if new.expected not in (None, "a", "b"):
        raise ValueError(f"expected answer {new.expected!r}; allowed: 'a', 'b' or None")
    if new.generation_a == new.generation_b and new.kind != "identical":
        raise ValueError(f"both sides are {new.generation_a}; only an identical pair may show one picture twice")


def _same_look(row: schema.Look) -> list[ColumnElement[bool]]:
    keys = ("study_id", "contrast", "criterion", "number")
    return [schema.Look.__table__.c[key] == getattr(row, key) for key in keys]


def _checked_name(name: str) -> str:
    if not 1 <= len(name.strip()) <= 200:
        raise ValueError(f"study name has {len(name.strip())} characters; allowed: 1 to 200")
    return name.strip()


def _checked_criteria(criteria: Sequence[str]) -> list[str]:
    if not criteria or len(set(criteria)) != len(criteria) or not all(1 <= len(one) <= 32 for one in criteria):
        raise ValueError(f"criteria {list(criteria)}; allowed: at least one, all different, 1 to 32 characters each")
    return list(criteria)


def _checked_raters(raters_per_pair: int) -> int:
    if raters_per_pair < 1:
        raise ValueError(f"raters_per_pair is {raters_per_pair}; allowed: from 1")
    return raters_per_pair


def to_study(row: schema.Study) -> Study:
    return Study(
        id=row.id,
        name=row.name,
        owner=row.owner,
        invite=row.invite,
        description=row.description,
        prompts=row.prompts,
        settings=row.settings,
        criteria=row.criteria,
        raters_per_pair=row.raters_per_pair,
        contrasts=row.contrasts,
        plan=row.plan,
        simulated=row.simulated,
        state=row.state,
        frozen_at=row.frozen_at,
        opened_at=row.opened_at,
        closed_at=row.closed_at,
        created_at=row.created_at,
    )
