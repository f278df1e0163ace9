"""Studies, raters, turns and tables."""

import dataclasses
import json

import pandas as pd
import pytest
from sqlalchemy import event, text

from cytosae_core.errors import AnnotationError, StudyError
from cytosae_core.judging.repository import Progress, Repository, Turn, utcnow
from cytosae_core.study.protocol import seal, to_document
from tests.judging.conftest import seat
from tests.study.tiny_study import good_answers, tiny_study


def edit_in_database(engine, study, document):
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE studies SET document = :document WHERE study_id = :study_id"),
            {"document": json.dumps(document), "study_id": study.study_id},
        )


def test_a_study_comes_back_as_it_was_registered(repository, engine, study):
    assert Repository(engine).studies.load(study.study_id) == study
    (summary,) = repository.studies.all()
    assert (summary.study_id, summary.title, summary.simulated) == (study.study_id, "Tiny study", True)
    assert summary.created_at.isoformat() == study.created_at


def test_registering_again_only_moves_the_atlas(repository, study):
    repository.studies.register(study, "elsewhere")
    assert len(repository.studies.all()) == 1
    assert repository.studies.atlas_path(study.study_id) == "elsewhere"


def test_a_study_that_was_edited_by_hand_is_not_registered(repository, study):
    with pytest.raises(StudyError, match="was changed after it was made"):
        repository.studies.register(dataclasses.replace(study, title="Nicer"), "x")


def test_the_salt_lies_in_the_database_and_an_exported_copy_without_it_is_not_registered(repository, engine, study):
    salted = seal(dataclasses.replace(study, salt="5a" * 32), "salted")
    with pytest.raises(StudyError, match=r"an exported copy of study 'salted-.* without its secret salt; register"):
        repository.studies.register(dataclasses.replace(salted, salt=""), "x")
    repository.studies.register(salted, "x")
    assert Repository(engine).studies.load(salted.study_id).salt == "5a" * 32


def test_studies_of_the_first_format_are_registered_and_come_back(repository, engine, study):
    old = seal(dataclasses.replace(study, format_version=1), "old")
    repository.studies.register(old, "x")
    assert Repository(engine).studies.load(old.study_id) == old


@pytest.mark.parametrize("created_at", ["yesterday", "2026-01-02T03:04:05"])
def test_a_study_without_a_utc_time_is_not_registered(repository, study, created_at):
    with pytest.raises(StudyError, match=f"created_at is '{created_at}'"):
        repository.studies.register(seal(dataclasses.replace(study, created_at=created_at), "tiny"), "x")


def test_a_study_that_was_edited_in_the_database_is_recognised(repository, engine, study):
    edit_in_database(engine, study, {**to_document(study), "title": "Nicer"})
    with pytest.raises(StudyError, match="was changed after it was made"):
        Repository(engine).studies.load(study.study_id)
    edit_in_database(engine, study, to_document(seal(dataclasses.replace(study, title="Nicer"), "tiny")))
    with pytest.raises(StudyError, match=f"study '{study.study_id}' was changed in the database"):
        Repository(engine).studies.register(study, "x")


def test_a_study_that_is_not_there_names_the_remedy(repository):
    for ask in (
        repository.studies.load,
        repository.studies.atlas_path,
        repository.results.judgement_table,
        repository.raters.table,
    ):
        with pytest.raises(StudyError, match="there is no study 'nowhere' in this database; register it"):
            ask("nowhere")


def test_studies_may_use_the_same_item_ids(repository, desk, study, clock):
    """Drafts and judgements of one study are not those of the other."""
    twin = tiny_study(seed=8)
    repository.studies.register(twin, "atlases/tiny")
    other = seat(repository, twin, clock, "R01")
    assert other.rater_id == desk.rater_id
    item_id = repository.desk.current(desk.rater_id, study.study_id, "disease").item_id
    shown = desk.show(item_id, "blind")
    repository.drafts.save(desk.rater_id, shown.nonce, {"group": "neither"}, sequence=1)
    clock.wait(seconds=1)
    while repository.desk.current(other.rater_id, twin.study_id, "disease").item_id != item_id:
        other.judge_current("disease")
    assert repository.desk.show_next(other.rater_id, twin.study_id, "disease", "v").draft is None
    clock.wait(seconds=1)
    assert repository.desk.show_next(desk.rater_id, study.study_id, "disease", "v").draft == {"group": "neither"}
    assert repository.desk.progress(desk.rater_id, study.study_id)["disease"].n_done == 0


def test_raters_are_listed_with_names_only_on_request(repository, study):
    repository.raters.add("R02", study.study_id, role="haematologist", years=12.5, name="Ada")
    repository.raters.add("R01", study.study_id)
    table = repository.raters.table(study.study_id)
    assert list(table.columns) == ["rater_code", "role", "years"]
    assert list(table["rater_code"]) == ["R01", "R02"]
    assert table["years"].isna().tolist() == [True, False]
    assert repository.raters.table(study.study_id, with_names=True)["name"].tolist() == ["", "Ada"]


def test_a_rater_who_exists_keeps_code_and_order_and_may_join_another_study(repository, desk, study):
    order = repository.desk.order(desk.rater_id, study.study_id, "concept")
    other = tiny_study(slug="other", seed=8)
    repository.studies.register(other, "x")
    assert repository.raters.add("r01", other.study_id) == ""
    assert repository.raters.add("R01", study.study_id, role="resident", years=3) == ""
    assert repository.raters.add("R01", study.study_id) == ""
    assert repository.desk.order(desk.rater_id, study.study_id, "concept") == order
    assert {one.study_id for one in repository.raters.studies_of(desk.rater_id)} == {study.study_id, other.study_id}
    assert repository.sessions.sign_in("R01", "correct-horse").rater_id == desk.rater_id
    assert repository.raters.table(study.study_id).iloc[0].to_list() == ["R01", "resident", 3.0]


def test_a_rater_without_part_in_the_study_is_told_so(repository, desk):
    other = tiny_study(slug="other", seed=8)
    repository.studies.register(other, "x")
    for ask in (repository.desk.order, repository.desk.current):
        with pytest.raises(AnnotationError, match=r"no items of task 'concept' in study .* add the rater"):
            ask(desk.rater_id, other.study_id, "concept")
    with pytest.raises(AnnotationError, match="no items of task"):
        repository.desk.progress(desk.rater_id, other.study_id)
    with pytest.raises(StudyError, match="has no task 'dance'"):
        repository.desk.order(desk.rater_id, other.study_id, "dance")


def test_turns_follow_the_order_stage_by_stage_until_all_is_judged(desk):
    study_id = desk.study.study_id
    order = desk.repository.desk.order(desk.rater_id, study_id, "disease")
    turns = []
    while turn := desk.repository.desk.current(desk.rater_id, study_id, "disease"):
        turns.append(turn)
        screen = desk.repository.desk.show_next(desk.rater_id, study_id, "disease", "v")
        assert (screen.turn, screen.upcoming) == (turn, order[turn.position :])
        desk.judge_current("disease")
    expected = [
        Turn(item_id, stage_id, position, 4)
        for position, item_id in enumerate(order, start=1)
        for stage_id in ("blind", "revealed")
    ]
    assert turns == expected
    assert desk.repository.desk.show_next(desk.rater_id, study_id, "disease", "v") is None
    last = (turns[-1].item_id, turns[-1].stage_id)
    assert desk.repository.desk.show_judged(desk.rater_id, study_id, "disease", *last, "v").upcoming == ()


def test_progress_counts_items_of_which_every_stage_is_judged(desk):
    def disease():
        return desk.repository.desk.progress(desk.rater_id, desk.study.study_id)["disease"]

    seen = [disease()]
    for _ in range(3):
        desk.judge_current("disease")
        seen.append(disease())
    assert seen == [Progress(0, 4), Progress(0, 4), Progress(1, 4), Progress(1, 4)]


def test_raters_do_not_move_each_other(repository, desk, study, clock):
    other = seat(repository, study, clock, "R02")
    before = repository.desk.current(other.rater_id, study.study_id, "concept")
    desk.judge_current()
    assert repository.desk.current(other.rater_id, study.study_id, "concept") == before
    assert repository.results.my_judgements(other.rater_id, study.study_id) == []
    assert repository.desk.progress(other.rater_id, study.study_id)["concept"].n_done == 0


def test_a_rater_can_judge_everything_and_the_table_holds_it(desk):
    study_id = desk.study.study_id
    for task_id in ("concept", "disease"):
        while desk.repository.desk.current(desk.rater_id, study_id, task_id):
            assert desk.judge_current(task_id).is_new
    table = desk.repository.results.judgement_table(study_id)
    assert len(table) == 25 + 2 * 4
    assert table["submitted_at"].is_monotonic_increasing
    assert (table["seconds"] == 1).all()
    for row in table.to_dict("records"):
        item = desk.study.item(row["item_id"])
        assert (row["task_id"], row["role"], row["block"]) == (item.task_id, item.role, item.block)
        assert row["answers"] == good_answers(row["stage_id"])
    mine = desk.repository.results.my_judgements(desk.rater_id, study_id)
    assert [one.submitted_at for one in mine] == list(table["submitted_at"])


def test_an_empty_table_has_the_same_columns_and_kinds_as_a_full_one(desk):
    empty = desk.repository.results.judgement_table(desk.study.study_id)
    desk.judge_current()
    full = desk.repository.results.judgement_table(desk.study.study_id)
    assert len(empty) == 0
    assert list(empty.columns) == list(full.columns)
    for name in ("revision", "is_latest", "seconds", "overlay_used", "block", "shown_at", "submitted_at"):
        assert empty[name].dtype == full[name].dtype, name
    assert isinstance(full["submitted_at"].dtype, pd.DatetimeTZDtype)


def test_the_clock_of_everyday_is_aware_and_utc():
    assert utcnow().utcoffset().total_seconds() == 0


def test_the_study_document_is_not_read_again_for_every_judgement(desk, engine):
    desk.judge_current()
    statements = []
    event.listen(engine, "before_cursor_execute", lambda *arguments: statements.append(arguments[2]))
    desk.judge_current()
    assert statements
    assert not any("studies" in statement for statement in statements)
