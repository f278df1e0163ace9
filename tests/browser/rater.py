"""A rater at a browser: looks at the page and presses keys, nothing else."""

from playwright.sync_api import Page, TimeoutError, expect

from tests.app.conftest import ACCESS_CODES

PATIENCE_MS = 60_000


class Rater:
    """One rater on one page."""

    def __init__(self, page: Page, address: str, rater_code: str, access_code: str | None = None) -> None:
        self.page = page
        self.address = address
        self.rater_code = rater_code
        self.access_code = access_code or ACCESS_CODES[rater_code]
        page.set_default_timeout(PATIENCE_MS)

    def sign_in(self) -> None:
        self.page.goto(self.address)
        self.page.get_by_label("Rater code").focus()
        self.page.keyboard.type(self.rater_code)
        self.page.keyboard.press("Tab")
        self.page.keyboard.type(self.access_code)
        self.page.keyboard.press("Enter")
        expect(self.page.get_by_role("link", name="Instructions")).to_be_visible(timeout=PATIENCE_MS)

    def open_task(self, title: str = "Concepts") -> None:
        link = self.page.get_by_role("link", name=title, exact=True)
        link.focus()
        self.page.keyboard.press("Enter")
        self.wait_for_item()

    @property
    def item(self) -> str | None:
        """The item on the screen; None when the desk is gone."""
        desk = self.page.locator(".desk")
        return desk.get_attribute("data-item") if desk.count() else None

    @property
    def nonce(self) -> str | None:
        return self.page.locator(".desk").get_attribute("data-painted")

    @property
    def status(self) -> str:
        return self.page.locator(".desk .status").inner_text()

    def wait_for_item(self, after: str | None = None, *, other_than: str | None = None) -> None:
        """Until an item is fully painted: not the showing of nonce `after`, and not item `other_than`."""
        shown_before = f":not([data-painted='{after}'])" if after else ""
        known = f":not([data-item='{other_than}'])" if other_than else ""
        try:
            self.page.locator(f".desk[data-painted]{shown_before}{known}").wait_for()
        except TimeoutError as error:
            raise AssertionError(f"no other item; the desk shows {self.item!r} and says {self.status!r}") from error
        self.page.wait_for_timeout(420)  # the guard against answers meant for the item before

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def write(self, key: str, text: str) -> None:
        """Go to the field of that key, write, and leave it."""
        self.page.keyboard.press(key)
        self.page.keyboard.press("Control+a")
        self.page.keyboard.type(text)
        self.page.keyboard.press("Escape")

    def save(self) -> None:
        """Ctrl+S, and wait until the next item, or the end page, is there."""
        before = self.nonce
        self.page.keyboard.press("Control+s")
        done = self.page.get_by_text("All done. Thank you.")
        try:
            self.page.locator(f".desk[data-painted]:not([data-painted='{before}'])").or_(done).wait_for()
        except TimeoutError as error:
            raise AssertionError(f"not saved; the desk shows {self.item!r} and says {self.status!r}") from error
        self.page.wait_for_timeout(420)

    def save_answers(self, *keys: str) -> None:
        """Answer with these keys, and save."""
        self.press(*keys)
        self.save()

    @property
    def is_done(self) -> bool:
        return self.page.get_by_text("All done. Thank you.").is_visible()


def judgements(site, rater: Rater):
    """What the database holds of this rater, oldest first."""
    table = site.repository.results.judgement_table(site.study.study_id)
    table = table[table["rater_code"] == rater.rater_code]
    return table.sort_values("submitted_at").reset_index(drop=True)


def judge_concept(rater: Rater, *, name: str = "vacuolated monocytes") -> None:
    """Say yes, name it, fairly sure."""
    rater.press("y")
    rater.write("t", name)
    rater.press("2")
