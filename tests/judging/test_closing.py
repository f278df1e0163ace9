"""A study that is closed takes nothing, one that is unblinded is not revised, and the reasons are kept."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from cytosae_core.errors import StudyError, SubmitRefusedError
from cytosae_core.judging.database import writing
from tests.study.tiny_study import good_answers


def shown_now(desk):
    turn = desk.repository.desk.current(desk.rater_id, desk.study.study_id, "concept")
    return desk.show(turn.item_id, turn.stage_id)


def test_nothing_is_stored_in_a_closed_study_and_judging_goes_on_where_it_stopped_when_it_is_opened_again(desk):
    study_id = desk.study.study_id
    presentation = shown_now(desk)
    desk.repository.studies.close(study_id, "all have finished")
    with pytest.raises(SubmitRefusedError, match=r"was closed at 2026-03-04 12:00 UTC, so nothing is stored any more"):
        desk.save(presentation.nonce, good_answers("concept"))
    with pytest.raises(SubmitRefusedError, match="was closed at"):
        shown_now(desk)
    desk.repository.studies.reopen(study_id, "one rater was late")
    assert desk.save(presentation.nonce, good_answers("concept")).is_new
    assert [(event.kind, event.reason) for event in desk.repository.studies.events(study_id)] == [
        ("closed", "all have finished"),
        ("reopened", "one rater was late"),
    ]


def test_a_revision_after_unblinding_is_refused_while_first_answers_go_on(desk):
    first = shown_now(desk)
    desk.save(first.nonce, good_answers("concept"))
    item_id = next(iter(desk.repository.results.my_judgements(desk.rater_id, desk.study.study_id))).item_id
    again = desk.show(item_id, "concept")
    desk.repository.studies.unblind(desk.study.study_id, "interim look")
    with pytest.raises(SubmitRefusedError, match=r"was unblinded at .*, so saved answers can no longer be changed"):
        desk.save(again.nonce, good_answers("concept"))
    assert desk.judge_current().is_new


@pytest.mark.parametrize("reason", ["", "  "])
def test_a_study_is_not_closed_without_a_reason(desk, reason):
    with pytest.raises(StudyError, match="is to be closed without a reason; say why"):
        desk.repository.studies.close(desk.study.study_id, reason)


def test_an_unknown_study_cannot_be_closed(repository):
    with pytest.raises(StudyError, match="there is no study 'other' in this database"):
        repository.studies.close("other", "why not")


def test_what_happened_to_a_study_cannot_be_taken_back(desk, engine):
    desk.repository.studies.close(desk.study.study_id, "done")
    with pytest.raises(IntegrityError, match="never changed or deleted"), writing(engine) as connection:
        connection.execute(text("DELETE FROM study_events"))


def test_a_clock_that_steps_back_blocks_nobody_and_keeps_the_order_of_saving(desk, clock):
    first = desk.judge_current()
    clock.wait(days=-400)
    presentation = shown_now(desk)
    clock.wait(seconds=-7)
    receipt = desk.repository.judgements.submit(desk.rater_id, presentation.nonce, good_answers("concept"))
    table = desk.repository.results.judgement_table(desk.study.study_id)
    assert list(table["judgement_id"]) == [first.judgement_id, receipt.judgement_id]
    assert table["seconds"].isna().tolist() == [False, True]
