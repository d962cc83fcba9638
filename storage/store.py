"""The questions that the app asks, as methods. One Store per process; safe from any thread.

    store = open_store(data_dir)                        # SQLite in the folder, migrated, pictures beside it
    store = open_store(data_dir, "postgresql://...")    # many writers
    stored = store.images.put(png_bytes)                # first the file ...
    store.record_generation(job.id, image=stored.image, thumbnail=stored.thumbnail,
                            pixel_hash=stored.pixel_hash, ...)          # ... then the row that names it

Ownership: `owner`, `viewer` and `rater_id` come from the server's own session, never from the browser. Every method
that writes has committed when it returns. Records are frozen; SQLAlchemy never leaks out. Errors: storage/errors.py.
"""

from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from storage import backup, revisions
from storage.database import Database
from storage.generations import Generations
from storage.ids import advance_past
from storage.images import Findings, ImageStore
from storage.jobs import Jobs
from storage.journal import Journal, Replayed, replay
from storage.raters import Raters
from storage.schema import Generation, Job, JournalMark
from storage.studies import Studies
from storage.votes import Votes

DATABASE_FILE = "studio.sqlite3"
SNAPSHOTS = "snapshots"


class Store(Jobs, Generations, Studies, Votes, Raters):
    """All questions in one object; the parts are in the files named after them."""

    def __init__(
        self, database: Database, images: ImageStore, backup_dir: Path, journal: Journal | None, replayed: Replayed
    ) -> None:
        self.database = database
        self.images = images
        self.backup_dir = backup_dir
        self.journal = journal
        self.replayed = replayed

    def stats(self) -> dict[str, Any]:
        """For the health page: dialect, schema revision, jobs per state, bytes, backups, journal. Cheap: it is asked often."""
        with self.database.read() as session:
            connection = session.connection()
            states = session.execute(select(Job.state, func.count()).group_by(Job.state))
            return {
                "dialect": connection.dialect.name,
                "revision": revisions.current(connection),
                "jobs": dict(states.all()),
                "database_bytes": self.database.path.stat().st_size if self.database.path else None,
                "journal": None
                if self.journal is None
                else {"replayed": self.replayed.applied, "rejected": self.journal.rejected()},
                "backup": self._backup_stats(),
            }

    def back_up(self) -> backup.Snapshot | None:
        """Take a proved snapshot, rotate old ones, and with a journal also copy it there and drop journal files that
        it contains. None on PostgreSQL, which has its own tools."""
        if self.database.path is None:
            return None
        if self.journal is not None:
            self.journal.rotate()
        snapshot = backup.take(self.database.path, self.backup_dir)
        backup.rotate(self.backup_dir)
        if self.journal is not None:
            saved = backup.copy_to(snapshot, self.journal.folder / SNAPSHOTS)
            self.journal.forget(backup.journal_marks(saved))
            backup.rotate(self.journal.folder / SNAPSHOTS, recent=3, days=3)
        return snapshot

    def prove_backup(self) -> backup.Snapshot | None:
        """Restore the newest snapshot into a scratch folder and look (at every boot); BackupDamaged if it is not
        sound, None if there is none yet."""
        found = backup.snapshots(self.backup_dir)
        return backup.verify_restore(found[0]) if found else None

    def _backup_stats(self) -> dict[str, Any] | None:
        good = backup.last_good(self.backup_dir)
        if good is None:
            return None
        return {
            "age_seconds": good.age_seconds,
            "proved_at": good.proved_at,
            "revision": good.revision,
            "rows": dict(good.rows),
        }

    def check_images(self, *, rehash: bool = False) -> Findings:
        """Orphans and missing files. Slow with many pictures; rehash reads each of them."""
        with self.database.read() as session:
            found = session.execute(select(Generation.image, Generation.thumbnail).where(Generation.image.is_not(None)))
            named = [pair for image, small in found for pair in ((image, ".png"), (small, ".webp"))]
        return self.images.check(named, rehash=rehash)

    def close(self) -> None:
        """Close all connections."""
        self.database.close()
        if self.journal is not None:
            self.journal.close()


def open_store(data_dir: Path, database_url: str | None = None, *, journal_dir: Path | None = None) -> Store:
    """Open or create: backs up and migrates an older SQLite file, replays the journal, refuses unknown revisions.

    data_dir: holds studio.sqlite3, images/ and backups/. database_url: default the SQLite file in data_dir.
    journal_dir: a mounted folder that outlives the machine; None keeps no journal. With PostgreSQL it only mirrors
    the pictures. A wiped disk is filled from it: newest sound snapshot, then the journal, pictures when asked for.
    """
    database = Database(database_url or f"sqlite:///{data_dir / DATABASE_FILE}")
    backup_dir = data_dir / "backups"
    images = ImageStore(data_dir / "images", journal_dir / "images" if journal_dir else None)
    journal = Journal(journal_dir) if journal_dir and database.is_sqlite else None
    try:
        if journal is not None and database.path is not None and not database.path.exists():
            backup.restore_newest(journal.folder / SNAPSHOTS, database.path)
        replayed = _bring_up(database, backup_dir, journal)
    except BaseException:
        database.close()
        raise
    if journal is not None:
        journal.attach(database.write_sessions)
    return Store(database, images, backup_dir, journal, replayed)


def _bring_up(database: Database, backup_dir: Path, journal: Journal | None) -> Replayed:
    """Newest revision, journal applied; an older file is saved first. All or nothing."""
    with database.writer.begin() as connection:
        database.serialise(connection, "migration")
        found = revisions.current(connection)
        if found not in (None, revisions.head()) and database.path is not None:
            backup.take(database.path, backup_dir)
        replayed = Replayed(0, 0) if journal is None else replay(journal.folder, connection)
        if revisions.current(connection) != revisions.head():
            revisions.upgrade(connection)
        mark = connection.scalar(select(func.max(JournalMark.entry)))
        if mark is not None:
            advance_past(mark)  # lines of a file and files are ordered by id, so the clock must not run backwards
    return replayed
