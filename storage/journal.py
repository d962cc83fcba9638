"""A redo log beside the database, for machines whose disk is wiped at restart (a Space with a mounted bucket).

Every writing transaction appends one JSON line with the whole rows it changed, synced, before it commits: what was
acknowledged is in the mounted folder. At boot the lines that the database does not contain yet are applied in order.
Each process writes files of its own, so that two may overlap while a Space restarts; a torn last line was never
acknowledged. The database keeps, for every file, the id of the last line it contains (journal_mark, written in the same
transaction), so replaying is idempotent whatever state the disk is in. A line that contradicts the database is set aside
in `rejected/`, for a person to look at. Progress of running jobs is not journalled (plain UPDATE statements pass by).
"""

import base64
import hashlib
import json
import logging
import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, BinaryIO

from sqlalchemy import Connection, DateTime, LargeBinary, MetaData, Table, event, select
from sqlalchemy import inspect as inspect_object
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, sessionmaker

from storage import revisions, schema
from storage.errors import StorageError
from storage.ids import new_id
from storage.images import sync_folder, write_atomically

log = logging.getLogger(__name__)

Entry = dict[str, Any]  # {"entry": id, "rows": [[table, "put" | "delete", {column: value}], ...]} or {"void": id}
Marks = Mapping[int, str]  # number_of a file -> its last line that a database contains
EVERY_FILE = 1  # the mark of databases from before each file had its own
REJECTED = "rejected"
TABLE_ORDER = {table.name: place for place, table in enumerate(schema.Base.metadata.sorted_tables)}


class JournalFailed(StorageError):
    """The mounted folder could not be written, so nothing was saved; try again."""


@dataclass(frozen=True)
class Replayed:
    applied: int
    rejected: int  # lines that contradict the database; they are logged and set aside


class Journal:
    """One open file. `attach` makes every transaction of a session factory write its line."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._file: BinaryIO | None = None
        self._taken_back: list[str] = []  # lines whose transaction failed; said so before the next line

    def attach(self, sessions: sessionmaker[Session]) -> None:
        event.listen(sessions, "after_flush", _collect)
        event.listen(sessions, "before_commit", self._before_commit)
        event.listen(sessions, "after_commit", _forget)
        event.listen(sessions, "after_rollback", self._after_rollback)

    def append(self, entry: Entry) -> Path:
        """One line, on the disk when this returns; the file that it is in."""
        with self._lock:
            data = b"".join([_line({"void": taken_back}) for taken_back in self._taken_back] + [_line(entry)])
            try:
                path = self._write(data)
                if not path.exists():  # another process had replayed the file, and forgot it just now
                    self._abandon()
                    path = self._write(data)
            except OSError as error:
                self._abandon()
                raise JournalFailed(f"the journal cannot be written: {error}") from error
            self._taken_back.clear()
            return path

    def _write(self, data: bytes) -> Path:
        file = self._file or self._start()
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
        return Path(file.name)

    def rotate(self) -> None:
        """The next line starts a new file; so that `forget` can remove the old one."""
        with self._lock:
            self._abandon()

    def forget(self, marks: Marks) -> None:
        """Remove files whose lines are all contained in a saved snapshot (its journal marks), whoever wrote them."""
        with self._lock:
            active = self._file.name if self._file else None
        void = _void(self.folder)
        for path in files(self.folder):
            if str(path) == active or not _contained(path, path, marks, void):
                continue
            aside = path.with_suffix(".forgotten")
            path.rename(aside)  # its writer goes on in another file; what it wrote until now is seen here
            if _contained(path, aside, marks, void):
                aside.unlink()
            else:
                aside.rename(path)

    def rejected(self) -> int:
        """Lines that were set aside and that nobody has looked after yet."""
        return len(list((self.folder / REJECTED).glob("*.json")))

    def close(self) -> None:
        self.rotate()

    def _start(self) -> BinaryIO:
        path = self.folder / f"{new_id()}.jsonl"
        self._file = open(path, "ab")  # noqa: SIM115 - it stays open while lines come
        self._file.write(_line({"revision": revisions.head()}))
        sync_folder(self.folder)
        return self._file

    def _abandon(self) -> None:
        """After an error the line may be torn; only the last line of a file may be, so go on in another one."""
        file, self._file = self._file, None
        if file is not None:
            try:
                file.close()
            except OSError as error:
                log.error("closing the journal: %s", error)

    def _before_commit(self, session: Session) -> None:
        if session.in_nested_transaction():
            return
        session.flush()
        changed = session.info.pop("journal_rows", {})
        if not changed:
            return
        entry = new_id()
        rows = sorted(changed.values(), key=lambda one: (TABLE_ORDER[one[0]], one[2].id))
        session.info["journal_entry"] = entry
        path = self.append({"entry": entry, "rows": [[table, verb, _encode(row)] for table, verb, row in rows]})
        _set_mark(session.connection(), schema.JournalMark.__table__, path, entry)

    def _after_rollback(self, session: Session) -> None:
        """The line is (perhaps) written, but the database said no."""
        entry = session.info.pop("journal_entry", None)
        if entry is not None:
            with self._lock:
                self._taken_back.append(entry)


def replay(folder: Path, connection: Connection) -> Replayed:
    """Apply what the database lacks, growing it to the revision of each file first. One transaction: the caller's."""
    applied = rejected = 0
    marks: Marks = {}
    tables: dict[str, Table] = {}
    void = _void(folder)
    for path in files(folder):
        entries = list(_entries(path))
        if not entries:
            continue
        if _grow(connection, _revision(path)) or not tables:
            tables = _reflect(connection)
            mark = tables["journal_mark"].c
            marks = dict(connection.execute(select(mark.id, mark.entry)).all())
        known = _mark_of(path, marks)
        for entry in entries:
            if "void" in entry or entry["entry"] in void or entry["entry"] <= known:
                continue
            done = _apply(connection, tables, entry)
            if not done:
                write_atomically(folder / REJECTED / f"{entry['entry']}.json", _line(entry))
            _set_mark(connection, tables["journal_mark"], path, entry["entry"])
            applied, rejected = applied + done, rejected + (not done)
    return Replayed(applied, rejected)


def files(folder: Path) -> list[Path]:
    """Oldest first."""
    return sorted(folder.glob("*.jsonl"))


def _collect(session: Session, _context: Any) -> None:
    rows = session.info.setdefault("journal_rows", {})
    for verb, some in (("put", session.new), ("put", session.dirty), ("delete", session.deleted)):
        for row in some:
            rows[row.__tablename__, row.id] = (row.__tablename__, verb, row)


def _forget(session: Session) -> None:
    if not session.in_nested_transaction():
        session.info.pop("journal_entry", None)


def _encode(row: schema.Base) -> dict[str, Any]:
    columns = inspect_object(type(row)).columns
    return {column.name: _encode_value(getattr(row, column.key)) for column in columns}


def _encode_value(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(timezone.utc).isoformat()
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def _decode_value(column: Any, value: Any) -> Any:
    if value is None:
        return None
    if isinstance(column.type, DateTime):
        return datetime.fromisoformat(value).replace(tzinfo=None)  # SQLite keeps UTC without saying so
    return base64.b64decode(value) if isinstance(column.type, LargeBinary) else value


def _line(entry: Entry) -> bytes:
    return json.dumps(entry, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def _lines(path: Path) -> list[bytes]:
    """The whole lines; a torn last one was never acknowledged."""
    return path.read_bytes().split(b"\n")[:-1]


def _revision(path: Path) -> str:
    return json.loads(_lines(path)[0])["revision"]


def _entries(path: Path) -> Iterator[Entry]:
    return (json.loads(line) for line in _lines(path)[1:])


def _void(folder: Path) -> set[str]:
    """Lines whose transaction failed."""
    return {entry["void"] for path in files(folder) for entry in _entries(path) if "void" in entry}


def number_of(path: Path) -> int:
    """What the database knows a journal file by; the same on every machine."""
    return int.from_bytes(hashlib.sha256(path.stem.encode()).digest()[:7], "big")


def _mark_of(path: Path, marks: Marks) -> str:
    return max(marks.get(number_of(path), ""), marks.get(EVERY_FILE, ""))


def _contained(path: Path, place: Path, marks: Marks, void: set[str]) -> bool:
    """Whether a database with these marks has every line of a file. place: where the file is now."""
    mark = _mark_of(path, marks)
    return all(entry["entry"] <= mark for entry in _entries(place) if "entry" in entry and entry["entry"] not in void)


def _grow(connection: Connection, revision: str) -> bool:
    """Migrate up to the revision that the lines were written at; never down."""
    known = revisions.all_revisions()
    if revision not in known:
        raise revisions.UnknownRevision(f"the journal was written at revision {revision!r}; known: {', '.join(known)}")
    now = revisions.current(connection)
    if now is not None and known.index(now) >= known.index(revision):
        return False
    revisions.upgrade(connection, revision)
    return True


def _reflect(connection: Connection) -> dict[str, Table]:
    """The tables as they are at this revision, not as schema.py has them today."""
    metadata = MetaData()
    metadata.reflect(connection)
    return dict(metadata.tables)


def _apply(connection: Connection, tables: dict[str, Table], entry: Entry) -> bool:
    try:
        with connection.begin_nested():
            for name, verb, row in entry["rows"]:
                _apply_row(connection, tables[name], verb, row)
    except IntegrityError as error:
        log.error("journal line %s contradicts the database: %s", entry["entry"], error.orig)
        return False
    return True


def _apply_row(connection: Connection, table: Table, verb: str, row: dict[str, Any]) -> None:
    if verb == "delete":
        connection.execute(table.delete().where(table.c.id == row["id"]))
        return
    values = {name: _decode_value(table.c[name], value) for name, value in row.items() if name in table.c}
    _upsert(connection, table, values)


def _set_mark(connection: Connection, table: Any, path: Path, entry: str) -> None:
    _upsert(connection, table, {"id": number_of(path), "entry": entry})


def _upsert(connection: Connection, table: Any, values: dict[str, Any]) -> None:
    statement = insert(table).values(values)
    connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=values))
