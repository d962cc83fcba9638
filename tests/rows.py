"""Rows as tests look at them, and change them, past the store."""

from typing import Any

from sqlalchemy import func, select

from storage.schema import Base, Study
from storage.store import Store


def row_counts(store: Store) -> dict[str, int]:
    """Rows per table."""
    with store.database.read() as session:
        return {
            table.name: session.scalar(select(func.count()).select_from(table)) for table in Base.metadata.sorted_tables
        }


def set_plan(store: Store, study_id: str, plan: dict[str, Any]) -> None:
    """As if the study had been made with it."""
    with store.database.write() as session:
        session.get(Study, study_id).plan = plan
