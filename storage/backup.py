"""Snapshots of the SQLite file: taken online, proved by restoring them, rotated, and put back.

A snapshot is one file `<utc time>-<revision>.sqlite3` with a manifest `.json` beside it (SHA-256, rows per table, time
of the last proof). One without a manifest was not finished. PostgreSQL has its own tools (pg_dump, archiving).
"""

import contextlib
import hashlib
import json
import logging
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path

from storage.images import sync_folder, write_atomically

log = logging.getLogger(__name__)

KEEP_RECENT = 8
KEEP_DAYS = 14


class BackupDamaged(ValueError):
    """The snapshot is not what its manifest says, or not a sound database."""


@dataclass(frozen=True)
class Snapshot:
    path: Path
    taken_at: datetime
    revision: str
    rows: Mapping[str, int]
    sha256: str
    proved_at: datetime | None  # when verify_restore last succeeded

    @property
    def age_seconds(self) -> float:
        return (datetime.now(timezone.utc) - self.taken_at).total_seconds()


def take(database: Path, folder: Path) -> Snapshot:
    """Copy the live database by SQLite's backup API, give the copy its manifest, then prove it by restoring it."""
    folder.mkdir(parents=True, exist_ok=True)
    taken_at = datetime.now(timezone.utc)
    with tempfile.TemporaryDirectory(prefix=".taking-", dir=folder) as scratch:
        copy = Path(scratch) / "copy.sqlite3"
        _copy_online(database, copy)
        revision, rows = inspect(copy)
        path = folder / f"{taken_at:%Y%m%dT%H%M%S%fZ}-{revision}.sqlite3"
        _move_durably(copy, path)
    snapshot = Snapshot(path, taken_at, revision, rows, _sha256(path), None)
    _write_manifest(snapshot)
    return verify_restore(snapshot)


def verify_restore(snapshot: Snapshot) -> Snapshot:
    """Restore into a scratch folder and look: same bytes, sound, all rows there. Notes the time of the proof."""
    if _sha256(snapshot.path) != snapshot.sha256:
        raise BackupDamaged(f"{snapshot.path.name} has other bytes than its manifest says")
    with tempfile.TemporaryDirectory(prefix="restore-proof-") as scratch:
        target = Path(scratch) / "restored.sqlite3"
        shutil.copyfile(snapshot.path, target)
        revision, rows = inspect(target)
    if (revision, rows) != (snapshot.revision, dict(snapshot.rows)):
        raise BackupDamaged(f"{snapshot.path.name} holds {rows} at {revision}, its manifest says {snapshot.rows}")
    proved = Snapshot(**{**vars(snapshot), "proved_at": datetime.now(timezone.utc)})
    _write_manifest(proved)
    return proved


def snapshots(folder: Path) -> list[Snapshot]:
    """Those with a readable manifest, newest first."""
    found = []
    for manifest in sorted(folder.glob("*.json"), reverse=True):
        with contextlib.suppress(ValueError, KeyError, OSError):
            snapshot = _read_manifest(manifest)
            if snapshot.path.exists():
                found.append(snapshot)
    return found


def last_good(folder: Path) -> Snapshot | None:
    """The newest snapshot whose restore was proved."""
    return next((snapshot for snapshot in snapshots(folder) if snapshot.proved_at is not None), None)


def restore(snapshot: Snapshot, database: Path) -> None:
    """Put a proved snapshot in the place of the database, which no process may have open.

    The old file moves to `.before-restore` together with its -wal and -shm: left behind, they would corrupt the new one.
    """
    verify_restore(snapshot)
    database.parent.mkdir(parents=True, exist_ok=True)
    for suffix in ("-wal", "-shm", "-journal", ""):
        old = database.with_name(database.name + suffix)
        if old.exists():
            os.replace(old, database.with_name(f"{database.name}.before-restore{suffix}"))
    write_atomically(database, snapshot.path.read_bytes())


def restore_newest(folder: Path, database: Path) -> Snapshot | None:
    """Restore the newest snapshot that proves sound; damaged ones are passed over, with a log line."""
    for snapshot in snapshots(folder):
        try:
            restore(snapshot, database)
        except (BackupDamaged, OSError) as error:
            log.error("backup %s cannot be restored: %s", snapshot.path.name, error)
            continue
        return snapshot
    return None


def rotate(folder: Path, *, recent: int = KEEP_RECENT, days: int = KEEP_DAYS) -> list[Path]:
    """Keep the newest `recent`, the last of each of the `days` newest days, and always the last good one."""
    found = snapshots(folder)
    by_day = {snapshot.taken_at.date(): snapshot.path for snapshot in reversed(found)}
    kept = {snapshot.path for snapshot in found[:recent]} | {by_day[day] for day in sorted(by_day)[-days:]}
    good = last_good(folder)
    removed = [one.path for one in found if one.path not in kept and (good is None or one.path != good.path)]
    for path in removed:
        path.with_suffix(".json").unlink(missing_ok=True)
        path.unlink(missing_ok=True)
    return removed


def copy_to(snapshot: Snapshot, folder: Path) -> Snapshot:
    """The same snapshot in a second folder (a mounted bucket), proved there."""
    folder.mkdir(parents=True, exist_ok=True)
    copy = Snapshot(**{**vars(snapshot), "path": folder / snapshot.path.name, "proved_at": None})
    write_atomically(copy.path, snapshot.path.read_bytes())
    return verify_restore(copy)


def journal_marks(snapshot: Snapshot) -> dict[int, str]:
    """The last line of each journal file that the snapshot contains (see storage/journal.py)."""
    with contextlib.closing(
        sqlite3.connect(f"{snapshot.path.absolute().as_uri()}?immutable=1", uri=True)
    ) as connection:
        return dict(connection.execute("SELECT id, entry FROM journal_mark").fetchall())


def inspect(path: Path) -> tuple[str, dict[str, int]]:
    """(schema revision, rows per table) of a sound database file; BackupDamaged for any other."""
    try:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            problems = connection.execute("PRAGMA integrity_check").fetchall()
            orphans = connection.execute("PRAGMA foreign_key_check").fetchall()
            if problems != [("ok",)] or orphans:
                raise BackupDamaged(f"{path.name}: integrity {problems[:3]}, foreign keys {orphans[:3]}")
            revision = connection.execute("SELECT version_num FROM alembic_version").fetchone()[0]
            return revision, _count_rows(connection)
    except (sqlite3.DatabaseError, TypeError) as error:
        raise BackupDamaged(f"{path.name}: {error}") from error


def _count_rows(connection: sqlite3.Connection) -> dict[str, int]:
    named = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    tables = sorted(name for (name,) in named)
    return {table: connection.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0] for table in tables}


def _copy_online(database: Path, target: Path) -> None:
    source = sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)
    with contextlib.closing(source), contextlib.closing(sqlite3.connect(target)) as copy:
        # A reader's view, held: without it every write of another connection starts the copy again from its first page.
        source.execute("BEGIN")
        source.execute("SELECT count(*) FROM sqlite_master").fetchone()
        source.backup(copy, pages=256, sleep=0.01)
        copy.execute("PRAGMA journal_mode = DELETE")  # one file, without -wal and -shm beside it


def _move_durably(source: Path, target: Path) -> None:
    with open(source, "rb+") as file:
        os.fsync(file.fileno())
    os.replace(source, target)
    sync_folder(target.parent)


def _write_manifest(snapshot: Snapshot) -> None:
    values = {**asdict(snapshot), "path": snapshot.path.name}
    text = json.dumps(values, default=datetime.isoformat, indent=1)
    write_atomically(snapshot.path.with_suffix(".json"), text.encode())


def _read_manifest(manifest: Path) -> Snapshot:
    values = json.loads(manifest.read_text())
    values["path"] = manifest.with_suffix(".sqlite3")
    values["taken_at"] = datetime.fromisoformat(values["taken_at"])
    values["proved_at"] = datetime.fromisoformat(values["proved_at"]) if values["proved_at"] else None
    return Snapshot(**values)


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        digest = hashlib.sha256()
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()
