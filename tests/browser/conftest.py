"""Chromium, a real server and raters who have only a keyboard."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.app.conftest import ACCESS_CODES, Site, copied_site, prepared
from tests.browser.rater import PATIENCE_MS, Rater
from tests.browser.server import Server

__all__ = ["prepared"]


@pytest.fixture(scope="session")
def chromium():
    executable = shutil.which("chromium") or shutil.which("google-chrome")
    if executable is None:
        pytest.skip("needs Chromium; on Debian: apt-get install chromium")
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright (tests/requirements.txt)")
    playwright.expect.set_options(timeout=PATIENCE_MS)  # nothing but a busy machine is waited for longer than 5 s
    quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=executable, args=quiet)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def site(prepared, tmp_path_factory) -> Site:
    """One site for all tests that leave the server alone; each takes a rater of its own."""
    return copied_site(prepared, tmp_path_factory.mktemp("shared-site"))


@pytest.fixture(scope="session")
def server(site) -> Iterator[Server]:
    server = Server(site.database_path, site.database_path.with_name("server.log"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def fresh_codes() -> Iterator[str]:
    return iter(ACCESS_CODES)


@pytest.fixture
def open_browser(chromium, tmp_path) -> Iterator[Callable[[str, str], Rater]]:
    """Give a rater a browser of their own at a server's address; the last screens are kept."""
    contexts = []

    def sit(address: str, rater_code: str) -> Rater:
        context = chromium.new_context(viewport={"width": 1440, "height": 900})
        contexts.append(context)
        return Rater(context.new_page(), address, rater_code)

    yield sit
    for number, context in enumerate(contexts):
        for page in context.pages:
            page.screenshot(path=Path(tmp_path) / f"last-screen-{number}.png")
        context.close()


@pytest.fixture
def seat(open_browser, server, fresh_codes) -> Callable[..., Rater]:
    """A rater at the shared server: a new one, or the one of that code at another browser."""
    return lambda rater_code=None: open_browser(server.address, rater_code or next(fresh_codes))
