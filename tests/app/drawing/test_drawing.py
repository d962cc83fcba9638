"""A drawing on a clock that the test moves: stopping is quick, previews are few and cheap, leaving interrupts."""

from types import SimpleNamespace

import pytest
from PIL import Image

from app.drawing import drawing as module
from app.drawing.drawing import Drawing
from app.drawing.live import LiveJobs
from app.request import GenerationRequest

STEP_SECONDS = 0.01
REQUEST = GenerationRequest("a red apple", "a red apple", 256, 256, 1, seed=1).as_dict()


class Clock:
    """Stands in for the module's `time`; moved by the generator's steps and by what a preview costs."""

    def __init__(self):
        self.now = 100.0

    def monotonic(self):
        return self.now

    perf_counter = monotonic


class Slow:
    """A generator of many steps, then `decoding` moments at the last. preview_seconds: what one preview costs; at: called
    with the number of each step and moment.
    """

    def __init__(self, clock, steps, preview_seconds=0.0, at=lambda step: None, decoding=0):
        self.clock, self.steps, self.preview_seconds, self.at, self.decoding = (
            clock,
            steps,
            preview_seconds,
            at,
            decoding,
        )
        self.previews: list[float] = []
        self.freed = False

    def stream(self, **settings):
        try:
            for moment in range(1, self.steps + self.decoding + 1):
                self.clock.now += STEP_SECONDS
                self.at(moment)
                yield SimpleNamespace(
                    step=min(moment, self.steps),
                    total_steps=self.steps,
                    tokens=SimpleNamespace(numel=lambda: 256),
                    preview=self.preview,
                    result=None,
                )
        finally:
            self.freed = True

    def preview(self):
        self.previews.append(self.clock.now)
        self.clock.now += self.preview_seconds
        return [Image.new("RGB", (16, 16))]


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(module, "time", made)
    return made


def started(store, generator, board=None):
    job = store.submit_job("ann", REQUEST)
    closing = SimpleNamespace(is_set=lambda: False, wait=lambda seconds: False)
    return Drawing(store, lambda checkpoint: generator, board or LiveJobs(), {}, closing).steps(
        store.take_job(job.id, "test")
    ), job


@pytest.mark.parametrize(("steps", "decoding"), [(10_000, 0), (100, 10_000)])
def test_stopping_takes_less_than_half_a_second(store, clock, steps, decoding):
    asked = []

    def at(moment):
        if moment == 200:
            asked.append(clock.now)
            store.request_cancel(job.id, "ann")

    generator = Slow(clock, steps, at=at, decoding=decoding)
    steps, job = started(store, generator)
    for _ in steps:
        pass
    assert store.get_job(job.id, "ann").state == "cancelled" and generator.freed
    assert clock.now - asked[0] < 0.5


@pytest.mark.parametrize("cost", [0.0, 0.02, 0.3])
def test_previews_are_at_most_eight_a_second_and_a_twentieth_of_the_time(store, clock, cost):
    generator = Slow(clock, 1500, preview_seconds=cost)
    steps, _ = started(store, generator)
    began = clock.now
    for _ in steps:
        pass
    gaps = [later - earlier for earlier, later in zip(generator.previews, generator.previews[1:])]
    assert len(gaps) >= 2 and min(gaps) >= 1 / 8
    assert (len(generator.previews) - 1) * cost <= 0.05 * (clock.now - began)  # the last may be just affordable


def test_the_codes_become_a_picture_after_the_last_step(store, clock):
    board, phases = LiveJobs(), []
    steps, job = started(store, Slow(clock, 50, decoding=50), board)
    for _ in steps:
        phases.append((board.get(job.id).phase, board.get(job.id).step))
    assert phases[48] == ("drawing windows", 49) and set(phases[49:]) == {("decoding the picture", 50)}


def test_who_leaves_interrupts_and_frees(store, clock):
    generator = Slow(clock, 1000)
    steps, job = started(store, generator)
    for _ in range(5):
        next(steps)
    steps.close()
    assert store.get_job(job.id, "ann").state == "interrupted" and generator.freed


@pytest.mark.parametrize("kind", [OSError, ValueError])
def test_an_unexpected_failure_tells_the_owner_nothing_of_the_inside(store, clock, caplog, kind):
    def at(step):
        raise kind("/secret/path")

    steps, job = started(store, Slow(clock, 10, at=at))
    assert list(steps) == []
    ended = store.get_job(job.id, "ann")
    assert ended.state == "failed" and "secret" not in ended.error and "secret" in caplog.text


def test_what_cannot_be_drawn_is_told_to_the_owner(store, clock):
    def stream(**settings):
        raise ValueError("shuffle_window is 9")

    steps, job = started(store, SimpleNamespace(stream=stream))
    assert list(steps) == [] and store.get_job(job.id, "ann").error == "shuffle_window is 9"


@pytest.mark.parametrize(("device", "peak", "stored"), [("cuda", 7, 7), ("mps", None, None), ("cpu", None, "process")])
def test_peak_memory_is_that_of_the_device_that_drew(store, clock, monkeypatch, device, peak, stored):
    monkeypatch.setattr(module, "PeakMemory", lambda: SimpleNamespace(peak_bytes=lambda: "process"))
    recorded = []
    monkeypatch.setattr(Drawing, "_record", lambda *arguments: recorded.append(arguments[-1]))
    result = SimpleNamespace(device=device, peak_memory_bytes=peak)

    def stream(**settings):
        yield SimpleNamespace(result=result)

    steps, _ = started(store, SimpleNamespace(stream=stream))
    assert len(list(steps)) == 1 and recorded == [stored]
