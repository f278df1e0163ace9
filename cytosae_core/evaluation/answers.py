"""Stored judgements as plain tables: one column per question, one row per item, one column per rater."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from cytosae_core.evaluation.tally import IntArray
from cytosae_core.study.protocol import Item, Question, Role, Stage, Study

ANSWER_PREFIX = "answer_"
ITEM_COLUMNS = ("latent", "stratum", "direction", "rank", "repeat_of")
ORDERED = frozenset({"confidence"})
"""Choices whose options are steps of a scale. They describe the rater rather than the item, so that raters need not
agree on them: they are compared as an order, and never make a consensus."""

_INTEGERS = ("latent", "stratum", "rank")


@dataclass(frozen=True)
class AnswerTable:
    """The judgements of a study, all revisions."""

    study: Study
    judgements: pd.DataFrame
    """As from `Results.judgement_table`: `answers` holds a dict."""

    @cached_property
    def flat(self) -> pd.DataFrame:
        """Every judgement with a column `answer_<question_id>` for each question of the study instead of `answers`."""
        answers = self.judgements["answers"]
        columns = {
            ANSWER_PREFIX + name: pd.Series([given.get(name) for given in answers], index=answers.index, dtype=object)
            for name in questions_by_id(self.study)
        }
        return self.judgements.drop(columns="answers").assign(**columns)

    @cached_property
    def latest(self) -> pd.DataFrame:
        """The judgements that count, each beside what its item is (unblinded)."""
        latest = self.flat[self.flat["is_latest"]]
        items = items_frame(self.study)[["item_id", *ITEM_COLUMNS]]
        return latest.merge(items, on="item_id", how="left", validate="many_to_one")

    @cached_property
    def raters(self) -> tuple[str, ...]:
        """Codes of the raters with at least one judgement, sorted."""
        return tuple(sorted(self.judgements["rater_code"].unique()))

    def items(self, task_id: str, role: Role = "main") -> tuple[Item, ...]:
        """Items of a task and role, in the order of the study."""
        return tuple(item for item in self.study.items_of(task_id) if item.role == role)

    def answers(
        self, task_id: str, stage_id: str, question_id: str, role: Role = "main", *, first: bool = False
    ) -> pd.DataFrame:
        """Latest answers: index item_id (all items of that role), one column per rater, None where there is none.

        `first`: those of revision 1 instead, whatever came later.
        """
        rows = self.flat
        counts = rows["revision"] == 1 if first else rows["is_latest"]
        rows = rows[counts & (rows["task_id"] == task_id) & (rows["stage_id"] == stage_id)]
        item_ids = [item.item_id for item in self.items(task_id, role)]
        given = {
            (row["item_id"], row["rater_code"]): row[ANSWER_PREFIX + question_id] for row in rows.to_dict("records")
        }
        columns = {rater: [given.get((item_id, rater)) for item_id in item_ids] for rater in self.raters}
        return pd.DataFrame(columns, index=pd.Index(item_ids, name="item_id"), dtype=object)


def codes_of(answers: pd.DataFrame, values: Sequence[str]) -> IntArray:
    """Answers of `AnswerTable.answers` as places among `values`, -1 where there is none: `(n_items, n_raters)`."""
    code_of = {value: code for code, value in enumerate(values)}
    codes = [[-1 if answer is None else code_of[answer] for answer in row] for row in answers.to_numpy()]
    return np.array(codes, dtype=np.int64).reshape(answers.shape)


def questions_by_id(study: Study) -> dict[str, Question]:
    """Questions of all tasks by id; the first of each id, in the order in which they are asked."""
    found: dict[str, Question] = {}
    for task in study.tasks:
        for stage in task.stages:
            for question in stage.questions:
                found.setdefault(question.question_id, question)
    return found


def compared_questions(study: Study) -> list[tuple[str, Stage, Question]]:
    """Task id, stage and question of every choice on which raters can agree."""
    return [(task_id, stage, question) for task_id, stage, question in _choices(study) if not _is_ordered(question)]


def ordered_questions(study: Study) -> list[tuple[str, Stage, Question]]:
    """Task id, stage and question of every choice whose options are steps of a scale."""
    return [(task_id, stage, question) for task_id, stage, question in _choices(study) if _is_ordered(question)]


def _choices(study: Study) -> list[tuple[str, Stage, Question]]:
    return [
        (task.task_id, stage, question)
        for task in study.tasks
        for stage in task.stages
        for question in stage.questions
        if question.kind == "choice"
    ]


def _is_ordered(question: Question) -> bool:
    return question.question_id in ORDERED


def items_frame(study: Study) -> pd.DataFrame:
    """What each item is, unblinded: one row per item, in the order of the study."""
    rows = [
        {
            "task_id": item.task_id,
            "item_id": item.item_id,
            "role": item.role,
            "block": item.block,
            **{name: getattr(item, name) for name in ITEM_COLUMNS},
            "n_pictures": sum(picture.sha256 is not None for picture in item.pictures),
            "n_empty_frames": sum(picture.sha256 is None for picture in item.pictures),
            "pictures_digest": item.pictures_digest,
        }
        for item in study.items
    ]
    return pd.DataFrame(rows).astype(dict.fromkeys(_INTEGERS, "Int64"))
