"""Saving, when the network, the rater's fingers or the pictures do not play along."""

import pytest
from playwright.sync_api import expect

from cytosae_core.judging.database import open_engine, writing
from tests.browser.rater import PATIENCE_MS, judge_concept, judgements

pytestmark = [pytest.mark.browser, pytest.mark.slow]


class Gate:
    """Judgements reach the server only once it is open; before, the first may be stored and its reply lost."""

    def __init__(self, *, is_stored):
        self.is_open = False
        self.is_storing = is_stored
        self.passed = []
        self.answers = []

    def open(self):
        self.is_open = True

    def __call__(self, route):
        if self.is_open:
            self.passed.append(route.request.post_data_json)
            answer = route.fetch()
            self.answers.append(answer.status)
            route.fulfill(response=answer)
            return
        if self.is_storing:
            self.is_storing = False
            route.fetch()
        route.abort()


def ask_in_vain(rater, *keys, is_stored=False):
    """Answer and save while no reply comes; gives back the gate to open."""
    gate = Gate(is_stored=is_stored)
    rater.page.route("**/api/judgement", lambda route: gate(route))
    rater.press(*keys, "Control+s")
    expect(rater.page.locator(".desk .status")).to_contain_text("trying again")
    return gate


def until(rater, condition):
    """Let the page go on until the condition holds."""
    for _ in range(PATIENCE_MS // 50):
        if condition():
            return
        rater.page.wait_for_timeout(50)
    raise TimeoutError(f"the page says {rater.status!r} at item {rater.item!r}")


def left_in(rater):
    """What the tab still has to hand over."""
    return rater.page.evaluate("Object.keys(sessionStorage).filter(name => name.startsWith('cytosae'))")


def test_an_answer_changed_before_the_retry_is_the_one_that_is_saved(site, seat):
    rater = seat()
    rater.sign_in()
    rater.open_task()
    before = rater.nonce
    gate = ask_in_vain(rater, "n", "3")
    rater.press("u")
    gate.open()
    rater.page.wait_for_timeout(3000)
    assert len(judgements(site, rater)) == 0
    rater.press("Control+s")
    rater.wait_for_item(after=before)
    assert judgements(site, rater)["answers"].tolist() == [{"meaningful": "cannot_judge", "confidence": "3"}]


def test_a_lost_reply_and_other_answers_are_never_called_saved(site, seat):
    rater = seat()
    rater.sign_in()
    rater.open_task()
    gate = ask_in_vain(rater, "n", "3", is_stored=True)
    rater.press("u")
    gate.open()
    rater.press("Control+s")
    expect(rater.page.locator(".desk .status")).to_contain_text("with other answers")
    assert judgements(site, rater)["answers"].tolist() == [{"meaningful": "no", "confidence": "3"}]


def test_a_reply_that_was_cut_off_is_not_called_saved_and_is_asked_for_again(site, seat):
    rater = seat()
    rater.sign_in()
    rater.open_task()

    def store_and_cut(route):
        route.fulfill(response=route.fetch(), body='{"saved_at": "2026-11-2')

    rater.page.route("**/api/judgement", store_and_cut, times=1)
    item = rater.item
    rater.press("n", "3", "Control+s")
    expect(rater.page.locator(".desk .status")).to_contain_text("Not saved: The answer of the server was cut off.")
    rater.wait_for_item(other_than=item)
    assert judgements(site, rater)["item_id"].tolist() == [item]


def test_a_draft_that_fails_beside_a_save_does_not_end_its_retry(site, seat):
    rater = seat()
    rater.sign_in()
    rater.open_task()
    drafts = []
    rater.page.route("**/api/draft", lambda route: drafts.append(route), times=1)
    rater.page.route("**/api/judgement", lambda route: (drafts[0].abort(), route.abort()), times=1)
    before = rater.nonce
    rater.press("n", "3")
    until(rater, lambda: drafts)
    rater.press("Control+s")
    rater.wait_for_item(after=before)
    assert judgements(site, rater)["answers"].tolist() == [{"meaningful": "no", "confidence": "3"}]


def reload(rater, gate):
    rater.page.reload()
    gate.open()


def leave_and_come_back(rater, gate):
    rater.page.get_by_role("link", name="Instructions").press("Enter")
    expect(rater.page.locator(".desk")).to_have_count(0)
    gate.open()
    rater.page.get_by_role("link", name="Concepts", exact=True).press("Enter")


@pytest.mark.parametrize("mount_again", [reload, leave_and_come_back])
def test_a_save_that_was_asked_for_is_sent_by_the_next_desk_under_its_first_nonce(site, seat, mount_again):
    rater = seat()
    rater.sign_in()
    rater.open_task()
    item, nonce = rater.item, rater.nonce
    mount_again(rater, gate := ask_in_vain(rater, "n", "3"))
    until(rater, lambda: rater.item not in (None, item))
    assert {save["nonce"] for save in gate.passed} == {nonce}
    assert judgements(site, rater)["answers"].tolist() == [{"meaningful": "no", "confidence": "3"}]
    assert judgements(site, rater)["item_id"].tolist() == [item]
    assert left_in(rater) == []


def test_a_save_whose_reply_was_lost_is_not_stored_twice_after_a_reload(site, seat):
    rater = seat()
    rater.sign_in()
    rater.open_task()
    item = rater.item
    reload(rater, gate := ask_in_vain(rater, "n", "3", is_stored=True))
    until(rater, lambda: gate.answers)
    assert gate.answers == [200]
    rater.wait_for_item()
    assert rater.item != item
    assert len(judgements(site, rater)) == 1


def test_answers_changed_after_a_save_in_vain_are_not_saved_by_a_reload(site, seat):
    rater = seat()
    rater.sign_in()
    rater.open_task()
    item = rater.item
    gate = ask_in_vain(rater, "n", "3")
    rater.press("u")
    reload(rater, gate)
    rater.wait_for_item()
    assert (rater.item, gate.passed) == (item, [])
    expect(rater.page.locator(".desk .questions button[aria-pressed=true]")).to_have_count(2)
    rater.save()
    assert judgements(site, rater)["answers"].tolist() == [{"meaningful": "cannot_judge", "confidence": "3"}]


def test_a_revision_that_was_asked_for_is_sent_although_the_reloaded_desk_shows_another_item(site, seat):
    rater = seat()
    rater.sign_in()
    rater.open_task()
    item = rater.item
    rater.save_answers("n", "3")
    shown_before = rater.nonce
    rater.press("p")
    rater.wait_for_item(shown_before)
    assert rater.item == item
    reload(rater, gate := ask_in_vain(rater, "u"))
    until(rater, lambda: gate.answers)
    rater.wait_for_item()
    assert rater.item != item
    assert [answers["meaningful"] for answers in judgements(site, rater)["answers"]] == ["no", "cannot_judge"]


def test_a_desk_without_an_item_asks_the_server_again(site, seat):
    rater = seat()
    rater.sign_in()
    rater.page.route("**/api/turn?**", lambda route: route.abort(), times=1)
    rater.open_task()
    assert rater.item is not None


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
    until(rater, lambda: left_in(rater) == [])
    item = rater.item
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
    with rater.page.expect_response("**/api/draft"):  # that the draft is kept must not hide how to load them again
        rater.press("n", "3", "Control+s")
    assert len(judgements(site, rater)) == 0
    expect(rater.page.locator(".desk .status")).to_contain_text("pictures did not load")
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
