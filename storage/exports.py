"""Everything out again: the votes of a study in five formats, and all tables with the pictures.

    exports.write(exports.study_tables(store, study_id), folder, "csv")
    exports.write(exports.everything(store), folder, "parquet")

Identities never leave: owners, viewers and raters' keys are replaced by pseudonyms that hold within one export.
"""

import secrets
from collections.abc import Iterator, Sequence
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from storage import preferences
from storage.preferences import Picture
from storage.records import Generation, GenerationFilter
from storage.schema import Base, UtcDateTime
from storage.store import Store
from storage.tabular import IMAGE, TIME, Row, Table, write_csv, write_dataset, write_parquet

FORMATS = ("csv", "parquet", "datasets")
IDENTITIES = ("owner", "viewer", "key_hash")
SECRETS = ("invite", "request_key", "worker_id")


def write(tables: Sequence[Table], folder: Path, form: str, title: str = "Token-Shuffle Studio export") -> Path:
    """All tables into a folder, in one of FORMATS."""
    if form not in FORMATS:
        raise ValueError(f"export format {form!r}; allowed: {', '.join(FORMATS)}")
    if form == "datasets":
        return write_dataset(tables, folder, title)
    writer, suffix = (write_csv, ".csv") if form == "csv" else (write_parquet, ".parquet")
    for table in tables:
        writer(table, folder / f"{table.name}{suffix}")
    return folder


def study_tables(store: Store, study_id: str) -> list[Table]:
    """The votes of a study: long table, arena battles, DPO, Pick-a-Pic, ImageReward, and the audit of exclusions."""
    rows = store.votes_frame(study_id, simulated=None)
    picture = pictures_of(store)
    return [
        preferences.long_table(rows),
        preferences.arena(rows),
        preferences.dpo(rows, picture),
        preferences.pickapic(rows, picture),
        preferences.image_reward(rows, picture),
        preferences.audit(store.exclusions(study_id)),
    ]


def everything(store: Store) -> list[Table]:
    """Every table as it is, and all pictures that were not deleted; for an admin."""
    salt = secrets.token_bytes(16)
    tables = [
        Table(table.name, _columns(table), _table_rows(store, table, salt), f"the table {table.name}")
        for table in Base.metadata.sorted_tables
        if table.name != "journal_mark"
    ]
    pictures = ({"generation": item.id, "image": _image(store, item)} for item in _all_generations(store))
    return [*tables, Table("pictures", {"generation": pa.string(), "image": IMAGE}, pictures, "the pictures")]


def pictures_of(store: Store) -> Picture:
    """generation id -> PNG bytes, None for deleted ones; keeps the last few, because pairs share pictures."""

    @lru_cache(maxsize=64)
    def picture(generation_id: str) -> bytes | None:
        found = store.generations_by_id([generation_id]).get(generation_id)
        return _png(store, found) if found else None

    return picture


def _png(store: Store, item: Generation) -> bytes | None:
    if item.image is None or not store.images.exists(item.image):
        return None
    return store.images.read(item.image)


def _image(store: Store, item: Generation) -> Row | None:
    png = _png(store, item)
    return None if png is None else {"bytes": png, "path": f"{item.id}.png"}


def _all_generations(store: Store) -> Iterator[Generation]:
    """Those not deleted, newest first."""
    cursor: str | None = None
    while True:
        page = store.list_generations(GenerationFilter(admin=True), cursor=cursor, limit=500)
        yield from page.items
        cursor = page.next_cursor
        if cursor is None:
            return


def _columns(table: sa.Table) -> dict[str, pa.DataType]:
    return {column.name: _arrow_type(column.type) for column in table.columns if column.name not in SECRETS}


def _arrow_type(kind: Any) -> pa.DataType:
    known: list[tuple[type, pa.DataType]] = [
        (UtcDateTime, TIME),
        (sa.Boolean, pa.bool_()),
        (sa.Integer, pa.int64()),
        (sa.Float, pa.float64()),
        (sa.LargeBinary, pa.binary()),
    ]
    return next((arrow for python, arrow in known if isinstance(kind, python)), pa.string())


def _table_rows(store: Store, table: sa.Table, salt: bytes) -> Iterator[Row]:
    columns = [column for column in table.columns if column.name not in SECRETS]
    with store.database.read() as session:
        found = session.execute(sa.select(*columns).order_by(table.c.id).execution_options(yield_per=500))
        for row in found.mappings():
            yield {name: _pseudonym(value, salt) if name in IDENTITIES else value for name, value in row.items()}


def _pseudonym(identity: str | None, salt: bytes) -> str | None:
    return None if identity is None else blake2b(identity.encode(), key=salt, digest_size=8).hexdigest()
