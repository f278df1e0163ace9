"""What the desk shows of one item: all of it in one transaction, and the same as asked for piece by piece."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from cytosae_core.errors import AnnotationError, AnswerError, StudyError
from tests.judging.conftest import seat
from tests.study.tiny_study import good_answers, tiny_study


def place(desk, task_id="disease"):
    return desk.rater_id, desk.study.study_id, task_id


def show_next(desk, task_id="disease"):
    return desk.repository.desk.show_next(*place(desk, task_id), "test")


def show_judged(desk, item_id, stage_id, task_id="disease"):
    return desk.repository.desk.show_judged(*place(desk, task_id), item_id, stage_id, "test")


def save_and_show(desk, nonce, answers, task_id="disease", **more):
    desk.clock.wait(seconds=1)
    asked = {"study_id": desk.study.study_id, "task_id": task_id, "app_version": "test", **more}
    return desk.repository.desk.submit_and_show_next(desk.rater_id, nonce, answers, **asked)


def count(desk, table):
    with desk.repository.store.reading() as connection:
        return connection.execute(text(f"SELECT COUNT(*) FROM {table}")).scalar_one()


def slowly(desk, item_id, stage_id):
    """The same from the rater's own list of answers and the order, one question at a time."""
    task = desk.study.task("disease")
    order = desk.repository.desk.order(*place(desk))
    judged = {(one.item_id, one.stage_id): one for one in desk.repository.results.my_judgements(*place(desk)[:2])}
    done = [all((one, stage.stage_id) in judged for stage in task.stages) for one in order]
    before = dict(zip(order[1:], order, strict=False))
    mine = judged.get((item_id, stage_id))
    return {
        "item_id": item_id,
        "stage_id": stage_id,
        "place": (order.index(item_id) + 1, len(order)),
        "n_done": sum(done),
        "before": before.get(item_id),
        "upcoming": order[done.index(False) + 1 :] if not all(done) else (),
        "revision": mine.revision + 1 if mine else 1,
        "previous": mine.answers if mine else None,
        "draft": desk.draft(item_id, stage_id),
    }


def parts(screen):
    return {
        "item_id": screen.item.item_id,
        "stage_id": screen.stage.stage_id,
        "place": (screen.turn.position, screen.turn.n_items),
        "n_done": screen.n_done,
        "before": screen.before,
        "upcoming": screen.upcoming,
        "revision": screen.presentation.revision,
        "previous": screen.presentation.previous,
        "draft": screen.draft,
    }


def may_change(judged):
    """A blind answer no longer may once the direction was shown, as it is with the next screen."""
    return judged.stage_id == "revealed"


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.sampled_from(["save", "draft", "revise", "look"]), max_size=12), data=st.data())
def test_a_screen_says_what_the_order_the_answers_and_the_draft_say_one_by_one(desk, steps, data):
    """Each example has a rater of its own, who has judged nothing yet."""
    code = f"R{len(desk.repository.raters.table(desk.study.study_id)) + 1:02d}"
    desk.rater_id = seat(desk.repository, desk.study, desk.clock, code).rater_id
    for step in steps:
        screen = show_next(desk)
        if screen is None:
            return
        assert parts(screen) == slowly(desk, screen.item.item_id, screen.stage.stage_id)
        if step == "save":
            save_and_show(desk, screen.presentation.nonce, good_answers(screen.stage.stage_id))
        elif step == "draft":
            answers = {screen.stage.questions[0].question_id: "half a wo"}
            desk.repository.drafts.save(desk.rater_id, screen.presentation.nonce, answers, sequence=1)
        elif judged := [
            one.item_id for one in desk.repository.results.my_judgements(*place(desk)[:2]) if may_change(one)
        ]:
            item_id = data.draw(st.sampled_from(judged))
            again = show_judged(desk, item_id, "revealed")
            assert parts(again) == slowly(desk, item_id, "revealed")
            if step == "revise":
                desk.save(again.presentation.nonce, good_answers("revealed"))


def test_the_pictures_of_the_item_on_the_screen_are_those_that_were_recorded(desk):
    screen = show_next(desk)
    save_and_show(desk, screen.presentation.nonce, good_answers("blind"))
    row = desk.repository.results.judgement_table(desk.study.study_id).iloc[0]
    assert screen.item == desk.study.item(row["item_id"])
    assert (row["pictures_digest"], row["app_version"]) == (screen.item.pictures_digest, "test")
    assert row["shown_at"] == screen.presentation.shown_at


def test_saving_gives_the_receipt_and_the_screen_after_it(desk):
    first = show_next(desk)
    receipt, second = save_and_show(desk, first.presentation.nonce, good_answers("blind"))
    assert (receipt.is_new, receipt.saved_at) == (True, desk.clock.now)
    assert (second.item, second.stage.stage_id) == (first.item, "revealed")
    assert desk.save(second.presentation.nonce, {"specific": "no"}).is_new


def test_saving_again_under_a_stored_nonce_gives_the_first_receipt_and_the_current_screen(desk):
    first = show_next(desk)
    receipt, second = save_and_show(desk, first.presentation.nonce, good_answers("blind"))
    again, current = save_and_show(desk, first.presentation.nonce, good_answers("blind"))
    assert (again.is_new, again.judgement_id, again.saved_at) == (False, receipt.judgement_id, receipt.saved_at)
    assert (current.turn, count(desk, "judgements")) == (second.turn, 1)
    assert current.presentation.nonce != second.presentation.nonce


def test_after_the_last_judgement_there_is_no_screen(desk):
    screen = show_next(desk)
    while screen is not None:
        receipt, screen = save_and_show(desk, screen.presentation.nonce, good_answers(screen.stage.stage_id))
    assert receipt.is_new
    assert show_next(desk) is None
    assert count(desk, "judgements") == 8


def test_a_refused_save_shows_nothing_either(desk):
    screen = show_next(desk)
    for refused, answers in ((AnswerError, {}), (StudyError, good_answers("blind"))):
        with pytest.raises(refused, match=r"please answer|has no task 'dance'"):
            save_and_show(desk, screen.presentation.nonce, answers, "dance" if answers else "disease")
        assert (count(desk, "judgements"), count(desk, "presentations")) == (0, 1)


def test_a_save_of_which_the_next_screen_cannot_be_made_is_not_half_stored(desk, repository):
    """Nothing is acknowledged, nothing is stored, and the same save works later."""
    other = tiny_study(slug="other", seed=8)
    repository.studies.register(other, "x")
    screen = show_next(desk)
    with pytest.raises(AnnotationError, match=r"no items of task 'disease' in study 'other-"):
        save_and_show(desk, screen.presentation.nonce, good_answers("blind"), study_id=other.study_id)
    assert (count(desk, "judgements"), count(desk, "presentations")) == (0, 1)
    assert save_and_show(desk, screen.presentation.nonce, good_answers("blind"))[0].is_new


def test_what_was_not_judged_is_never_shown_ahead_of_its_turn(desk):
    order = desk.repository.desk.order(*place(desk))
    for item_id, stage_id in ((order[1], "blind"), (order[0], "revealed"), (order[0], "blind"), ("c0000", "concept")):
        with pytest.raises(StudyError, match=f"item '{item_id}' was not judged yet; go on with the current one"):
            show_judged(desk, item_id, stage_id)
    assert count(desk, "presentations") == 0


def test_an_item_is_shown_again_only_in_its_own_task(desk):
    item_id = show_next(desk).item.item_id
    desk.judge_current("disease")
    with pytest.raises(StudyError, match="was not judged yet"):
        show_judged(desk, item_id, "blind", "concept")
