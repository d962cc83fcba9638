"""Two writers at once, each held until the other has looked: on both databases the second sees what the first did.

Where one waits for the other, as it should, the other gives up holding after HELD seconds.
"""

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as StillRunning

import pytest

from storage import ballots
from storage.errors import WrongState

HELD = 0.5  # seconds


@pytest.fixture
def meet(monkeypatch):
    """meet(name): who has called `ballots.<name>` goes on once both have called theirs, or after HELD seconds."""
    barrier = threading.Barrier(2)

    def hold(name):
        ask = getattr(ballots, name)

        def asked(*arguments):
            found = ask(*arguments)
            with contextlib.suppress(threading.BrokenBarrierError):
                barrier.wait(HELD)
            return found

        monkeypatch.setattr(ballots, name, asked)

    return hold


def report(arena, rater):
    given = arena.assign(rater)
    return lambda: arena.store.record_flaw(given.id, rater.id, "left", kind="broken")


def at_once(*calls):
    with ThreadPoolExecutor(len(calls)) as pool:
        for future in [pool.submit(call) for call in calls]:
            future.result()


def aside(arena):
    return {row["vote_id"] for row in arena.store.exclusions(arena.study.id) if row["lifted_at"] is None}


def test_two_reports_at_once_set_the_votes_aside(arena, meet):
    given = arena.assign()
    vote = arena.store.record_vote(given.id, arena.rater.id, "flaws", "a")
    reports = [report(arena, arena.store.get_or_create_rater(letter * 32)) for letter in "st"]
    meet("is_broken")
    at_once(*reports)
    assert aside(arena) == {vote.id}


def test_a_vote_that_meets_the_second_report_is_set_aside(arena, meet):
    first, second = (report(arena, arena.store.get_or_create_rater(letter * 32)) for letter in "st")
    given = arena.assign()
    first()
    meet("votes_on")
    meet("why_aside")
    at_once(second, lambda: arena.store.record_vote(given.id, arena.rater.id, "flaws", "a"))
    (vote,) = arena.store.votes_frame(arena.study.id)
    assert vote["excluded"] == ballots.BROKEN


def test_a_vote_and_a_report_on_one_assignment_do_not_wait_for_each_other(arena, meet):
    given = arena.assign()
    meet("check_open")
    at_once(
        lambda: arena.store.record_flaw(given.id, arena.rater.id, "left", kind="broken"),
        lambda: arena.store.record_vote(given.id, arena.rater.id, "flaws", "a"),
    )
    assert arena.store.get_assignment(given.id, arena.rater.id).answered == {"flaws": "a"}


def test_a_study_closes_after_the_vote_that_found_it_open(arena, monkeypatch):
    given, last_vote = arena.assign(), ballots.last_vote
    with ThreadPoolExecutor(1) as pool:

        def close_meanwhile(*arguments):
            closing.append(pool.submit(arena.store.set_study_state, arena.study.id, "closed"))
            with pytest.raises(StillRunning):
                closing[0].result(HELD)
            return last_vote(*arguments)

        closing = []
        monkeypatch.setattr(ballots, "last_vote", close_meanwhile)
        arena.store.record_vote(given.id, arena.rater.id, "flaws", "a")
        assert closing[0].result().state == "closed"
    with pytest.raises(WrongState, match="closed"):
        arena.store.record_vote(given.id, arena.rater.id, "alignment", "a")
