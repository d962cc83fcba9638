"""Careless raters are set aside without a word, honest ones never; the sweep can be taken back."""

import time
from types import SimpleNamespace

import numpy as np
import pytest
from arena_world import finish_practice, make_study
from rows import set_plan, show_at, show_long_ago
from starlette.applications import Starlette
from starlette.testclient import TestClient

from app.arena import arena
from app.arena.routes import routes
from app.studies import cache as study_cache
from app.studies import sweep as sweeping
from app.studies.sweep import sweep
from app.study.risk import RULE, risk_scores
from app.web.identity import COOKIE
from storage import ballots
from storage.records import NewComparison


@pytest.fixture
def study(services):
    """Many checks, so that few pairs tell who looks."""
    made = make_study(services.store)
    pictures = [g.id for g in services.store.study_generations(made.id)]
    pairs = zip(pictures, pictures[1:] + pictures[:1])
    services.store.add_comparisons(made.id, [NewComparison(a, b, kind="degraded", expected="a") for a, b in pairs])
    return made


def sit(services, study, owner, choose, milliseconds, pairs=14):
    services.store.record_consent(arena.rater_of(services, owner).id)
    rater = arena.rater_of(services, owner).id
    todo = [c for c in [each.comparison for each in services.store.coverage(study.id)] if c.kind == "degraded"][:6]
    todo += [c for c in [each.comparison for each in services.store.coverage(study.id)] if c.kind == "matched"]
    for number, comparison in enumerate(todo[:pairs]):
        given = services.store.open_assignment(
            rater,
            study.id,
            comparison.id,
            left_side="ab"[number % 2],
            criteria=study.criteria,
            propensity=0.5,
            expires_at=services.store.get_study(study.id).created_at.replace(year=2100),
        )
        show_long_ago(services.store, given.id)
        for criterion in given.criteria:
            message = {
                "assignment": given.id,
                "criterion": criterion,
                "answer": choose(given),
                "decision_ms": milliseconds,
            }
            arena.vote(services, owner, message)


def looks():
    """Knows the checks, and varies on the others, in the same way at every run."""
    random, answers = np.random.default_rng(0), {}

    def choose(given):
        if given.comparison.expected:
            return "left" if given.left_side == given.comparison.expected else "right"
        return answers.setdefault(given.id, str(random.choice(["left", "right", "both_good"])))

    return choose


def test_careless_votes_are_set_aside_and_honest_ones_stay(services, study):
    sit(services, study, "honest", looks(), 2500)
    sit(services, study, "hasty", lambda _: "left", 200)
    done = sweep(services, study)
    assert (done.raters, done.risky, done.excluded) == (2, 1, 42)
    hasty, honest = (arena.rater_of(services, name).id for name in ("hasty", "honest"))
    scores = risk_scores(study_cache.material(services, study.id).votes).set_index("rater")
    assert scores.at[hasty, "risk"] >= 60 and scores.at[honest, "risk"] == 0
    assert any("checks failed" in reason for reason in scores.at[hasty, "reasons"])
    assert all("checks failed" in row["reason"] for row in services.store.exclusions(study.id))
    rows = services.store.votes_frame(study.id)
    assert {row["rater"] for row in rows if row["excluded"] == RULE} == {hasty} and len(rows) == 84
    assert sweep(services, study).excluded == 0  # nothing twice


def test_the_end_of_a_sitting_sweeps_by_itself(services, study):
    set_plan(services.store, study.id, {"session_pairs": 14})
    token = services.identity.new_token()
    hasty = services.identity.owner_of_token(token)
    sit(services, study, hasty, lambda _: "left", 200)
    finish_practice(services, study, hasty)
    reply = TestClient(Starlette(routes=routes(services)), cookies={COOKIE: token}).post("/arena-api/pair", json={})
    assert reply.status_code == 200 and "assignment" in reply.json()
    wait_until(lambda: any(row["excluded"] for row in services.store.votes_frame(study.id)))
    assert {row["excluded"] for row in services.store.votes_frame(study.id)} == {RULE}


def wait_until(holds, seconds=120):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


class Clock:
    """Stands in for the sweeper's `time` and for `threading.Timer`: timers go off when the test moves the time on."""

    def __init__(self):
        self.now, self.timers = 100.0, []

    def monotonic(self):
        return self.now

    def Timer(self, seconds, work, arguments):
        return SimpleNamespace(start=lambda: self.timers.append((self.now + seconds, work, arguments)))

    def move(self, seconds):
        self.now += seconds
        due = [timer for timer in self.timers if timer[0] <= self.now]
        self.timers = [timer for timer in self.timers if timer not in due]
        for _, work, arguments in due:
            work(*arguments)


def test_the_background_sweeps_once_at_once_and_once_more_after_a_while_however_many_ask(services, study, monkeypatch):
    done, sweeper, clock = [], sweeping.Sweeper(services), Clock()
    monkeypatch.setattr(sweeping, "sweep", lambda _, swept: done.append(swept.id) or sweeping.Swept(0, 0, 0, 0))
    monkeypatch.setattr(sweeping, "time", clock)
    monkeypatch.setattr(sweeping, "threading", clock)
    sweeper.ask(study)
    clock.move(0)
    assert done == [study.id]
    for _ in range(20):
        sweeper.ask(study)
    clock.move(sweeping.SECONDS_BETWEEN - 0.5)
    assert done == [study.id]
    clock.move(1)
    assert done == [study.id] * 2
    clock.move(2 * sweeping.SECONDS_BETWEEN)
    assert done == [study.id] * 2


def test_a_second_sweep_writes_nothing(services, study, monkeypatch):
    sit(services, study, "hasty", lambda _: "left", 200)
    sweep(services, study)
    monkeypatch.setattr(services.store, "exclude_many", lambda *_: pytest.fail("these were set aside"))
    monkeypatch.setattr(services.store, "lift_many", lambda *_: pytest.fail("none counts again"))
    sweep(services, study)


def test_the_browsers_clock_cannot_make_a_machine_look_slow(services, study, monkeypatch):
    now = ballots.utc_now()
    monkeypatch.setattr(ballots, "utc_now", lambda: now)
    monkeypatch.setitem(globals(), "show_long_ago", lambda *given: show_at(*given, now))  # answered at once
    sit(services, study, "machine", looks(), 9000)
    row = risk_scores(study_cache.material(services, study.id).votes).iloc[0]
    assert any("answered in under" in reason for reason in row["reasons"])


def test_the_rater_notices_nothing(services, study):
    sit(services, study, "hasty", lambda _: "left", 200)
    sweep(services, study)
    assert arena.next_pair(services, study, "hasty") is not None


def test_every_careless_habit_adds_up_and_a_limit_has_its_range(services, study):
    sit(services, study, "hasty", lambda _: "left", 200, pairs=20)
    row = risk_scores(study_cache.material(services, study.id).votes).iloc[0]
    assert row["risk"] == 100 and len(row["reasons"]) == 4
    with pytest.raises(ValueError, match="0 to 100"):
        sweep(services, study, limit=0)


def test_nobody_is_judged_on_two_pairs(services, study):
    sit(services, study, "new", lambda _: "left", 100, pairs=2)
    assert sweep(services, study).risky == 0


def test_votes_count_again_when_the_rater_turns_out_to_look(services, study):
    sit(services, study, "slow start", looks(), 2500)
    votes = [row["vote"] for row in services.store.votes_frame(study.id)]
    services.store.exclude_many(votes, RULE, "an earlier sweep")
    done = sweep(services, study)
    assert done.lifted == len(votes) and done.excluded == 0
    assert all(row["excluded"] is None for row in services.store.votes_frame(study.id))
