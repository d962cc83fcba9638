"""What listens to a page, or walks it with keys, finds: one heading, a name on every control, a text for every picture."""

import re

import pytest
from browser_world import Visitor, chromium, studio
from playwright.sync_api import expect

PAGES = ("/", "/gallery", "/compare", "/arena", "/results", "/about")
NAMELESS = """() => [...document.querySelectorAll('input, textarea, select, button, a[href], [role=button], [role=slider], [role=combobox]')]
  .filter(each => each.offsetParent && !each.closest('[aria-hidden=true]'))
  .filter(each => !['aria-label', 'aria-labelledby', 'title'].some(name => each.getAttribute(name)))
  .filter(each => ![each.labels?.[0]?.textContent, each.textContent, each.querySelector('img')?.alt].some(text => text?.trim()))
  .map(each => each.outerHTML.slice(0, 200))"""
WORDLESS = (
    "() => [...document.images].filter(each => !each.hasAttribute('alt')).map(each => each.outerHTML.slice(0, 200))"
)


@pytest.fixture(scope="module")
def ann(tmp_path_factory):
    """A visitor who has drawn one picture."""
    with studio(tmp_path_factory.mktemp("heard")) as (_, url), chromium() as browser:
        visitor = Visitor(browser, url)
        page = visitor.open()
        page.locator("#prompt textarea").fill("a red apple")
        page.keyboard.press("Control+Enter")
        expect(page.locator("#details .prompt")).to_be_visible()
        yield visitor
        visitor.context.close()


@pytest.mark.parametrize("path", PAGES)
def test_a_page_has_one_heading_and_names_for_all_controls_and_pictures(ann, path):
    page = ann.open(path)
    expect(page.get_by_role("heading", level=1)).to_have_count(1)
    if path == "/gallery":
        page.locator("#cards .card").click()
        expect(page.locator("#compare img")).to_be_visible()
    assert page.evaluate(NAMELESS) == [] and page.evaluate(WORDLESS) == []
    page.close()


def test_control_points_tell_their_values(ann):
    page = ann.open()
    page.locator("#preset label", has_text="Late").click()
    point = page.get_by_role("slider", name="Control point 2")
    expect(point).to_have_attribute("aria-valuetext", re.compile("^at 40 % of the steps, weight "))
    before = float(point.get_attribute("aria-valuenow"))
    point.focus()
    page.keyboard.press("ArrowUp")
    expect(page.get_by_role("slider", name="Control point 2")).to_have_attribute("aria-valuenow", f"{before + 0.25:g}")
    page.close()


def test_keys_show_where_they_are(ann):
    page = ann.open()
    page.get_by_role("button", name="Sampling, seed").click()
    page.keyboard.press("Tab")
    for control in ("#prompt textarea", "#scale input[type=range]", "#random-seed input", "#go"):
        page.locator(control).focus()
        assert page.locator(control).evaluate("each => getComputedStyle(each).outlineStyle") != "none", control
    page.close()


def test_walking_through_a_grid_s_axes_keeps_their_levels(ann):
    page = ann.open("/compare")
    levels = page.locator("#levels-columns textarea, #levels-columns input")
    before = levels.input_value()
    page.locator("#axis-columns input").focus()
    page.keyboard.press("Tab")
    expect(levels).to_be_focused()
    page.keyboard.press("End")
    page.keyboard.type(", 5")
    expect(page.locator("#grid-plan")).to_contain_text("4 scale")
    assert before and before in levels.input_value()
    page.close()


def test_a_picture_opens_and_closes_with_keys(ann):
    page = ann.open("/gallery")
    page.locator("#cards .card").focus()
    page.keyboard.press("Enter")
    page.locator("#compare [data-zoom]").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.close()
