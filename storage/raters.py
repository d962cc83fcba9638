"""Raters: a keyed hash of an identity, and what was seen by whom."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import CompoundSelect, select

from storage import ballots, schema
from storage.part import Part, insert_or_get, must_find
from storage.records import Rater
from storage.schema import utc_now


class Raters(Part):
    """Part of the store."""

    def get_or_create_rater(self, key_hash: str, *, simulated: bool = False) -> Rater:
        """key_hash: a keyed hash (HMAC) of the identity, made by the caller; the identity itself never comes here.

        What the rater made or saw is asked for under the identity that `owner` and `viewer` carry (seen_generations).
        """
        if not 16 <= len(key_hash) <= 64:
            raise ValueError(f"key_hash has {len(key_hash)} characters; allowed: 16 to 64, a keyed hash")
        row = schema.Rater(key_hash=key_hash, simulated=simulated, practice={})
        same = select(schema.Rater).where(schema.Rater.key_hash == key_hash)
        found = self.find_rater(key_hash)
        if found is None:
            with self.database.write() as session:
                found = to_rater(insert_or_get(session, row, same)[0])
        if found.simulated != simulated:
            raise ValueError(f"this rater is {'simulated' if found.simulated else 'a person'}; the two never mix")
        return found

    def find_rater(self, key_hash: str) -> Rater | None:
        with self.database.read() as session:
            row = session.scalar(select(schema.Rater).where(schema.Rater.key_hash == key_hash))
            return None if row is None else to_rater(row)

    def record_consent(self, rater_id: str) -> Rater:
        """The first time counts."""

        def consent(row: schema.Rater) -> None:
            row.consented_at = row.consented_at or utc_now()

        return self._change(rater_id, consent)

    def update_practice(self, rater_id: str, practice: Mapping[str, Any]) -> Rater:
        """Replace the practice record (criterion -> passed, answers)."""

        def replace(row: schema.Rater) -> None:
            row.practice = dict(practice)

        return self._change(rater_id, replace)

    def list_raters(self, study_id: str) -> list[Rater]:
        """Those with an assignment in the study, oldest first."""
        there = select(schema.Assignment.rater_id).where(schema.Assignment.study_id == study_id)
        with self.database.read() as session:
            query = select(schema.Rater).where(schema.Rater.id.in_(there)).order_by(schema.Rater.id)
            return [to_rater(row) for row in session.scalars(query)]

    def delete_my_data(self, rater_id: str, viewer: str) -> None:
        """Forget who this was: key, practice, display details and notes go, and what `viewer`, the same person, saw;
        anonymous answers stay."""
        mine = select(schema.Assignment.id).where(schema.Assignment.rater_id == rater_id)
        with self.database.write() as session:  # row by row, so that the journal learns of it
            row = must_find(session, schema.Rater, rater_id, lock=True)
            for vote in session.scalars(select(schema.Vote).where(schema.Vote.assignment_id.in_(mine))):
                vote.display = {}
            for flaw in session.scalars(select(schema.Flaw).where(schema.Flaw.assignment_id.in_(mine))):
                flaw.note = None
            seen = select(schema.Sighting).where(schema.Sighting.viewer == viewer)
            for sighting in session.scalars(seen):
                session.delete(sighting)
            row.key_hash, row.practice = None, {}
            row.deleted_at = row.deleted_at or utc_now()

    def note_sightings(self, viewer: str, generation_ids: Sequence[str]) -> None:
        """This viewer saw these pictures with their settings."""
        known = self.seen_generations(viewer)
        new = [generation_id for generation_id in dict.fromkeys(generation_ids) if generation_id not in known]
        if not new:
            return
        with self.database.write() as session:
            for generation_id in new:
                row = schema.Sighting(viewer=viewer, generation_id=generation_id)
                same = select(schema.Sighting).where(
                    schema.Sighting.viewer == viewer, schema.Sighting.generation_id == generation_id
                )
                insert_or_get(session, row, same)

    def note_reading(self, study_id: str, rater_id: str) -> None:
        """This rater has seen the results of the study; the first time counts."""
        if self.has_read(study_id, rater_id):
            return
        row, table = schema.Reading(study_id=study_id, rater_id=rater_id), schema.Reading
        with self.database.write() as session:
            insert_or_get(session, row, select(table).where(table.study_id == study_id, table.rater_id == rater_id))

    def has_read(self, study_id: str, rater_id: str) -> bool:
        with self.database.read() as session:
            return ballots.has_read(session, study_id, rater_id)

    def seen_generations(self, viewer: str) -> set[str]:
        """Pictures that this viewer generated, queued or saw with settings: never to be rated by them."""
        with self.database.read() as session:
            return set(session.scalars(_seen(viewer)))

    def seen_tokens(self, viewer: str) -> set[str]:
        """Token hashes of the same: the picture drawn again with the same settings is no other picture."""
        table = schema.Generation
        query = select(table.token_hash).where(table.id.in_(_seen(viewer)), table.token_hash.is_not(None))
        with self.database.read() as session:
            return set(session.scalars(query))

    def _change(self, rater_id: str, change: Callable[[schema.Rater], None]) -> Rater:
        with self.database.write() as session:
            row = must_find(session, schema.Rater, rater_id, lock=True)
            change(row)
            return to_rater(row)


def _seen(viewer: str) -> CompoundSelect[tuple[str]]:
    seen = select(schema.Sighting.generation_id).where(schema.Sighting.viewer == viewer)
    made = select(schema.Generation.id).where(schema.Generation.owner == viewer)
    jobs = select(schema.Job.id).where(schema.Job.owner == viewer)
    return seen.union(made, select(schema.Generation.id).where(schema.Generation.job_id.in_(jobs)))


def to_rater(row: schema.Rater) -> Rater:
    return Rater(
        id=row.id,
        simulated=row.simulated,
        consented_at=row.consented_at,
        practice=row.practice,
        created_at=row.created_at,
    )
