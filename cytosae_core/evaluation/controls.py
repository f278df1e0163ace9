"""What the hidden controls say: does a rater repeat themselves, and call mixed pictures meaningful?"""

import pandas as pd

from cytosae_core.evaluation.answers import AnswerTable, compared_questions
from cytosae_core.evaluation.intervals import wilson
from cytosae_core.study.tasks import CONCEPT_TASK

COLUMNS = ("control", "task_id", "stage_id", "question_id", "rater_code", "n_yes", "n", "share", "low", "high")


def control_table(table: AnswerTable) -> pd.DataFrame:
    """One row per rater, question and kind of control; columns as in COLUMNS.

    "repeat": of `n` items judged twice, `n_yes` got the same answer (intra-rater agreement); the first answers are
    compared, because whoever revises can read what they answered before. "decoy": of `n` sets of
    pictures from several latents, `n_yes` were called meaningful. Intervals are Wilson's. A rate corrected by the
    decoys (Rogan and Gladen) is left out: with 5 to 8 decoys its interval holds nearly everything.
    """
    rows = [row for rater in table.raters for row in [*_repeats(table, rater), *_decoys(table, rater)]]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _repeats(table: AnswerTable, rater: str) -> list[dict[str, object]]:
    rows = []
    for task_id, stage, question in compared_questions(table.study):
        repeats = table.items(task_id, "repeat")
        if not repeats:
            continue
        asked = (task_id, stage.stage_id, question.question_id)
        first = table.answers(*asked, first=True)[rater]
        again = table.answers(*asked, "repeat", first=True)[rater]
        pairs = [(first.get(item.repeat_of), again[item.item_id]) for item in repeats]
        complete = [pair for pair in pairs if None not in pair]
        n_same = sum(one == other for one, other in complete)
        rows.append(_row("repeat", task_id, stage.stage_id, question.question_id, rater, n_same, len(complete)))
    return rows


def _decoys(table: AnswerTable, rater: str) -> list[dict[str, object]]:
    if CONCEPT_TASK not in [task.task_id for task in table.study.tasks] or not table.items(CONCEPT_TASK, "decoy"):
        return []
    given = table.answers(CONCEPT_TASK, "concept", "meaningful", "decoy")[rater].dropna()
    return [_row("decoy", CONCEPT_TASK, "concept", "meaningful", rater, int((given == "yes").sum()), len(given))]


def _row(
    control: str, task_id: str, stage_id: str, question_id: str, rater: str, n_yes: int, n: int
) -> dict[str, object]:
    share = wilson(n_yes, n)
    values = (control, task_id, stage_id, question_id, rater, n_yes, n, share.value, share.low, share.high)
    return dict(zip(COLUMNS, values, strict=True))
