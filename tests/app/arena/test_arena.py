"""The arena's server: what crosses the wire, what is refused, what is written."""

import base64
import io
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from itertools import count, pairwise, product

import numpy as np
import pytest
from arena_world import add_picture, finish_practice, make_services, make_study, png
from PIL import Image
from rows import set_plan
from sqlalchemy import select
from starlette.applications import Starlette
from starlette.testclient import TestClient

from app.arena import arena
from app.arena import routes as arena_routes
from app.arena.blind import BLOCK_BYTES, DISPLAY_PX, blind_pair, degraded
from app.arena.routes import routes
from app.gallery_handlers import SCOPES, GalleryHandlers, Wish
from app.studies import panel as study_panel
from app.studies import reported
from app.study import choice
from app.study.records import pair_frame, vote_frame
from app.web.identity import COOKIE
from storage import schema
from storage.records import NewComparison


@pytest.fixture
def services(tmp_path, database_url):
    built = make_services(tmp_path / "data", database_url)
    yield built
    built.close()


class Browser:
    """A visitor with a cookie, who has agreed, and has practised before the first pair."""

    def __init__(self, services, agree=True):
        self.services = services
        self.owner = services.identity.new_token()
        cookies = {COOKIE: self.owner}
        self.client = TestClient(Starlette(routes=routes(services)), cookies=cookies, raise_server_exceptions=False)
        self.owner = services.identity.owner_of_token(self.owner)
        if agree:
            self.post("consent")

    def post(self, name, **message):
        return self.client.post(f"/arena-api/{name}", json=message)

    def pair(self):
        finish_practice(self.services, arena.study_for(self.services, None, self.owner), self.owner)
        reply = self.post("pair")
        assert reply.status_code == 200, reply.text
        return reply.json()


def rows(services, study):
    tables = services.store.study_tables(study.id)
    return vote_frame(tables, pair_frame(tables))


def test_a_pair_five_answers_and_the_rows_behind_them(services, study):
    browser = Browser(services)
    for answer in ("left", "right", "both_good", "both_bad", "cannot_tell"):
        pair = browser.pair()
        for question in pair["questions"]:
            reply = browser.post(
                "vote",
                assignment=pair["assignment"],
                criterion=question["criterion"],
                answer=answer,
                decision_ms=900,
                display={"width": 800, "evil": "x"},
            )
            assert reply.status_code == 200
    votes = rows(services, study)
    assert len(votes) == 15 and set(votes["criterion"]) == {"alignment", "appearance", "flaws"}
    left = votes.groupby("assignment", sort=False).first().iloc[0]
    assert left["answer"] == left["left_side"]
    assert browser.pair()["done"] == 5


def test_the_assignment_is_written_before_anything_is_shown(services, study):
    browser = Browser(services)
    pair = browser.pair()
    rater = arena.rater_of(services, browser.owner)
    written = services.store.get_assignment(pair["assignment"], rater.id)
    assert written.propensity > 0 and written.shown_at is None
    browser.post("shown", assignment=pair["assignment"])
    assert services.store.get_assignment(pair["assignment"], rater.id).shown_at is not None


def test_reloading_resumes_the_same_pair(services, study):
    browser = Browser(services)
    first = browser.pair()
    browser.post("vote", assignment=first["assignment"], criterion="alignment", answer="left")
    again = browser.pair()
    assert again["assignment"] == first["assignment"]
    assert [q["criterion"] for q in again["questions"]] == ["appearance", "flaws"]


def test_nothing_that_crosses_the_wire_tells_the_settings(services, study):
    pair = Browser(services).pair()
    assert set(pair) == {"assignment", "prompt", "left", "right", "questions", "done", "total", "study"}
    text = json.dumps({key: value for key, value in pair.items() if key not in ("left", "right")})
    for generation in services.store.study_generations(study.id):
        assert generation.id not in text and (generation.image or "") not in text


def test_no_number_moves_when_a_control_or_a_repeat_comes(services, study, monkeypatch):
    for name, value in (("CONTROL_SHARE", 0.3), ("REPEAT_SHARE", 0.3), ("REPEAT_DISTANCE", 2)):
        monkeypatch.setattr(choice, name, value)
    seeds = count()
    monkeypatch.setattr(arena.secrets, "randbits", lambda _: next(seeds))
    browser, rated = Browser(services), 9  # of one prompt: windows 1, 2, 4 at two sizes
    pictures = services.store.study_generations(study.id)
    services.store.note_sightings(browser.owner, [each.id for each in pictures if each.prompt != "two lemons"])
    lemons = [each.id for each in pictures if each.prompt == "two lemons"]
    checks = [NewComparison(a, b, kind="degraded", expected="a") for a, b in pairwise(lemons)]
    services.store.add_comparisons(study.id, checks)
    while "finished" not in (pair := browser.pair()):
        for number, question in enumerate(pair["questions"]):
            if number == 1:  # half answered
                again, reloaded = browser.post("pair").json(), browser.post("welcome").json()
                assert set(again) == set(pair) and reloaded["open"] is True
                for said in (pair, again, reloaded):
                    assert (said["done"], said["total"]) == (pair["done"], max(rated, pair["done"] + 1))
            browser.post("vote", assignment=pair["assignment"], criterion=question["criterion"], answer="both_bad")
    seen = services.store.assignments_of(arena.rater_of(services, browser.owner).id, study.id)
    assert {each.comparison.kind for each in seen} > {"matched"} and any(each.repeat_of for each in seen)
    assert pair["done"] == pair["total"] == len(seen) > rated


@pytest.mark.parametrize("sizes", [(64, 512), (96, 96)])
def test_both_pictures_look_alike_from_outside(sizes):
    pictures = []
    for seed, px in enumerate(sizes):
        picture = Image.open(io.BytesIO(png(seed, px)))
        picture.info["prompt"] = "secret window=4"
        pictures.append(picture)
    left, right = blind_pair(*pictures)
    assert len(left) == len(right) and len(left) % BLOCK_BYTES == 0
    for file in (left, right):
        shown = Image.open(io.BytesIO(file))
        assert (shown.format, shown.mode, shown.size) == ("JPEG", "RGB", (DISPLAY_PX, DISPLAY_PX))
        assert (
            b"secret" not in file
            and not shown.getexif()
            and set(shown.info)
            <= {
                "jfif",
                "jfif_version",
                "jfif_unit",
                "jfif_density",
            }
        )
        shown.load()
    assert left[:160] == right[:160]  # headers and tables up to the frame


def test_an_identical_pair_differs_in_its_bytes_and_not_in_its_pixels():
    picture = Image.open(io.BytesIO(png(1, 64)))
    left, right = blind_pair(picture, picture)
    assert left != right
    assert Image.open(io.BytesIO(left)).tobytes() == Image.open(io.BytesIO(right)).tobytes()


def test_a_wide_picture_is_shown_whole():
    shown = Image.open(io.BytesIO(blind_pair(Image.new("RGB", (100, 50), "red"), Image.new("RGB", (50, 50)))[0]))
    assert shown.getpixel((DISPLAY_PX // 2, 10)) == pytest.approx((128, 128, 128), abs=3)
    assert shown.getpixel((10, DISPLAY_PX // 2)) == pytest.approx((254, 0, 0), abs=6)


def test_a_degraded_copy_is_worse():
    picture = Image.open(io.BytesIO(png(1, 128)))
    assert degraded(picture).size == picture.size
    detail, left = (
        float(np.abs(np.diff(np.asarray(p, dtype=float), axis=0)).mean()) for p in (picture, degraded(picture))
    )
    assert left < detail / 3


def test_fifty_parallel_votes_are_one_row(services, study):
    browser = Browser(services)
    pair = browser.pair()

    def post(_):
        return browser.post("vote", assignment=pair["assignment"], criterion="flaws", answer="left").status_code

    with ThreadPoolExecutor(16) as pool:
        codes = list(pool.map(post, range(50)))
    assert sorted(codes) == [200] + [409] * 49
    assert len(rows(services, study)) == 1


FORGERIES = [
    ({"answer": "a"}, 400),
    ({"answer": None}, 400),
    ({"criterion": "beauty"}, 400),
    ({"criterion": ["flaws"]}, 400),
    ({"assignment": "nope"}, 404),
    ({"decision_ms": -1}, 400),
    ({"decision_ms": "soon"}, 400),
    ({"decision_ms": 1e12}, 400),
]


def test_forged_votes_are_refused_and_not_written(services, study):
    browser = Browser(services)
    message = {"assignment": browser.pair()["assignment"], "criterion": "flaws", "answer": "left"}
    for change, status in FORGERIES:
        reply = browser.post("vote", **message | change)
        assert reply.status_code == status and reply.json()["error"], change
    assert rows(services, study).empty


def test_what_is_no_text_is_refused(services, study):
    browser = Browser(services)
    for name, message in (
        ("pair", {"study": {}}),
        ("welcome", {"study": ["x"]}),
        ("practice", {"criterion": ["flaws"], "answer": "left"}),
    ):
        assert browser.post(name, **message).status_code == 400, name


def test_a_foreign_assignment_is_unknown(services, study):
    pair = Browser(services).pair()
    reply = Browser(services).post("vote", assignment=pair["assignment"], criterion="flaws", answer="left")
    assert reply.status_code == 404 and rows(services, study).empty


def test_an_expired_assignment_is_refused(services, study):
    browser = Browser(services)
    rater = arena.rater_of(services, browser.owner)
    comparison = services.store.coverage(study.id)[0].comparison
    late = services.store.open_assignment(
        rater.id,
        study.id,
        comparison.id,
        left_side="a",
        criteria=["flaws"],
        propensity=0.5,
        expires_at=datetime.now(timezone.utc) - timedelta(seconds=1),
    )
    reply = browser.post("vote", assignment=late.id, criterion="flaws", answer="left")
    assert reply.status_code == 410 and rows(services, study).empty


def test_undo_opens_the_question_again(services, study):
    browser = Browser(services)
    pair = browser.pair()
    given = browser.post("vote", assignment=pair["assignment"], criterion="flaws", answer="left").json()["vote"]
    assert browser.post("undo", vote=given).status_code == 200
    assert rows(services, study).empty
    assert browser.post("vote", assignment=pair["assignment"], criterion="flaws", answer="right").status_code == 200


def test_a_broken_picture_is_reported(services, study):
    browser = Browser(services)
    pair = browser.pair()
    reply = browser.post("broken", assignment=pair["assignment"], side="right")
    assert reply.status_code == 200
    assert [flaw.kind for flaw in services.store.flaws(study.id)] == ["broken"]
    assert browser.post("broken", assignment=pair["assignment"], side="top").status_code == 400
    assert browser.post("undo", flaw=reply.json()["flaw"]).status_code == 200
    assert services.store.flaws(study.id) == []


def report(services, study, pair, name, address):
    """As a rater who was given the pair."""
    later = datetime.now(timezone.utc) + timedelta(minutes=5)
    given = services.store.open_assignment(
        arena.rater_of(services, name).id,
        study.id,
        pair.id,
        left_side="a",
        criteria=["flaws"],
        propensity=0.5,
        expires_at=later,
    )
    arena.report_broken(services, name, {"assignment": given.id, "side": "left"}, address)
    return given


def test_accounts_report_as_themselves_from_whatever_address(services, study):
    """Behind the Hub's proxy all visitors have one."""
    first, second = services.store.pairs_on_offer(study.id)[:2]
    given = report(services, study, first, "hf:ann", "10.0.0.1")
    arena.report_broken(services, "hf:ann", {"assignment": given.id, "side": "right"}, "10.0.0.2")
    report(services, study, second, "hf:ann", "10.0.0.1")
    assert {first, second} <= set(services.store.pairs_on_offer(study.id))
    report(services, study, first, "hf:bob", "10.0.0.1")
    assert first not in services.store.pairs_on_offer(study.id) and second in services.store.pairs_on_offer(study.id)


def test_one_address_with_many_cookies_removes_no_pair(services, study):
    pair = services.store.pairs_on_offer(study.id)[0]
    for name in "xyz":
        given = report(services, study, pair, name, "10.0.0.1")
        assert pair in services.store.pairs_on_offer(study.id)
    rows = services.store.flaws(study.id)
    arena.report_broken(services, name, {"assignment": given.id, "side": "right"}, "10.0.0.2")
    assert len(rows) == 3 and pair not in services.store.pairs_on_offer(study.id)
    assert study_panel.acted(services, "restore", study.id).startswith("1 pair")
    assert pair in services.store.pairs_on_offer(study.id)


def test_reported_pairs_are_shown_to_the_keeper_and_offered_again_one_by_one(services, study):
    bad, good = services.store.pairs_on_offer(study.id)[:2]
    later = datetime.now(timezone.utc) + timedelta(minutes=5)
    for name, pair in product("xy", (bad, good)):
        rater = arena.rater_of(services, name)
        given = services.store.open_assignment(
            rater.id, study.id, pair.id, left_side="a", criteria=["flaws"], propensity=0.5, expires_at=later
        )
        arena.vote(services, name, {"assignment": given.id, "criterion": "flaws", "answer": "left"})
        arena.report_broken(services, name, {"assignment": given.id, "side": "left"}, None)
    pairs = services.store.reported_pairs(study.id)
    assert [pair.id for pair in pairs] == [bad.id, good.id]
    html = reported.reported_html(services, pairs, "keeper")
    assert html.count("<img") == 4 and f"2: {good.block}" in html
    assert good.generation_a in services.store.seen_generations("keeper")
    assert study_panel.acted(services, "restore", study.id, [good.id]).startswith("1 pair")
    assert services.store.reported_pairs(study.id) == [bad]
    counted = [row["comparison"] for row in services.store.votes_frame(study.id) if row["excluded"] is None]
    assert counted == [good.id] * 2


def test_a_marked_flaw_is_a_box_on_the_picture(services, study):
    browser = Browser(services)
    pair = browser.pair()
    sent = {"assignment": pair["assignment"], "side": "left"}
    assert browser.post("flaw", **sent, box=[0.25, 0.5, 0.5, 1]).status_code == 200
    (flaw,) = services.store.flaws(study.id)
    assert (flaw.x0, flaw.y0, flaw.x1, flaw.y1, flaw.left) == (0.25, 0.5, 0.5, 1.0, True)
    for box in ([0, 0, 1], [0, 0, 2, 1], [0.5, 0, 0.4, 1], ["0", 0, 1, 1], None):
        assert browser.post("flaw", **sent, box=box).status_code == 400
    assert Browser(services).post("flaw", **sent, box=[0, 0, 1, 1]).status_code == 404
    (mark,) = services.store.flaws(study.id)
    assert Browser(services).post("undo", flaw=mark.id).status_code == 404
    assert browser.post("undo", flaw=mark.id).status_code == 200 and services.store.flaws(study.id) == []


def test_marks_on_wide_pictures_leave_out_the_grey():
    assert arena.picture_box([0.5, 0.25, 1, 0.5], 200, 100) == (0.5, 0.0, 1.0, 0.5)
    assert arena.picture_box([0, 0, 0.5, 1], 100, 200) == (0.0, 0.0, 0.5, 1.0)
    with pytest.raises(ValueError, match="outside"):
        arena.picture_box([0, 0, 1, 0.2], 200, 100)


def test_without_consent_no_pair(services, study):
    browser = Browser(services, agree=False)
    assert browser.post("pair").status_code == 409
    assert browser.post("welcome").json()["consented"] is False


def test_the_stated_length_is_no_more_than_there_is_for_this_rater(services, study):
    browser, pairs = Browser(services), 9  # of one prompt: windows 1, 2, 4 at two sizes
    others = [g.id for g in services.store.study_generations(study.id) if g.prompt != "two lemons"]
    services.store.note_sightings(browser.owner, others)
    said = browser.post("welcome").json()
    assert (said["done"], said["open"], said["total"], said["state"]) == (0, True, pairs, "open")
    assert len(arena.standing(services, study, browser.owner).open_pairs(study)) == pairs
    while "finished" not in (pair := browser.pair()):
        assert pair["done"] < pair["total"]
        for question in pair["questions"]:
            browser.post("vote", assignment=pair["assignment"], criterion=question["criterion"], answer="both_bad")
    assert pair["done"] == pair["total"]
    assert browser.post("welcome").json()["open"] is False


def test_a_long_study_has_sittings(services, study):
    set_plan(services.store, study.id, {"session_pairs": 5})
    browser = Browser(services)
    said = browser.post("welcome").json()
    assert said["total"] == 5 < len(arena.standing(services, study, browser.owner).open_pairs(study))
    assert said["minutes"] == 2


def test_without_a_study_the_arena_says_so(services):
    reply = Browser(services).post("pair")
    assert reply.status_code == 404 and "no study is open" in reply.json()["error"]


def test_strangers_without_cookie_are_refused_unless_a_token_comes_along(services, study):
    client = TestClient(Starlette(routes=routes(services)))
    assert client.post("/arena-api/welcome", json={}).status_code == 401
    assert client.post("/arena-api/welcome", json={"token": "forged"}).status_code == 401
    assert client.post("/arena-api/welcome", json={"token": services.identity.new_token()}).status_code == 200


def test_other_sites_forms_and_large_bodies_are_refused(services, study):
    browser = Browser(services)
    for kind, status in (
        ("text/plain", 400),
        ("text/plain; application/json", 400),  # a form of another site may send it unasked
        ("Application/JSON ; charset=utf-8", 200),
    ):
        reply = browser.client.post("/arena-api/welcome", content="{}", headers={"content-type": kind})
        assert reply.status_code == status, kind
    assert browser.post("vote", answer="x" * 5000).status_code == 400
    assert browser.client.post("/arena-api/vote", json=[1]).status_code == 400
    assert browser.client.get("/arena-api/vote").status_code == 405


def test_nobody_rates_what_they_made_or_saw(services):
    browser = Browser(services)
    made = make_study(services.store, owner=browser.owner)
    assert services.store.study_generations(made.id)
    assert browser.pair()["finished"] is True
    assert "finished" not in Browser(services).pair()
    seer = Browser(services)
    services.store.note_sightings(seer.owner, [g.id for g in services.store.study_generations(made.id)])
    assert seer.pair()["finished"] is True


def test_who_drew_a_picture_of_the_study_again_does_not_rate_it(services, study):
    picture = add_picture(services.store, study.id, "two pears", 64, 1, 50, None, token_hash="same")
    other = add_picture(services.store, study.id, "two pears", 64, 2, 51, None)
    (pair,) = services.store.add_comparisons(study.id, [NewComparison(picture.id, other.id, factor="window")])
    for owner, drawn, offered in (("one", "same", False), ("another", "different", True)):
        add_picture(services.store, None, "two pears", 64, 1, 50, owner, token_hash=drawn)
        assert (pair.id in arena.standing(services, study, owner).open_pairs(study)) == offered


def test_who_saw_a_published_picture_with_its_settings_in_the_gallery_rates_it_no_more(services):
    made = make_study(services.store, owner="keeper")
    for each in services.store.study_generations(made.id):
        services.store.publish(each.id, "keeper")
    browser, stranger = Browser(services), Browser(services)
    wish = Wish("", SCOPES[2], (), (), (), None, None)
    GalleryHandlers(services).page(wish, browser.owner, None, [])
    assert browser.pair()["finished"] is True
    assert "assignment" in stranger.pair()


def test_deleting_my_data_cuts_every_tie_and_keeps_the_answers(services, study):
    browser = Browser(services)
    pair = browser.pair()
    browser.post("vote", assignment=pair["assignment"], criterion="flaws", answer="left", display={"width": 800})
    services.store.note_sightings(browser.owner, [services.store.study_generations(study.id)[0].id])
    before = arena.rater_of(services, browser.owner)
    assert browser.post("forget").status_code == 200
    assert services.store.seen_generations(browser.owner) == set()
    assert (
        arena.rater_of(services, browser.owner).id != before.id and browser.post("welcome").json()["consented"] is False
    )
    (row,) = services.store.votes_frame(study.id)
    assert row["rater"] == before.id and row["display"] == {}


def test_who_is_no_rater_is_made_none_by_forgetting(services, study):
    browser = Browser(services, agree=False)
    assert [browser.post("forget").status_code for _ in range(3)] == [200] * 3
    assert services.store.find_rater(arena.rater_key(services, browser.owner)) is None
    with services.store.database.read() as session:
        assert session.scalars(select(schema.Rater)).all() == []


@pytest.mark.parametrize("name", ["consent", "shown", "undo", "forget"])
def test_all_that_writes_is_slowed(services, study, monkeypatch, name):
    monkeypatch.setattr(arena_routes, "VOTES_A_MINUTE", 2)
    browser = Browser(services, agree=False)
    codes = [browser.post(name, assignment="x", vote="x").status_code for _ in range(3)]
    assert 429 not in codes[:2] and codes[2] == 429


def test_floods_are_slowed(services, study, monkeypatch):
    monkeypatch.setattr(arena_routes, "VOTES_A_MINUTE", 5)  # 90 may take more than a minute
    browser = Browser(services)
    codes = [browser.post("vote", assignment="x", criterion="flaws", answer="left").status_code for _ in range(6)]
    assert codes[0] == 404 and codes[-1] == 429


def test_a_flood_of_one_address_is_slowed_whatever_cookies_it_brings(services, study, monkeypatch):
    monkeypatch.setattr(arena_routes, "ADDRESS_VOTES_A_MINUTE", 5)
    app = Starlette(routes=routes(services))

    def vote(address):
        client = TestClient(app, cookies={COOKIE: services.identity.new_token()}, client=(address, 1))
        message = {"assignment": "x", "criterion": "flaws", "answer": "left"}
        return client.post("/arena-api/vote", json=message).status_code

    assert [vote("10.0.0.1") for _ in range(6)] == [404] * 5 + [429]
    assert vote("10.0.0.2") == 404


def test_a_closed_study_takes_no_votes(services, study):
    browser = Browser(services)
    pair = browser.pair()
    services.store.set_study_state(study.id, "closed")
    assert browser.post("vote", assignment=pair["assignment"], criterion="flaws", answer="left").status_code == 409


def test_sides_are_turned_into_pictures_by_the_server():
    assert arena.by_picture("left", "b") == "b" and arena.by_picture("right", "b") == "a"
    assert arena.by_picture("left", "a") == "a" and arena.by_picture("cannot_tell", "b") == "cannot_tell"


def test_a_full_sitting_has_balanced_sides_controls_and_no_pair_twice_unannounced(services, study):
    for seed in range(6):
        add_picture(services.store, study.id, f"prompt {seed}", 64, 1, 100 + seed, None)
    browser = Browser(services)
    for _ in range(24):
        pair = browser.pair()
        if pair.get("finished"):
            break
        for question in pair["questions"]:
            browser.post("vote", assignment=pair["assignment"], criterion=question["criterion"], answer="both_good")
    rater = arena.rater_of(services, browser.owner)
    seen = services.store.assignments_of(rater.id, study.id)
    firsts = [a for a in seen if a.repeat_of is None]
    assert len(seen) == 24 and len({a.comparison.id for a in firsts}) == len(firsts)
    assert abs(sum(a.left_side == "a" for a in firsts) - len(firsts) / 2) <= 2


def test_the_pictures_are_data_uris_of_one_length(services, study):
    pair = Browser(services).pair()
    files = [base64.b64decode(pair[side].removeprefix("data:image/jpeg;base64,")) for side in ("left", "right")]
    assert len(files[0]) == len(files[1])
