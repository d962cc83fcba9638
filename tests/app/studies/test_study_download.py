"""The administrator's link to the votes: signed, complete, and nothing stays behind."""

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


def test_the_listed_link_gives_all_formats_and_leaves_nothing_behind(services, study, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    services.store.record_consent(arena.rater_of(services, "x").id)
    pair = arena.next_pair(services, study, "x")
    arena.vote(services, "x", {"assignment": pair.id, "criterion": "flaws", "answer": "left"})
    link = html.unescape(re.search(r'href="(/studies/[^"]+)"', listing_html(services, [study], ""))[1])
    client = TestClient(Starlette(routes=download.routes(services)))
    reply = client.get(link)
    names = set(zipfile.ZipFile(io.BytesIO(reply.content)).namelist())
    assert {f"{n}.parquet" for n in ("long", "arena", "dpo", "pickapic", "image_reward", "exclusions")} <= names
    assert reply.headers["cache-control"] == "private, no-store" and not list((tmp_path / "scratch").iterdir())


def test_without_the_signature_of_this_very_study_there_are_no_votes(services, study):
    client = TestClient(Starlette(routes=download.routes(services)))
    path, _, signature = download.votes_link(services, study.id).partition("?k=")
    other = download.votes_link(services, "another").partition("?k=")[2]
    thumb = services.identity.sign_link(study.id, "thumb")
    assert [client.get(path, params={"k": k}).status_code for k in ("", other, thumb, signature[:-1])] == [403] * 4
    assert client.get(download.votes_link(services, "another")).status_code == 404
