"""How many rows there are: what tests ask to see that nothing was written."""

from sqlalchemy import func, select

from storage.schema import Base
from storage.store import Store


def row_counts(store: Store) -> dict[str, int]:
    """Rows per table."""
    with store.database.read() as session:
        return {table.name: session.scalar(select(func.count()).select_from(table)) for table in Base.metadata.sorted_tables}
