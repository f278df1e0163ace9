import pytest
from sqlalchemy import text

from cytosae_core.errors import AnswerError, StudyError, SubmitRefusedError
from tests.judging.conftest import seat
from tests.study.tiny_study import good_answers

YES = {"meaningful": "yes", "concept": " Auer rods ", "terms": ["granules", "nucleus"], "comment": ""}


def n_judgements(desk):
    return len(desk.repository.results.judgement_table(desk.study.study_id))


def first_pair(desk, task_id="disease"):
    """The first item of the disease task after its blind stage was judged."""
    blind = desk.show_current(task_id)
    item_id = desk.repository.desk.current(desk.rater_id, desk.study.study_id, task_id).item_id
    desk.save(blind.nonce, good_answers("blind"))
    return item_id


def test_a_judgement_keeps_what_was_shown_and_what_was_answered(desk, clock):
    turn = desk.repository.desk.current(desk.rater_id, desk.study.study_id, "concept")
    shown = desk.show_current()
    shown_at = clock.now
    clock.wait(seconds=12.5)
    receipt = desk.repository.judgements.submit(desk.rater_id, shown.nonce, YES, overlay_used=True)
    row = desk.repository.results.judgement_table(desk.study.study_id).iloc[0]
    assert row["answers"] == {"meaningful": "yes", "concept": "Auer rods", "terms": ["nucleus", "granules"]}
    assert (row["judgement_id"], row["submitted_at"]) == (receipt.judgement_id, receipt.saved_at)
    assert (row["shown_at"], row["seconds"], row["overlay_used"]) == (shown_at, 12.5, True)
    assert row["pictures_digest"] == desk.study.item(turn.item_id).pictures_digest
    assert (row["rater_code"], row["app_version"], row["revision"], row["is_latest"]) == ("R01", "test", 1, True)


def test_the_receipt_tells_what_the_database_holds_not_what_was_sent(desk, engine):
    """The time comes from the row: change what the row says, and the receipt of the same nonce follows."""
    shown = desk.show_current()
    first = desk.save(shown.nonce, good_answers("concept"))
    with engine.begin() as connection:
        connection.execute(text("DROP TRIGGER judgements_refuse_update"))
        connection.execute(text("UPDATE judgements SET submitted_at = '2001-01-01 00:00:00.000000'"))
    again = desk.save(shown.nonce, good_answers("concept"))
    assert again.saved_at.year == 2001
    assert again.judgement_id == first.judgement_id


def test_the_same_nonce_again_stores_nothing_and_gives_the_first_receipt(desk):
    shown = desk.show_current()
    first = desk.save(shown.nonce, YES)
    desk.judge_current()
    again = desk.save(shown.nonce, {**YES, "concept": "Auer rods", "terms": ["nucleus", "granules"]})
    assert (first.is_new, again.is_new) == (True, False)
    assert (again.judgement_id, again.saved_at, again.revision) == (first.judgement_id, first.saved_at, 1)
    assert n_judgements(desk) == 2


@pytest.mark.parametrize("others", [good_answers("concept"), {**YES, "terms": []}, {**YES, "comment": "more"}])
def test_the_same_nonce_with_other_answers_is_not_acknowledged(desk, others):
    shown = desk.show_current()
    desk.save(shown.nonce, YES)
    told = "this item was already saved at 12:00:01 UTC with other answers; open it again to revise it"
    with pytest.raises(SubmitRefusedError, match=told):
        desk.save(shown.nonce, others)
    with pytest.raises(AnswerError, match="please answer"):
        desk.save(shown.nonce, {})
    table = desk.repository.results.judgement_table(desk.study.study_id)
    assert [answers["concept"] for answers in table["answers"]] == ["Auer rods"]


def test_of_two_windows_with_the_same_item_one_saves_and_the_other_is_told_when(desk):
    one, other = desk.show_current(), desk.show_current()
    assert one.nonce != other.nonce
    desk.save(other.nonce, good_answers("concept"))
    with pytest.raises(SubmitRefusedError, match="already saved at 12:00:01 UTC, from another window"):
        desk.save(one.nonce, YES)
    assert n_judgements(desk) == 1


def test_of_two_windows_that_revise_the_same_item_one_saves(desk):
    item_id = desk.repository.desk.current(desk.rater_id, desk.study.study_id, "concept").item_id
    desk.judge_current()
    one, other = desk.show(item_id, "concept"), desk.show(item_id, "concept")
    assert (one.revision, other.revision) == (2, 2)
    assert desk.save(one.nonce, YES).revision == 2
    with pytest.raises(SubmitRefusedError, match="already saved"):
        desk.save(other.nonce, good_answers("concept"))


@pytest.mark.parametrize(("milliseconds", "is_stored"), [(0, False), (399, False), (400, True), (-5000, True)])
def test_nothing_is_stored_within_four_tenths_of_a_second(desk, clock, milliseconds, is_stored):
    shown = desk.show_current()
    clock.wait(milliseconds=milliseconds)
    if is_stored:
        assert desk.repository.judgements.submit(desk.rater_id, shown.nonce, good_answers("concept")).is_new
    else:
        with pytest.raises(SubmitRefusedError, match=f"came {milliseconds} ms after the item was shown"):
            desk.repository.judgements.submit(desk.rater_id, shown.nonce, good_answers("concept"))
    assert n_judgements(desk) == int(is_stored)


def test_after_a_refusal_the_same_showing_can_still_be_saved(desk, clock):
    shown = desk.show_current()
    with pytest.raises(SubmitRefusedError):
        desk.repository.judgements.submit(desk.rater_id, shown.nonce, good_answers("concept"))
    with pytest.raises(AnswerError, match="please answer: Do these cells share something"):
        desk.save(shown.nonce, {})
    assert desk.save(shown.nonce, good_answers("concept")).is_new


def test_only_the_current_item_can_be_shown_before_it_was_judged(desk):
    order = desk.repository.desk.order(desk.rater_id, desk.study.study_id, "concept")
    with pytest.raises(SubmitRefusedError, match=f"'{order[3]}', stage 'concept', is not the one to judge now"):
        desk.show(order[3], "concept")


def test_a_direction_is_not_shown_before_the_blind_stage_was_judged(desk):
    turn = desk.repository.desk.current(desk.rater_id, desk.study.study_id, "disease")
    assert turn.stage_id == "blind"
    with pytest.raises(SubmitRefusedError, match="stage 'revealed', is not the one to judge now"):
        desk.show(turn.item_id, "revealed")


def test_pictures_that_are_not_the_items_are_refused(desk):
    study_id = desk.study.study_id
    turn = desk.repository.desk.current(desk.rater_id, study_id, "concept")
    with pytest.raises(SubmitRefusedError, match=r"pictures on the screen \(digest 'echo'\) are not those of item"):
        desk.repository.desk.present(desk.rater_id, study_id, turn.item_id, turn.stage_id, "echo", "v")


@pytest.mark.parametrize(("item_id", "stage_id"), [("nowhere", "concept"), ("c0000", "nowhere"), ("x00", "concept")])
def test_items_and_stages_that_are_not_there_are_refused(desk, item_id, stage_id):
    with pytest.raises(StudyError, match=r"has no (item|stage)"):
        desk.repository.desk.present(desk.rater_id, desk.study.study_id, item_id, stage_id, "x", "v")


def test_a_nonce_belongs_to_the_rater_it_was_made_for(desk, repository, study, clock):
    other = seat(repository, study, clock, "R02")
    shown = desk.show_current()
    for nonce in (shown.nonce, "made up", ""):
        with pytest.raises(SubmitRefusedError, match="nothing was shown to you under"):
            other.save(nonce, good_answers("concept"))
    assert desk.save(shown.nonce, good_answers("concept")).is_new


def test_a_revision_is_another_row_and_the_latest_counts(desk):
    item_id = desk.repository.desk.current(desk.rater_id, desk.study.study_id, "concept").item_id
    first = desk.show_current()
    assert (first.revision, first.previous) == (1, None)
    desk.save(first.nonce, good_answers("concept"))
    second = desk.show(item_id, "concept")
    assert (second.revision, second.previous) == (2, good_answers("concept"))
    assert desk.save(second.nonce, YES).revision == 2
    table = desk.repository.results.judgement_table(desk.study.study_id)
    assert list(table["revision"]) == [1, 2]
    assert list(table["is_latest"]) == [False, True]
    (mine,) = desk.repository.results.my_judgements(desk.rater_id, desk.study.study_id)
    assert (mine.item_id, mine.task_id, mine.stage_id, mine.revision) == (item_id, "concept", "concept", 2)
    assert mine.answers["concept"] == "Auer rods"


def test_a_revision_moves_nobody_forward(desk):
    before = desk.repository.desk.current(desk.rater_id, desk.study.study_id, "concept")
    desk.judge_current()
    after = desk.repository.desk.current(desk.rater_id, desk.study.study_id, "concept")
    assert after.position == before.position + 1
    desk.save(desk.show(before.item_id, "concept").nonce, YES)
    assert desk.repository.desk.current(desk.rater_id, desk.study.study_id, "concept") == after


def test_the_blind_stage_can_be_revised_until_the_direction_was_shown(desk):
    item_id = first_pair(desk)
    assert desk.save(desk.show(item_id, "blind").nonce, {"group": "PML_RARA"}).revision == 2
    in_another_window = desk.show(item_id, "blind")
    desk.show(item_id, "revealed")
    with pytest.raises(SubmitRefusedError, match="can no longer be changed: the direction was shown at 12:00:02 UTC"):
        desk.save(in_another_window.nonce, {"group": "CBFB_MYH11"})
    with pytest.raises(SubmitRefusedError, match="can no longer be changed"):
        desk.show(item_id, "blind")


def test_showing_the_direction_of_one_item_closes_no_other(desk):
    first = first_pair(desk)
    desk.judge_current("disease")
    second = first_pair(desk)
    assert first != second
    assert desk.save(desk.show(second, "blind").nonce, {"group": "PML_RARA"}).revision == 2
    assert desk.save(desk.show(first, "revealed").nonce, {"specific": "yes"}).revision == 2


def test_one_raters_reveal_closes_nothing_for_another(desk, repository, study, clock):
    other = seat(repository, study, clock, "R02")
    item_id = repository.desk.current(other.rater_id, study.study_id, "disease").item_id
    other.judge_current("disease")
    while repository.desk.current(desk.rater_id, study.study_id, "disease"):
        desk.judge_current("disease")
    assert other.save(other.show(item_id, "blind").nonce, {"group": "PML_RARA"}).revision == 2


def test_text_with_half_a_character_is_refused_with_its_place(desk):
    shown = desk.show_current()
    with pytest.raises(AnswerError, match="the answer to 'concept' has half a character at place 3"):
        desk.save(shown.nonce, {"meaningful": "yes", "concept": "ab\ud83d"})


@pytest.mark.parametrize("concept", ["'); DROP TABLE judgements; --", "Auer-Stäbchen 🩸", "a\x00b", "=1+1", "𝔄" * 2000])
def test_free_text_comes_back_as_typed(desk, concept):
    desk.save(desk.show_current().nonce, {"meaningful": "yes", "concept": concept})
    assert desk.repository.results.judgement_table(desk.study.study_id)["answers"][0]["concept"] == concept
