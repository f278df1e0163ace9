"""Saving, when the network, the rater's fingers or the pictures do not play along."""

import pytest
from playwright.sync_api import expect

from cytosae_core.annotation.database import open_engine, writing
from tests.browser.rater import judge_concept, judgements

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_an_answer_changed_before_the_retry_is_the_one_that_is_saved(site, seat):
    rater = seat()
    rater.sign_in()
    rater.open_task()
    rater.page.route("**/api/judgement", lambda route: route.abort(), times=1)
    before = rater.nonce
    rater.press("n", "3", "Control+s")
    expect(rater.page.locator(".desk .status")).to_contain_text("trying again")
    rater.press("u")
    rater.page.wait_for_timeout(3000)
    assert len(judgements(site, rater)) == 0
    rater.press("Control+s")
    rater.wait_for_item(after=before)
    assert judgements(site, rater)["answers"].tolist() == [{"meaningful": "cannot_judge", "confidence": "3"}]


def test_a_lost_reply_and_other_answers_are_never_called_saved(site, seat):
    rater = seat()
    rater.sign_in()
    rater.open_task()

    def store_and_lose(route):
        route.fetch()
        route.abort()

    rater.page.route("**/api/judgement", store_and_lose, times=1)
    rater.press("n", "3", "Control+s")
    expect(rater.page.locator(".desk .status")).to_contain_text("trying again")
    rater.press("u", "Control+s")
    expect(rater.page.locator(".desk .status")).to_contain_text("with other answers")
    assert judgements(site, rater)["answers"].tolist() == [{"meaningful": "no", "confidence": "3"}]


def test_drafts_that_are_held_up_arrive_in_order(site, seat):
    rater = seat()
    rater.sign_in()
    rater.open_task()
    rater.press("y", "t")
    with writing(open_engine(site.database_path)):
        for letter in "abcdefg":
            rater.page.keyboard.type(letter)
            rater.page.wait_for_timeout(450)
    expect(rater.page.locator(".desk .status")).to_contain_text("Draft kept")
    rater.page.wait_for_timeout(1500)
    item = rater.item
    rater.page.evaluate("sessionStorage.clear()")
    rater.page.reload()
    rater.wait_for_item()
    assert rater.item == item
    expect(rater.page.get_by_label("What is it?")).to_have_value("abcdefg")


def test_caps_lock_and_another_alphabet_do_not_silence_the_keys(site, seat):
    rater = seat()
    rater.sign_in()
    rater.open_task()
    before = rater.nonce
    rater.press("N", "3")
    rater.page.evaluate(
        "document.dispatchEvent(new KeyboardEvent('keydown', {key: 'ы', code: 'KeyS', ctrlKey: true, bubbles: true}))"
    )
    rater.wait_for_item(after=before)
    assert judgements(site, rater)["answers"].tolist() == [{"meaningful": "no", "confidence": "3"}]


def test_nothing_acts_behind_an_enlarged_picture(site, seat):
    rater = seat()
    rater.sign_in()
    rater.open_task()
    rater.press("n", "3", "ArrowRight", "Enter", "y", "Control+s", "Enter")
    expect(rater.page.get_by_role("dialog")).to_be_visible()
    expect(rater.page.get_by_role("button", name="No", exact=False).first).to_have_attribute("aria-pressed", "true")
    assert len(judgements(site, rater)) == 0


def test_pictures_that_did_not_load_cannot_be_judged(site, seat):
    rater = seat()
    rater.sign_in()
    rater.page.route("**/cells/**", lambda route: route.abort())
    rater.open_task()
    before = rater.nonce
    rater.press("n", "3", "Control+s")
    expect(rater.page.locator(".desk .status")).to_contain_text("pictures did not load")
    assert len(judgements(site, rater)) == 0
    rater.page.unroute("**/cells/**")
    rater.page.get_by_role("button", name="Load again").press("Enter")
    rater.wait_for_item(after=before)
    rater.save()
    assert len(judgements(site, rater)) == 1


def test_what_is_typed_on_after_save_does_not_answer_the_next_item(site, seat):
    rater = seat()
    rater.sign_in()
    rater.open_task()
    before = rater.nonce
    rater.press("y", "1", "t")
    rater.page.keyboard.type("cells")
    rater.page.keyboard.press("Control+s")
    rater.page.keyboard.type(" nay any 1")
    rater.wait_for_item(after=before)
    assert rater.page.locator(".desk .questions button[aria-pressed=true]").count() == 0


def test_a_revision_can_be_left_without_saving(site, seat):
    rater = seat()
    rater.sign_in()
    rater.open_task()
    judge_concept(rater)
    rater.save()
    second = rater.item
    rater.page.get_by_role("link", name="My answers").press("Enter")
    rater.page.get_by_role("button", name="Revise").press("Enter")
    rater.wait_for_item()
    rater.page.get_by_role("link", name="My progress").press("Enter")
    expect(rater.page.get_by_text("1 of 12 judged")).to_be_visible()
    rater.open_task()
    assert rater.item == second
