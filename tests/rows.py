"""Rows as tests look at them, and change them, past the store."""

from datetime import datetime, timedelta, timezone
from typing import Any

from sqlalchemy import func, select, update

from storage.schema import Assignment, Base, Study
from storage.store import Store


def row_counts(store: Store) -> dict[str, int]:
    """Rows per table."""
    with store.database.read() as session:
        return {
            table.name: session.scalar(select(func.count()).select_from(table)) for table in Base.metadata.sorted_tables
        }


def show_at(store: Store, assignment_id: str, when: datetime) -> None:
    with store.database.write() as session:
        session.execute(update(Assignment).where(Assignment.id == assignment_id).values(shown_at=when))


def show_long_ago(store: Store, assignment_id: str) -> None:
    """As if the rater had looked at the pair for a minute."""
    show_at(store, assignment_id, datetime.now(timezone.utc) - timedelta(minutes=1))


def set_plan(store: Store, study_id: str, plan: dict[str, Any]) -> None:
    """As if the study had been made with it."""
    with store.database.write() as session:
        session.get(Study, study_id).plan = plan
