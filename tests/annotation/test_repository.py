from tests.annotation.tiny_study import good_answers


def test_a_rater_can_judge_everything_and_is_then_done(desk):
    study_id = desk.study.study_id
    for task_id in ("concept", "disease"):
        while desk.repository.current(desk.rater_id, study_id, task_id):
            assert desk.judge_current(task_id).is_new
    progress = desk.repository.progress(desk.rater_id, study_id)
    assert {task: p.n_done == p.n_items for task, p in progress.items()} == {"concept": True, "disease": True}
    table = desk.repository.judgement_table(study_id)
    assert len(table) == 25 + 2 * 4
    assert good_answers("concept") in list(table["answers"])
