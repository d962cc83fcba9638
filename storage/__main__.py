"""Storage from the command line, for whoever looks after it.

python -m storage DATA_DIR backup                 a proved snapshot now
python -m storage DATA_DIR verify                 restore the newest snapshot into a scratch folder and look
python -m storage DATA_DIR restore                put the newest sound snapshot in the database's place (stop the app)
python -m storage DATA_DIR check                  pictures without rows, rows without pictures, damaged files
python -m storage DATA_DIR export FOLDER --form csv|parquet|datasets

Snapshots are of the SQLite file in DATA_DIR. `check` and `export` also take --database-url; PostgreSQL has tools of its
own for the rest.
"""

import argparse
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from storage import backup, exports
from storage.store import DATABASE_FILE, Store, open_store


def restore(arguments: argparse.Namespace) -> str:
    """Before anything opens the database: it may be what is broken."""
    found = backup.restore_newest(arguments.data_dir / "backups", arguments.data_dir / DATABASE_FILE)
    return f"restored {found.path.name}" if found else "there is no sound snapshot; nothing was changed"


def verify(store: Store, _arguments: argparse.Namespace) -> object:
    return store.prove_backup() or "there is no snapshot yet"


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
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("backup", "verify", "restore"):
        commands.add_parser(name).set_defaults(database_url=None)
    exporter = commands.add_parser("export")
    exporter.add_argument("folder", type=Path)
    exporter.add_argument("--form", choices=exports.FORMATS, default="parquet")
    for reader in (commands.add_parser("check"), exporter):
        reader.add_argument("--database-url", help="default: the SQLite file in DATA_DIR")
    return parser.parse_args(words)


def main(words: list[str] | None = None) -> None:
    arguments = parse(words)
    if arguments.command == "restore":
        print(restore(arguments))
        return
    work = {"backup": lambda store, _: store.back_up(), "verify": verify, "check": check, "export": export}
    print(with_store(arguments, work[arguments.command]))


if __name__ == "__main__":
    main()
