"""Playground and gallery in a browser: type, watch, come back, stop, compare; nobody sees what is another's."""

import re
import time

import pytest
from browser_world import Visitor, chromium, set_long, studio
from playwright.sync_api import expect

from app.request import GenerationRequest
from storage.records import GenerationFilter

KEEP_PREVIEWS = """() => {
    window.previews = new Set();
    const look = () => document.querySelectorAll('#stage img[src^="data:"]').forEach((image) => previews.add(image.src));
    new MutationObserver(look).observe(document.body, {subtree: true, childList: true, attributes: true, attributeFilter: ["src"]});
}"""

PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with studio(tmp_path_factory.mktemp("browser")) as running, chromium() as browser:
        yield running, browser


@pytest.fixture
def visit(world):
    (_, url), browser = world
    visitors = []

    def arrive() -> Visitor:
        visitors.append(Visitor(browser, url))
        return visitors[-1]

    yield arrive
    for visitor in visitors:
        visitor.close()


def text(page):
    return page.locator("#stage .stage-text")


def test_a_typed_prompt_grows_into_a_picture(visit):
    page = visit().open()
    page.locator("#prompt textarea").fill("a red aple")
    expect(page.locator("#words")).to_contain_text("closest: apple")
    page.locator("#prompt textarea").fill("a red <b>apple</b>")
    expect(page.locator("#words .sent")).to_have_text("Sent as: a red apple")
    set_long(page, 768)
    page.keyboard.press("Control+Enter")
    expect(page.locator("#stop")).to_have_text("Stop")
    expect(text(page)).to_contain_text("Done")
    expect(page.locator("#stage img.final")).to_have_attribute("src", re.compile("^/media/"))
    expect(page.locator("#details .prompt")).to_have_text("a red <b>apple</b>")
    expect(page.locator("#details .rewritten")).to_have_text("sent as: a red apple")
    expect(page.locator("#go")).to_have_text("Generate")
    assert page.locator("#stage img").evaluate("image => image.naturalWidth") == 768


def test_a_reload_finds_the_running_job_which_only_its_owner_sees_and_stops(visit, world):
    ann, bob = visit(), visit()
    page = ann.open()
    set_long(page, 2048)
    page.locator("#prompt textarea").fill("a blue car")
    page.locator("#go").click()
    expect(text(page)).to_contain_text("Drawing windows")
    page.reload()
    expect(text(page)).to_contain_text("of 16384")
    expect(page.locator("#prompt textarea")).to_have_value("a blue car")
    page.evaluate(KEEP_PREVIEWS)
    page.wait_for_function("previews.size >= 2")  # of a picture so long that two are seen at any speed
    other = bob.open()
    expect(text(other)).to_contain_text("Nothing drawn yet")
    expect(other.locator("#stop")).to_be_hidden()
    asked = time.monotonic()
    page.keyboard.press("Escape")
    expect(text(page)).to_contain_text("Stopped")
    assert time.monotonic() - asked < 5  # the worker reacts in a fraction of a second; the rest is the page
    (services, _), _ = world
    assert [job.state for job in services.store.jobs_of(ann.owner(services))] == ["cancelled"]


def test_enter_thrice_while_drawing_makes_one_job(visit, world):
    (services, _), _ = world
    ann = visit()
    page = ann.open()
    set_long(page, 2048)
    page.locator("#prompt textarea").fill("a blue car")
    for _ in range(3):
        page.keyboard.press("Enter")
    expect(text(page)).to_contain_text("Drawing windows")
    for _ in range(3):
        page.locator("#prompt textarea").press("Enter")
    assert page.locator("#prompt textarea").input_value() == "a blue car"
    page.keyboard.press("Escape")
    expect(text(page)).to_contain_text("Stopped")
    assert len(services.store.jobs_of(ann.owner(services))) == 1


def test_the_drawn_seed_is_shown_and_a_typed_one_is_kept(visit, world):
    (services, _), _ = world
    ann = visit()
    page = ann.open()
    page.get_by_role("button", name="Sampling, seed").click()
    page.locator("#prompt textarea").fill("a duck")
    page.locator("#go").click()
    expect(text(page)).to_contain_text("Done")
    made = newest_picture(services, ann.owner(services))
    expect(page.locator("#seed input")).to_have_value(str(made.seed))
    expect(page.locator("#random-seed input")).to_be_checked()
    page.locator("#seed input").fill("7")
    expect(page.locator("#random-seed input")).not_to_be_checked()
    page.locator("#go").click()
    expect(text(page)).to_contain_text("seed 7")


def test_the_lit_preset_is_the_one_that_matches(visit):
    page = visit().open()
    lit = page.locator("#preset label.selected")
    expect(lit).to_have_text("Tuned")
    page.locator("#scale input[type=number]").fill("4")
    page.keyboard.press("Tab")
    expect(lit).to_have_count(0)
    page.locator("#preset label", has_text="Off").click()
    expect(page.locator("#scale input[type=number]")).to_have_value("1")
    expect(lit).to_have_text("Off")


def test_on_a_phone_the_controls_come_first_and_a_start_shows_the_picture(visit):
    page = visit().open()
    page.set_viewport_size(PHONE)
    assert top(page, "#controls") < top(page, "#stage") and top(page, "#stage") > PHONE["height"]
    page.locator("#prompt textarea").fill("a duck")
    page.locator("#go").click()
    expect(text(page)).to_contain_text("Done")
    expect(page.locator("#stage .frame")).to_be_in_viewport(ratio=0.9)
    expect(page.locator("#go")).to_be_in_viewport()


def test_how_far_it_is_stands_on_a_laptops_screen(visit):
    page = visit().open()
    page.set_viewport_size({"width": 1366, "height": 768})
    page.locator("#prompt textarea").fill("zzzz and a red duck ")  # its words move the stage down
    expect(page.locator("#words p")).to_have_count(2)
    expect(text(page)).to_be_in_viewport(ratio=1)
    page.set_viewport_size({"width": 1366, "height": 560})
    expect(text(page)).to_be_in_viewport(ratio=1)


def test_a_job_goes_on_without_its_page_and_its_link_is_for_its_owner(visit, world):
    (services, _), _ = world
    ann = visit()
    page = ann.open()
    page.locator("#prompt textarea").fill("a duck")
    page.locator("#go").click()
    expect(page.locator("#stop")).to_be_visible()
    page.close()
    made = newest_picture(services, ann.owner(services))
    linked = ann.open(f"/?g={made.id}")
    expect(linked.locator("#prompt textarea")).to_have_value("a duck")
    expect(linked.locator("#stage img.final")).to_be_visible()
    stranger = visit().open(f"/?g={made.id}")
    expect(stranger.get_by_test_id("toast-body")).to_contain_text("private, was deleted, or never existed")
    expect(text(stranger)).to_contain_text("Nothing drawn yet")


def test_the_schedule_is_drawn_and_its_points_move(visit):
    page = visit().open()
    page.locator("#preset label", has_text="Bump").click()
    points = page.locator("#points textarea, #points input")
    expect(points).to_have_value("0:1, 0.35:3, 0.65:3, 1:1.3")
    handles = page.locator("#curve circle")
    expect(handles).to_have_count(4)
    handles.nth(1).focus()
    page.keyboard.press("ArrowDown")
    expect(points).to_have_value("0:1, 0.35:2.75, 0.65:3, 1:1.3")
    page.keyboard.press("Tab")
    points.fill("0:1, 1:5")
    page.keyboard.press("Tab")
    expect(handles).to_have_count(2)
    points.fill("0:1, nonsense")
    page.keyboard.press("Tab")
    expect(page.locator("#cost")).to_contain_text("is no control point")


def test_what_was_not_trained_can_be_set_only_where_allowed_and_what_follows_is_said(visit):
    page = visit().open()
    expect(page.locator("#aspect label")).to_have_text(["1:1"])
    page.get_by_role("button", name="Sampling, seed").click()
    page.locator("#untrained input").check()
    page.locator("#aspect label", has_text="4:3").click()
    expect(page.locator("#cost")).to_contain_text("576 × 448 px")
    page.locator("#aspect label", has_text="free").click()
    expect(page.locator("#width input[type=number]")).to_have_value("576")
    expect(page.locator("#height input[type=number]")).to_have_value("448")
    page.locator("#untrained input").uncheck()
    expect(page.get_by_test_id("toast-body")).to_contain_text("Now 512 px, 1:1, window 2")
    expect(page.locator("#aspect label")).to_have_text(["1:1"])
    expect(page.locator("#cost")).to_contain_text("512 × 512 px")


def test_a_typed_number_counts_as_the_field_then_shows_it(visit):
    page = visit().open()
    page.get_by_role("button", name="Sampling, seed").click()
    page.locator("#untrained input").check()
    resolution = page.locator("#resolution input[type=number]")
    expect(resolution).to_have_attribute("max", "2048")
    for typed, shown in (("99999", "2048"), ("-5", "256"), ("533", "512")):
        resolution.fill(typed)
        page.keyboard.press("Tab")
        expect(resolution).to_have_value(shown)
        expect(page.locator("#cost")).to_contain_text(f"{shown} × {shown} px")
    temperature = page.locator("#temperature input[type=number]")
    temperature.fill("")
    page.keyboard.press("Tab")
    expect(temperature).to_have_value("1")
    page.locator("#seed input").fill("-1")
    expect(page.locator("#cost")).to_contain_text("seed is -1")
    expect(page.locator("#go")).to_be_disabled()
    page.locator("#seed input").fill("1")
    expect(page.locator("#go")).to_be_enabled()


def test_the_gallery_compares_publishes_and_deletes(visit, world):
    (services, _), _ = world
    ann = visit()
    page = ann.open("/gallery")
    expect(page.locator("#cards .empty")).to_be_visible()
    owner = ann.owner(services)
    for prompt in ("a red apple", "a blue car"):
        services.submit(owner, GenerationRequest(prompt, prompt, width=256, height=256, shuffle_window=4, seed=1))
        newest_picture(services, owner)
    page.locator("#search input, #search textarea").fill("a ")
    expect(page.locator("#cards .card")).to_have_count(2)
    for card in page.locator("#cards .card").all():
        card.click()
        expect(card).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#compare .compare img")).to_have_count(2)
    page.locator("#publish").click()
    expect(page.locator("#unpublish")).to_be_visible()
    page.locator("#ask-delete").click()
    expect(page.locator("#keep")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#ask-delete")).to_be_focused()
    expect(page.locator("#delete")).to_be_hidden()
    page.locator("#ask-delete").click()
    expect(page.locator("#cards .card")).to_have_count(2)
    page.locator("#delete").click()
    expect(page.locator("#cards .card")).to_have_count(1)
    assert services.store.list_generations(GenerationFilter(viewer=owner, mine=True)).items[0].prompt == "a blue car"


def test_about_tells_and_deletes_everything_when_asked_twice(visit, world):
    (services, _), _ = world
    ann = visit()
    page = ann.open("/about")
    expect(page.get_by_role("heading", name="How it draws")).to_be_visible()
    expect(page.locator("#server")).to_contain_text("sqlite")
    owner = ann.owner(services)
    services.submit(owner, GenerationRequest("a duck", "a duck", width=256, height=256, shuffle_window=4, seed=1))
    made = newest_picture(services, owner)
    expect(page.locator("#forget-all")).to_be_disabled()
    page.locator("#sure input").check()
    page.locator("#forget-all").click()
    expect(page.get_by_test_id("toast-body")).to_contain_text("1 picture was deleted")
    assert services.store.generations_by_id([made.id])[made.id].deleted


def test_what_is_picked_stays_in_view_beside_many_cards(visit, world):
    (services, _), _ = world
    ann = visit()
    page = ann.open("/gallery")
    owner = ann.owner(services)
    for seed in range(12):
        services.submit(
            owner, GenerationRequest("a duck", "a duck", width=256, height=256, shuffle_window=4, seed=seed)
        )
        newest_picture(services, owner)
    page.reload()
    cards, large = page.locator("#cards .card"), page.locator("#compare img").first
    expect(cards).to_have_count(12)
    for size in (PHONE, {"width": 1280, "height": 500}):
        page.set_viewport_size(size)
        cards.nth(0).click()
        expect(page.locator("#picked-details .prompt")).to_have_count(1)
        cards.nth(11).scroll_into_view_if_needed()
        expect(large).to_be_in_viewport()
        page.locator("#picked-details .links").scroll_into_view_if_needed()
        expect(page.locator("#picked-details .links")).to_be_in_viewport()
        cards.nth(0).click()
        expect(page.locator("#compare .empty")).to_be_visible()


def top(page, selector):
    return page.locator(selector).bounding_box()["y"]


def newest_picture(services, owner):
    deadline = time.monotonic() + 60
    while (job := services.store.jobs_of(owner)[0]).state != "done":
        assert time.monotonic() < deadline, f"still {job.state}"
        time.sleep(0.1)
    return services.generations_of_job(job)[0]
