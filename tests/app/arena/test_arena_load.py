"""Fifty raters who answer every two seconds: the server's time for a vote stays under 100 ms for 95 in 100.

    taskset -c 0,1 python -m pytest -m slow -s tests/app/arena/test_arena_load.py

prints the times on SQLite and on PostgreSQL; the raters share the two cores with the server.
"""

import threading
import time
from itertools import product

import httpx
import numpy as np
import pytest
from arena_world import make_services, make_study

from app.study.votes import CRITERIA
from app.ui import build_ui
from app.web.identity import COOKIE
from app.web.launch import launch_arguments

RATERS, SECONDS, PAUSE = 50, 20, 2.0


@pytest.mark.slow
def test_votes_are_acknowledged_fast_while_fifty_vote(tmp_path, database_url):
    services = make_services(tmp_path / "data", database_url)
    make_study(services.store, raters_per_pair=100)
    demo = build_ui(services)
    _, address, _ = demo.launch(**{**launch_arguments(services), "prevent_thread_lock": True, "quiet": True})
    times, problems, lock = [], [], threading.Lock()
    start = time.monotonic() + 8
    threads = [
        threading.Thread(target=rate, args=(services, address, i, start, times, problems, lock)) for i in range(RATERS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    demo.close()
    services.close()
    p50, p95 = np.quantile(times, [0.5, 0.95]) * 1000
    print(
        f"{database_url.partition(':')[0]}: {len(times)} votes of {RATERS} raters in {SECONDS} s: p50 {p50:.0f} ms, p95 {p95:.0f} ms, {len(problems)} problems"
    )
    assert not problems and len(times) > RATERS * SECONDS / PAUSE * 0.7
    assert p95 < 100


def rate(services, address, number, start, times, problems, lock):
    """One rater: agree, fetch a pair, answer its questions two seconds apart, fetch the next."""
    with httpx.Client(base_url=address, cookies={COOKIE: services.identity.new_token()}, timeout=30) as client:

        def post(name, **message):
            before = time.perf_counter()
            reply = client.post(f"/arena-api/{name}", json=message)
            if reply.status_code != 200:
                with lock:
                    problems.append((name, reply.text))
            return reply.json(), time.perf_counter() - before

        post("consent")
        for criterion, side in product(CRITERIA, ("left", "right")):  # one of the two is right
            post("practice", criterion=criterion, answer=side)
        pair, _ = post("pair")
        time.sleep(max(start - time.monotonic(), 0) + PAUSE * number / RATERS)
        while time.monotonic() < start + SECONDS and not pair.get("finished"):
            for question in pair.get("questions", ()):
                message = {"assignment": pair["assignment"], "criterion": question["criterion"], "answer": "left"}
                _, seconds = post("vote", **message)
                with lock:
                    times.append(seconds)
                time.sleep(max(PAUSE - seconds, 0))
            pair, _ = post("pair")
