import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cytosae_core.errors import AnswerError, SubmitRefusedError
from cytosae_core.judging.repository import Repository
from tests.judging.conftest import seat
from tests.study.tiny_study import good_answers


def item_of(desk):
    return desk.repository.desk.current(desk.rater_id, desk.study.study_id, "concept").item_id


def place_of(desk):
    return desk.rater_id, desk.study.study_id, "concept", "test"


def keep(desk, shown, text, sequence=1, **more):
    """Save a draft a second after the last one."""
    desk.clock.wait(seconds=1)
    return desk.repository.drafts.save(desk.rater_id, shown.nonce, {"concept": text}, sequence=sequence, **more)


def overlays(desk):
    return desk.repository.results.judgement_table(desk.study.study_id)["overlay_used"].tolist()


def test_a_draft_is_there_until_its_item_is_saved(desk, engine, clock):
    item_id, shown = item_of(desk), desk.show_current()
    assert desk.draft(item_id) is None
    assert keep(desk, shown, "Au") == clock.now
    assert keep(desk, shown, "Auer", 2) == clock.now
    assert Repository(engine).desk.show_next(*place_of(desk)).draft == {"concept": "Auer"}
    desk.save(shown.nonce, good_answers("concept"))
    assert desk.draft(item_id) is None


def test_a_draft_outlives_a_reload_and_a_refused_save(desk):
    item_id, shown = item_of(desk), desk.show_current()
    keep(desk, shown, "Auer")
    desk.show_current()
    with pytest.raises(AnswerError):
        desk.save(shown.nonce, {})
    assert desk.draft(item_id) == {"concept": "Auer"}


@pytest.mark.parametrize("late", [1, 2])
def test_within_a_presentation_a_draft_that_is_overtaken_is_ignored(desk, late):
    item_id, shown = item_of(desk), desk.show_current()
    kept_at = keep(desk, shown, "Auer", 2)
    assert keep(desk, shown, "Au", late) == kept_at
    assert desk.draft(item_id) == {"concept": "Auer"}


def test_a_draft_of_an_older_presentation_is_ignored_whatever_the_clock_says(desk, clock):
    item_id, older = item_of(desk), desk.show_current()
    clock.wait(hours=-1)
    newer = desk.show_current()
    keep(desk, older, "from before the reload", 7)
    kept_at = keep(desk, newer, "newer", 1)
    assert keep(desk, older, "older", 8) == kept_at
    assert desk.draft(item_id) == {"concept": "newer"}


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations([(window, sequence) for window in range(2) for sequence in range(3)]), data=st.data())
def test_whatever_order_drafts_come_in_the_newest_is_kept(desk, order, data):
    """Of those that came; some never come."""
    item_id, windows = item_of(desk), [desk.show_current(), desk.show_current()]
    came = order[: data.draw(st.integers(1, len(order)))]
    for window, sequence in came:
        keep(desk, windows[window], f"{window}/{sequence}", sequence)
    newest = sorted(came)[-1]
    assert desk.draft(item_id) == {"concept": f"{newest[0]}/{newest[1]}"}


def test_a_draft_that_comes_after_the_save_does_not_come_back_to_life(desk):
    item_id, shown = item_of(desk), desk.show_current()
    desk.save(shown.nonce, good_answers("concept"))
    with pytest.raises(SubmitRefusedError, match="already saved at 12:00:01 UTC"):
        keep(desk, shown, "late")
    assert desk.draft(item_id) is None
    revised = desk.show(item_id, "concept")
    with pytest.raises(SubmitRefusedError, match="already saved at 12:00:01 UTC"):
        keep(desk, shown, "late, while it is shown again", 9)
    assert desk.draft(item_id) is None
    keep(desk, revised, "revised")
    assert desk.draft(item_id) == {"concept": "revised"}


def test_a_draft_of_a_window_that_another_window_overtook_is_refused(desk):
    item_id, one, other = item_of(desk), desk.show_current(), desk.show_current()
    keep(desk, other, "from the other")
    desk.save(one.nonce, good_answers("concept"))
    with pytest.raises(SubmitRefusedError, match="already saved at 12:00:02 UTC"):
        keep(desk, other, "late", 2)
    assert desk.draft(item_id) is None


@pytest.mark.parametrize(
    ("answers", "text"),
    [
        ({"group": "PML_RARA"}, "'group' is not a question of stage 'concept'"),
        ({"concept": 3}, "must be text or a list of texts, not int"),
        ({"terms": ["nucleus", None]}, "must be text or a list of texts, not list"),
        ({"comment": "x" * 100_001}, "at most 100000 are kept"),
        ({"concept": "\ud83d"}, "half a character at place 1"),
    ],
)
def test_a_draft_that_no_question_asked_for_is_refused(desk, answers, text):
    shown = desk.show_current()
    with pytest.raises(AnswerError, match=re.escape(text)):
        desk.repository.drafts.save(desk.rater_id, shown.nonce, answers, sequence=1)


@pytest.mark.parametrize("sequence", [-1, 2**53, 2**70])
def test_a_sequence_that_no_browser_counts_to_is_refused(desk, sequence):
    with pytest.raises(AnswerError, match=f"has sequence {sequence}, not one from 0"):
        keep(desk, desk.show_current(), "x", sequence)


def test_a_draft_of_something_never_shown_to_this_rater_is_refused(desk, repository, study, clock):
    other, shown = seat(repository, study, clock, "R02"), desk.show_current()
    for rater_id, nonce in ((desk.rater_id, "made up"), (other.rater_id, shown.nonce)):
        with pytest.raises(SubmitRefusedError, match=f"nothing was shown to you under '{nonce}'"):
            repository.drafts.save(rater_id, nonce, {}, sequence=1)
    assert desk.draft("c0000") is None


def test_an_overlay_that_was_used_is_remembered_over_a_reload_until_the_judgement(desk):
    item_id, shown = item_of(desk), desk.show_current()
    keep(desk, shown, "Au", 1, overlay_used=True)
    keep(desk, shown, "Auer", 2)
    reloaded = desk.show_current()
    keep(desk, reloaded, "Auer rods", 1)
    desk.save(reloaded.nonce, good_answers("concept"))
    desk.save(desk.show(item_id, "concept").nonce, good_answers("concept"))
    assert overlays(desk) == [True, False]


def test_a_draft_that_is_overtaken_still_tells_that_the_overlay_was_used(desk):
    shown = desk.show_current()
    keep(desk, shown, "Auer", 2)
    keep(desk, shown, "Au", 1, overlay_used=True)
    desk.save(shown.nonce, good_answers("concept"))
    assert overlays(desk) == [True]


def test_the_overlay_of_one_item_says_nothing_about_the_next(desk):
    shown = desk.show_current()
    keep(desk, shown, "Auer", overlay_used=True)
    desk.save(shown.nonce, good_answers("concept"))
    desk.judge_current()
    assert sorted(overlays(desk)) == [False, True]
