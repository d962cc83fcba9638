"""The arena in a real browser: every button and every key does what it says and writes its row."""

import re

import pytest
from arena_world import make_services, make_study
from browser_world import chromium
from rows import set_plan

from app.ui import build_ui
from app.web.launch import launch_arguments

KEYS = {"1": "left", "2": "right", "3": "both_good", "4": "both_bad", "5": "cannot_tell"}


@pytest.fixture(scope="module")
def browser():
    with chromium() as opened:
        yield opened


@pytest.fixture
def world(tmp_path):
    services = make_services(tmp_path)
    study = make_study(services.store)
    demo = build_ui(services)
    _, address, _ = demo.launch(**{**launch_arguments(services), "prevent_thread_lock": True, "quiet": True})
    yield services, study, address.rstrip("/")
    demo.close()
    services.close()


@pytest.fixture
def page(browser, world):
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    opened = context.new_page()
    opened.goto(world[2] + "/arena")
    opened.locator(".arena-start:not([disabled])").click()
    practise(opened)
    yield opened
    context.close()


def practise(page):
    """Every lesson with keys: left, and if that was the wrong one, right; then on to the first real pair."""
    for number in range(1, 4):
        ready(page)
        page.locator(".arena-count").get_by_text(f"Practice {number} of 3").wait_for()
        page.keyboard.press("1")
        page.locator(".arena-lesson:not([hidden])").wait_for()
        if page.locator(".arena-next[hidden]").count():
            page.keyboard.press("2")
        page.locator(".arena-next:not([hidden])").wait_for()
        page.keyboard.press("Enter")
    page.locator(".arena-count").get_by_text("0 of 27 pairs", exact=True).wait_for()
    asks(page, 1)


def ready(page):
    page.locator(".arena-rate.ready").wait_for(timeout=20_000)


def seen(world):
    """Answers as the rater gave them, oldest first."""
    services, study, _ = world
    rows = services.store.votes_frame(study.id)
    side = {True: "left", False: "right"}
    return [side[row["answer"] == row["left_side"]] if row["answer"] in "ab" else row["answer"] for row in rows]


def answered(world):
    """Assignments with an answer."""
    services, study, _ = world
    return {row["assignment"] for row in services.store.votes_frame(study.id)}


def wait_for_votes(page, world, count):
    for _ in range(600):
        if len(seen(world)) == count:
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"{len(seen(world))} votes, not {count}")


def asks(page, number):
    """The page shows this question and takes keys, which it drops while it waits for the server."""
    page.locator(".arena-rate.ready .arena-question small").get_by_text(f"Question {number} of 3").wait_for()


def answer_pair(page, keys):
    """All three questions; the assignment that comes next."""
    for number, key in enumerate(keys[:2], 1):
        asks(page, number)
        page.keyboard.press(key)
    asks(page, 3)
    with page.expect_response(re.compile("/arena-api/pair$")) as given:
        page.keyboard.press(keys[2])
    return given.value.json()["assignment"]


def test_space_presses_the_button_that_has_the_focus(page):
    page.locator("[data-tool=zoom]").focus()
    page.keyboard.press("Space")
    page.locator(".arena-pair.zoomed:not(.flip)").wait_for()


@pytest.mark.parametrize("way", ["keys", "buttons"])
def test_every_answer_writes_its_row(page, world, way):
    for number, (key, answer) in enumerate(KEYS.items(), 1):
        asks(page, (number - 1) % 3 + 1)
        page.wait_for_function("document.querySelector('[data-answer].chosen') === null")
        page.keyboard.press(key) if way == "keys" else page.locator(f'[data-answer="{answer}"]').click()
        wait_for_votes(page, world, number)
    assert seen(world) == list(KEYS.values())


def test_undo_takes_the_answer_back(page, world):
    page.keyboard.press("1")
    asks(page, 2)
    assert len(seen(world)) == 1
    page.keyboard.press("u")
    wait_for_votes(page, world, 0)


def test_the_last_answer_of_the_pair_before_is_taken_back_and_given_again(page, world):
    before = page.locator(".arena-prompt").inner_text(), page.locator(".arena-view img").first.get_attribute("src")
    following = answer_pair(page, "123")
    asks(page, 1)
    page.locator(".arena-count").get_by_text("1 of ").wait_for()
    assert following not in answered(world) and len(seen(world)) == 3
    page.keyboard.press("u")
    wait_for_votes(page, world, 2)
    asks(page, 3)
    assert (
        page.locator(".arena-prompt").inner_text(),
        page.locator(".arena-view img").first.get_attribute("src"),
    ) == before
    page.keyboard.press("2")
    wait_for_votes(page, world, 3)
    page.locator(".arena-count").get_by_text("1 of ").wait_for()
    assert seen(world) == ["left", "right", "right"]


def test_what_the_network_loses_is_sent_again(page, world):
    page.route("**/arena-api/vote", lambda route: route.abort())
    page.keyboard.press("2")
    page.locator(".arena-rate").get_by_text("not saved yet").wait_for()
    assert page.locator('[data-answer="right"].chosen').count() == 1 and seen(world) == []
    page.unroute("**/arena-api/vote")
    page.locator(".arena-retry").click()
    wait_for_votes(page, world, 1)
    assert seen(world) == ["right"] and page.locator(".arena-retry").is_hidden()
    page.route("**/arena-api/pair", lambda route: route.abort())
    for number in (2, 3):
        asks(page, number)
        page.keyboard.press("1")
        wait_for_votes(page, world, number)
    page.locator(".arena-rate").get_by_text("cannot be reached").wait_for()
    page.unroute("**/arena-api/pair")
    page.locator(".arena-retry").click()
    ready(page)


def test_deleting_my_data_starts_anew(page, world):
    page.keyboard.press("1")
    wait_for_votes(page, world, 1)
    page.reload()
    page.locator(".arena-start").get_by_text("Start", exact=True).wait_for()
    page.on("dialog", lambda dialog: dialog.accept())
    page.locator(".arena-forget").click()
    page.locator(".arena-start").get_by_text("I agree, start").wait_for()
    page.locator(".arena-welcome").get_by_text("nothing links you").wait_for()


def test_reports_and_marks_write_their_rows(page, world):
    services, study, _ = world
    page.locator('[data-tool="broken-right"]').click()
    page.locator(".arena-rate").get_by_text("Reported, thank you").wait_for()
    page.keyboard.press("f")
    box = page.locator(".arena-view").first.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + box["height"] * 0.25)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.75, steps=4)
    page.mouse.up()
    page.locator(".arena-rate").get_by_text("Marked.").wait_for()
    broken, area = services.store.flaws(study.id)
    assert (broken.kind, broken.left) == ("broken", False)
    assert (area.kind, area.left) == ("area", True)
    assert [round(v, 1) for v in (area.x0, area.y0, area.x1, area.y1)] == [0.2, 0.2, 0.5, 0.8] or abs(
        area.x0 - 0.25
    ) < 0.02
    page.keyboard.press("u")
    page.locator(".arena-mark").wait_for(state="detached")
    assert [flaw.kind for flaw in services.store.flaws(study.id)] == ["broken"]


def test_a_flaw_may_be_marked_from_under_the_letter(page, world):
    services, study, _ = world
    page.keyboard.press("f")
    letter = page.locator(".arena-pair figure > span").first.bounding_box()
    page.mouse.move(letter["x"] + letter["width"] / 2, letter["y"] + letter["height"] / 2)
    page.mouse.down()
    page.mouse.move(letter["x"] + 150, letter["y"] + 150, steps=4)
    page.mouse.up()
    page.locator(".arena-rate").get_by_text("Marked.").wait_for()
    assert [flaw.kind for flaw in services.store.flaws(study.id)] == ["area"]


def test_an_invite_that_names_no_study_is_called_so(page):
    page.goto(page.url.partition("?")[0] + "?study=nonsense")
    page.locator(".arena-welcome").get_by_text("This invite link names no study").wait_for()
    assert page.locator(".arena-start").is_hidden()


def test_undo_takes_back_a_report_and_leaves_the_answer_before_it(page, world):
    services, study, _ = world
    page.keyboard.press("1")
    wait_for_votes(page, world, 1)
    for _ in range(2):  # one report, however often it is pressed
        with page.expect_response("**/arena-api/broken"):
            page.locator('[data-tool="broken-left"]').click()
        page.locator(".arena-rate").get_by_text("Reported, thank you").wait_for()
    page.locator('[data-tool="undo"]').click()
    page.locator(".arena-rate").get_by_text("Taken back.").wait_for()
    assert services.store.flaws(study.id) == [] and len(services.store.votes_frame(study.id)) == 1
    assert page.locator(".arena-question small").inner_text() == "Question 2 of 3"
    page.keyboard.press("u")
    page.locator(".arena-question small").get_by_text("Question 1 of 3").wait_for()


def test_space_flips_and_z_zooms_both(page):
    page.keyboard.press("z")
    assert page.locator(".arena-pair.zoomed").count() == 1
    page.keyboard.press("z")
    page.keyboard.press(" ")
    assert page.locator(".arena-pair.flip figure.behind").count() == 1
    page.locator('[data-tool="side"]').click()  # the way back of who has no keyboard
    assert page.locator(".arena-pair.flip").count() == 0 and page.locator('[data-tool="side"]').is_hidden()
    page.keyboard.press(" ")
    page.keyboard.press("Escape")
    assert page.locator(".arena-pair.flip").count() == 0


def test_a_reload_goes_on_with_the_same_pair(page, world):
    page.keyboard.press("2")
    wait_for_votes(page, world, 1)
    prompt = page.locator(".arena-prompt").inner_text()
    page.reload()
    page.locator(".arena-start:not([disabled])").click()
    ready(page)
    assert page.locator(".arena-prompt").inner_text() == prompt
    assert page.locator(".arena-question small").inner_text() == "Question 1 of 2"


def test_a_sitting_ends_before_another_study_begins(page, world):
    services, study, _ = world
    make_study(services.store, "newer")
    set_plan(services.store, study.id, {"session_pairs": 1})
    answer_pair(page, "111")
    page.locator(".arena-about").get_by_text("You have rated").wait_for()
    page.locator(".arena-start").get_by_text("Go on").click()
    page.locator(".arena-count").get_by_text("0 of ").wait_for()
    asks(page, 1)
    page.keyboard.press("1")
    asks(page, 2)
    assert len(services.store.votes_frame(study.id)) == 3 and len(services.store.votes_frame()) == 4


def test_practice_is_kept_as_practice_and_not_as_votes(page, world):
    services, study, _ = world
    assert seen(world) == [] and services.store.list_raters(study.id)
    (rater,) = services.store.list_raters(study.id)
    assert set(rater.practice) == set(study.criteria)
    assert all(each["passed"] and 1 <= each["tries"] <= 2 for each in rater.practice.values())


def test_a_wrong_practice_answer_is_explained_and_asked_again(browser, world):
    context = browser.new_context(viewport={"width": 390, "height": 844})
    opened = context.new_page()
    opened.goto(world[2] + "/arena")
    opened.locator(".arena-length").get_by_text("27 pairs, about 9 minutes").wait_for()
    opened.locator(".arena-start:not([disabled])").click()
    ready(opened)
    opened.locator('[data-answer="cannot_tell"]').click()
    opened.locator(".arena-lesson").get_by_text("Look again").wait_for()
    assert opened.locator(".arena-next").is_hidden() and opened.locator('[data-tool="brush"]').is_hidden()
    with opened.expect_response(re.compile("/practice$")) as answered:
        opened.locator('[data-answer="left"]').click()
    if not answered.value.json()["right"]:
        opened.locator('[data-answer="left"]:not(.chosen)').wait_for()
        opened.locator('[data-answer="right"]').click()
    opened.locator(".arena-lesson.right").get_by_text("Right").wait_for()
    opened.locator(".arena-next").click()
    opened.locator(".arena-count").get_by_text("Practice 2 of 3").wait_for()
    context.close()


WATCH = """() => {
  window.moments = [];
  const look = () => {
    const shown = [...document.querySelectorAll('.arena-view img')].map((img) => [getComputedStyle(img).visibility === 'visible', img.complete && img.naturalWidth > 0, img.naturalWidth]);
    window.moments.push(shown);
    requestAnimationFrame(look);
  };
  look();
  const send = window.fetch;
  window.fetch = async (...sent) => {   /* no pair comes before a frame without one */
    if (sent[0].endsWith('/pair')) for (let frame = 0; frame < 2; frame++) await new Promise(requestAnimationFrame);
    return send(...sent);
  };
}"""


def test_both_pictures_come_in_one_answer_and_appear_in_the_same_frame(page, world):
    fetched = []
    page.on(
        "request",
        lambda request: (
            fetched.append(request.url)
            if request.resource_type == "image" and not request.url.startswith("data:")
            else None
        ),
    )
    page.evaluate(WATCH)
    following = answer_pair(page, "111")
    asks(page, 1)
    page.wait_for_function("window.moments.at(-1)[0][0]")
    moments = page.evaluate("window.moments")
    assert following not in answered(world) and len(seen(world)) == 3
    assert fetched == []  # no picture has a request, a name or a time of its own
    assert any(not left[0] for left, _ in moments) and moments[-1][0][0]
    for left, right in moments:
        assert left[0] == right[0]
        assert not left[0] or (left[1] and right[1] and left[2] == right[2])
