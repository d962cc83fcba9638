"""Every past revision must grow into exactly the tables that schema.py describes, and strangers are refused."""

import shutil

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, select, text

from storage import revisions
from storage.database import Database
from storage.errors import UnknownRevision
from storage.schema import Base, Flaw
from storage.store import open_store


@pytest.fixture
def database(database_url):
    opened = Database(database_url)
    yield opened
    opened.close()


def described(connection):
    """Everything that the database says about its tables, constraint names included."""
    inspector = inspect(connection)
    tables = sorted(set(inspector.get_table_names()) - {"alembic_version"})
    return {table: _describe(inspector, table) for table in tables}


def _describe(inspector, table):
    facts = {
        "columns": [
            (column["name"], str(column["type"]), column["nullable"]) for column in inspector.get_columns(table)
        ],
        "key": inspector.get_pk_constraint(table),
    }
    for name in ("foreign_keys", "unique_constraints", "check_constraints", "indexes"):
        facts[name] = sorted(str(sorted(one.items(), key=str)) for one in getattr(inspector, f"get_{name}")(table))
    return facts


@pytest.mark.parametrize("revision", revisions.all_revisions())
def test_upgrade_from_every_revision_equals_the_fresh_schema(database, revision):
    with database.writer.begin() as connection:
        Base.metadata.create_all(connection)
        fresh = described(connection)
        Base.metadata.drop_all(connection)
    with database.writer.begin() as connection:
        revisions.upgrade(connection, revision)
        revisions.upgrade(connection)
        assert (
            compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), Base.metadata) == []
        )
        assert described(connection) == fresh
        assert revisions.current(connection) == revisions.head()


def test_a_revision_of_unchanged_tables_is_written_and_empty(tmp_path, monkeypatch):
    shutil.copytree(revisions.MIGRATIONS, tmp_path / "migrations")
    monkeypatch.setattr(revisions, "MIGRATIONS", tmp_path / "migrations")
    before = revisions.all_revisions()
    revisions.write("nothing new")
    assert len(revisions.all_revisions()) == len(before) + 1
    (written,) = (tmp_path / "migrations" / "versions").glob("*nothing_new.py")
    assert "op." not in written.read_text().replace("from alembic import op", "")


def test_votes_outlive_the_migrations(arena):
    given = arena.assign()
    arena.store.record_vote(given.id, arena.rater.id, "flaws", "a")
    arena.store.record_flaw(given.id, arena.rater.id, "left", kind="broken", reporter="an address")
    before = arena.store.votes_frame(arena.study.id)
    with arena.store.database.writer.begin() as connection:
        command.downgrade(revisions.config(connection), revisions.all_revisions()[0])
        assert "practice" in {column["name"] for column in inspect(connection).get_columns("assignment")}
        revisions.upgrade(connection)
    assert arena.store.votes_frame(arena.study.id) == before != []
    with arena.store.database.read() as session:  # old databases knew the rater alone
        assert list(session.scalars(select(Flaw.reporter))) == [arena.rater.id]


def test_the_description_sees_check_constraints(database):
    with database.writer.begin() as connection:
        Base.metadata.create_all(connection)
        found = described(connection)
    assert any("ck_vote" in one or "ck_assignment" in one for one in found["assignment"]["check_constraints"])
    assert any("uq_vote_assignment_id_criterion_revision" in one for one in found["vote"]["unique_constraints"])


def test_a_newer_revision_is_not_opened(tmp_path, database_url):
    open_store(tmp_path, database_url).close()
    database = Database(database_url)
    with database.writer.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    database.close()
    with pytest.raises(UnknownRevision, match="9999"):
        open_store(tmp_path, database_url)


def test_a_foreign_database_is_not_touched(tmp_path, database_url):
    database = Database(database_url)
    with database.writer.begin() as connection:
        connection.execute(text("CREATE TABLE theirs (x INTEGER)"))
    with pytest.raises(UnknownRevision, match="not one of ours"):
        open_store(tmp_path, database_url)
    with database.writer.begin() as connection:
        assert inspect(connection).get_table_names() == ["theirs"]
    database.close()


def test_a_failed_migration_changes_nothing(tmp_path, database_url, monkeypatch):
    def fail(connection, to="head"):
        connection.execute(text("CREATE TABLE half (x INTEGER)"))
        raise RuntimeError("power cut")

    monkeypatch.setattr(revisions, "upgrade", fail)
    with pytest.raises(RuntimeError, match="power cut"):
        open_store(tmp_path, database_url)
    database = Database(database_url)
    with database.read() as session:
        assert inspect(session.connection()).get_table_names() == []
    database.close()
