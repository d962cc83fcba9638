"""The administrator's links to votes and report: signed, complete, and nothing stays behind."""

import html
import io
import re
import tempfile
import zipfile

from starlette.applications import Starlette
from starlette.testclient import TestClient

from app.arena import arena
from app.studies import download
from app.studies.panel import listing_html
from app.web.launch import launch_arguments


def client_of(services):
    routes = launch_arguments(services)["app_kwargs"]["routes"]
    return TestClient(Starlette(routes=routes))


def test_the_listed_links_give_the_report_and_all_formats_and_leaves_nothing_behind(
    services, study, tmp_path, monkeypatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    services.store.record_consent(arena.rater_of(services, "x").id)
    pair = arena.next_pair(services, study, "x")
    arena.vote(services, "x", {"assignment": pair.id, "criterion": "flaws", "answer": "left"})
    links = re.findall(r'href="(/studies/[^"]+)"', listing_html(services, [study], ""))
    replies = [client_of(services).get(html.unescape(link)) for link in links]
    names, report = (set(zipfile.ZipFile(io.BytesIO(reply.content)).namelist()) for reply in replies)
    assert {"report.html", "methods.md", "long.parquet"} <= report
    assert {f"{n}.parquet" for n in ("long", "arena", "dpo", "pickapic", "image_reward", "exclusions")} <= names
    assert replies[0].headers["cache-control"] == "private, no-store" and not list((tmp_path / "scratch").iterdir())


def test_without_the_signature_of_this_very_study_there_are_no_votes(services, study):
    client = client_of(services)
    path, _, signature = download.link(services, study.id, "votes").partition("?k=")
    other = download.link(services, "another", "votes").partition("?k=")[2]
    thumb = services.identity.sign_link(study.id, "thumb")
    assert [client.get(path, params={"k": k}).status_code for k in ("", other, thumb, signature[:-1])] == [403] * 4
    assert client.get(download.link(services, "another", "votes")).status_code == 404
