"""The administrator's part of the Results page in a real browser: every button does what it says."""

import csv
import io
import zipfile
from datetime import datetime, timedelta, timezone

import pytest
from arena_world import PROMPTS, make_services, make_study, png
from browser_world import Visitor, chromium
from playwright.sync_api import expect

from app.arena import arena
from app.studies.new_study import OWN_PROMPTS
from app.studies.prompt_sets import BUILT_IN
from app.studies.rivals import LIST
from app.ui import build_ui
from app.web.launch import launch_arguments


@pytest.fixture
def world(tmp_path):
    services = make_services(tmp_path)
    study = make_study(services.store)
    demo = build_ui(services)
    _, url, _ = demo.launch(**{**launch_arguments(services), "prevent_thread_lock": True, "quiet": True})
    with chromium() as browser:
        keeper = Visitor(browser, url.rstrip("/"))
        yield services, study, keeper.open("/results")
        keeper.close()
    demo.close()
    services.close()


def report(services, study):
    """One pair that two raters report as broken."""
    pair = services.store.pairs_on_offer(study.id)[0]
    for name in "xy":
        rater = arena.rater_of(services, name)
        later = datetime.now(timezone.utc) + timedelta(minutes=5)
        given = services.store.open_assignment(
            rater.id, study.id, pair.id, left_side="a", criteria=["flaws"], propensity=0.5, expires_at=later
        )
        arena.report_broken(services, name, {"assignment": given.id, "side": "left"}, None)


def packed():
    """A zip with one picture of another system."""
    rows, buffer = io.StringIO(), io.BytesIO()
    csv.writer(rows).writerows([("file", "prompt"), ("one.png", PROMPTS[0])])
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(LIST, rows.getvalue())
        archive.writestr("one.png", png(900, 96))
    return {"name": "rivals.zip", "mimeType": "application/zip", "buffer": buffer.getvalue()}


def test_prompts_of_ones_own_are_the_ones_that_are_used(world):
    _, _, page = world
    page.get_by_role("button", name="Studies (administration)").click()
    page.get_by_role("tab", name="New study").click()
    expect(page.locator("#new-study-prompts input")).to_have_value(BUILT_IN[0])
    page.locator("#new-study-own textarea").fill("a red apple\na green cup")
    expect(page.locator("#new-study-prompts input")).to_have_value(OWN_PROMPTS)


def test_a_keeper_pauses_opens_restores_brings_in_and_closes(world):
    services, study, page = world
    report(services, study)
    expect(page.locator("#results-summary")).to_contain_text("No votes yet")
    page.get_by_role("button", name="Studies (administration)").click()
    page.locator("#study-key input").fill("the key")
    page.locator("#study-refresh").click()
    expect(page.locator("#study-list")).to_contain_text("reports of broken pictures: 2")
    expect(page.locator("#study-reports")).to_be_hidden()
    page.locator("#study-pick input").click()
    page.get_by_role("option", name=study.name).click()
    expect(page.locator("#study-reported img")).to_have_count(2)
    expect(page.locator("#study-reports")).to_be_visible()
    page.locator("#study-restore").click()
    expect(page.locator("#study-reports")).to_be_hidden()
    assert services.store.reported_pairs(study.id) == []
    for name, state in (("pause", "paused"), ("open", "open")):
        page.locator(f"#study-{name}").click()
        expect(page.locator("#study-list")).to_contain_text(f"{state}:")
        assert services.store.get_study(study.id).state == state
    page.get_by_role("button", name="Bring in another system").click()
    page.locator("#rival-system input, #rival-system textarea").fill("Other")
    page.locator("#rival-zip input[type=file]").set_input_files(packed())
    expect(page.locator("#rival-zip")).to_contain_text("rivals")
    page.locator("#rival-bring").click()
    expect(page.get_by_test_id("toast-body").last).to_contain_text("6 pairs against Other")
    expect(page.locator("#study-close")).to_be_hidden()  # closing is asked for twice
    page.locator("#study-ask-close").click()
    page.locator("#study-close").click()
    expect(page.locator("#study-list")).to_contain_text("closed:")
    assert services.store.get_study(study.id).state == "closed"
