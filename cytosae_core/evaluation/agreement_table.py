"""Agreement on every choice that raters make, among all raters and for each pair."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cytosae_core.evaluation.answers import AnswerTable, codes_of, compared_questions, ordered_questions
from cytosae_core.evaluation.bootstrap import N_RESAMPLES, check_resamples, design
from cytosae_core.evaluation.pairs import rater_pairs
from cytosae_core.evaluation.population import CLUSTER_WEIGHTED, PLAIN, item_weights_of
from cytosae_core.evaluation.question import PAIR_STATISTICS, AgreementRow, Rated, agreement_rows, statistics_of
from cytosae_core.evaluation.tally import IntArray
from cytosae_core.study.protocol import Item, Question, Stage

COLUMNS = (
    "task_id",
    "stage_id",
    "question_id",
    "raters",
    "n_raters",
    "statistic",
    "answer",
    "weighting",
    "value",
    "low",
    "high",
    "crossed_low",
    "crossed_high",
    "chance",
    "undefined_share",
    "n_items",
    "n_resamples",
    "note",
)
ALL_RATERS = "all"

_ONE_RATER = "needs at least two raters"
_NO_PAIRS = "no item was answered by two raters"
_UNDEFINED = "not defined: only one answer was given"
_NEVER_GIVEN = "not defined: nobody gave this answer"
_NO_DISAGREEMENT = "all pairs agree: the width of the interval is that of the weak prior"


def agreement_table(table: AnswerTable, *, n_resamples: int = N_RESAMPLES, seed: int) -> pd.DataFrame:
    """Estimates with intervals for each question, over the main items; columns as in COLUMNS.

    Every answer is a category, "cannot judge" included. Rows of all raters: the statistics of `question.statistics_of`,
    each also weighted by cluster where items were sampled from clusters; rows of each pair: percent agreement and
    Cohen's kappa. `low` and `high` are over items within strata (clusters, or directions), `crossed_low` and
    `crossed_high` over raters and items. What cannot be computed is NaN with a note that says why. Raises
    AnalysisError for fewer than 1 resample.
    """
    check_resamples(n_resamples)
    asked = [(*one, False) for one in compared_questions(table.study)]
    asked += [(*one, True) for one in ordered_questions(table.study)]
    rows = [
        {"task_id": task_id, "stage_id": stage.stage_id, "question_id": question.question_id, **row}
        for task_id, stage, question, is_ordinal in asked
        for row in _question_rows(table, task_id, stage, question, is_ordinal, n_resamples, seed)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def rated(table: AnswerTable, items: Sequence[Item], codes: IntArray, n_categories: int, is_ordinal: bool) -> Rated:
    """The answers with the design of the items; items without an answer are left out.

    A cluster's latents are shared by its items that two raters answered, so missing answers take no weight from it.
    """
    n_answers = (codes >= 0).sum(axis=1)
    kept = [item for item, n in zip(items, n_answers.tolist(), strict=True) if n]
    codes, n_answers = codes[n_answers > 0], n_answers[n_answers > 0]
    sizes = {one.stratum: one.n_eligible for one in table.study.strata}
    weights, fractions = item_weights_of([item.stratum for item in kept], sizes)
    if CLUSTER_WEIGHTED in weights:
        strata = np.array([item.stratum for item in kept])
        n_judged, n_paired = (
            np.array([(used & (strata == stratum)).sum() for stratum in strata], dtype=np.float64)
            for used in (n_answers > 0, n_answers > 1)
        )
        weights[CLUSTER_WEIGHTED] = weights[CLUSTER_WEIGHTED] * n_judged * (n_paired > 0) / np.maximum(n_paired, 1)
        if not n_paired.any():
            del weights[CLUSTER_WEIGHTED]
    plan = design([f"{item.stratum}/{item.direction}" for item in kept], fractions)
    return Rated(codes, n_categories, plan, weights, is_ordinal)


def _question_rows(
    table: AnswerTable, task_id: str, stage: Stage, question: Question, is_ordinal: bool, n_resamples: int, seed: int
) -> list[dict[str, object]]:
    items = table.items(task_id)
    codes = codes_of(table.answers(task_id, stage.stage_id, question.question_id), question.values)
    answers = rated(table, items, codes, len(question.values), is_ordinal)
    if not ((answers.codes >= 0).sum(axis=1) >= 2).any():
        return _unknown_rows(question, table.raters, is_ordinal)
    rows = agreement_rows(answers, n_resamples=n_resamples, seed=seed)
    return [_described(row, question, table.raters, n_resamples) for row in rows]


def _described(row: AgreementRow, question: Question, names: Sequence[str], n_resamples: int) -> dict[str, object]:
    numbers = {name: getattr(row, name) for name in COLUMNS if hasattr(row, name)}
    return {
        **numbers,
        "raters": ALL_RATERS if row.raters is None else " / ".join(names[rater] for rater in row.raters),
        "n_raters": len(names if row.raters is None else row.raters),
        "answer": "" if row.category is None else question.values[row.category],
        "n_resamples": n_resamples,
        "note": _note(row),
    }


def _note(row: AgreementRow) -> str:
    if not row.n_items:
        return _NO_PAIRS
    if np.isnan(row.value):
        return _UNDEFINED if row.category is None else _NEVER_GIVEN
    return _NO_DISAGREEMENT if row.value == 1 else ""


def _unknown_rows(question: Question, names: Sequence[str], is_ordinal: bool) -> list[dict[str, object]]:
    """The rows of a question that no two raters answered of the same item, with the reason."""
    everyone = statistics_of(len(question.values), is_ordinal=is_ordinal)
    unknown = [AgreementRow(None, one.name, one.category, PLAIN) for one in everyone]
    if not is_ordinal:
        for first, second in rater_pairs(len(names)).tolist():
            unknown += [AgreementRow((first, second), name, None, PLAIN) for name in PAIR_STATISTICS]
    rows = [_described(row, question, names, n_resamples=0) for row in unknown]
    return [row if len(names) > 1 else {**row, "note": _ONE_RATER} for row in rows]
