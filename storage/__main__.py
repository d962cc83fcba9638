"""Storage from the command line, for whoever looks after it.

python -m storage DATA_DIR backup                 a proved snapshot now
python -m storage DATA_DIR verify                 restore the newest snapshot into a scratch folder and look
python -m storage DATA_DIR restore                put the newest sound snapshot in the database's place (stop the app)
python -m storage DATA_DIR check                  pictures without rows, rows without pictures, damaged files
python -m storage DATA_DIR export FOLDER --form csv|parquet|datasets
python -m storage DATA_DIR revision "what changed"    write the migration from the newest revision to schema.py
"""

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from alembic import command

from storage import backup, exports, revisions
from storage.database import Database
from storage.store import DATABASE_FILE, Store, open_store


def write_revision(message: str) -> None:
    """Compare a database at the newest known revision with schema.py and write the difference."""
    number = f"{len(revisions.all_revisions()) + 1:04d}"
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/revision.sqlite3")
        with database.writer.begin() as connection:
            if revisions.all_revisions():
                revisions.upgrade(connection)
            command.revision(revisions.config(connection), message, autogenerate=True, rev_id=number)
        database.close()


def restore(arguments: argparse.Namespace) -> str:
    """Before anything opens the database: it may be what is broken."""
    found = backup.restore_newest(arguments.data_dir / "backups", arguments.data_dir / DATABASE_FILE)
    return f"restored {found.path.name}" if found else "there is no sound snapshot; nothing was changed"


def check(store: Store, _arguments: argparse.Namespace) -> str:
    return "\n".join(f"{key}: {value}" for key, value in asdict(store.check_images(rehash=True)).items())


def export(store: Store, arguments: argparse.Namespace) -> str:
    return f"written to {exports.write(exports.everything(store), arguments.folder, arguments.form)}"


def with_store(arguments: argparse.Namespace, work: Callable[[Store, argparse.Namespace], object]) -> str:
    """Open, work, close; the answer as text."""
    store = open_store(arguments.data_dir, arguments.database_url)
    try:
        return str(work(store, arguments))
    finally:
        store.close()


def parse(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m storage", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("--database-url", help="default: the SQLite file in DATA_DIR")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("backup", "verify", "restore", "check"):
        commands.add_parser(name)
    exporter = commands.add_parser("export")
    exporter.add_argument("folder", type=Path)
    exporter.add_argument("--form", choices=exports.FORMATS, default="parquet")
    commands.add_parser("revision").add_argument("message")
    return parser.parse_args(words)


def main(words: list[str] | None = None) -> None:
    arguments = parse(words)
    if arguments.command == "revision":
        write_revision(arguments.message)
    elif arguments.command == "restore":
        print(restore(arguments))
    else:
        work = {
            "backup": lambda store, _: store.back_up(),
            "verify": lambda store, _: store.prove_backup(),
            "check": check,
            "export": export,
        }[arguments.command]
        print(with_store(arguments, work))


if __name__ == "__main__":
    main()
