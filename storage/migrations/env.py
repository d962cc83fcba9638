"""Run by Alembic. The connection always comes from storage/revisions.py, so that no URL is kept in a file."""

from typing import Any

from alembic import context
from sqlalchemy import JSON

from storage.schema import Base, UtcDateTime


def render_item(kind: str, thing: Any, _autogen: Any) -> str | bool:
    """A migration must not import schema.py, which moves on: write our two own types in plain SQLAlchemy."""
    if kind == "type" and isinstance(thing, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and isinstance(thing, JSON):
        return "sa.JSON().with_variant(postgresql.JSONB(), 'postgresql')"
    return False


connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    compare_type=True,
    render_item=render_item,
)
context.run_migrations()
