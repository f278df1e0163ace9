"""What take_screenshots.py does in the browser: one rater walks through a study, on a copy of the database."""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from _root import ROOT
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from cytosae_core.errors import ConfigError
from cytosae_core.judging.database import backup, open_engine
from cytosae_core.judging.raters import new_access_code
from cytosae_core.judging.repository import Repository

RATER = "SCREEN"
PATIENCE_S = 60
_GUARD_MS = 500
"""Longer than the guard against answers meant for the item before."""


def take(database: str, study_id: str, out: Path, size: tuple[int, int]) -> list[Path]:
    """Pictures of the screens of a study, as WebP files in `out`; the database is copied and left as it is."""
    browser_path = shutil.which("chromium") or shutil.which("google-chrome")
    if browser_path is None:
        raise ConfigError("no chromium on this machine; on Debian: apt-get install chromium")
    out.mkdir(parents=True, exist_ok=True)
    work = out / ".work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    try:
        backup(open_engine(database), work / "copy.db")
        code = new_access_code()
        Repository(open_engine(work / "copy.db")).raters.add(RATER, study_id, access_code=code)
        with _server(work) as address, sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=browser_path)
            page = browser.new_page(viewport={"width": size[0], "height": size[1]})
            taken = [_saved(page, work, out / f"{name}.webp") for name in _walk(page, address, code)]
            browser.close()
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return taken


def _walk(page: Page, address: str, access_code: str) -> Iterator[str]:
    """Go from screen to screen; yields the name of each when it is painted."""
    page.goto(address)
    page.get_by_label("Rater code").fill(RATER)
    page.get_by_label("Access code").fill(access_code)
    page.get_by_label("Access code").blur()
    yield "sign-in"
    page.get_by_label("Access code").press("Enter")
    page.get_by_role("button", name="Start").first.wait_for()
    yield "instructions"
    _open_task(page, "Concepts")
    page.keyboard.press("y")
    page.keyboard.press("2")
    yield "judging"
    if page.get_by_role("button", name="Map").count():
        page.keyboard.press("m")
        yield "map"
        page.keyboard.press("m")
    for verdict in ("y2", "n3", "y1"):
        _judge(page, verdict)
    if page.get_by_role("link", name="Disease", exact=True).count():
        _open_task(page, "Disease")
        _judge(page, "a1")
        yield "disease"
    page.get_by_role("link", name="My answers", exact=True).click()
    page.get_by_text("Research use only").wait_for()
    yield "answers"


def _judge(page: Page, keys: str) -> None:
    """Answer with these keys, give a name where one is asked for, save, and wait for the next screen."""
    before = page.locator(".desk").get_attribute("data-painted")
    for key in keys:
        page.keyboard.press(key)
    if keys.startswith("y"):
        page.keyboard.press("t")
        page.keyboard.type("granules")
        page.keyboard.press("Escape")
    page.keyboard.press("Control+s")
    page.locator(f".desk[data-painted]:not([data-painted='{before}'])").wait_for()
    page.wait_for_timeout(_GUARD_MS)


def _open_task(page: Page, title: str) -> None:
    """Go to a task, and wait until it is that task's desk which is painted."""
    page.get_by_role("link", name=title, exact=True).click()
    page.get_by_text(re.compile(rf"^{title} · 1 of")).wait_for()
    page.locator(".desk[data-painted]").wait_for()
    page.wait_for_timeout(_GUARD_MS)


def _saved(page: Page, work: Path, path: Path) -> Path:
    page.wait_for_timeout(_GUARD_MS)
    page.screenshot(path=work / "screen.png")
    with Image.open(work / "screen.png") as image:
        image.convert("RGB").save(path, "WEBP", quality=80, method=6)
    return path


@contextlib.contextmanager
def _server(work: Path) -> Iterator[str]:
    """The app on the copy, at its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app/server.py", "--server.port", str(port)]
    environment = os.environ | {"CYTOSAE_DATABASE": str((work / "copy.db").resolve())}
    with (work / "server.log").open("wb") as log:
        server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
    try:
        _wait_for(f"http://localhost:{port}/_stcore/health", work / "server.log")
        yield f"http://localhost:{port}"
    finally:
        server.terminate()
        server.wait()


def _wait_for(address: str, log: Path) -> None:
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=2):  # noqa: S310 - our own server
            return
        time.sleep(0.2)
    raise ConfigError(f"the app did not start within {PATIENCE_S} s: {log.read_text(errors='replace')[-300:]}")
