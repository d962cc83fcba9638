"""What surrounds the studio: headers, logs, what a Space lacks, whose bucket it writes to, who is the administrator."""

import json
import logging
import sys
from types import SimpleNamespace

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from app.components.sign_in import sign_in
from app.logs import JsonLines
from app.settings import Settings, kept_secret, read_settings
from app.web import deployment
from app.web.deployment import CLAIM, lacks, settle_journal
from app.web.health import health_report
from app.web.identity import Identity
from app.web.security import SecurityHeaders


def space(tmp_path, **changes):
    return Settings(
        tmp_path / "data", "s", **{"space_id": "ann/studio", "oauth": True, "secret_given": True, **changes}
    )


@pytest.fixture
def bucket(tmp_path, monkeypatch):
    monkeypatch.setattr(deployment, "on_mount", lambda folder: True)
    return tmp_path / "bucket"


@pytest.mark.parametrize("on_space", [True, False])
def test_every_answer_carries_the_headers(on_space):
    app = Starlette(routes=[Route("/", lambda _: PlainTextResponse("x"))])
    app.add_middleware(SecurityHeaders, on_space=on_space)
    for answer in (TestClient(app).get("/"), TestClient(app).get("/missing")):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'self'" in policy and "object-src 'none'" in policy
        assert ("huggingface.co" in policy) is on_space and ("x-frame-options" in answer.headers) is not on_space
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_first_space_claims_its_bucket_and_a_duplicate_never_writes_there(tmp_path, bucket):
    settings = space(tmp_path, journal_dir=bucket)
    assert settle_journal(settings) == (settings, []) == settle_journal(settings)
    before = sorted(bucket.iterdir())
    kept, reasons = settle_journal(space(tmp_path, journal_dir=bucket, space_id="bob/studio"))
    assert kept.journal_dir is None and "belongs to ann/studio" in reasons[0]
    assert sorted(bucket.iterdir()) == before == [bucket / CLAIM]
    assert "no bucket" in lacks(kept)[0]


def test_a_folder_on_the_spaces_own_disk_is_no_bucket(tmp_path, monkeypatch):
    monkeypatch.setattr("os.path.ismount", lambda place: str(place) == "/")
    kept, reasons = settle_journal(space(tmp_path, journal_dir=tmp_path / "bucket"))
    assert kept.journal_dir is None and "no bucket is mounted" in reasons[0] and not (tmp_path / "bucket").exists()
    monkeypatch.setattr("os.path.ismount", lambda place: str(place) == str(tmp_path))
    assert settle_journal(space(tmp_path, journal_dir=tmp_path / "bucket"))[1] == []


def test_elsewhere_nothing_is_missing_and_any_folder_will_do(tmp_path):
    settings = Settings(tmp_path, "s", journal_dir=tmp_path / "journal")
    assert settle_journal(settings) == (settings, []) and lacks(settings) == []


def test_a_duplicate_says_what_it_lacks(tmp_path):
    missing = " ".join(lacks(space(tmp_path, oauth=False, secret_given=False)))
    assert all(name in missing for name in ("JOURNAL_DIR", "STUDIO_SECRET", "hf_oauth"))
    (only,) = lacks(space(tmp_path, database_url="postgresql://x"))
    assert "JOURNAL_DIR" in only and "all pictures are lost" in only and "votes and settings are in PostgreSQL" in only
    assert lacks(space(tmp_path, database_url="postgresql://x", journal_dir=tmp_path)) == []


def test_settings_of_a_space(tmp_path):
    read = read_settings(
        {
            "DATA_DIR": str(tmp_path),
            "SPACE_ID": "ann/studio",
            "SPACE_AUTHOR_NAME": "ann",
            "OAUTH_CLIENT_ID": "x",
            "SPACES_ZERO_GPU": "true",
        }
    )
    assert read.on_space and read.oauth and read.zero_gpu and not read.secret_given and read.space_author == "ann"
    plain = read_settings({"DATA_DIR": str(tmp_path), "OAUTH_CLIENT_ID": "x", "SPACES_ZERO_GPU": "false"})
    assert not plain.oauth and not plain.zero_gpu and plain.secret == read.secret


def test_a_signing_key_is_whole_or_refused(tmp_path):
    path = tmp_path / "secret.key"
    secret = kept_secret(path)
    assert len(secret) >= 32 and kept_secret(path) == secret and path.stat().st_mode & 0o077 == 0
    assert list(tmp_path.iterdir()) == [path]
    for weak in ("", "short"):
        path.write_text(weak)
        with pytest.raises(ValueError, match="32 at least"):
            kept_secret(path)


def test_a_picture_link_is_the_same_all_day_and_ends(monkeypatch):
    identity, now = Identity("secret"), 1_700_000_000
    monkeypatch.setattr("time.time", lambda: now)
    link = identity.sign_link("one", "full")
    now += 60
    assert identity.sign_link("one", "full") == link and identity.link_is_good(link, "one", "full")
    assert not identity.link_is_good(link, "two", "full") and not identity.link_is_good(link, "one", "thumb")
    now += 6 * 86400
    assert identity.link_is_good(link, "one", "full")
    now += 3 * 86400
    assert not identity.link_is_good(link, "one", "full")


def test_a_journal_that_contradicts_the_database_is_a_health_problem(services, monkeypatch):
    assert "journal" not in str(health_report(services)["problems"])
    monkeypatch.setattr(services.store, "stats", lambda: {"journal": {"replayed": 1, "rejected": 2}})
    assert "2 lines of the journal contradict" in str(health_report(services)["problems"])


def signed_in(account):
    session = {"oauth_info": {"userinfo": {"preferred_username": account}}} if account else {}
    return SimpleNamespace(headers={}, request=SimpleNamespace(scope={"session": session}))


def test_the_owner_of_the_space_is_the_administrator():
    identity = Identity("secret", space_author="ann")
    assert (
        identity.is_admin(signed_in("ann"))
        and not identity.is_admin(signed_in("bob"))
        and not identity.is_admin(signed_in(None))
    )
    assert identity.owner(signed_in("bob")) == "hf:bob" and identity.owner(signed_in(None)) is None
    assert not Identity("secret").is_admin(signed_in("ann")), "outside of a Space nobody is an owner"


def test_no_sign_in_button_where_it_cannot_work(tmp_path):
    assert sign_in(SimpleNamespace(settings=Settings(tmp_path, "s"))) is None


def test_a_log_line_cannot_be_forged():
    record = logging.LogRecord("app", logging.INFO, "", 0, "prompt %s", ('x\n{"level": "FAKE"}\u2028',), None)
    line = JsonLines().format(record)
    assert "\n" not in line and "\u2028" not in line and json.loads(line)["level"] == "INFO"
    try:
        raise ValueError("why")
    except ValueError:
        record.exc_info = sys.exc_info()
    assert "ValueError: why" in json.loads(JsonLines().format(record))["traceback"]
