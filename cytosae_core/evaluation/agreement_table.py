"""Agreement on every choice that raters make, among all raters and for each pair."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cytosae_core.evaluation.agreement import (
    cohen_kappa,
    fleiss_kappa,
    gwet_ac1,
    krippendorff_alpha,
    percent_agreement,
)
from cytosae_core.evaluation.answers import AnswerTable, compared_questions
from cytosae_core.evaluation.bootstrap import N_RESAMPLES, Statistic, estimate

COLUMNS = (
    "task_id",
    "stage_id",
    "question_id",
    "raters",
    "n_raters",
    "statistic",
    "weighting",
    "value",
    "low",
    "high",
    "undefined_share",
    "n_items",
    "n_resamples",
    "note",
)
ALL_RATERS = "all"

_ONE_RATER = "needs at least two raters"
_NO_PAIRS = "no item was answered by two raters"
_UNDEFINED = "not defined: only one answer was given"
_NO_WIDTH = "every resample gives the same value: not certainty"


@dataclass(frozen=True)
class _Ratings:
    """Answers to one question as codes, with what the bootstrap needs."""

    codes: NDArray[np.int64]
    """(n_items, n_raters)"""
    strata: NDArray[np.str_]
    weights: NDArray[np.float64] | None
    """Latents that each item stands for; None where items were not sampled from strata."""
    n_categories: int


def agreement_table(table: AnswerTable, *, n_resamples: int = N_RESAMPLES, seed: int) -> pd.DataFrame:
    """Estimates with bootstrap intervals for each question, over the main items; columns as in COLUMNS.

    Every answer is a category, "cannot judge" included. Rows of all raters: percent agreement, Fleiss' kappa, Gwet's
    AC1, Krippendorff's alpha, and for items sampled from clusters the first two weighted by cluster; rows of each pair:
    percent agreement and Cohen's kappa. Items are resampled within strata: clusters, or directions. What cannot be
    computed is NaN with a note that says why.
    """
    rows = []
    for task_id, stage, question in compared_questions(table.study):
        answers = table.answers(task_id, stage.stage_id, question.question_id)
        ratings = _ratings(table, task_id, answers, question.values)
        about = {"task_id": task_id, "stage_id": stage.stage_id, "question_id": question.question_id}
        for raters, columns, name, weighting, statistic in _wanted(ratings, table.raters):
            got = _estimated(ratings, columns, statistic, weighting, n_resamples, seed)
            rows.append(
                {**about, "raters": raters, "n_raters": len(columns), "statistic": name, "weighting": weighting, **got}
            )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _ratings(table: AnswerTable, task_id: str, answers: pd.DataFrame, values: tuple[str, ...]) -> _Ratings:
    code_of = {value: code for code, value in enumerate(values)}
    codes = [[code_of[answer] if answer is not None else -1 for answer in row] for row in answers.to_numpy()]
    items = table.items(task_id)
    weight_of = {one.stratum: one.n_eligible / one.n_drawn for one in table.study.strata if one.n_drawn}
    weights = [weight_of.get(item.stratum) if item.stratum is not None else None for item in items]
    return _Ratings(
        codes=np.array(codes, dtype=np.int64).reshape(len(items), len(table.raters)),
        strata=np.array([f"{item.stratum}/{item.direction}" for item in items]),
        weights=None if None in weights else np.array(weights, dtype=np.float64),
        n_categories=len(values),
    )


def _wanted(ratings: _Ratings, raters: tuple[str, ...]) -> Iterator[tuple[str, list[int], str, str, Statistic]]:
    """Who, which columns, which statistic and how weighted, row by row."""
    everyone = list(range(len(raters)))
    ac1 = partial(gwet_ac1, n_categories=ratings.n_categories)
    statistics: dict[str, Statistic] = {"percent": percent_agreement, "fleiss_kappa": fleiss_kappa}
    more: dict[str, Statistic] = {"gwet_ac1": ac1, "krippendorff_alpha": krippendorff_alpha}
    for name, statistic in {**statistics, **more}.items():
        yield ALL_RATERS, everyone, name, "plain", statistic
    if ratings.weights is not None:
        for name, statistic in statistics.items():
            yield ALL_RATERS, everyone, name, "cluster_weighted", statistic
    pair_statistics: dict[str, Statistic] = {"percent": percent_agreement, "cohen_kappa": cohen_kappa}
    for pair in combinations(everyone, 2):
        for name, statistic in pair_statistics.items():
            yield f"{raters[pair[0]]} / {raters[pair[1]]}", list(pair), name, "plain", statistic


def _estimated(
    ratings: _Ratings, columns: list[int], statistic: Statistic, weighting: str, n_resamples: int, seed: int
) -> dict[str, object]:
    codes = ratings.codes[:, columns]
    nothing = {"value": np.nan, "low": np.nan, "high": np.nan, "undefined_share": np.nan, "n_resamples": 0}
    if len(columns) < 2:
        return {**nothing, "n_items": 0, "note": _ONE_RATER}
    if not ((codes >= 0).sum(axis=1) >= 2).any():
        return {**nothing, "n_items": 0, "note": _NO_PAIRS}
    weights = ratings.weights if weighting == "cluster_weighted" else None
    got = estimate(statistic, codes, strata=ratings.strata, weights=weights, n_resamples=n_resamples, seed=seed)
    note = _UNDEFINED if np.isnan(got.value) else _NO_WIDTH if got.low == got.high else ""
    return {**vars(got), "note": note}
