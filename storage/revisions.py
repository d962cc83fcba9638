"""Which revision a database has, and how to bring it to the newest one.

A new revision: change schema.py, then `python -m storage.revisions "what changed"`, read the written file, and commit it.
"""

import sys
import tempfile
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

from storage.database import Database
from storage.errors import UnknownRevision

MIGRATIONS = Path(__file__).parent / "migrations"


def config(connection: Connection | None = None) -> Config:
    """Alembic's configuration without a file."""
    found = Config()
    found.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    found.attributes["connection"] = connection
    return found


def head() -> str:
    """The newest revision this program knows."""
    newest = ScriptDirectory.from_config(config()).get_current_head()
    assert newest is not None, "storage/migrations/versions is empty"
    return newest


def all_revisions() -> list[str]:
    """Oldest first."""
    return [script.revision for script in ScriptDirectory.from_config(config()).walk_revisions()][::-1]


def current(connection: Connection) -> str | None:
    """The database's revision; None for an empty database; UnknownRevision for anything else."""
    revision = MigrationContext.configure(connection).get_current_revision()
    if revision is None and inspect(connection).get_table_names():
        raise UnknownRevision("the database has tables but no schema revision: it is not one of ours")
    if revision is not None and revision not in all_revisions():
        raise UnknownRevision(
            f"the database has schema revision {revision!r}, this program knows {', '.join(all_revisions())}: "
            "it was written by another version; use that one, or restore a backup"
        )
    return revision


def upgrade(connection: Connection, to: str = "head") -> None:
    """Bring the database to a revision, all steps in the connection's transaction."""
    command.upgrade(config(connection), to)


def write(message: str) -> None:
    """Compare a database at the newest known revision with schema.py and write the difference as the next one."""
    number = f"{len(all_revisions()) + 1:04d}"
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/revision.sqlite3")
        with database.writer.begin() as connection:
            upgrade(connection)
            command.revision(config(connection), message, autogenerate=True, rev_id=number)
        database.close()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit('usage: python -m storage.revisions "what changed"')
    write(sys.argv[1])
