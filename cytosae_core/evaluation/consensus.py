"""What the raters say together about each item: a majority of two or more, never a forced one."""

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cytosae_core.evaluation import latent_class
from cytosae_core.evaluation.answers import AnswerTable, codes_of, compared_questions

NO_CONSENSUS = "no_consensus"
FEWEST_RATERS = 2
"""Raters who answer an item before there can be a consensus on it."""
CONSENSUS = "(consensus)"
"""Stands in the rater column of tables for what the raters say together; no rater's code has brackets."""


@dataclass(frozen=True)
class Majority:
    """The majority among some answers."""

    value: str | None
    """The answer, NO_CONSENSUS, or None where fewer than two raters answered."""
    n_for: int
    """Raters who gave the most frequent answer."""
    n_raters: int
    """Raters who answered."""


def majority(answers: Iterable[str | None]) -> Majority:
    """The answer that more than half of the raters who answered gave; without one there is no consensus.

    A missing answer is no vote, and one rater alone makes no consensus: then there is none to have.
    """
    given = Counter(answer for answer in answers if answer is not None)
    n_raters = given.total()
    if not n_raters:
        return Majority(None, 0, 0)
    value, n_for = given.most_common(1)[0]
    if n_raters < FEWEST_RATERS:
        return Majority(None, n_for, n_raters)
    return Majority(value if 2 * n_for > n_raters else NO_CONSENSUS, n_for, n_raters)


def consensus_answers(answers: pd.DataFrame) -> "pd.Series[str]":
    """Consensus of each row of `AnswerTable.answers`: an answer, NO_CONSENSUS, or None."""
    return pd.Series([majority(row).value for row in answers.to_numpy()], index=answers.index, dtype=object)


def consensus_table(table: AnswerTable) -> pd.DataFrame:
    """One row per main item and question: the consensus, how many are for it, and the concepts as typed.

    Columns task_id, stage_id, question_id, item_id, latent, stratum, direction, rank, consensus, n_for, n_raters,
    latent_class and latent_probability (the likeliest class of latent_class.py; empty with fewer than three raters),
    answers (each rater's, "R01: yes"), concepts (each rater's text of the same stage, "R01: Auer rods").
    """
    rows = []
    for task_id, stage, question in compared_questions(table.study):
        has_concept = any(one.question_id == "concept" for one in stage.questions)
        frame = table.answers(task_id, stage.stage_id, question.question_id)
        answers = frame.to_dict("records")
        concepts = table.answers(task_id, stage.stage_id, "concept").to_dict("records") if has_concept else answers
        likeliest = _likeliest(frame, question.values)
        for item, given, named, (likely, probability) in zip(
            table.items(task_id), answers, concepts, likeliest, strict=True
        ):
            verdict = majority(given.values())
            rows.append(
                {
                    "task_id": task_id,
                    "stage_id": stage.stage_id,
                    "question_id": question.question_id,
                    **{name: getattr(item, name) for name in ("item_id", "latent", "stratum", "direction", "rank")},
                    "consensus": verdict.value,
                    "n_for": verdict.n_for,
                    "n_raters": verdict.n_raters,
                    "latent_class": likely,
                    "latent_probability": probability,
                    "answers": _by_rater(given),
                    "concepts": _by_rater(named) if has_concept else [],
                }
            )
    return pd.DataFrame(rows).astype({"latent": "Int64", "stratum": "Int64", "rank": "Int64"})


def _likeliest(answers: pd.DataFrame, values: Sequence[str]) -> list[tuple[str | None, float]]:
    """The likeliest latent class of each item, and its probability."""
    codes = codes_of(answers, values)
    is_answered = np.any(codes >= 0, axis=1)
    found: list[tuple[str | None, float]] = [(None, math.nan)] * len(codes)
    if np.any(codes >= 0, axis=0).sum() >= latent_class.FEWEST_RATERS:
        probabilities = latent_class.dawid_skene(codes[is_answered], len(values)).probabilities
        for place, row in zip(np.flatnonzero(is_answered), probabilities, strict=True):
            found[place] = (values[int(row.argmax())], float(row.max()))
    return found


def _by_rater(answers: Mapping[Hashable, str | None]) -> list[str]:
    return [f"{rater}: {answer}" for rater, answer in answers.items() if answer is not None]
