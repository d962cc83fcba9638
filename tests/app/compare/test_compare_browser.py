"""The Compare page in a real browser: from a plan to two cells that raters may see."""

import re

import pytest
from browser_world import SECONDS, Visitor, chromium, studio
from playwright.sync_api import expect

from app.compare.plan import is_grid


@pytest.fixture
def world(tmp_path):
    with studio(tmp_path) as (services, url), chromium() as browser:
        ann = Visitor(browser, url)
        yield services, ann.open("/compare")
        ann.close()


def test_a_grid_is_planned_drawn_timed_and_queued_for_rating(world):
    services, page = world
    expect(page).to_have_title("Compare · Token-Shuffle Studio")
    plan = page.locator("#grid-plan")
    expect(plan).to_contain_text("not yet timed here")
    page.get_by_label("Temperature", exact=True).fill("-4")
    expect(plan).to_contain_text("temperature is -4")  # in the page's own words
    page.get_by_label("Temperature", exact=True).fill("1")
    page.locator("#grid-untrained input").check()
    page.locator("#levels-rows textarea").fill("2, 4")
    page.locator("#levels-columns textarea").fill("2, 3")
    expect(plan).to_contain_text("2 window × 2 scale = 4 pictures")
    page.locator("#grid-start").click()
    expect(page.locator("#grid-status")).to_contain_text("4 of 4 pictures", timeout=120 * SECONDS)
    expect(plan).to_contain_text(re.compile(r"4 pictures · about [\d.]+ s"))  # nobody typed anything
    expect(page.locator("#grid-hold")).to_be_hidden()
    cells = page.locator("#sheet .cell")
    for number in (0, 3):
        cells.nth(number).click()
        expect(cells.nth(number)).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#grid-slider .compare img")).to_have_count(2)
    page.locator("#grid-rate").click()
    expect(page.locator("#grid-status")).to_contain_text("1 pair queued, not rated yet")
    (study,) = filter(is_grid, services.store.list_studies())
    (entry,) = services.store.coverage(study.id)
    assert study.state == "open" and entry.comparison.kind == "free"
    page.locator("#grid-stop-rating").click()
    expect(page.locator("#grid-resume-rating")).to_be_visible()
    assert services.store.get_study(study.id).state == "paused"


def test_the_link_of_a_grid_that_is_not_there_says_so(world):
    _, page = world
    page.goto(page.url + "?grid=nonsense")
    expect(page.get_by_test_id("toast-body")).to_contain_text("another visitor's, was deleted, or never existed")
