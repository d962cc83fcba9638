from concurrent.futures import ThreadPoolExecutor

import pytest
from storage_world import OWNER, STRANGER

from storage.errors import NotFound, QueueFull, WrongState


def test_a_job_runs_to_its_end(store):
    job = store.submit_job(OWNER, {"prompt": "a cat"})
    assert (job.state, job.request, job.attempts) == ("queued", {"prompt": "a cat"}, 0)
    claimed = store.claim_job("worker")
    assert (claimed.id, claimed.state, claimed.attempts, claimed.worker_id) == (job.id, "running", 1, "worker")
    store.update_progress(job.id, 3, 64, {"phase": "tokens"})
    seen = store.get_job(job.id, OWNER)
    assert (seen.step, seen.total, seen.progress) == (3, 64, {"phase": "tokens"})
    store.update_progress(job.id, 4, 64)
    assert store.get_job(job.id, OWNER).progress == {"phase": "tokens"}
    assert store.finish_job(job.id).finished_at is not None
    assert store.claim_job("worker") is None


def test_progress_outside_its_range_is_refused(store):
    job = store.submit_job(OWNER, {})
    with pytest.raises(ValueError, match="step 65 of 64"):
        store.update_progress(job.id, 65, 64)


def test_same_request_key_gives_the_same_job(store):
    first = store.submit_job(OWNER, {"n": 1}, request_key="k")
    assert store.submit_job(OWNER, {"n": 2}, request_key="k").id == first.id
    assert store.submit_job(STRANGER, {"n": 1}, request_key="k").id != first.id
    assert store.submit_job(OWNER, {}).id != store.submit_job(OWNER, {}).id


def test_parallel_submits_with_one_key_make_one_job(store):
    with ThreadPoolExecutor(16) as pool:
        jobs = list(pool.map(lambda _: store.submit_job(OWNER, {}, request_key="k"), range(16)))
    assert len({job.id for job in jobs}) == 1
    assert len(store.jobs_of(OWNER)) == 1


def test_parallel_claims_never_share_a_job(store):
    wanted = {store.submit_job(OWNER, {"n": n}).id for n in range(12)}
    with ThreadPoolExecutor(16) as pool:
        claimed = [job.id for job in pool.map(lambda n: store.claim_job(f"w{n}"), range(16)) if job]
    assert len(claimed) == 12 and set(claimed) == wanted


def test_priority_goes_before_age_and_the_position_says_so(store):
    grid = store.submit_job(OWNER, {})
    person = store.submit_job(STRANGER, {}, priority=10)
    assert [store.queue_position(job.id) for job in (grid, person)] == [1, 0]
    assert store.claim_job("w").id == person.id
    assert [store.queue_position(job.id) for job in (grid, person)] == [1, 0]
    store.finish_job(person.id)
    assert [store.queue_position(job.id) for job in (grid, person)] == [0, None]


def test_limits_count_waiting_and_running_jobs(store):
    store.submit_job(OWNER, {}, max_queued=2, max_queued_per_owner=1)
    with pytest.raises(QueueFull, match="1 of your jobs"):
        store.submit_job(OWNER, {}, max_queued=2, max_queued_per_owner=1)
    store.submit_job(STRANGER, {}, max_queued=2, max_queued_per_owner=1)
    store.claim_job("w")
    with pytest.raises(QueueFull, match="allowed: 2"):
        store.submit_job("t" * 32, {}, max_queued=2)


def test_a_known_request_key_is_answered_even_when_the_queue_is_full(store):
    first = store.submit_job(OWNER, {}, request_key="k", max_queued=1)
    assert store.submit_job(OWNER, {}, request_key="k", max_queued=1).id == first.id


def test_parallel_submits_keep_the_limit(store):
    def submit(_):
        try:
            return store.submit_job(OWNER, {}, max_queued_per_owner=3)
        except QueueFull:
            return None

    with ThreadPoolExecutor(12) as pool:
        assert sum(job is not None for job in pool.map(submit, range(12))) == 3


def test_foreign_and_unknown_jobs_look_the_same(store):
    job = store.submit_job(OWNER, {})
    texts = []
    for job_id in (job.id, "no-such-id"):
        for ask in (store.get_job, store.request_cancel, store.resume_job):
            with pytest.raises(NotFound) as refused:
                ask(job_id, STRANGER)
            texts.append(str(refused.value))
    assert len(set(texts)) == 1
    assert not store.cancel_requested(job.id)


def test_cancel_stops_a_queued_job_at_once_and_asks_a_running_one(store):
    queued, running = (store.submit_job(OWNER, {}, priority=priority) for priority in (0, 1))
    store.claim_job("w")
    assert store.request_cancel(queued.id, OWNER).state == "cancelled"
    assert store.request_cancel(running.id, OWNER).state == "running"
    assert store.cancel_requested(running.id)
    assert store.cancel_job(running.id).state == "cancelled"
    assert store.request_cancel(running.id, OWNER).state == "cancelled"


def test_an_ended_job_stays_ended(store):
    job = store.submit_job(OWNER, {})
    store.claim_job("w")
    store.fail_job(job.id, "out of memory")
    assert store.get_job(job.id, OWNER).error == "out of memory"
    with pytest.raises(WrongState, match="failed and cannot become done"):
        store.finish_job(job.id)
    store.update_progress(job.id, 1, 2)
    assert store.get_job(job.id, OWNER).step == 0


def test_recovery_queues_again_then_gives_up_and_the_owner_may_resume(store):
    job = store.submit_job(OWNER, {})
    store.claim_job("w")
    assert store.recover_jobs(silent_seconds=3600) == [] == store.recover_jobs(silent_seconds=3600, gone="v")
    assert store.recover_jobs(silent_seconds=0, alive="w") == []
    assert [found.state for found in store.recover_jobs(silent_seconds=3600, gone="w")] == ["queued"]
    store.claim_job("w")
    assert [found.state for found in store.recover_jobs(silent_seconds=0, alive="v", max_attempts=2)] == ["interrupted"]
    assert "2 times" in store.get_job(job.id, OWNER).error
    assert store.resume_job(job.id, OWNER).state == "queued"
    assert store.claim_job("w").id == job.id


def test_recovery_keeps_a_wish_to_cancel(store):
    job = store.submit_job(OWNER, {})
    store.claim_job("w")
    store.request_cancel(job.id, OWNER)
    assert [found.state for found in store.recover_jobs(silent_seconds=0)] == ["cancelled"]


def test_jobs_of_an_owner_newest_first(store):
    ids = [store.submit_job(OWNER, {}).id for _ in range(3)]
    store.submit_job(STRANGER, {})
    store.claim_job("w")
    assert [job.id for job in store.jobs_of(OWNER)] == ids[::-1]
    assert [job.id for job in store.jobs_of(OWNER, limit=1)] == ids[2:]


def test_who_waits_too_long_for_a_request_to_draw_it_is_interrupted(store):
    job = store.submit_job(OWNER, {})
    assert store.interrupt_waiting(3600) == 0 and store.interrupt_waiting(0) == 1
    assert store.resume_job(job.id, OWNER).state == "queued" and store.interrupt_waiting(3600) == 0


def test_a_job_can_be_taken_by_the_request_that_draws_it_and_by_nobody_else(store):
    job = store.submit_job(OWNER, {}, request_key="k")
    first = store.submit_job(OWNER, {}, priority=9)
    taken = store.take_job(job.id, "request")
    assert (taken.id, taken.state, taken.attempts, taken.worker_id) == (job.id, "running", 1, "request")
    assert store.take_job(job.id, "request") is None and store.claim_job("worker").id == first.id
    assert store.interrupt_job(job.id).state == "interrupted"
    assert store.take_job(job.id, "request") is None  # only after it was resumed
    store.resume_job(job.id, OWNER)
    assert store.take_job(job.id, "request").attempts == 2


def test_a_long_grid_leaves_the_room_of_those_who_wait(store):
    for number in range(5):
        store.submit_job(OWNER, {"n": number}, priority=0)
    store.submit_job(OWNER, {}, priority=10, max_queued=1, max_queued_per_owner=1)
    with pytest.raises(QueueFull):
        store.submit_job(OWNER, {}, priority=10, max_queued_per_owner=1)


def test_held_jobs_wait_until_resumed_and_the_running_one_goes_on(store):
    study = store.create_study("grid", prompts=["x"], settings=[], criteria=["flaws"], raters_per_pair=1)
    jobs = [store.submit_job(OWNER, {"n": n}, study_id=study.id) for n in range(3)]
    other = store.submit_job(OWNER, {})
    assert store.claim_job("worker").id == jobs[0].id
    assert store.hold_jobs(study.id, STRANGER) == 0
    assert store.hold_jobs(study.id, OWNER) == 2
    assert [job.state for job in store.jobs_of_study(study.id)] == ["running", "interrupted", "interrupted"]
    assert store.claim_job("worker").id == other.id and store.claim_job("worker") is None
    assert store.resume_job(jobs[1].id, OWNER).state == "queued"
