"""How long a rater waits: Save to the next item fully painted, cold start, opening of the atlas; in real Chromium.

Compared in the same run, screen by screen in turn, with the plain way to write such an app: one Streamlit script
with a button, `st.image` for each picture and the same database call, rerun at each save. Both show the same study.

python scripts/bench_app.py --database annotations.db --study ID --rater R01 --access-code CODE
"""

import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from _cli import run
from _root import ROOT
from playwright.sync_api import Browser, Page, sync_playwright

from cytosae_core.atlas.atlas import LatentAtlas
from cytosae_core.errors import ConfigError
from cytosae_core.judging.database import backup, open_engine
from cytosae_core.judging.repository import Repository

# Listens before anything else: when Ctrl+S went down, and when every picture of the screen after it was painted.
WATCH = """
window.saves = [];
addEventListener('keydown', e => { if (e.ctrlKey && e.key === 's') window.savedAt = performance.now(); }, true);
"""
PLAIN_PAINTED = """async ({ shown }) => {
  const images = () => [...document.querySelectorAll('[data-testid=stImage] img')];
  const label = () => document.querySelector('.shown')?.textContent;
  while (label() === shown || images().length === 0 || document.querySelector('[data-stale=true]'))
    await new Promise(requestAnimationFrame);
  await Promise.all(images().map(image => image.decode().catch(() => null)));
  await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
  return performance.now() - window.savedAt;
}"""
PLAIN_APP = Path(__file__).with_name("_plain_app.py")


@dataclass(frozen=True)
class Config:
    """A study with a rater who has judged nothing yet; the benchmark works on a copy of the database."""

    study: str
    rater: str
    access_code: str
    database: Path = ROOT / "annotations.db"
    n_cold_starts: int = 3
    """Cold starts measured."""
    chromium: str = "chromium"
    """Name or path of the browser."""


def main(config: Config) -> None:
    """Measure, and print medians, 95th percentiles and the ratio."""
    browser_path = shutil.which(config.chromium)
    if browser_path is None:
        raise ConfigError(f"{config.chromium!r} is not on this machine; on Debian: apt-get install chromium")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=browser_path, args=["--disable-background-networking"])
        copies = [Path(folder) / name for name in ("workbench.db", "plain.db")]
        for copy in copies:
            backup(open_engine(config.database), copy)
        show("opening the atlas", [1000 * value for value in time_atlas(config)])
        cold = [cold_start(config, browser, copies[0]) for _ in range(config.n_cold_starts)]
        show("cold start: process to first picture", [1000 * value for value in cold])
        ours, plain = interleaved(config, browser, *copies)
        show("Save to next item painted, workbench", ours)
        show("Save to next item painted, plain Streamlit", plain)
        print(f"ratio of medians: {statistics.median(plain) / statistics.median(ours):.1f}")
        browser.close()


def show(label: str, milliseconds: list[float]) -> None:
    """One line of the table."""
    ordered = sorted(milliseconds)
    median, p95 = statistics.median(ordered), ordered[round(0.95 * (len(ordered) - 1))]
    print(f"{label:45} n {len(ordered):3}   median {median:7.1f} ms   p95 {p95:7.1f} ms", flush=True)


def time_atlas(config: Config) -> Iterator[float]:
    """Seconds to open the study's atlas, five times."""
    atlas_path = Repository(open_engine(config.database)).studies.atlas_path(config.study)
    for _ in range(5):
        start = time.perf_counter()
        LatentAtlas.open(ROOT / atlas_path)
        yield time.perf_counter() - start


def cold_start(config: Config, browser: Browser, database: Path) -> float:
    """Seconds from starting the process to the first item painted for a rater who signs in at once."""
    start = time.perf_counter()
    with server("app/server.py", config, database) as address:
        desk(config, browser, address).close()
        return time.perf_counter() - start


def interleaved(config: Config, browser: Browser, ours: Path, plain: Path) -> tuple[list[float], list[float]]:
    """Milliseconds of each save, one of each app in turn, to the last item but one."""
    with server("app/server.py", config, ours) as first, server(str(PLAIN_APP), config, plain) as second:
        savers = save_ours(desk(config, browser, first)), save_plain(plain_page(browser, second))
        n_items = len(Repository(open_engine(ours)).studies.load(config.study).items_of("concept"))
        pairs = [(next(savers[0]), next(savers[1])) for _ in range(n_items - 1)]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def desk(config: Config, browser: Browser, address: str) -> Page:
    """The judging desk, signed in, first item painted."""
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    page.add_init_script(WATCH)
    page.goto(address)
    page.get_by_label("Rater code").fill(config.rater)
    page.get_by_label("Access code").fill(config.access_code)
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Start").or_(page.get_by_role("button", name="Go on")).first.click()
    page.locator(".desk[data-painted]").wait_for()
    return page


def save_ours(page: Page) -> Iterator[float]:
    """Judge with the keyboard; yields milliseconds from Ctrl+S to the next item painted."""
    while True:
        before = page.locator(".desk").get_attribute("data-painted")
        page.wait_for_timeout(900)  # a rater looks; the next pictures are fetched meanwhile
        for key in ("n", "3", "Control+s"):
            page.keyboard.press(key)
        page.locator(f".desk[data-painted]:not([data-painted='{before}'])").wait_for()
        painted = "performance.getEntriesByName('cytosae-painted').at(-1).startTime - window.savedAt"
        yield float(page.evaluate(painted))


def plain_page(browser: Browser, address: str) -> Page:
    """The plain app with its first item."""
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    page.add_init_script(WATCH)
    page.goto(address)
    page.locator(".shown").wait_for()
    return page


def save_plain(page: Page) -> Iterator[float]:
    """The same in the plain app, whose one button has the shortcut Ctrl+S."""
    while True:
        shown = page.locator(".shown").inner_text()
        page.wait_for_timeout(900)
        page.keyboard.press("Control+s")
        yield float(page.evaluate(PLAIN_PAINTED, {"shown": shown}))


@contextmanager
def server(script: str, config: Config, database: Path) -> Iterator[str]:
    """A Streamlit server in a process of its own; gives its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "CYTOSAE_DATABASE": str(database), "BENCH_STUDY": config.study}
    environment |= {"BENCH_RATER": config.rater, "BENCH_ACCESS_CODE": config.access_code}
    command = [sys.executable, "-m", "streamlit", "run", script, "--server.port", str(port)]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: answers(port), 60)
        yield f"http://localhost:{port}"
    finally:
        process.terminate()
        process.wait()


def answers(port: int) -> bool:
    """Whether the server is up."""
    with suppress(OSError), urllib.request.urlopen(f"http://localhost:{port}/_stcore/health", timeout=2) as response:
        return bool(response.status == 200)
    return False


def wait_until(condition: Callable[[], bool], seconds: float) -> None:
    """Wait, or raise ConfigError."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise ConfigError(f"the server did not start within {seconds} s")
        time.sleep(0.02)


if __name__ == "__main__":
    run(main, Config)
