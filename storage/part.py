"""What the parts of the store have in common: a database, a picture folder, and a few ways to find a row."""

from typing import Any, TypeVar

from sqlalchemy import Select, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from storage.database import Database
from storage.errors import NotFound
from storage.images import ImageStore
from storage.schema import Base

Row = TypeVar("Row", bound=Base)


class Part:
    database: Database
    images: ImageStore


def must_find(session: Session, kind: type[Row], row_id: str, *, lock: bool = False) -> Row:
    """The row of an id; NotFound says no more than that. lock: nobody else changes it in this transaction."""
    query = select(kind).where(kind.__table__.c.id == row_id)
    row = session.scalar(query.with_for_update() if lock else query)
    if row is None:
        raise NotFound(f"no such {kind.__tablename__}")
    return row


def insert_or_get(session: Session, row: Row, existing: Select[Any]) -> tuple[Row, bool]:
    """Insert, or return what another writer inserted first (found by `existing`); True when it was inserted."""
    found = session.scalar(existing)
    if found is not None:
        return found, False
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError:
        found = session.scalar(existing)
        if found is None:
            raise
        return found, False
    return row, True
