"""Floods of `/generate` are refused at once, address by address; whoever else asks is answered while they wait."""

import time

import httpx
import pytest
from tiny import write_checkpoint

from app.services import build_services
from app.settings import Settings
from app.ui import build_ui
from app.web.api import CALLS_PER_ADDRESS
from app.web.health import health_report
from app.web.launch import launch_arguments

LEFT_OUT = [*[None] * 10, -1, 1, False, ""]  # the parameters after the prompt
SECONDS = 120
FLOODERS = [f"198.51.100.{number}" for number in range(1, 7)]


@pytest.fixture
def studio(tmp_path):
    """Never draws, so that whoever waits goes on waiting."""
    settings = Settings(
        tmp_path / "data", "test-secret", weights=str(write_checkpoint(tmp_path / "weights")), threads=1
    )
    settings.data_dir.mkdir()
    services = build_services(settings, work=False)
    demo = build_ui(services)
    _, url, _ = demo.launch(**{**launch_arguments(services), "prevent_thread_lock": True, "quiet": True})
    with httpx.Client(base_url=f"{url}gradio_api/call/generate", trust_env=False, timeout=SECONDS) as http:
        yield services, http
    services.close()  # first, so that the calls that wait are cut off with their jobs
    demo.close()


def ask(http, address, prompt):
    """The path of the answer, which is open until the call ends."""
    call = http.post("", json={"data": [prompt, *LEFT_OUT]}, headers={"X-Forwarded-For": address}).raise_for_status()
    return f"/{call.json()['event_id']}"


def answer(http, path):
    deadline, lines = time.monotonic() + SECONDS, []
    with http.stream("GET", path) as stream:
        for line in stream.iter_lines():  # while a call waits there are heartbeats
            assert time.monotonic() < deadline, "not answered"
            lines.append(line)
    return "\n".join(lines)


def queued(services):
    return health_report(services)["jobs"].get("queued", 0)


def test_floods_neither_wait_nor_make_others_wait(studio):
    services, http = studio
    for wanted in range(CALLS_PER_ADDRESS, len(FLOODERS) * CALLS_PER_ADDRESS + 1, CALLS_PER_ADDRESS):
        address, deadline = FLOODERS[wanted // CALLS_PER_ADDRESS - 1], time.monotonic() + SECONDS
        for _ in range(CALLS_PER_ADDRESS):
            ask(http, address, "a red apple")
        while (waiting := queued(services)) < wanted:  # Gradio starts calls in no promised order
            assert time.monotonic() < deadline, f"{waiting} of {wanted} calls wait"
            time.sleep(0.05)
        for _ in range(2):
            assert "are waiting already" in answer(http, ask(http, address, "a red apple"))
    assert queued(services) == wanted
    assert "the prompt is empty" in answer(http, ask(http, "203.0.113.9", " "))
