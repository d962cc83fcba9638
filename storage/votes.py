"""Assignments and votes: one pair, one rater, one answer per criterion, never changed, only superseded."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from storage import ballots, frames, schema
from storage.coverage import broken_pairs, to_comparison
from storage.errors import DuplicateVote, NotFound, UndoTooLate, WrongState
from storage.part import Part, insert_or_get, must_find
from storage.records import Assignment, Comparison, Flaw, StudyTables, Vote
from storage.schema import ANSWERS, utc_now

UNDO_SECONDS = 30


class Votes(Part):
    """Part of the store. Every method checks owner, study state and expiry inside the writing transaction."""

    def open_assignment(
        self,
        rater_id: str,
        study_id: str,
        comparison_id: str,
        *,
        left_side: str,
        criteria: Sequence[str],
        propensity: float,
        expires_at: datetime,
        chosen_by: str = "balanced",
        repeat_of: str | None = None,
    ) -> Assignment:
        """Written before anything is shown. The rater's unfinished assignment of the same pair is prolonged and
        returned with its old sides; a finished one raises DuplicateVote."""
        if left_side not in ("a", "b") or not 0 < propensity <= 1:
            raise ValueError(f"left_side {left_side!r}, propensity {propensity}; allowed: 'a' or 'b', above 0 to 1")
        row = schema.Assignment(
            study_id=study_id,
            rater_id=rater_id,
            comparison_id=comparison_id,
            left_side=left_side,
            criteria=list(criteria),
            propensity=propensity,
            chosen_by=chosen_by,
            repeat=0 if repeat_of is None else 1,
            repeat_of=repeat_of,
            expires_at=expires_at,
        )
        with self.database.write() as session:
            comparison = ballots.check_opening(session, row)
            kept, new = insert_or_get(session, row, ballots.same_assignment(row))
            if new:
                return ballots.to_new_assignment(kept, comparison)
            ballots.prolong(session, kept, expires_at)
            return ballots.to_assignment(session, kept)

    def get_assignment(self, assignment_id: str, rater_id: str) -> Assignment:
        """Foreign and unknown raise the same NotFound; expiry is not checked here."""
        with self.database.read() as session:
            return ballots.to_assignment(session, ballots.owned(session, assignment_id, rater_id))

    def left_side(self, assignment_id: str, rater_id: str) -> str:
        """Which picture stood left, "a" or "b"; foreign and unknown raise the same NotFound."""
        with self.database.read() as session:
            return ballots.owned(session, assignment_id, rater_id).left_side

    def current_assignment(self, rater_id: str, study_id: str) -> Assignment | None:
        """The newest unexpired assignment with unanswered criteria: where the rater resumes."""
        query = ballots.of_rater(rater_id, study_id).where(schema.Assignment.expires_at > utc_now())
        with self.database.read() as session:
            rows = list(session.scalars(query.order_by(schema.Assignment.id.desc()).limit(20)))
            found = ballots.to_assignments(session, rows)
        return next((a for a in found if set(a.criteria) - set(a.answered)), None)

    def assignments_of(self, rater_id: str, study_id: str) -> list[Assignment]:
        """Oldest first, with what was answered."""
        with self.database.read() as session:
            rows = list(session.scalars(ballots.of_rater(rater_id, study_id).order_by(schema.Assignment.id)))
            return ballots.to_assignments(session, rows)

    def mark_shown(self, assignment_id: str, rater_id: str) -> None:
        """Both pictures are on screen; the first call counts."""
        with self.database.write() as session:
            row = ballots.owned(session, assignment_id, rater_id)
            row.shown_at = row.shown_at or utc_now()

    def record_vote(
        self,
        assignment_id: str,
        rater_id: str,
        criterion: str,
        answer: str,
        *,
        decision_ms: int | None = None,
        display: Mapping[str, Any] | None = None,
    ) -> Vote:
        """Commit one answer (schema.ANSWERS, in terms of a and b); it is committed, and journalled where configured, before
        this returns. decision_ms: by the rater's clock; kept is no more than passed here since the pair was shown.

        Raises NotFound, AssignmentExpired, DuplicateVote, WrongState, or ValueError for a bad answer.
        """
        _check_answer(answer)
        try:
            with self.database.write() as session:
                assignment = self._hold(session, assignment_id, rater_id)
                ballots.check_voting(session, assignment, criterion)
                last = ballots.last_vote(session, assignment_id, criterion)
                if last is not None and last.answer is not None:
                    raise DuplicateVote(f"you have already answered {criterion!r} for this pair")
                decided = ballots.decision_ms(assignment, decision_ms)
                return _add_vote(session, assignment, criterion, answer, last, decided, display)
        except IntegrityError as error:
            raise DuplicateVote(f"you have already answered {criterion!r} for this pair") from error

    def supersede_vote(self, vote_id: str, rater_id: str, answer: str | None = None) -> Vote:
        """Undo (answer None: the criterion is open again) or correct the current vote, inside a short window."""
        if answer is not None:
            _check_answer(answer)
        with self.database.write() as session:
            vote = must_find(session, schema.Vote, vote_id)
            assignment = self._hold(session, vote.assignment_id, rater_id)
            ballots.check_study_takes_votes(session, assignment)
            last = ballots.last_vote(session, assignment.id, vote.criterion)
            if last is None or last.id != vote_id or vote.answer is None:
                raise WrongState("this answer was replaced already; only the newest one can be taken back")
            _check_undo(vote.created_at)
            return _add_vote(session, assignment, vote.criterion, answer, last, None, None)

    def record_flaw(
        self,
        assignment_id: str,
        rater_id: str,
        side: str,
        *,
        x0: float = 0.0,
        y0: float = 0.0,
        x1: float = 1.0,
        y1: float = 1.0,
        kind: str = "area",
        note: str | None = None,
        reporter: str | None = None,
    ) -> Flaw:
        """side: "left" or "right" as seen. kind "broken" reports the whole picture, once an assignment and side; with the
        second reporter who does, the pair is no longer shown and its votes are set aside.

        reporter: who reports, where one person may be several raters (a keyed hash made by the caller); else the rater.
        """
        if kind not in schema.FLAW_KINDS or side not in ("left", "right"):
            raise ValueError(f"kind {kind!r}, side {side!r}; allowed: {schema.FLAW_KINDS}, 'left' or 'right'")
        if not (0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1):
            raise ValueError(f"box {(x0, y0, x1, y1)}; allowed: fractions with 0 <= x0 < x1 <= 1, same for y")
        with self.database.write() as session:
            assignment = self._hold(session, assignment_id, rater_id)
            ballots.check_open(session, assignment)
            row = schema.Flaw(
                assignment_id=assignment_id,
                generation_id=ballots.generation_on(session, assignment, side),
                kind=kind,
                x0=x0,
                y0=y0,
                x1=x1,
                y1=y1,
                note=note,
                reporter=(reporter or rater_id) if kind == "broken" else None,
            )
            if kind == "broken" and (earlier := ballots.same_report(session, row)) is not None:
                return ballots.to_flaw(earlier, rater_id, left=side == "left")
            session.add(row)
            session.flush()
            if kind == "broken" and ballots.is_broken(session, assignment):
                for vote in ballots.votes_on(session, [assignment.comparison_id]):
                    _set_aside(session, vote.id, ballots.BROKEN, ballots.BROKEN_REASON)
            return ballots.to_flaw(row, rater_id, left=side == "left")

    def lift_mark(self, flaw_id: str, rater_id: str) -> None:
        """Undo of a marked area or a report, inside the same short window as that of an answer. A report that is taken back
        was never made: it may be made again, and where the pair is offered again for that, its votes count again."""
        with self.database.write() as session:
            flaw = must_find(session, schema.Flaw, flaw_id)
            assignment = self._hold(session, flaw.assignment_id, rater_id)
            _check_undo(flaw.created_at)
            if flaw.kind == "area":
                flaw.lifted_at = flaw.lifted_at or utc_now()
            elif flaw.lifted_at is None:
                session.delete(flaw)
                session.flush()
                if not ballots.is_broken(session, assignment):
                    _count_again(session, [assignment.comparison_id])

    def reported_pairs(self, study_id: str) -> list[Comparison]:
        """The pairs that are no longer shown because they were reported as broken, oldest first."""
        table = schema.Comparison
        query = select(table).where(table.id.in_(broken_pairs(study_id))).order_by(table.id)
        with self.database.read() as session:
            return [to_comparison(row) for row in session.scalars(query)]

    def restore_broken(self, study_id: str, only: Sequence[str] = ()) -> int:
        """Offer the pairs again that were reported as broken, and count their votes; how many pairs. Who reported one
        already cannot report it again. only: these of them; all where none is named."""
        with self.database.write() as session:
            pairs = [pair for pair in session.scalars(broken_pairs(study_id)) if not only or pair in only]
            for pair in sorted(pairs):  # in one order, so that two keepers do not wait for each other
                self._hold_pair(session, pair)
            for flaw in ballots.reports_on(session, pairs):
                flaw.lifted_at = utc_now()
            _count_again(session, pairs)
            return len(pairs)

    def flaws(self, study_id: str) -> list[Flaw]:
        """With the settings of the marked picture."""
        with self.database.read() as session:
            return frames.flaws(session, study_id)

    def exclude_many(self, vote_ids: Sequence[str], rule: str, reason: str) -> None:
        """A sweep: set many votes aside under one named rule, in one transaction; again under the same rule is a no-op (and
        un-lifts it)."""
        with self.database.write() as session:
            for vote_id in vote_ids:
                must_find(session, schema.Vote, vote_id)
                _set_aside(session, vote_id, rule, reason)

    def lift_many(self, vote_ids: Sequence[str], rule: str) -> None:
        """Count the votes again, in one transaction; the exclusion rows stay with the time of lifting. NotFound, and nothing
        is lifted, where one of them was never set aside under the rule."""
        with self.database.write() as session:
            for vote_id in vote_ids:
                row = session.scalar(_exclusion(vote_id, rule))
                if row is None:
                    raise NotFound(f"this vote is not excluded under {rule!r}")
                row.lifted_at = row.lifted_at or utc_now()

    def exclusions(self, study_id: str) -> list[dict[str, Any]]:
        """vote_id, rater_id, rule, reason, created_at, lifted_at; the audit trail."""
        with self.database.read() as session:
            return frames.exclusions(session, study_id)

    def votes_frame(self, study_id: str | None = None, *, simulated: bool | None = False) -> list[dict[str, Any]]:
        """The long table: one row per current vote (see storage/frames.py for the columns), excluded ones included.

        simulated: False human votes, True simulated ones, None both (a study holds only one of the two).
        """
        with self.database.read() as session:
            return frames.votes(session, study_id, simulated)

    def study_tables(self, study_id: str, *, simulated: bool = False) -> StudyTables:
        """The same for readers of many votes, not yet joined."""
        with self.database.read() as session:
            return frames.tables(session, study_id, simulated)

    def _hold(self, session: Session, assignment_id: str, rater_id: str) -> schema.Assignment:
        """The rater's own assignment, locked together with its pair: a report sets aside what was answered on the pair, and
        an answer asks for its reports, so one of two at once has to see the other's row. The assignment comes first, since
        a row that refers to it waits for it too."""
        assignment = ballots.owned(session, assignment_id, rater_id, lock=True)
        self._hold_pair(session, assignment.comparison_id)
        return assignment

    def _hold_pair(self, session: Session, comparison_id: str) -> None:
        self.database.serialise(session, f"pair {comparison_id}")


def _check_answer(answer: str) -> None:
    if answer not in ANSWERS:
        raise ValueError(f"answer {answer!r}; allowed: {', '.join(ANSWERS)}")


def _check_undo(since: datetime) -> None:
    if utc_now() - since > timedelta(seconds=UNDO_SECONDS):
        raise UndoTooLate(f"answers and marks can be taken back for {UNDO_SECONDS} seconds")


def _exclusion(vote_id: str, rule: str) -> Any:
    return select(schema.Exclusion).where(schema.Exclusion.vote_id == vote_id, schema.Exclusion.rule == rule)


def _set_aside(session: Session, vote_id: str, rule: str, reason: str) -> None:
    row = schema.Exclusion(vote_id=vote_id, rule=rule, reason=reason)
    insert_or_get(session, row, _exclusion(vote_id, rule))[0].lifted_at = None


def _count_again(session: Session, comparison_ids: Sequence[str]) -> None:
    """Votes on pairs that are not broken after all."""
    for vote in ballots.votes_on(session, comparison_ids):
        if (row := session.scalar(_exclusion(vote.id, ballots.BROKEN))) is not None:
            row.lifted_at = row.lifted_at or utc_now()


def _add_vote(
    session: Session,
    assignment: schema.Assignment,
    criterion: str,
    answer: str | None,
    last: schema.Vote | None,
    decision_ms: int | None,
    display: Mapping[str, Any] | None,
) -> Vote:
    """Append the next revision; the unique constraint decides between two that try at once. An answer that does not count
    is set aside in the same transaction."""
    row = schema.Vote(
        assignment_id=assignment.id,
        criterion=criterion,
        revision=0 if last is None else last.revision + 1,
        answer=answer,
        decision_ms=decision_ms,
        display=dict(display or {}),
        supersedes=None if last is None else last.id,
    )
    session.add(row)
    session.flush()
    for rule, reason in ballots.why_aside(session, assignment).items() if answer is not None else ():
        _set_aside(session, row.id, rule, reason)
    return ballots.to_vote(row)
