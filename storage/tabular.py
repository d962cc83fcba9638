"""Rows (plain mappings) as CSV that no spreadsheet executes, as Parquet, and as a folder that `datasets` loads."""

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

Row = Mapping[str, Any]
BATCH_ROWS = 200
_FORMULA = re.compile(r"\s*[=+\-@＝＋－＠\t\r\n]")
IMAGE = pa.struct({"bytes": pa.binary(), "path": pa.string()})
TIME = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True)
class Table:
    """A name, the column types, and rows that are made while they are written."""

    name: str
    columns: Mapping[str, pa.DataType]
    rows: Iterable[Row]
    description: str = ""


def safe_cell(value: Any) -> Any:
    """What a spreadsheet shows instead of running: text that begins like a formula gets a leading apostrophe."""
    if isinstance(value, (dict, list, tuple)):
        value = as_json(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, str) and _FORMULA.match(value):
        return "'" + value
    return value


def as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)


def write_csv(table: Table, path: Path) -> Path:
    """UTF-8 with a byte order mark (spreadsheets need it). Pictures become their path, other bytes are left out."""
    columns = [name for name, kind in table.columns.items() if kind != pa.binary()]
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for row in table.rows:
            writer.writerow([safe_cell(_without_bytes(table.columns[name], row[name])) for name in columns])
    return path


def write_parquet(table: Table, path: Path) -> Path:
    """With the feature types that `datasets` reads from the file, so that picture columns load as pictures."""
    schema = pa.schema(list(table.columns.items())).with_metadata({"huggingface": json.dumps(_features(table.columns))})
    path.parent.mkdir(parents=True, exist_ok=True)
    with pq.ParquetWriter(path, schema) as writer:
        for batch in _batches(table.rows):
            writer.write_table(pa.Table.from_pylist([_plain(row, schema) for row in batch], schema))
    return path


def write_dataset(tables: Sequence[Table], folder: Path, title: str) -> Path:
    """`datasets.load_dataset(folder, table name)`: one Parquet file a table and a card that names them."""
    folder.mkdir(parents=True, exist_ok=True)
    for table in tables:
        write_parquet(table, folder / table.name / "train.parquet")
    (folder / "README.md").write_text(_card(tables, title), encoding="utf-8")
    return folder


def _card(tables: Sequence[Table], title: str) -> str:
    configs = "".join(
        f"- config_name: {table.name}\n  data_files:\n  - split: train\n    path: {table.name}/train.parquet\n"
        for table in tables
    )
    lines = "".join(f"- `{table.name}`: {table.description}\n" for table in tables)
    return f"---\nconfigs:\n{configs}---\n\n# {title}\n\n{lines}"


def _features(columns: Mapping[str, pa.DataType]) -> dict[str, Any]:
    return {"info": {"features": {name: _feature(kind) for name, kind in columns.items()}}}


def _feature(kind: pa.DataType) -> dict[str, str]:
    if kind == IMAGE:
        return {"_type": "Image"}
    names = {pa.float64(): "float64", TIME: "timestamp[us, tz=UTC]"}
    return {"_type": "Value", "dtype": names.get(kind, str(kind))}


def _plain(row: Row, schema: pa.Schema) -> dict[str, Any]:
    """Nested values as JSON text where the column is text."""
    return {
        field.name: as_json(row[field.name])
        if field.type == pa.string() and isinstance(row[field.name], (dict, list, tuple))
        else row[field.name]
        for field in schema
    }


def _without_bytes(kind: pa.DataType, value: Any) -> Any:
    return value["path"] if kind == IMAGE and value is not None else value


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    iterator = iter(rows)
    while batch := list(islice(iterator, BATCH_ROWS)):
        yield batch
