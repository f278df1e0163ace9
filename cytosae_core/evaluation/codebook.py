"""The codebook: every column of every exported table, and every value that stands for something."""

from collections.abc import Iterator, Mapping

import pandas as pd

from cytosae_core.errors import StudyError
from cytosae_core.evaluation.answers import ANSWER_PREFIX, questions_by_id
from cytosae_core.evaluation.codebook_text import COLUMN_MEANINGS, NOTES, VALUE_MEANINGS
from cytosae_core.study.protocol import Question, Study

COLUMNS = ("table", "column", "value", "meaning")


def codebook(study: Study, tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """One row per column (value empty) and one per value; columns as in COLUMNS.

    Questions and options come from the study's protocol, so they are what the raters read. Raises StudyError for a
    column that has no meaning here: then the export and its codebook have drifted apart.
    """
    questions = questions_by_id(study)
    rows = [("(all files)", "", "", note) for note in NOTES]
    for name, frame in tables.items():
        for column in frame.columns:
            entries = _answer(questions, column) if column.startswith(ANSWER_PREFIX) else _known(study, name, column)
            rows += [(name, column, value, meaning) for value, meaning in entries]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _answer(questions: Mapping[str, Question], column: str) -> Iterator[tuple[str, str]]:
    question = questions[column.removeprefix(ANSWER_PREFIX)]
    asked = "".join(f" Asked when {name} is {' or '.join(values)}." for name, values in question.only_if.items())
    kind = {"choice": "one of the values", "several": "any of the values", "text": "text as typed"}[question.kind]
    yield "", f"{question.text} ({kind}; empty: not answered or not asked).{asked}"
    for option in question.options:
        code = f" [{option.term_code}]" if option.term_code else ""
        yield option.value, option.label + code


def _known(study: Study, table: str, column: str) -> Iterator[tuple[str, str]]:
    meaning = COLUMN_MEANINGS.get(f"{table}.{column}", COLUMN_MEANINGS.get(column))
    if meaning is None:
        raise StudyError(
            f"column {column!r} of table {table!r} is not in the codebook; describe it in codebook_text.py"
        )
    yield "", meaning
    yield from VALUE_MEANINGS.get(f"{table}.{column}", VALUE_MEANINGS.get(column, {})).items()
    yield from _from_protocol(study, column)


def _from_protocol(study: Study, column: str) -> Iterator[tuple[str, str]]:
    stages = [(task, stage) for task in study.tasks for stage in task.stages]
    if column == "task_id":
        yield from ((task.task_id, task.title) for task in study.tasks)
    elif column == "stage_id":
        yield from ((stage.stage_id, f"{task.title}: {stage.title}") for task, stage in stages)
    elif column == "question_id":
        yield from ((name, question.text) for name, question in questions_by_id(study).items())
    elif column == "direction":
        directions = dict.fromkeys(item.direction for item in study.items if item.direction)
        yield from ((value, f"stronger in {value}") for value in directions)
