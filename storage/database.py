"""Engines and transactions for both databases; the only place that knows which one it is.

SQLite: WAL, foreign keys, one writing connection whose transactions begin IMMEDIATE (a read that upgrades to a write
fails at once with BUSY, whatever the timeout), and separate connections that cannot write for readers.
PostgreSQL: one pool; readers run in read-only repeatable-read transactions.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, QueuePool, create_engine, event, make_url, text
from sqlalchemy.orm import Session, sessionmaker

BUSY_SECONDS = 20
READERS = 8


def parse_url(database_url: str) -> URL:
    """The URL with the driver that requirements.txt installs; ValueError for any other kind of database."""
    url = make_url(database_url)
    kind = url.get_backend_name()
    if kind in ("postgres", "postgresql"):
        return url.set(drivername="postgresql+psycopg")
    if kind == "sqlite" and url.database and url.database != ":memory:":
        return url.set(drivername="sqlite+pysqlite")
    raise ValueError(f"database URL starts with {kind!r}; allowed: sqlite:///<file> and postgresql://<server>/<name>")


class Database:
    """`with database.write() as session` commits or rolls back; `with database.read() as session` cannot write."""

    def __init__(self, database_url: str) -> None:
        self.url = parse_url(database_url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        if self.is_sqlite:
            Path(self.url.database or "").parent.mkdir(parents=True, exist_ok=True)
            self.writer = _sqlite_engine(self.url, connections=1, begin="BEGIN IMMEDIATE", read_only=False)
            self.reader = _sqlite_engine(self.url, connections=READERS, begin="BEGIN", read_only=True)
        else:
            utc = {"options": "-c timezone=utc"}  # days begin at midnight there, as on SQLite
            self.writer = create_engine(
                self.url, connect_args=utc, pool_pre_ping=True, pool_size=READERS, max_overflow=READERS
            )
            self.reader = self.writer.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        self.write_sessions = sessionmaker(self.writer, expire_on_commit=False)
        self._read_sessions = sessionmaker(self.reader, expire_on_commit=False, autoflush=False)

    @property
    def path(self) -> Path | None:
        """The SQLite file; None for a server."""
        return Path(self.url.database) if self.is_sqlite and self.url.database else None

    @contextmanager
    def write(self) -> Iterator[Session]:
        """One short writing transaction: committed when the block ends, rolled back when it raises.

        On SQLite it waits for the one writer of this process; never nest it.
        """
        with self.write_sessions.begin() as session:
            yield session

    @contextmanager
    def read(self) -> Iterator[Session]:
        """One consistent view of the data."""
        with self._read_sessions() as session:
            yield session

    def serialise(self, session: Session | Connection, topic: str) -> None:
        """Make concurrent transactions on one topic wait for each other (SQLite has one writer anyway)."""
        if not self.is_sqlite:
            session.execute(text("SELECT pg_advisory_xact_lock(hashtext(:topic))"), {"topic": topic})

    def close(self) -> None:
        self.reader.dispose()
        self.writer.dispose()


def _sqlite_engine(url: URL, *, connections: int, begin: str, read_only: bool) -> Engine:
    engine = create_engine(
        url,
        poolclass=QueuePool,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=BUSY_SECONDS,
        connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # the driver begins nothing on its own; see `start`
        connection.execute("PRAGMA foreign_keys = ON")
        # SQLite's own lower() knows ASCII alone, and the gallery's search leans on it.
        connection.create_function("lower", 1, lambda text: text and text.lower(), deterministic=True)
        if read_only:
            connection.execute("PRAGMA query_only = ON")
            return
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")  # acknowledged means on the disk, also after a power cut

    @event.listens_for(engine, "begin")
    def start(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine
