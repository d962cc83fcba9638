from concurrent.futures import ThreadPoolExecutor

import pytest
from rows import row_counts
from storage_world import OWNER, STRANGER

from storage.errors import NotFound


def test_one_rater_per_identity(store):
    with ThreadPoolExecutor(8) as pool:
        raters = list(pool.map(lambda _: store.get_or_create_rater("k" * 64), range(8)))
    assert len({rater.id for rater in raters}) == 1
    with pytest.raises(ValueError, match="keyed hash"):
        store.get_or_create_rater("bob")


def test_consent_and_practice(store):
    rater = store.get_or_create_rater("k" * 64)
    first = store.record_consent(rater.id).consented_at
    assert store.record_consent(rater.id).consented_at == first is not None
    assert store.update_practice(rater.id, {"flaws": "passed"}).practice == {"flaws": "passed"}


def test_deleting_ones_data_keeps_anonymous_answers(arena):
    store, given = arena.store, arena.assign()
    store.record_vote(given.id, arena.rater.id, "flaws", "a", display={"agent": "x"})
    store.record_flaw(given.id, arena.rater.id, "left", note="my dog")
    store.note_sightings("visitor", [arena.a.id])
    store.delete_my_data(arena.rater.id, "visitor")
    assert store.get_or_create_rater("r" * 32).id != arena.rater.id
    (row,) = store.votes_frame(arena.study.id)
    assert (row["answer"], row["display"]) == ("a", {})
    assert store.flaws(arena.study.id)[0].note is None and store.seen_generations("visitor") == set()
    with pytest.raises(NotFound):
        store.delete_my_data("nobody", "nobody")


def test_seen_are_own_queued_and_sighted_pictures(store, generate):
    own, other = generate(shade=1), generate(shade=2, owner=STRANGER)
    queued = generate(shade=3, owner=STRANGER, job_id=store.submit_job(OWNER, {}).id)
    generate(shade=4, owner=STRANGER)
    assert store.seen_generations(OWNER) == {own.id, queued.id}
    store.note_sightings(OWNER, [other.id, other.id, own.id])
    store.note_sightings(OWNER, [other.id])
    assert store.seen_generations(OWNER) == {own.id, queued.id, other.id}
    assert row_counts(store)["sighting"] == 1


def test_list_raters_of_a_study(arena):
    assert arena.store.list_raters(arena.study.id) == []
    arena.assign()
    assert [rater.id for rater in arena.store.list_raters(arena.study.id)] == [arena.rater.id]
