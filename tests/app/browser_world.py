"""A real Chromium against a studio on the tiny checkpoint. A missing browser fails where CI is set and skips elsewhere."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from tiny import write_checkpoint

from app.services import Services, build_services
from app.settings import Settings
from app.ui import build_ui
from app.web.launch import launch_arguments

SECONDS = 1000  # Playwright counts milliseconds
expect.set_options(timeout=60 * SECONDS)  # a busy machine is slow, not wrong
HARMLESS = ("AbortError", "Connection errored out")  # a page that is left while it listens


@contextmanager
def studio(folder: Path) -> Iterator[tuple[Services, str]]:
    """A running studio and its address."""
    weights = write_checkpoint(folder / "weights")
    settings = Settings(folder / "data", "test-secret", weights=str(weights), threads=1, admin_key="the key")
    settings.data_dir.mkdir()
    services = build_services(settings)
    demo = build_ui(services)
    try:
        _, url, _ = demo.launch(**{**launch_arguments(services), "prevent_thread_lock": True, "quiet": True})
        yield services, url.rstrip("/")
    finally:
        demo.close()
        services.close()


@contextmanager
def chromium() -> Iterator[Browser]:
    path = shutil.which("chromium")
    if path is None:
        reason = "Chromium is not installed (Debian: apt-get install chromium)"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    with sync_playwright() as playwright:
        # in containers /dev/shm is often too small for a page
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


class Visitor:
    """One person with cookies of their own; notes requests that leave the host and errors of the page."""

    def __init__(self, browser: Browser, url: str, *, has_touch: bool = False) -> None:
        self.url = url
        self.context = browser.new_context(viewport={"width": 1280, "height": 900}, has_touch=has_touch)
        self.context.set_default_timeout(60 * SECONDS)
        self.outside: list[str] = []
        self.errors: list[str] = []

    def open(self, path: str = "/") -> Page:
        page = self.context.new_page()
        page.on("request", self._note)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda line: self._note_error(line.text) if line.type == "error" else None)
        page.goto(self.url + path)
        if path.split("?")[0] == "/":
            expect(page.locator("#cost .cost")).to_be_visible()  # the page has answered its first events
        return page

    def owner(self, services: Services) -> str:
        """Whose the person's pictures are; known once a page was opened."""
        cookie = next(each for each in self.context.cookies() if each["name"] == "studio_visitor")
        return services.identity.owner_of_token(cookie["value"])

    def _note(self, request) -> None:
        if not request.url.startswith((self.url, "data:", "blob:")):
            self.outside.append(request.url)

    def _note_error(self, text: str) -> None:
        if not any(known in text for known in HARMLESS):
            self.errors.append(text)

    def close(self) -> None:
        self.context.close()
        assert self.outside == [], "a request left the host"
        assert self.errors == []


def choose_window(page: Page, window: int) -> None:
    page.locator("#window .ticks span", has_text=re.compile(rf"^{window}\b")).click()
    expect(page.locator("#window .now")).to_have_text(str(window))


def set_long(page: Page, side: int) -> None:
    """A square without fusing takes (side / 16)² steps, long enough to be met in the middle. Nothing trained: to be allowed first."""
    page.get_by_role("button", name="Sampling, seed").click()
    page.locator("#untrained input").check()
    expect(page.locator("#resolution input[type=number]")).to_have_attribute("max", "2048")
    page.locator("#resolution input[type=number]").fill(str(side))
    page.keyboard.press("Tab")
    choose_window(page, 1)
    expect(page.locator("#cost")).to_contain_text(f"{(side // 16) ** 2:,} steps")
