"""Fifty raters who answer every two seconds: a vote takes under 100 ms for 95 in 100, by the raters' own clocks.

    taskset -c 0,1 python -m pytest -m slow -s tests/app/arena/test_arena_load.py

prints the times on SQLite and on PostgreSQL; the raters' process shares the two cores with the server.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from arena_world import make_services, make_study

from app.ui import build_ui
from app.web.identity import COOKIE
from app.web.launch import launch_arguments

RATERS, SECONDS = 50, 20


@pytest.mark.slow
def test_votes_are_acknowledged_fast_while_fifty_vote(tmp_path, database_url):
    services = make_services(tmp_path / "data", database_url)
    make_study(services.store, raters_per_pair=100)
    demo = build_ui(services)
    _, address, _ = demo.launch(**{**launch_arguments(services), "prevent_thread_lock": True, "quiet": True})
    cookies = [{COOKIE: services.identity.new_token()} for _ in range(RATERS)]
    raters = [sys.executable, str(Path(__file__).with_name("raters.py")), address, str(SECONDS)]
    found = json.loads(
        subprocess.run(raters, input=json.dumps(cookies), capture_output=True, text=True, check=True).stdout
    )
    demo.close()
    services.close()
    times, problems = found["times"], found["problems"]
    p50, p95 = np.quantile(times, [0.5, 0.95]) * 1000
    kind = database_url.partition(":")[0]
    print(f"{kind}: {len(times)} votes of {RATERS} raters in {SECONDS} s: p50 {p50:.0f} ms, p95 {p95:.0f} ms")
    assert not problems and len(times) > RATERS * SECONDS / 2 * 0.7
    assert p95 < 100
