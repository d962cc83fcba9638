import contextlib
import json
import shutil
import sqlite3
import threading
import time
from datetime import timedelta

import pytest
from sqlalchemy import text
from storage_world import OWNER

from storage import backup, revisions
from storage.housekeeping import Housekeeping
from storage.schema import utc_now
from storage.store import open_store


@pytest.fixture
def store(tmp_path):
    opened = open_store(tmp_path)
    opened.submit_job(OWNER, {"prompt": "kept"})
    yield opened
    opened.close()


def test_a_snapshot_is_proved_and_says_what_it_holds(store):
    assert store.stats()["backup"] is None and store.prove_backup() is None
    before, taken = utc_now(), store.back_up()
    assert taken.proved_at is not None and taken.rows["job"] == 1 and taken.revision == revisions.head()
    assert 0 <= store.stats()["backup"]["age_seconds"] <= (utc_now() - before).total_seconds()
    assert sorted(path.suffix for path in store.backup_dir.iterdir()) == [".json", ".sqlite3"]
    assert store.prove_backup().proved_at > taken.proved_at


def test_snapshot_while_writing_is_consistent(store):
    stop = threading.Event()

    def write():
        while not stop.is_set():
            store.submit_job(OWNER, {"text": "x" * 2000})

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    try:
        taken = [store.back_up() for _ in range(3)]
    finally:
        stop.set()
        writer.join()
    assert [one.rows["job"] for one in taken] == sorted(one.rows["job"] for one in taken)
    assert backup.last_good(store.backup_dir).path == taken[-1].path


def test_a_snapshot_is_taken_while_another_connection_writes_all_the_time(store, tmp_path):
    store.submit_job(OWNER, {"prompt": "x" * 20_000_000})
    with contextlib.closing(sqlite3.connect(store.database.path, timeout=120, check_same_thread=False)) as other:
        stop = threading.Event()

        def write():
            while not stop.wait(0.002):
                other.execute("INSERT INTO scratch VALUES (1)")
                other.commit()

        other.execute("CREATE TABLE scratch (step INTEGER)")
        threads = [
            threading.Thread(target=write, daemon=True),
            threading.Thread(target=backup._copy_online, args=(store.database.path, tmp_path / "copy"), daemon=True),
        ]
        for thread in threads:
            thread.start()
        threads[1].join(120)
        finished = not threads[1].is_alive()
        stop.set()
        threads[0].join()
    assert finished


def test_restore_brings_back_what_was_there(store, tmp_path):
    taken = store.back_up()
    store.submit_job(OWNER, {"prompt": "later"})
    shutil.copy(tmp_path / "studio.sqlite3-wal", tmp_path / "wal")  # as a crash would leave it
    store.close()
    shutil.copy(tmp_path / "wal", tmp_path / "studio.sqlite3-wal")
    backup.restore(taken, tmp_path / "studio.sqlite3")
    assert not (tmp_path / "studio.sqlite3-wal").exists()
    again = open_store(tmp_path)
    assert [job.request["prompt"] for job in again.jobs_of(OWNER)] == ["kept"]
    assert (tmp_path / "studio.sqlite3.before-restore-wal").exists()
    again.close()


def test_a_ruined_database_can_be_replaced(store, tmp_path):
    taken = store.back_up()
    store.close()
    (tmp_path / "studio.sqlite3").write_bytes(b"not a database at all" * 500)
    backup.restore(taken, tmp_path / "studio.sqlite3")
    again = open_store(tmp_path)
    assert len(again.jobs_of(OWNER)) == 1
    again.close()


@pytest.mark.parametrize("damage", ["bytes", "rows", "cut"])
def test_damaged_snapshots_are_found_and_passed_over(store, tmp_path, damage):
    good, bad = store.back_up(), store.back_up()
    if damage == "cut":
        bad.path.write_bytes(bad.path.read_bytes()[:4096])
    elif damage == "bytes":
        data = bytearray(bad.path.read_bytes())
        data[5000] ^= 255
        bad.path.write_bytes(data)
    else:
        manifest = bad.path.with_suffix(".json")
        manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "rows": {"job": 99}}))
    with pytest.raises(backup.BackupDamaged):
        store.prove_backup()
    assert backup.restore_newest(store.backup_dir, tmp_path / "elsewhere.sqlite3").path == good.path


def test_an_unsound_database_never_becomes_a_good_backup(tmp_path):
    path = tmp_path / "x.sqlite3"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE t (x)")
    with pytest.raises(backup.BackupDamaged, match="alembic_version"):
        backup.take(path, tmp_path / "backups")
    assert backup.snapshots(tmp_path / "backups") == [] == list((tmp_path / "backups").iterdir())


def test_rotation_keeps_recent_daily_and_the_last_good(store):
    taken = [store.back_up() for _ in range(4)]
    for days, snapshot in zip((3, 2, 2, 0), taken):
        older = backup.Snapshot(**{**vars(snapshot), "taken_at": snapshot.taken_at - timedelta(days=days)})
        backup._write_manifest(older)
    backup._write_manifest(backup.Snapshot(**{**vars(taken[3]), "proved_at": None}))
    removed = backup.rotate(store.backup_dir, recent=1, days=1)
    left = [snapshot.path for snapshot in backup.snapshots(store.backup_dir)]
    assert removed == [taken[1].path, taken[0].path] and left == [taken[3].path, taken[2].path]


def test_an_older_database_is_saved_before_it_is_migrated(store, tmp_path, monkeypatch):
    store.close()
    monkeypatch.setattr(revisions, "head", lambda: "next")
    monkeypatch.setattr(revisions, "upgrade", lambda connection, to="head": connection.execute(text("DELETE FROM job")))
    again = open_store(tmp_path)
    assert again.jobs_of(OWNER) == []
    assert backup.last_good(tmp_path / "backups").rows["job"] == 1
    again.close()


def test_housekeeping_takes_snapshots_and_remembers_failures(store, monkeypatch):
    looked = []
    keeper = Housekeeping(store, lambda: looked.append(1) or 1 / 0, every_seconds=0.05)
    keeper.start()
    deadline = time.monotonic() + 120
    while (backup.last_good(store.backup_dir) is None or not looked) and time.monotonic() < deadline:
        time.sleep(0.02)
    keeper.close()
    assert backup.last_good(store.backup_dir) is not None and looked and keeper.last_error is None
    monkeypatch.setattr(store, "back_up", lambda: 1 / 0)
    keeper.back_up()
    assert "division" in keeper.last_error


def test_postgres_leaves_backups_to_the_server(tmp_path, postgres_url):
    store = open_store(tmp_path, postgres_url)
    assert store.back_up() is None and store.stats()["backup"] is None
    store.close()
