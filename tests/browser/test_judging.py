"""The judging flow as a rater lives it: real Chromium, real key events, real server."""

import pytest
from playwright.sync_api import expect

from tests.browser.rater import judge_concept, judgements

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_both_tasks_can_be_judged_to_the_end_with_the_keyboard_alone(site, seat):
    rater = seat()
    rater.sign_in()
    rater.open_task("Concepts")
    shown = []
    for number in range(12):
        shown.append(rater.item)
        if number % 3:
            judge_concept(rater, name=f"concept {number}")
        else:
            rater.press("n", "3")
        rater.save()
    assert rater.is_done
    rater.open_task("Disease")
    n_disease = len(site.study.items_of("disease"))
    for _ in range(n_disease):
        rater.press("a", "1")
        rater.save()
        expect(rater.page.get_by_text("The detector answers more often in")).to_be_visible()
        rater.press("y")
        rater.save()
    assert rater.is_done
    table = judgements(site, rater)
    assert table[table.task_id == "concept"]["item_id"].tolist() == shown
    assert table[table.task_id == "concept"]["answers"].tolist() == [
        {"meaningful": "yes", "concept": f"concept {n}", "confidence": "2"} if n % 3 else
        {"meaningful": "no", "confidence": "3"} for n in range(12)
    ]  # fmt: skip
    assert table[table.task_id == "disease"]["stage_id"].tolist() == ["blind", "revealed"] * n_disease
    digests = {item.item_id: item.pictures_digest for item in site.study.items}
    assert table["pictures_digest"].tolist() == [digests[item] for item in table["item_id"]]


def test_saving_shows_the_time_that_is_in_the_database(site, seat):
    rater = seat()
    rater.sign_in()
    rater.open_task()
    judge_concept(rater)
    rater.save()
    in_browser = rater.page.evaluate(
        "iso => new Date(iso).toLocaleTimeString([], {hour12: false})",
        judgements(site, rater)["submitted_at"][0].isoformat(),
    )
    assert rater.status == f"Saved {in_browser}"


def test_what_was_typed_survives_reloading_closing_and_another_browser(site, seat):
    rater = seat()
    rater.sign_in()
    rater.open_task()
    item = rater.item
    rater.press("y", "t")
    rater.page.keyboard.type("Döhle bodies, pale blue")
    rater.page.reload()
    rater.wait_for_item()
    assert rater.item == item
    expect(rater.page.get_by_label("What is it?")).to_have_value("Döhle bodies, pale blue")
    rater.press("t")
    rater.page.keyboard.press("End")
    rater.page.keyboard.type(", at the rim")
    rater.page.close(run_before_unload=True)
    tomorrow = seat(rater.rater_code)
    tomorrow.sign_in()
    tomorrow.open_task()
    assert tomorrow.item == item
    expect(tomorrow.page.get_by_label("What is it?")).to_have_value("Döhle bodies, pale blue, at the rim")
    expect(tomorrow.page.get_by_role("button", name="Yes")).to_have_attribute("aria-pressed", "true")
    assert len(judgements(site, rater)) == 0


def test_a_reload_keeps_the_rater_signed_in(seat):
    rater = seat()
    rater.sign_in()
    rater.page.reload()
    expect(rater.page.get_by_role("link", name="Instructions")).to_be_visible()


def test_a_double_save_stores_one_judgement_and_leaves_the_next_item_alone(site, seat):
    rater = seat()
    rater.sign_in()
    rater.open_task()
    first = rater.item
    judge_concept(rater)
    before = rater.nonce
    for _ in range(6):
        rater.page.keyboard.press("Control+s")
        rater.page.wait_for_timeout(60)
    rater.wait_for_item(after=before)
    assert judgements(site, rater)["item_id"].tolist() == [first]
    assert rater.item != first


def test_double_clicks_on_save_store_one_judgement(site, seat):
    rater = seat()
    rater.sign_in()
    rater.open_task()
    first, before = rater.item, rater.nonce
    judge_concept(rater)
    button = rater.page.get_by_role("button", name="Save")
    button.dblclick()
    rater.wait_for_item(after=before)
    button.dblclick()
    rater.page.wait_for_timeout(600)
    assert judgements(site, rater)["item_id"].tolist() == [first]


def test_a_held_key_answers_and_saves_once(site, seat):
    rater = seat()
    rater.sign_in()
    rater.open_task()
    first = rater.item
    rater.press("n", "3")
    rater.page.keyboard.down("Control")
    for _ in range(30):
        rater.page.keyboard.down("s")
        rater.page.wait_for_timeout(33)
    rater.page.keyboard.up("s")
    rater.page.keyboard.up("Control")
    for _ in range(20):
        rater.page.keyboard.down("n")
    rater.page.keyboard.up("n")
    rater.page.wait_for_timeout(500)
    assert judgements(site, rater)["item_id"].tolist() == [first]


def test_a_second_tab_on_the_same_item_is_told_and_led_on(site, seat):
    rater = seat()
    rater.sign_in()
    rater.open_task()
    first = rater.item
    tab = rater.page.context.new_page()
    tab.goto(rater.page.url)
    tab.locator(".desk[data-painted]").wait_for()
    tab.wait_for_timeout(420)
    judge_concept(rater)
    rater.save()
    for key in ("n", "1", "Control+s"):
        tab.keyboard.press(key)
    expect(tab.locator(".desk .status")).to_contain_text("already saved at")
    assert judgements(site, rater)["answers"].tolist() == [
        {"meaningful": "yes", "concept": "vacuolated monocytes", "confidence": "2"}
    ]
    tab.get_by_role("button", name="Show the current item").press("Enter")
    expect(tab.locator(".desk")).not_to_have_attribute("data-item", first or "")


def test_what_is_missing_is_named_and_nothing_is_saved(site, seat):
    rater = seat()
    rater.sign_in()
    rater.open_task()
    rater.press("y", "3", "Control+s")
    expect(rater.page.locator(".desk .status")).to_have_text("Please answer: What is it?")
    assert len(judgements(site, rater)) == 0


def test_an_answer_can_be_revised_and_both_versions_are_kept(site, seat):
    rater = seat()
    rater.sign_in()
    rater.open_task()
    first = rater.item
    judge_concept(rater)
    rater.save()
    rater.page.get_by_role("link", name="My answers").press("Enter")
    rater.page.get_by_role("button", name="Revise").press("Enter")
    rater.wait_for_item()
    assert rater.item == first
    expect(rater.page.get_by_label("What is it?")).to_have_value("vacuolated monocytes")
    rater.press("n")
    rater.page.keyboard.press("Control+s")
    expect(rater.page.get_by_text("revised once")).to_be_visible()
    table = judgements(site, rater)
    assert table["item_id"].tolist() == [first, first]
    assert table["revision"].tolist() == [1, 2]
    assert table["answers"][1] == {"meaningful": "no", "confidence": "2"}


def test_text_from_people_is_shown_as_text(site, seat):
    rater = seat()
    rater.sign_in()
    rater.open_task()
    attack = "<img src=x onerror=\"document.title='hit'\"> **bold** $x$"
    judge_concept(rater, name=attack)
    rater.save()
    rater.page.get_by_role("link", name="My answers").press("Enter")
    expect(rater.page.get_by_text(attack)).to_be_visible()
    assert rater.page.title() != "hit"


def test_keys_walk_the_pictures_and_show_maps_and_their_use_is_recorded(site, seat):
    rater = seat()
    rater.sign_in()
    rater.open_task()
    rater.press("ArrowRight", "Enter")
    expect(rater.page.get_by_role("dialog")).to_be_visible()
    rater.press("ArrowRight", "Escape")
    expect(rater.page.get_by_role("dialog")).to_be_hidden()
    rater.press("m")
    assert rater.page.locator(".desk canvas.heat").count() > 0
    rater.press("z")
    expect(rater.page.get_by_role("button", name="Magnifier")).to_have_attribute("aria-pressed", "true")
    rater.press("?")
    expect(rater.page.get_by_text("save and go on")).to_be_visible()
    rater.press("Escape", "n", "3")
    rater.save()
    assert rater.page.locator(".desk canvas.heat").count() > 0
    rater.press("n", "3")
    rater.save()
    rater.press("m")
    rater.save_answers("n", "3")
    rater.save_answers("n", "3")
    assert judgements(site, rater)["overlay_used"].tolist() == [True, True, True, False]


def test_a_missing_picture_is_an_empty_frame(site, seat):
    rater = seat()
    rater.sign_in()
    rater.open_task()
    for _ in range(6):
        item = site.study.item(rater.item)
        n_missing = sum(picture.sha256 is None for picture in item.pictures)
        assert rater.page.locator(".desk .frame.missing").count() == n_missing
        assert rater.page.locator(".desk .frame img").count() == len(item.pictures) - n_missing
        rater.press("n", "3")
        rater.save()


def test_a_wrong_code_is_refused_and_too_many_lock_the_door(seat):
    rater = seat()
    rater.access_code = "wrong"
    rater.page.goto(rater.address)
    for _ in range(5):
        rater.page.get_by_label("Rater code").fill(rater.rater_code)
        rater.page.get_by_label("Access code").fill("wrong")
        rater.page.keyboard.press("Enter")
        expect(rater.page.get_by_text("do not belong together")).to_be_visible()
        expect(rater.page.get_by_role("button", name="Sign in")).to_be_enabled()
    rater.page.keyboard.press("Enter")
    expect(rater.page.get_by_text("too many failed attempts")).to_be_visible()


def test_signing_out_leads_back_to_the_first_page(seat):
    rater = seat()
    rater.sign_in()
    rater.page.get_by_role("link", name=f"Sign out {rater.rater_code}").press("Enter")
    expect(rater.page.get_by_label("Rater code")).to_be_visible()


def test_the_previous_key_leads_back_for_a_revision_and_then_on_to_where_the_rater_was(site, seat):
    rater = seat()
    rater.sign_in()
    rater.open_task()
    first = rater.item
    judge_concept(rater)
    rater.save()
    second, before = rater.item, rater.nonce
    rater.press("p")
    rater.wait_for_item(after=before)
    assert rater.item == first
    rater.press("n")
    rater.save()
    assert rater.item == second
    assert judgements(site, rater)["answers"].tolist()[1] == {"meaningful": "no", "confidence": "2"}


def test_a_rater_who_was_signed_out_elsewhere_is_told_and_loses_nothing(site, seat):
    rater = seat()
    rater.sign_in()
    rater.open_task()
    item = rater.item
    rater.press("y")
    rater.write("t", "hypogranular")
    rater.press("2")
    tab = rater.page.context.new_page()
    tab.goto(rater.address + "/sign-out")
    expect(tab.get_by_label("Rater code")).to_be_visible()
    rater.write("t", "hypogranular, Pelger-like")
    rater.press("Control+s")
    expect(rater.page.locator(".desk .status")).to_contain_text("You were signed out.")
    rater.page.get_by_role("button", name="Sign in").press("Enter")
    rater.sign_in()
    rater.open_task()
    rater.page.locator(f".desk[data-painted]:not([data-item='{item}'])").wait_for()  # what was asked for is saved now
    stored = judgements(site, rater).iloc[-1]
    assert stored["item_id"] == item
    assert "hypogranular, Pelger-like" in str(stored["answers"])
