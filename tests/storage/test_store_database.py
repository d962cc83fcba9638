import threading

import pytest
from rows import row_counts
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError
from storage_world import OWNER

from storage.database import Database, parse_url
from storage.ids import new_id
from storage.store import open_store


@pytest.mark.parametrize("url", ["mysql://x/y", "sqlite://", "sqlite:///:memory:"])
def test_other_databases_are_refused(url):
    with pytest.raises(ValueError, match="allowed"):
        parse_url(url)


@pytest.mark.parametrize("prefix", ["postgresql", "postgresql+psycopg2"])
def test_any_postgres_url_gets_our_driver(prefix):
    assert parse_url(f"{prefix}://me@host/db").drivername == "postgresql+psycopg"


def test_readers_cannot_write(store):
    with pytest.raises(DBAPIError), store.database.read() as session:
        session.execute(text("DELETE FROM job"))
        session.commit()


def test_a_raising_block_is_rolled_back(store):
    with pytest.raises(RuntimeError), store.database.write() as session:
        session.execute(text("INSERT INTO journal_mark (id, entry) VALUES (1, 'x')"))
        raise RuntimeError
    assert row_counts(store)["journal_mark"] == 0


def test_foreign_keys_hold(store):
    with pytest.raises(IntegrityError), store.database.write() as session:
        session.execute(
            text("INSERT INTO sighting (id, created_at, viewer, generation_id) VALUES ('1', '2026-01-01', 'v', 'none')")
        )


def test_sqlite_is_set_up_for_one_writer_and_many_readers(tmp_path):
    store = open_store(tmp_path)
    with store.database.write() as session:
        pragmas = {
            name: session.scalar(text(f"PRAGMA {name}")) for name in ("journal_mode", "foreign_keys", "synchronous")
        }
        store.jobs_of(OWNER)  # a reader does not wait for the open writer
    assert pragmas == {"journal_mode": "wal", "foreign_keys": 1, "synchronous": 2}
    store.close()


def test_two_processes_worth_of_writers_do_not_collide(tmp_path):
    """Two engines on one file: a BEGIN that only later turns into a write would raise 'database is locked'."""
    stores = [open_store(tmp_path), open_store(tmp_path)]
    errors = []

    def work(store):
        try:
            for _ in range(20):
                store.submit_job(OWNER, {}, max_queued=1000)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(store,)) for store in stores * 2]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert errors == [] and len(stores[0].jobs_of(OWNER, limit=1000)) == 80
    [store.close() for store in stores]


def test_close_lets_go_of_the_file(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'x.sqlite3'}")
    with database.write() as session:
        session.execute(text("CREATE TABLE t (x INTEGER)"))
    database.close()
    assert not (tmp_path / "x.sqlite3-wal").exists()


def test_ids_sort_by_time_and_never_repeat():
    made = [[] for _ in range(4)]
    threads = [
        threading.Thread(target=lambda mine: mine.extend(new_id() for _ in range(2000)), args=(m,)) for m in made
    ]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert all(mine == sorted(mine) for mine in made)
    assert len({one for mine in made for one in mine}) == 8000
    assert {(one[14], one[19] in "89ab") for mine in made for one in mine} == {("7", True)}
