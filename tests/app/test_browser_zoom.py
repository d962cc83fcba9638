"""Looking closer with wheel, mouse, fingers and keys: the same in the comparison, in a grid's sheet and in the whole window."""

import math
from dataclasses import dataclass
from functools import partial

import pytest
from browser_world import Visitor, chromium, studio
from compare_world import WISH, wait_for
from playwright.sync_api import Locator, Page, expect

from app.compare.handlers import CompareHandlers

about = partial(pytest.approx, abs=0.04)  # a mouse counts whole px
VIEWERS = ("comparison", "sheet", "whole window")
SIDES = """all => all.map(each => {
    const m = new DOMMatrix(getComputedStyle(each).transform);
    return [m.a, m.e / each.offsetWidth, m.f / each.offsetHeight];
})"""


@dataclass
class Viewer:
    page: Page
    frame: Locator  # the first, where there are several
    pictures: Locator
    keys: Locator  # what listens to them

    def sides(self) -> tuple[float, float, float]:
        """Scale, and the place of the upper left corner in sides of the frame; the same of all pictures."""
        found = {tuple(round(each, 3) for each in sides) for sides in self.pictures.evaluate_all(SIDES)}
        assert len(found) == 1, found
        return found.pop()

    def at(self, x: float, y: float) -> tuple[float, float]:
        """px of the window at a place in sides of the frame."""
        box = self.frame.bounding_box()
        return box["x"] + x * box["width"], box["y"] + y * box["height"]


@pytest.fixture(scope="module")
def ann(tmp_path_factory):
    """A visitor with a grid of four pictures."""
    with studio(tmp_path_factory.mktemp("zoom")) as (services, url), chromium() as browser:
        visitor = Visitor(browser, url, has_touch=True)
        visitor.open("/gallery").close()
        owner = visitor.owner(services)
        handlers = CompareHandlers(services)
        wait_for(services, handlers.own(handlers.start(WISH, owner), owner))
        yield visitor
        visitor.close()


@pytest.fixture
def viewer(ann, request):
    page = ann.open("/compare" if request.param == "sheet" else "/gallery")
    look = partial(Viewer, page)
    if request.param == "sheet":
        expect(page.locator("#sheet img")).to_have_count(4)
        expect(page.locator("#grid-plan")).not_to_have_text("")  # what comes later moves the sheet by parts of a pixel
        page.locator("#sheet").scroll_into_view_if_needed()
        yield look(page.locator(".cell-view").first, page.locator(".cell-view img"), page.locator(".cell").first)
    else:
        count = 2 if request.param == "comparison" else 1
        for card in (page.locator("#cards .card").nth(i) for i in range(count)):
            card.click()
            expect(card).to_have_attribute("aria-pressed", "true")
        if count == 2:
            frame = page.locator(".compare")
            expect(frame).to_be_visible()
            yield look(frame, page.locator(".compare img"), frame)
        else:
            page.locator("#compare [data-zoom]").click()
            yield look(page.locator(".zoom-frame"), page.locator(".zoom-frame img"), page.get_by_role("dialog"))
    page.close()


everywhere = pytest.mark.parametrize("viewer", VIEWERS, indirect=True)


@everywhere
def test_the_wheel_zooms_where_it_is_and_a_drag_moves_up_to_the_edge(viewer):
    page, seen = viewer.page, viewer.frame.bounding_box()
    page.mouse.move(*viewer.at(0.25, 0.5))
    page.keyboard.down("Control")  # in a page that scrolls, the wheel alone is its own
    page.mouse.wheel(0, -400 * math.log(4))
    page.keyboard.up("Control")
    page.wait_for_function("() => document.querySelector('.zoomed')")
    assert viewer.sides() == about((4, -0.75, -1.5))
    page.mouse.down()
    page.mouse.move(*viewer.at(0.5, 0.25), steps=4)
    assert viewer.sides() == about((4, -0.5, -1.75))
    page.mouse.move(5, 5, steps=4)
    page.mouse.move(1270, 890, steps=4)
    page.mouse.up()
    page.mouse.move(*viewer.at(0.5, 0.5))  # nothing is held any more
    scale, x, y = viewer.sides()
    assert scale == 4 and -3 <= x <= 0 and -3 <= y <= 0
    assert viewer.frame.bounding_box() == seen  # neither did the page scroll, nor did the drag press anything
    assert page.locator(".cell.picked").count() == 0


@everywhere
def test_keys_zoom_move_and_show_all(viewer):
    viewer.keys.focus()
    for key in ("+", "+", "-", "ArrowLeft"):
        viewer.page.keyboard.press(key)
    assert viewer.sides() == about((1.25, -0.025, -0.125))
    viewer.page.keyboard.press("0")
    assert viewer.sides() == about((1, 0, 0))


@everywhere
def test_a_double_click_shows_thrice_the_size_and_all_again(viewer):
    viewer.page.mouse.dblclick(*viewer.at(0.5, 0.25))
    assert viewer.sides() == about((3, -1, -0.5))
    viewer.page.mouse.dblclick(*viewer.at(0.5, 0.25))
    assert viewer.sides() == about((1, 0, 0))


@everywhere
def test_two_fingers_pinch(viewer):
    fingers = viewer.page.context.new_cdp_session(viewer.page)

    def touch(kind: str, *places: tuple[float, float]) -> None:
        points = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(places)]
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    before = viewer.frame.bounding_box()  # and the page does not scroll
    still = viewer.at(0.5, 0.1)
    touch("touchStart", still)
    touch("touchStart", still, viewer.at(0.5, 0.3))
    for y in (0.4, 0.5, 0.7, 0.9):
        touch("touchMove", still, viewer.at(0.5, y))
    touch("touchEnd")
    assert viewer.sides() == about((4, -1.5, -0.3))
    assert viewer.frame.bounding_box() == before


@pytest.mark.parametrize("viewer", ["sheet"], indirect=True)
def test_a_sheet_leaves_the_wheel_and_one_finger_to_the_page_until_it_is_zoomed(viewer):
    page = viewer.page
    page.mouse.move(*viewer.at(0.5, 0.5))
    page.mouse.wheel(0, -200)
    page.wait_for_function("y => scrollY < y", arg=page.evaluate("scrollY"))
    assert viewer.sides() == about((1, 0, 0))
    page.locator(".sheet-zoom").fill("2")
    assert viewer.sides() == about((2, -0.5, -0.5))
    viewer.frame.click()
    expect(page.locator(".cell.picked")).to_have_count(1)
    assert viewer.sides() == about((2, -0.5, -0.5))


@pytest.mark.parametrize("viewer", ["comparison"], indirect=True)
def test_at_full_size_a_drag_and_arrows_move_the_cut(viewer):
    page, cut = viewer.page, viewer.page.locator(".compare-range")
    page.mouse.move(*viewer.at(0.25, 0.5))
    page.mouse.down()
    expect(cut).to_have_value("25")
    page.mouse.move(*viewer.at(0.75, 0.5))
    page.mouse.up()
    expect(cut).to_have_value("75")
    page.keyboard.press("ArrowRight")  # the click gave it the keys
    expect(cut).to_have_value("77")
    assert viewer.sides() == about((1, 0, 0))


@pytest.mark.parametrize("viewer", ["whole window"], indirect=True)
def test_the_whole_window_closes_beside_the_picture_and_by_its_button(viewer):
    page, dialog = viewer.page, viewer.page.get_by_role("dialog")
    viewer.frame.click()
    expect(dialog).to_be_visible()
    page.mouse.click(20, 450)
    expect(dialog).to_have_count(0)
    page.locator("#compare [data-zoom]").click()
    page.get_by_role("button", name="Close", exact=True).click()
    expect(dialog).to_have_count(0)
