"""kill -9 while a picture is drawn, several times over: nothing that was acknowledged is missing after a restart."""

import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tiny import write_checkpoint

from app.services import build_services
from app.settings import Settings
from app.visit import AT_REST

KILLS = 2
ROOT = Path(__file__).parents[3]


def run_and_kill(data_dir: Path, weights: Path, jobs: int, delay: float) -> list[tuple[str, str]]:
    """Let `jobs` jobs be accepted, wait until the last is being drawn and `delay` seconds more, kill; what was acknowledged."""
    command = [sys.executable, str(Path(__file__).parent / "studio_process.py"), str(data_dir), str(weights)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    said = []
    for line in process.stdout:
        said.append(tuple(line.split()))
        if sum(kind == "job" for kind, _ in said) == jobs:
            break
    deadline = time.monotonic() + 120
    while state_on_disk(data_dir, said[-1][1]) != "running":
        assert process.poll() is None, f"the studio ended by itself after {said}"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    rest, _ = process.communicate(timeout=30)
    return said + [tuple(line.split()) for line in rest.splitlines() if len(line.split()) == 2]


def state_on_disk(data_dir: Path, job: str) -> str:
    with contextlib.closing(sqlite3.connect(data_dir / "studio.sqlite3")) as database:
        return database.execute("SELECT state FROM job WHERE id = ?", (job,)).fetchone()[0]


@pytest.mark.timeout(900)
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no kill -9")
def test_nothing_acknowledged_is_lost(tmp_path):
    weights = write_checkpoint(tmp_path / "weights")
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    said = []
    for _ in range(KILLS):
        said += run_and_kill(data_dir, weights, jobs=2, delay=random.uniform(0, 0.2))
        last = [name for kind, name in said if kind == "job"][-1]
        assert state_on_disk(data_dir, last) == "running", "it was killed too late to prove anything"
    services = build_services(Settings(data_dir, "test-secret", weights=str(weights), threads=1))
    try:
        jobs = {name for kind, name in said if kind == "job"}
        assert len(jobs) == 2 * KILLS
        deadline = time.monotonic() + 240
        while any(services.store.get_job(job, "ann").state not in AT_REST for job in jobs):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        states = {job: services.store.get_job(job, "ann").state for job in jobs}
        assert set(states.values()) <= {"done", "interrupted"}  # interrupted: killed twice while on it
        for job in (job for job, state in states.items() if state == "done"):
            made = services.generations_of_job(services.store.get_job(job, "ann"))
            assert len(made) == 1  # drawn again, not stored twice
            assert services.store.images.read(made[0].image).startswith(b"\x89PNG")
        kept = services.store.generations_by_id([name for kind, name in said if kind == "picture"])
        assert set(kept) == {name for kind, name in said if kind == "picture"}
        assert services.store.check_images(rehash=True).missing == []
    finally:
        services.close()
    with contextlib.closing(sqlite3.connect(data_dir / "studio.sqlite3")) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
