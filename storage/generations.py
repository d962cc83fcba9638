"""Generations: pictures with everything that repeats them, who may see them, and what they cost."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session, aliased, defer

from storage import deletion, gallery, schema
from storage.errors import NotAllowed, NotFound
from storage.part import Part, insert_or_get, must_find
from storage.records import Generation, GenerationFilter, Measured, Page
from storage.schema import utc_now
from storage.settings import canonical, find_or_add

MAX_PAGE = 500
Joined = tuple[schema.Generation, schema.Setting]


class Generations(Part):
    """Part of the store. Private by default; published by the owner; taken down by an admin; deleted to a tombstone."""

    def record_generation(
        self,
        job_id: str | None,
        *,
        settings: Mapping[str, Any],
        prompt: str,
        seed: int,
        image: str,
        thumbnail: str,
        owner: str | None = None,
        image_index: int = 0,
        prompt_sent: str | None = None,
        tokens: bytes | None = None,
        token_hash: str | None = None,
        pixel_hash: str | None = None,
        steps: int = 0,
        seconds: float = 0.0,
        timings: Mapping[str, float] | None = None,
        peak_memory_bytes: int | None = None,
        numerics_id: str = "",
        environment: Mapping[str, Any] | None = None,
        study_id: str | None = None,
        source: str = "model",
        derived_from: str | None = None,
    ) -> Generation:
        """Store a finished picture; `image` and `thumbnail` are hashes that `ImageStore.put` returned.

        settings: width, height, checkpoint, and for source "model" window, schedule (a mapping with "kind", or a
        name), scale, temperature, top_k, top_p; further JSON values are kept and hashed. Neither prompt nor seed.
        owner and study default to those of the job. Once per (job, image_index): a second call returns the first row.
        NotFound, and no file is left, where the job's owner deleted everything meanwhile.
        """
        row = schema.Generation(
            job_id=job_id,
            image_index=image_index,
            study_id=study_id,
            owner=owner,
            source=source,
            derived_from=derived_from,
            prompt=prompt,
            prompt_sent=prompt if prompt_sent is None else prompt_sent,
            seed=seed,
            tokens=tokens,
            token_hash=token_hash,
            pixel_hash=pixel_hash,
            image=image,
            thumbnail=thumbnail,
            steps=steps,
            seconds=seconds,
            timings=dict(timings or {}),
            peak_memory_bytes=peak_memory_bytes,
            numerics_id=numerics_id,
            environment=dict(environment or {}),
        )
        try:
            return self._record(row, canonical(settings))
        except NotFound:
            self._sweep([(image, ".png"), (thumbnail, ".webp")])
            raise

    def _record(self, row: schema.Generation, settings: Mapping[str, Any]) -> Generation:
        with self.database.write() as session:
            self.database.serialise(session, "picture files")  # see _sweep
            self.images.path(row.image)
            self.images.path(row.thumbnail, ".webp")
            _take_from_job(session, row)
            setting = find_or_add(session, settings)
            row.setting_id = setting.id
            return _find(session, _add(session, row).id)

    def get_generation(self, generation_id: str, viewer: str | None) -> Generation:
        """Own or published; unknown, deleted and foreign raise the same NotFound."""
        query = joined().where(schema.Generation.id == generation_id, *gallery.visible(GenerationFilter(viewer=viewer)))
        with self.database.read() as session:
            found = session.execute(query).one_or_none()
            if found is None:
                raise NotFound("no such picture")
            return to_generation(*found)

    def generations_by_id(self, generation_ids: Sequence[str]) -> dict[str, Generation]:
        """For the program itself (study pages, exports): no viewer check, tombstones included."""
        found: dict[str, Generation] = {}
        with self.database.read() as session:
            for start in range(0, len(generation_ids), MAX_PAGE):
                some = generation_ids[start : start + MAX_PAGE]
                rows = session.execute(joined().where(schema.Generation.id.in_(some)))
                found.update((row.id, to_generation(row, setting)) for row, setting in rows)
        return found

    def generation_tokens(self, generation_id: str) -> bytes | None:
        """The drawn tokens as stored (for replay verdicts)."""
        with self.database.read() as session:
            return must_find(session, schema.Generation, generation_id).tokens

    def list_generations(self, where: GenerationFilter, *, cursor: str | None = None, limit: int = 48) -> Page:
        """Newest first."""
        if not 1 <= limit <= MAX_PAGE:
            raise ValueError(f"limit is {limit}; allowed: 1 to {MAX_PAGE}")
        query = joined().where(*gallery.conditions(where)).order_by(schema.Generation.id.desc()).limit(limit + 1)
        if cursor is not None:
            query = query.where(schema.Generation.id < cursor)
        with self.database.read() as session:
            items = [to_generation(*pair) for pair in session.execute(query)]
        return Page(items[:limit], items[limit - 1].id if len(items) > limit else None)

    def filter_choices(self, where: GenerationFilter) -> dict[str, list[Any]]:
        """What the gallery's filters can offer: {"sizes": [(w, h)], "windows": [int], "schedules": [str]}."""
        with self.database.read() as session:
            return gallery.choices(session, where)

    def publish(self, generation_id: str, owner: str) -> Generation:
        """Visible to all. What an admin took down cannot be published again (NotAllowed)."""
        with self.database.write() as session:
            row = _owned(session, generation_id, owner)
            if row.taken_down_at is not None:
                raise NotAllowed(f"an admin took this picture down: {row.taken_down_reason}")
            row.published_at = row.published_at or utc_now()
            return _find(session, row.id)

    def unpublish(self, generation_id: str, owner: str) -> Generation:
        """Private again; pairs that already show it in a study stay."""
        with self.database.write() as session:
            row = _owned(session, generation_id, owner)
            row.published_at = None
            return _find(session, row.id)

    def take_down(self, generation_id: str, reason: str) -> Generation:
        """By an admin (the caller has checked): no longer published, with the reason for the owner."""
        if not reason.strip():
            raise ValueError("taking down needs a reason that the owner can read; got an empty one")
        with self.database.write() as session:
            row = must_find(session, schema.Generation, generation_id, lock=True)
            row.published_at, row.taken_down_at, row.taken_down_reason = None, utc_now(), reason
            return _find(session, row.id)

    def delete_generation(self, generation_id: str, owner: str | None) -> None:
        """Leave a tombstone: prompt, owner, tokens and picture go; setting and anonymous votes stay.

        Files that no other row names are removed after the commit. owner=None: an admin, already checked.
        Copies made from the picture (degraded controls) go with it.
        """
        with self.database.write() as session:
            files = deletion.bury(session, _owned(session, generation_id, owner))
        self._sweep(files)

    def delete_everything_of(self, owner: str) -> int:
        """Bury every generation of an owner and scrub the requests of their jobs; returns how many pictures went."""
        with self.database.write() as session:
            count, files = deletion.bury_all(session, owner)
        self._sweep(files)
        return count

    def measured_seconds(
        self,
        width: int | None = None,
        height: int | None = None,
        window: int | None = None,
        *,
        checkpoint: str | None = None,
        limit: int = 200,
    ) -> list[Measured]:
        """The newest pictures that were drawn here (optionally of one cell or checkpoint) with steps, seconds and memory.

        What was brought in from elsewhere has no job, and says nothing of this machine.
        """
        drawn_here = schema.Generation.job_id.is_not(None)
        batch = aliased(schema.Generation)
        together = select(func.count()).where(batch.job_id == schema.Generation.job_id).scalar_subquery()
        query = joined().add_columns(together)
        query = query.where(drawn_here, schema.Generation.source == "model", schema.Generation.seconds > 0)
        for column, value in (("width", width), ("height", height), ("window", window), ("checkpoint", checkpoint)):
            if value is not None:
                query = query.where(schema.Setting.__table__.c[column] == value)
        with self.database.read() as session:
            found = session.execute(query.order_by(schema.Generation.id.desc()).limit(limit))
            return [_to_measured(*row) for row in found]

    def _sweep(self, files: list[tuple[str, str]]) -> None:
        """Remove files that no row names, in a transaction of its own so that no writer can name them meanwhile."""
        with self.database.write() as session:
            self.database.serialise(session, "picture files")
            for name, suffix in deletion.unnamed(session, files):
                self.images.remove(name, suffix)


def joined() -> Select[Joined]:
    """Generations with their settings, without the tokens."""
    query = select(schema.Generation, schema.Setting).options(defer(schema.Generation.tokens))
    return query.join(schema.Setting, schema.Setting.id == schema.Generation.setting_id)


def _take_from_job(session: Session, row: schema.Generation) -> None:
    if row.job_id is not None:
        job = must_find(session, schema.Job, row.job_id, lock=True)
        if job.owner == deletion.DELETED_OWNER:
            raise NotFound("no such job")
        row.owner = row.owner or job.owner
        row.study_id = row.study_id or job.study_id


def _add(session: Session, row: schema.Generation) -> schema.Generation:
    if row.job_id is None:
        session.add(row)
        session.flush()
        return row
    same = select(schema.Generation).where(
        schema.Generation.job_id == row.job_id, schema.Generation.image_index == row.image_index
    )
    return insert_or_get(session, row, same)[0]


def _find(session: Session, generation_id: str) -> Generation:
    session.flush()
    return to_generation(*session.execute(joined().where(schema.Generation.id == generation_id)).one())


def _owned(session: Session, generation_id: str, owner: str | None) -> schema.Generation:
    row = must_find(session, schema.Generation, generation_id, lock=True)
    if row.deleted_at is not None or (owner is not None and row.owner != owner):
        raise NotFound("no such picture")
    return row


def _to_measured(row: schema.Generation, setting: schema.Setting, num_images: int) -> Measured:
    return Measured(
        width=setting.width,
        height=setting.height,
        window=setting.window,
        steps=row.steps,
        seconds=row.seconds,
        num_images=num_images,
        timings=row.timings,
        peak_memory_bytes=row.peak_memory_bytes,
        checkpoint=setting.checkpoint,
        environment=row.environment,
        created_at=row.created_at,
    )


def to_generation(row: schema.Generation, setting: schema.Setting) -> Generation:
    return Generation(
        id=row.id,
        job_id=row.job_id,
        image_index=row.image_index,
        study_id=row.study_id,
        setting_id=setting.id,
        settings=setting.values,
        width=setting.width,
        height=setting.height,
        window=setting.window,
        owner=row.owner,
        source=row.source,
        derived_from=row.derived_from,
        prompt=row.prompt,
        prompt_sent=row.prompt_sent,
        seed=row.seed,
        token_hash=row.token_hash,
        pixel_hash=row.pixel_hash,
        image=row.image,
        thumbnail=row.thumbnail,
        steps=row.steps,
        seconds=row.seconds,
        timings=row.timings,
        peak_memory_bytes=row.peak_memory_bytes,
        numerics_id=row.numerics_id,
        environment=row.environment,
        published=row.published_at is not None,
        taken_down_reason=row.taken_down_reason,
        deleted=row.deleted_at is not None,
        created_at=row.created_at,
    )
