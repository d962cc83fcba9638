"""Database fixtures: `store` and `database_url` come once as SQLite and once as a real PostgreSQL.

Without PostgreSQL its half is skipped with the reason; where CI is set it fails instead.
"""

import os
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import postgres
import pytest
from sqlalchemy import create_engine, make_url, text

from storage.database import parse_url
from storage.store import Store, open_store


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    with ExitStack() as stack:
        try:
            url = stack.enter_context(postgres.server())
        except postgres.NoPostgres as reason:
            if os.environ.get("CI"):
                pytest.fail(f"CI needs PostgreSQL: {reason}")
            pytest.skip(str(reason))
        yield url


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """An empty database of its own on the server."""
    name = f"test_{uuid.uuid4().hex}"
    admin = create_engine(parse_url(postgres_server), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        # The letters of all alphabets, also where the tests run without a locale, as in a bare container.
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8'"))
    yield make_url(postgres_server).set(database=name).render_as_string(hide_password=False)
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgresql":
        return request.getfixturevalue("postgres_url")
    return f"sqlite:///{tmp_path / 'test.sqlite3'}"


@pytest.fixture
def store(tmp_path: Path, database_url: str) -> Iterator[Store]:
    opened = open_store(tmp_path / "data", database_url)
    yield opened
    opened.close()
