"""A studio where the GPU is lent to each request: the request draws, the row records, a closed page interrupts."""

import asyncio
import pickle
import threading
import time
from contextlib import aclosing
from dataclasses import replace
from types import SimpleNamespace

import gradio as gr
import pytest
from browser_world import Visitor, chromium, set_long
from compare_world import make_studio
from playwright.sync_api import expect
from sqlalchemy import select

from app.drawing import zerogpu
from app.playground.handlers import Handlers
from app.request import GenerationRequest
from app.services import build_services
from app.ui import build_ui
from app.web.launch import launch_arguments
from storage.errors import QueueFull
from storage.schema import Job

SMALL = GenerationRequest("a red apple", "a red apple", width=256, height=256, shuffle_window=4, seed=7)
LONG = GenerationRequest(
    "a red apple", "a red apple", width=512, height=512, shuffle_window=1, seed=7, allow_untrained=True
)


SLOW_STEP_SECONDS = 0.2  # so LONG takes minutes


class Lender:
    """Stands in for `spaces`: what crosses to the lent process and back goes through pickle, and calls are counted. While
    it is not `fast`, every step takes a while, so that no picture is done before a test has looked at it."""

    def __init__(self):
        self.asked: list[int] = []
        self.refusal: str | None = None
        self.fast = threading.Event()
        self.fast.set()

    def GPU(self, duration):
        def lend(task):
            def call(settings):
                self.asked.append(duration(settings))
                if self.refusal:
                    raise gr.Error(self.refusal)
                for event in task(pickle.loads(pickle.dumps(settings))):
                    yield pickle.loads(pickle.dumps(event))
                    self.fast.wait(SLOW_STEP_SECONDS)

            return call

        return lend


@pytest.fixture(scope="module")
def lender():
    return Lender()


@pytest.fixture(scope="module")
def services(tmp_path_factory, lender):
    kept, zerogpu.spaces = zerogpu.spaces, SimpleNamespace(GPU=lender.GPU)
    running = make_studio(tmp_path_factory.mktemp("lent"), zero_gpu=True)
    yield running
    running.close()
    zerogpu.spaces = kept


@pytest.fixture
def slow(lender):
    """A slow lender, until the event is set."""
    lender.fast.clear()
    yield lender.fast
    lender.fast.set()


async def views_of(services, job, most=10_000):
    """Watch as a page does; leave after `most` views that show a started drawing."""
    seen = []
    async with aclosing(Handlers(services).follow(job.id, job.owner)) as views:
        async for view in views:
            seen.append(view)
            if len(seen) >= most and services.live.get(job.id) is not None:
                break
    return seen


def state_of(services, job, wanted, seconds=120):
    deadline = time.monotonic() + seconds
    while (now := services.store.get_job(job.id, job.owner).state) != wanted:
        assert time.monotonic() < deadline, f"{now}, not {wanted}"
        time.sleep(0.02)
    return now


def test_nothing_is_drawn_without_a_request(services):
    job = services.submit("ann", SMALL)
    assert services.worker is None
    assert services.store.get_job(job.id, "ann").state == "queued"


def test_the_request_draws_and_the_row_records(services, lender):
    job = services.submit("ann", SMALL)
    seen = asyncio.run(views_of(services, job))
    assert (
        services.store.get_job(job.id, "ann").state == "done"
        and services.store.get_job(job.id, "ann").worker_id == services.name.own
    )
    assert "/media/" in seen[-1].stage and services.generations_of_job(job)[0].seed == 7
    assert 10 <= lender.asked[-1] <= 120


def test_a_closed_page_interrupts_and_coming_back_goes_on(services, slow):
    job = services.submit("ann", LONG)
    asyncio.run(views_of(services, job, most=1))
    state_of(services, job, "interrupted")
    assert Handlers(services).view(services.store.get_job(job.id, "ann"), "ann").resumable
    services.resume(job.id, "ann")
    slow.set()
    asyncio.run(views_of(services, job))
    assert state_of(services, job, "done") and services.generations_of_job(job)[0].seed == 7


def test_a_second_page_watches_and_its_leaving_stops_nothing(services, slow):
    job = services.submit("ann", LONG)

    async def both():
        first = asyncio.create_task(views_of(services, job))
        while services.live.get(job.id) is None:
            await asyncio.sleep(0.01)
        await views_of(services, job, most=1)
        slow.set()
        return await first

    asyncio.run(both())
    assert state_of(services, job, "done")


def test_a_refused_gpu_is_told_to_the_visitor(services, lender):
    lender.refusal = "You have used up your GPU time"
    job = services.submit("ann", SMALL)
    seen = asyncio.run(views_of(services, job))
    lender.refusal = None
    assert services.store.get_job(job.id, "ann").state == "failed" and "used up your GPU time" in seen[-1].stage


def test_a_stranger_cannot_draw_it(services):
    job = services.submit("ann", SMALL)
    with pytest.raises(Exception, match="no such job"):
        asyncio.run(_stranger(services, job))
    assert services.store.get_job(job.id, "ann").state == "queued"


async def _stranger(services, job):
    async for _ in Handlers(services).follow(job.id, "bob"):
        pass


def test_what_no_lent_call_can_finish_is_refused_before_it_starts(services, monkeypatch):
    monkeypatch.setattr(zerogpu, "MOST_SECONDS", 1)
    with pytest.raises(ValueError, match="larger shuffle window"):
        services.submit("ann", LONG)


def test_jobs_that_nobody_followed_leave_their_room_to_others(services, monkeypatch):
    monkeypatch.setattr(services, "settings", replace(services.settings, max_queued_per_user=1))
    first = services.submit("eve", SMALL)
    with pytest.raises(QueueFull):
        services.submit("eve", SMALL)
    monkeypatch.setattr("app.services.UNFOLLOWED_SECONDS", 0)
    services.submit("eve", SMALL)
    assert services.store.get_job(first.id, "eve").state == "interrupted"
    monkeypatch.setattr("app.services.UNFOLLOWED_SECONDS", 3600)
    with pytest.raises(QueueFull):  # what is gone on with has its time again
        services.resume(first.id, "eve"), services.submit("eve", SMALL)
    assert services.store.get_job(first.id, "eve").state == "queued"


def test_grids_need_a_worker(services):
    with pytest.raises(ValueError, match="drawn by a worker"):
        services.submit("ann", SMALL, grid=True)


@pytest.mark.parametrize(("seconds", "asked"), [(0.1, 10), (20, 35), (500, 120)])
def test_a_call_asks_for_what_it_needs(seconds, asked):
    assert zerogpu.call_seconds(seconds) == asked


def test_jobs_that_a_restart_cut_off_wait_for_their_owner(tmp_path, services):
    first = make_studio(tmp_path, zero_gpu=True)
    job = first.submit("ann", SMALL)
    first.store.take_job(job.id, first.name.own)
    first.close()
    second = build_services(first.settings)
    assert second.store.get_job(job.id, "ann").state == "interrupted"
    second.close()


def test_in_a_browser_a_closed_page_interrupts_and_the_button_goes_on(services, slow):
    demo = build_ui(services)
    _, url, _ = demo.launch(**{**launch_arguments(services), "prevent_thread_lock": True, "quiet": True})
    try:
        with chromium() as browser:
            visitor = Visitor(browser, url.rstrip("/"))
            page = visitor.open()
            page.locator("#prompt textarea").fill("a duck")
            set_long(page, 1024)
            page.locator("#go").click()
            expect(page.locator("#stage .stage-text")).to_contain_text("Drawing windows")
            page.close()
            job = services.store.jobs_of(newest_owner(services), limit=1)[0]
            state_of(services, job, "interrupted")
            again = visitor.open()
            expect(again.locator("#stage .stage-text")).to_contain_text("Interrupted")
            again.locator("#resume").click()
            expect(again.locator("#stage .stage-text")).to_contain_text("of 4096")
            expect(again.locator("#resume")).to_be_hidden()
            again.locator("#stop").click()
            expect(again.locator("#stage .stage-text")).to_contain_text("Stopped")
            visitor.close()
    finally:
        demo.close()


def newest_owner(services):
    """Whoever drew last: the browser's visitor, whose token is only in its cookie."""
    with services.store.database.read() as session:
        return session.scalar(select(Job.owner).order_by(Job.id.desc()).limit(1))
