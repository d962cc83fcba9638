"""kill -9 in the middle of writing: what was acknowledged is there afterwards, and the database is sound."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from storage_world import OWNER

from storage.store import open_store

ROOT = Path(__file__).parents[2]
WRITER = Path(__file__).with_name("crash_writer.py")


def killed_after(data_dir: Path, database_url: str | None, lines: int, *, journal_dir: Path | None = None) -> list[str]:
    """Start the writer, kill it once it acknowledged so many rows; returns everything it acknowledged."""
    process = subprocess.Popen(
        [sys.executable, str(WRITER), str(data_dir), database_url or "", *([str(journal_dir)] if journal_dir else [])],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{WRITER.parent}"},
    )
    assert process.stdout is not None
    seen = [process.stdout.readline().strip() for _ in range(lines)]
    time.sleep(0.013 * (lines % 5))  # not always at the same place
    process.send_signal(signal.SIGKILL)
    process.wait()
    return [line for line in seen + process.stdout.read().split("\n")[:-1] if line]


@pytest.mark.parametrize("lines", [1, 7, 23])
def test_acknowledged_rows_survive_kill_9(tmp_path, database_url, lines):
    acknowledged = killed_after(tmp_path, database_url, lines)
    assert len(acknowledged) >= lines
    store = open_store(tmp_path, database_url)
    pictures = [line.split()[1] for line in acknowledged if line.startswith("picture")]
    votes = {line.split()[1] for line in acknowledged if line.startswith("vote")}
    found = store.generations_by_id(pictures)
    assert sorted(found) == sorted(pictures)
    assert all(store.images.exists(one.image) for one in found.values())
    assert votes <= {row["vote"] for row in store.votes_frame()} and (votes or lines == 1)
    assert store.check_images(rehash=True).missing == [] == store.check_images(rehash=True).damaged
    assert [job.state for job in store.recover_jobs(silent_seconds=0)] == ["queued"]
    assert store.submit_job(OWNER, {}).state == "queued"
    if store.database.path is not None:
        with sqlite3.connect(store.database.path) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    store.close()
