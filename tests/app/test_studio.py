"""The studio on a tiny random checkpoint: jobs, ownership, links, limits, and the public API."""

import re
import time
import urllib.error
import urllib.request
from dataclasses import replace

import pytest
import torch
from compare_world import finished
from gradio_client import Client
from rows import row_counts
from tiny import write_checkpoint

from app.drawing.record import request_of
from app.drawing.worker_name import WorkerName
from app.playground.handlers import Handlers
from app.quota import TooMany
from app.request import GenerationRequest
from app.services import VISITORS_PER_ADDRESS, build_services
from app.settings import Settings
from app.ui import build_ui
from app.web.health import health_report
from app.web.launch import launch_arguments
from model.packing import usable_engines
from storage.errors import NotFound, QueueFull

SMALL = {"width": 256, "height": 256, "shuffle_window": 4}
LONG = {"width": 2048, "height": 2048, "shuffle_window": 1, "allow_untrained": True}  # not done before it is stopped


@pytest.fixture(scope="module")
def services(tmp_path_factory):
    folder = tmp_path_factory.mktemp("studio")
    weights = write_checkpoint(folder / "weights", temperature=0.5)
    settings = Settings(folder / "data", "test-secret", weights=str(weights), threads=1, max_prompt_chars=100)
    settings.data_dir.mkdir()
    running = build_services(settings)
    yield running
    running.close()


@pytest.fixture(scope="module")
def url(services):
    demo = build_ui(services)
    _, address, _ = demo.launch(**{**launch_arguments(services), "prevent_thread_lock": True, "quiet": True})
    yield address.rstrip("/")
    demo.close()


def draw(services, owner, **changes):
    job = services.submit(owner, GenerationRequest("a red apple", "a red apple", **{**SMALL, "seed": 7, **changes}))
    assert finished(services, job, owner).state == "done"
    return services.generations_of_job(job)


def test_a_prompt_becomes_stored_pictures(services):
    made = draw(services, "ann", num_images=2)
    assert [each.image_index for each in made] == [0, 1]
    assert (made[0].width, made[0].window, made[0].seed) == (256, 4, 7)
    assert made[0].token_hash != made[1].token_hash
    assert services.store.images.read(made[0].image).startswith(b"\x89PNG")


def test_replay_gives_identical_tokens(services):
    made = draw(services, "ann")[0]
    job = finished(services, services.replay(made.id, "ann"), "ann")
    assert job.progress["verdict"] == {"identical": True, "reasons": []}
    assert request_of(made).seed == 7


def test_others_neither_see_nor_stop_a_job(services):
    job = services.submit("ann", GenerationRequest("x", "x", **LONG))
    for act in (lambda: services.store.get_job(job.id, "bob"), lambda: services.stop(job.id, "bob")):
        with pytest.raises(NotFound):
            act()
    services.stop(job.id, "ann")
    assert finished(services, job, "ann").state == "cancelled"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"prompt": " "}, "empty"),
        ({"prompt": "x" * 101}, "at most 100"),
        ({"width": 250}, "multiple of 64"),
        ({"shuffle_window": 3}, "shuffle_window is 3"),
        ({"num_images": 5}, "between 1 and 4"),
        ({"guidance_scale": float("nan")}, "guidance_scale"),
        ({"width": 4096, "height": 4096}, "pixels"),
        ({"seed": -2}, "seed"),
        ({"seed": "abc"}, "seed is 'abc'; it must be a whole number"),
        ({"prompt": ["x"]}, "must be a text"),
        ({"shuffle_window": 1}, "window 1 was not trained; trained windows: 2, 4"),
        ({"width": 1024, "height": 1024}, "trained: squares of 256–512 px; to draw it all the same, allow untrained"),
        ({"height": 512}, "256 × 512 was not trained with window 4"),
        ({"allow_untrained": "yes"}, "must be true or false"),
    ],
)
def test_bad_requests_are_refused_before_any_work(services, changes, text):
    before = row_counts(services.store)["job"]
    with pytest.raises(ValueError, match=re.escape(text)):
        services.submit("ann", GenerationRequest(**{"prompt": "x", "typed": "x", **SMALL, **changes}))
    assert row_counts(services.store)["job"] == before


def test_quotas_are_the_servers(services, monkeypatch):
    request = GenerationRequest("x", "x", **SMALL)
    monkeypatch.setattr(services, "settings", replace(services.settings, max_starts_per_hour=2, max_queued_per_user=1))
    job = services.submit("cy", request, address="203.0.113.7")
    assert finished(services, job, "cy").state == "done"
    running = services.submit("cy", replace(request, **LONG), address="203.0.113.7")
    with pytest.raises(TooMany, match="2 pictures an hour"):  # whatever name the same address takes
        services.submit("dee", request, address="203.0.113.7")
    with pytest.raises(QueueFull, match="allowed: 1"):
        services.submit("cy", request)
    services.stop(running.id, "cy")
    finished(services, running, "cy")


def test_one_address_fills_a_part_of_the_queue_whatever_names_it_takes(services, monkeypatch):
    monkeypatch.setattr(services, "settings", replace(services.settings, max_queued_per_user=1))
    long = GenerationRequest("x", "x", width=1024, height=1024, shuffle_window=1, allow_untrained=True)
    waiting = [services.submit(f"gil{i}", long, address="203.0.113.8") for i in range(VISITORS_PER_ADDRESS)]
    with pytest.raises(TooMany, match=f"allowed: {VISITORS_PER_ADDRESS}"):
        services.submit("gil", long, address="203.0.113.8")
    waiting += [services.submit(who, long, address=where) for who, where in (("hf:gil", "203.0.113.8"), ("ivy", "::1"))]
    for job in waiting:
        services.stop(job.id, job.owner)
        finished(services, job, job.owner)


def test_a_second_studio_on_the_same_folder_leaves_a_running_job_to_the_first(services):
    job = services.submit("hal", GenerationRequest("x", "x", **LONG))
    while services.store.get_job(job.id, "hal").state == "queued":
        time.sleep(0.01)
    second = WorkerName(services.settings.data_dir)
    assert second.earlier is None
    second.close()
    other = build_services(services.settings)
    assert services.store.get_job(job.id, "hal").worker_id == services.name.own
    other.close()
    services.stop(job.id, "hal")
    assert finished(services, job, "hal").state == "cancelled"


def test_refused_starts_cost_no_quota_and_every_picture_counts(services, monkeypatch):
    monkeypatch.setattr(services, "settings", replace(services.settings, max_starts_per_hour=3, max_queued_per_user=1))
    long = GenerationRequest("x", "x", **LONG)
    waiting = services.submit("eve", long, address="203.0.113.9")
    for _ in range(5):
        with pytest.raises(QueueFull):
            services.submit("eve", long, address="203.0.113.9")
    with pytest.raises(TooMany):
        services.submit("fay", replace(long, num_images=3), address="203.0.113.9")
    two = services.submit("fay", replace(long, num_images=2), address="203.0.113.9")
    for job in (waiting, two):
        services.stop(job.id, job.owner)
        finished(services, job, job.owner)


@pytest.mark.parametrize("forged", [7, ["x"], {"a": 1}, "", "x" * 1000, None])
def test_what_is_no_token_names_nobody(services, forged):
    assert services.identity.owner_of_token(forged) is None


def test_the_api_draws_and_its_links_are_signed(services, url):
    client = Client(url, verbose=False)
    assert list(client.view_api(return_format="dict")["named_endpoints"]) == ["/generate"]
    answer = client.predict("<b>apple</b>", width=256, height=256, shuffle_window=4, api_name="/generate")
    link = url + answer["pictures"][0]["url"]
    assert urllib.request.urlopen(link).read().startswith(b"\x89PNG")
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(link[:-3])


def test_the_api_leaves_to_the_checkpoint_what_is_left_out(services, url):
    answer = Client(url, verbose=False).predict("a red apple", seed=3, api_name="/generate")
    used = answer["pictures"][0]["settings"]
    start = Handlers(services).default_controls()
    assert (used["width"], used["height"]) == start.size() and used["window"] == start.window
    assert (used["schedule"]["kind"], used["scale"], used["temperature"]) == (
        start.schedule,
        start.scale,
        start.temperature,
    )
    assert start.scale == 3 and start.temperature == 0.5  # the tiny checkpoint's own
    shaped = {"guidance_schedule": "custom", "guidance_points": "0:1, 1:2", "top_k": 5, "top_p": 0.9}
    answer = Client(url, verbose=False).predict(
        "a red apple", width=256, height=256, shuffle_window=4, **shaped, api_name="/generate"
    )
    used = answer["pictures"][0]["settings"]
    assert (used["schedule"]["points"], used["top_k"], used["top_p"]) == ([[0, 1], [1, 2]], 5, 0.9)


def test_a_missing_file_is_said(services, url):
    made = draw(services, "gil", seed=11)[0]
    services.store.images.remove(made.image)
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(url + services.picture_url(made))


def test_a_studio_draws_with_the_fastest_engine_that_is_here(services, tmp_path, monkeypatch):
    native = "native" in usable_engines(torch.device("cpu"))
    assert services.pipeline.decoder.engine == ("native" if native else "int8")
    monkeypatch.setattr("model.native.compiler", lambda: None)
    weights = services.settings.weights
    for wanted, engine in ((None, "int8"), ("fp32", "fp32")):
        there = build_services(Settings(tmp_path / engine, "s", weights=weights, threads=1, engine=wanted), work=False)
        assert there.pipeline.decoder.engine == engine
        there.close()
    with pytest.raises(ValueError, match="engine is 'fast'; it must be one of fp32"):
        build_services(Settings(tmp_path, "s", weights=weights, engine="fast"), work=False)


def test_a_device_that_cannot_be_used_is_shown(services, tmp_path, monkeypatch):
    def broken(_):
        raise ValueError("device is None; it must be one that PyTorch can use here")

    monkeypatch.setattr("app.services.usable_device", broken)
    there = build_services(Settings(tmp_path, "s", weights=services.settings.weights), work=False)
    assert health_report(there)["status"] == "degraded" and there.pipeline is None
    there.close()


def test_visitors_are_not_told_where_the_weights_should_be(tmp_path):
    there = build_services(Settings(tmp_path, "s", weights=str(tmp_path / "secret-folder")), work=False)
    report = health_report(there)
    assert (
        report["status"] == "degraded"
        and "could not be loaded" in report["problems"][0]
        and "secret" not in str(report)
    )
    with pytest.raises(ValueError, match="nothing can be drawn") as refused:
        there.check(GenerationRequest("x", "x"))
    assert "secret" not in str(refused.value)
    there.close()


def test_health_is_public_and_pages_set_a_visitor_cookie(url):
    assert b'"status":"ok"' in urllib.request.urlopen(url + "/healthz").read()
    page = urllib.request.urlopen(urllib.request.Request(url + "/", headers={"Accept": "text/html"}))
    assert "HttpOnly" in page.headers["set-cookie"] and "object-src 'none'" in page.headers["content-security-policy"]
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(url + "/monitoring/summary")
