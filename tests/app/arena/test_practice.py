"""The practice round: before the first pair, explained, repeated until right, and never a vote."""

import base64
import io

import numpy as np
import pytest
from arena_world import finish_practice, make_study
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient

from app.arena import arena, practice
from app.arena.routes import routes
from app.study.votes import CRITERIA
from app.web.identity import COOKIE
from storage.errors import WrongState


def agreed(services, name):
    services.store.record_consent(arena.rater_of(services, name).id)
    return name


def lesson_of(services, study, name):
    return practice.next_lesson(services, study, name)


def other(side):
    return {"left": "right", "right": "left"}[side]


def test_the_server_hands_out_no_pair_before_practice_is_done(services, study):
    token = services.identity.new_token()
    client = TestClient(Starlette(routes=routes(services)), cookies={COOKIE: token})
    owner = services.identity.owner_of_token(token)
    assert client.post("/arena-api/pair", json={}).status_code == 409  # no consent yet
    client.post("/arena-api/consent", json={})
    for number, criterion in enumerate(study.criteria, 1):
        found = client.post("/arena-api/pair", json={}).json()
        assert found["practice"] == {"number": number, "of": 3} and "assignment" not in found
        assert [each["criterion"] for each in found["questions"]] == [criterion]
        good = practice.good_side(services, owner, criterion)
        for given, right in ((other(good), False), ("both_good", False), (good, True)):
            assert (
                client.post("/arena-api/practice", json={"criterion": criterion, "answer": given}).json()["right"]
                is right
            )
    assert "assignment" in client.post("/arena-api/pair", json={}).json()
    assert services.store.votes_frame(study.id) == []


def test_what_is_remembered_is_the_first_try(services, study):
    agreed(services, "x")
    good = practice.good_side(services, "x", "flaws")
    for given in (other(good), good, other(good)):
        practice.answer(services, "x", "flaws", given)
    kept = arena.rater_of(services, "x").practice["flaws"]
    assert (kept["passed"], kept["tries"], kept["right_at_once"]) == (True, 3, False)


def test_practice_resumes_and_is_not_asked_twice(services, study):
    agreed(services, "x")
    practice.answer(services, "x", "alignment", practice.good_side(services, "x", "alignment"))
    assert lesson_of(services, study, "x")["practice"] == {"number": 2, "of": 3}
    finish_practice(services, study, "x")
    assert lesson_of(services, study, "x") is None
    assert lesson_of(services, make_study(services.store, "another"), "x") is None


def test_the_better_picture_stands_on_both_sides(services):
    sides = [practice.good_side(services, f"rater {i}", "flaws") for i in range(60)]
    assert 15 < sides.count("left") < 45


@pytest.mark.parametrize("criterion", CRITERIA)
def test_the_pair_is_blind_and_its_good_side_is_the_good_picture(services, study, criterion):
    owner = agreed(services, "x")
    for name in study.criteria[: study.criteria.index(criterion)]:
        practice.answer(services, owner, name, practice.good_side(services, owner, name))
    card = lesson_of(services, study, owner)
    files = {side: base64.b64decode(card[side].partition(",")[2]) for side in ("left", "right")}
    assert len(files["left"]) == len(files["right"])
    wanted = np.asarray(practice.stored(practice.LESSONS[criterion].picture).resize((64, 64)), dtype=float)
    far = {
        side: np.abs(np.asarray(Image.open(io.BytesIO(file)).resize((64, 64)), dtype=float) - wanted).mean()
        for side, file in files.items()
    }
    good = practice.good_side(services, owner, criterion)
    assert far[good] < 0.5 * far[other(good)]


@pytest.mark.parametrize(("criterion", "given"), [("beauty", "left"), (None, "left"), ("flaws", "a"), ("flaws", None)])
def test_nonsense_is_refused(services, study, criterion, given):
    agreed(services, "x")
    with pytest.raises(ValueError, match="allowed"):
        practice.answer(services, "x", criterion, given)


def test_without_consent_nothing_is_noted(services, study):
    with pytest.raises(WrongState, match="agree"):
        practice.answer(services, "x", "flaws", "left")
    assert arena.rater_of(services, "x").practice == {}


def test_deleting_my_data_forgets_the_practice(services, study):
    agreed(services, "x")
    finish_practice(services, study, "x")
    services.store.delete_my_data(arena.rater_of(services, "x").id, "x")
    assert arena.rater_of(services, "x").practice == {}
