"""The README's picture: starts the studio on the shipped weights, draws one prompt in a browser, and keeps what is seen.

python docs/screenshot.py        needs requirements-dev.txt and Debian's chromium; writes docs/studio.webp
"""

import io
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parent.parent
PICTURE = ROOT / "docs" / "studio.webp"
PROMPT, SEED = "a laptop and a gift on a navy background", 3
SECONDS = 1000  # Playwright counts milliseconds
PATIENCE = 300


@contextmanager
def studio() -> Iterator[str]:
    """The address of a studio of our own, with an empty data folder."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        here = {"DATA_DIR": folder, "GRADIO_SERVER_NAME": "127.0.0.1", "GRADIO_SERVER_PORT": str(port)}
        process = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=os.environ | here)
        try:
            wait_for(f"http://127.0.0.1:{port}/healthz", process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait()


def wait_for(address: str, process: subprocess.Popen) -> None:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        try:
            direct.open(address, timeout=5).close()
            return
        except OSError:
            time.sleep(1)
    raise RuntimeError(f"the studio did not answer at {address}")


def take(address: str) -> bytes:
    """PNG of the Playground with a finished picture."""
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-dev-shm-usage"]  # in containers /dev/shm is often too small for a page
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=arguments)
        page = browser.new_page(viewport={"width": 1360, "height": 850})
        page.set_default_timeout(PATIENCE * SECONDS)
        page.goto(f"{address}/?__theme=light")
        page.locator("#cost .cost").wait_for()
        page.get_by_role("button", name="Sampling, seed").click()
        page.locator("#random-seed input").uncheck()
        page.locator("#seed input").fill(str(SEED))
        page.get_by_role("button", name="Sampling, seed").click()
        page.locator("#prompt textarea").fill(PROMPT)
        page.locator("#go").click()
        page.locator("#details .prompt").wait_for()
        page.evaluate("scrollTo(0, 0)")
        page.wait_for_timeout(SECONDS)
        png = page.screenshot()
        browser.close()
    return png


if __name__ == "__main__":
    with studio() as address:
        Image.open(io.BytesIO(take(address))).convert("RGB").save(PICTURE, "WEBP", quality=88, method=6)
    print(f"written to {PICTURE}")
