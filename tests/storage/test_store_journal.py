"""What was acknowledged is in the mounted folder, and comes back onto a wiped disk exactly once."""

import shutil

import pytest
from rows import row_counts
from sqlalchemy import event, text
from storage_world import OWNER, png
from test_store_crash import killed_after

from storage import ids, journal
from storage.journal import JournalFailed, files
from storage.records import GenerationFilter
from storage.store import open_store


@pytest.fixture
def bucket(tmp_path):
    return tmp_path / "bucket"


@pytest.fixture
def store(tmp_path, bucket):
    opened = open_store(tmp_path / "data", journal_dir=bucket)
    yield opened
    opened.close()


def everything(store):
    """All rows of all tables but the mark."""
    with store.database.read() as session:
        names = [name for name in row_counts(store) if name != "journal_mark"]
        return {name: sorted(map(str, session.execute(text(f'SELECT * FROM "{name}"')))) for name in names}


def reopened(store, tmp_path, bucket, *, wipe=True):
    store.close()
    if wipe:
        shutil.rmtree(tmp_path / "data")
    return open_store(tmp_path / "data", journal_dir=bucket)


def test_a_wiped_disk_comes_back_whole(arena, tmp_path, bucket):
    store, given = arena.store, arena.assign()
    vote = store.record_vote(given.id, arena.rater.id, "flaws", "a", display={"dpr": 2})
    store.supersede_vote(vote.id, arena.rater.id, "b")
    store.exclude_many([vote.id], "fast", "r")
    job = store.submit_job(OWNER, {"prompt": "waits"})
    store.note_sightings(OWNER, [arena.a.id])
    before = everything(store)
    again = reopened(store, tmp_path, bucket)
    assert everything(again) == before
    assert again.generation_tokens(arena.a.id) == b"\x01\x00"
    assert again.images.read(arena.a.image) == png(1) and again.claim_job("w").id == job.id
    assert again.replayed.applied > 8 and again.replayed.rejected == 0
    again.close()


def test_replaying_onto_a_disk_that_survived_changes_nothing(arena, tmp_path, bucket):
    arena.assign()
    before = everything(arena.store)
    again = reopened(arena.store, tmp_path, bucket, wipe=False)
    assert again.replayed.applied == 0 and everything(again) == before
    third = reopened(again, tmp_path, bucket)
    fourth = reopened(third, tmp_path, bucket)
    assert everything(fourth) == before
    fourth.close()


def test_a_line_without_its_commit_is_made_good(store, tmp_path, bucket):
    """Killed between the line and the commit: the database lacks what the journal has."""
    store.submit_job(OWNER, {"n": 1})
    store.close()
    shutil.copytree(tmp_path / "data", tmp_path / "before")
    store = open_store(tmp_path / "data", journal_dir=bucket)
    store.submit_job(OWNER, {"n": 2})
    store.close()
    shutil.rmtree(tmp_path / "data")
    shutil.copytree(tmp_path / "before", tmp_path / "data")
    again = open_store(tmp_path / "data", journal_dir=bucket)
    assert again.replayed.applied == 1 and [job.request["n"] for job in again.jobs_of(OWNER)] == [2, 1]
    again.close()


def test_a_torn_last_line_was_never_acknowledged(store, tmp_path, bucket):
    store.submit_job(OWNER, {"n": 1})
    store.submit_job(OWNER, {"n": 2})
    store.close()
    (path,) = files(bucket)
    path.write_bytes(path.read_bytes()[:-9])
    again = reopened(store, tmp_path, bucket)
    assert [job.request["n"] for job in again.jobs_of(OWNER)] == [1]
    again.close()


def test_nothing_is_saved_when_the_journal_cannot_be_written(store, tmp_path, bucket, monkeypatch):
    store.submit_job(OWNER, {"n": 1})

    def refuse(_):
        raise OSError("bucket away")

    with monkeypatch.context() as patch:
        patch.setattr(journal.os, "fsync", refuse)
        with pytest.raises(JournalFailed, match="bucket away"):
            store.submit_job(OWNER, {"n": 2})
    store.submit_job(OWNER, {"n": 3})
    assert [job.request["n"] for job in store.jobs_of(OWNER)] == [3, 1]


def test_a_failed_commit_takes_its_line_back(store, tmp_path, bucket):
    store.submit_job(OWNER, {"n": 1}, request_key="k")

    def refuse(_):
        raise RuntimeError("disk full")

    event.listen(store.database.writer, "commit", refuse)
    with pytest.raises(RuntimeError, match="disk full"):
        store.submit_job(OWNER, {"n": 2}, request_key="l")
    event.remove(store.database.writer, "commit", refuse)
    store.submit_job(OWNER, {"n": 3}, request_key="l")  # the retry has the same unique key
    again = reopened(store, tmp_path, bucket)
    assert again.replayed.rejected == 0 and [job.request["n"] for job in again.jobs_of(OWNER)] == [3, 1]
    again.close()


def test_deleting_reaches_the_bucket(arena, tmp_path, bucket):
    arena.store.delete_generation(arena.a.id, OWNER)
    arena.store.delete_my_data(arena.rater.id, "visitor")
    assert not list((bucket / "images").rglob(f"{arena.a.image}*"))
    again = reopened(arena.store, tmp_path, bucket)
    assert [one.id for one in again.list_generations(GenerationFilter(viewer=OWNER)).items] == [arena.b.id]
    assert again.get_or_create_rater("r" * 32).id != arena.rater.id
    again.close()


def test_a_snapshot_shortens_the_journal_and_still_restores(arena, tmp_path, bucket):
    store, given = arena.store, arena.assign()
    old = files(bucket)
    store.back_up()
    assert files(bucket) == [] and old != []
    store.record_vote(given.id, arena.rater.id, "flaws", "a")
    before = everything(store)
    again = reopened(store, tmp_path, bucket)
    assert everything(again) == before and again.replayed.applied == 1
    again.close()


def test_two_processes_may_overlap_on_one_bucket(store, tmp_path, bucket):
    store.submit_job(OWNER, {"n": 1})
    new = open_store(tmp_path / "new", journal_dir=bucket)  # the next container boots while the old one still answers
    store.submit_job(OWNER, {"n": 2})
    new.submit_job(OWNER, {"n": 3})
    new.back_up()
    store.submit_job(OWNER, {"n": 4})
    new.close()
    again = reopened(store, tmp_path, bucket)
    assert {job.request["n"] for job in again.jobs_of(OWNER)} == {1, 2, 3, 4} and again.replayed.rejected == 0
    again.close()


def test_a_file_that_another_process_forgot_is_gone_on_with_in_a_new_one(store, tmp_path, bucket):
    store.submit_job(OWNER, {"n": 1})
    new = open_store(tmp_path / "new", journal_dir=bucket)
    new.back_up()
    assert files(bucket) == []
    store.submit_job(OWNER, {"n": 2})
    new.close()
    again = reopened(store, tmp_path, bucket)
    assert {job.request["n"] for job in again.jobs_of(OWNER)} == {1, 2}
    again.close()


def test_a_line_that_contradicts_the_database_is_set_aside_for_good(store, tmp_path, bucket):
    store.submit_job(OWNER, {"n": 1}, request_key="k")
    other = open_store(tmp_path / "other")
    other.submit_job(OWNER, {"n": 2}, request_key="k")
    other.close()
    other = open_store(tmp_path / "other", journal_dir=bucket)
    assert other.replayed.rejected == 1 and other.stats()["journal"]["rejected"] == 1
    other.submit_job(OWNER, {"n": 3})
    other.back_up()
    again = reopened(other, tmp_path, bucket, wipe=False)
    assert again.stats()["journal"]["rejected"] == 1 and '"n":1' in next((bucket / "rejected").iterdir()).read_text()
    again.close()


def test_a_clock_that_was_set_back_loses_nothing(store, tmp_path, bucket, monkeypatch):
    store.submit_job(OWNER, {"n": 1})
    store.close()
    monkeypatch.setattr(ids, "_last", 0)
    monkeypatch.setattr(ids.time, "time_ns", lambda: 1_600_000_000_000_000_000)
    second = open_store(tmp_path / "data", journal_dir=bucket)
    second.submit_job(OWNER, {"n": 2})
    third = reopened(second, tmp_path, bucket)
    assert {job.request["n"] for job in third.jobs_of(OWNER)} == {1, 2}
    third.close()


def test_progress_is_not_journalled(store, bucket):
    job = store.submit_job(OWNER, {})
    store.claim_job("w")
    size = sum(path.stat().st_size for path in files(bucket))
    store.update_progress(job.id, 1, 2, {"phase": "x"})
    assert sum(path.stat().st_size for path in files(bucket)) == size


def test_kill_9_and_a_wiped_disk_lose_nothing_acknowledged(tmp_path, bucket):
    acknowledged = killed_after(tmp_path / "data", None, 15, journal_dir=bucket)
    shutil.rmtree(tmp_path / "data")
    store = open_store(tmp_path / "data", journal_dir=bucket)
    pictures = [line.split()[1] for line in acknowledged if line.startswith("picture")]
    found = store.generations_by_id(pictures)
    assert sorted(found) == sorted(pictures) and all(store.images.exists(one.image) for one in found.values())
    votes = {line.split()[1] for line in acknowledged if line.startswith("vote")}
    assert votes and votes <= {row["vote"] for row in store.votes_frame()}
    store.close()


def test_postgres_mirrors_pictures_only(tmp_path, bucket, postgres_url):
    store = open_store(tmp_path / "data", postgres_url, journal_dir=bucket)
    stored = store.images.put(png())
    store.submit_job(OWNER, {})
    assert store.journal is None and files(bucket) == []
    shutil.rmtree(tmp_path / "data" / "images")
    assert store.images.read(stored.image) == png()
    store.close()
