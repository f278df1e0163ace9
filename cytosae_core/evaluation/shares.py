"""How many latents are meaningful: plain, and weighted by the clusters they were sampled from.

The sample takes about the same number from each cluster however large it is, so only the weighted share speaks for
all high-activation latents. "Artefact" and "cannot judge" are answers, and whether they belong below the line is a
matter of definition: both denominators are given. Items on which the raters do not agree stay below the line in both.
Only main items count: no repeats, decoys or training items.
"""

import math
from collections.abc import Container, Iterator, Mapping

import numpy as np
import pandas as pd

from cytosae_core.evaluation.answers import AnswerTable
from cytosae_core.evaluation.bootstrap import N_RESAMPLES
from cytosae_core.evaluation.consensus import CONSENSUS, NO_CONSENSUS, consensus_answers
from cytosae_core.evaluation.intervals import UNKNOWN, stratified_shares
from cytosae_core.evaluation.population import CLUSTER_WEIGHTED, PLAIN, item_weights_of
from cytosae_core.study.tasks import CONCEPT_TASK

COLUMNS = (
    "rater_code",
    "denominator",
    "weighting",
    "n_yes",
    "n",
    "share",
    "low",
    "high",
    "coverage",
)
DENOMINATORS: dict[str, frozenset[str] | None] = {"judged": None, "yes_or_no": frozenset({"yes", "no", NO_CONSENSUS})}
"""Which answers are below the line; None: every answer."""


def share_table(table: AnswerTable, *, n_resamples: int = N_RESAMPLES, seed: int) -> pd.DataFrame:
    """Share of meaningful latents for each rater and for the consensus, with 95 % intervals; columns as in COLUMNS."""
    if CONCEPT_TASK not in [task.task_id for task in table.study.tasks]:
        return pd.DataFrame(columns=list(COLUMNS))
    answers = table.answers(CONCEPT_TASK, "concept", "meaningful")
    columns = {rater: answers[rater] for rater in table.raters} | {CONSENSUS: consensus_answers(answers)}
    rows = [row for who, given in columns.items() for row in _rows(table, who, given, n_resamples, seed)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _rows(
    table: AnswerTable, who: str, answers: "pd.Series[str]", n_resamples: int, seed: int
) -> Iterator[dict[str, object]]:
    judged = answers[answers.notna()]
    stratum_of = {item.item_id: item.stratum for item in table.items(CONCEPT_TASK)}
    strata = [stratum_of[item_id] for item_id in judged.index]
    is_yes = (judged == "yes").to_numpy(dtype=bool)
    denominators = {
        name: np.ones(len(judged), dtype=bool) if values is None else judged.isin(values).to_numpy(dtype=bool)
        for name, values in DENOMINATORS.items()
    }
    sizes = {one.stratum: one.n_eligible for one in table.study.strata}
    weights, fractions = item_weights_of(strata, sizes)
    labels = [str(stratum) for stratum in strata]
    shares = stratified_shares(is_yes, denominators, labels, weights, fractions, n_resamples=n_resamples, seed=seed)
    for denominator, is_below in denominators.items():
        for weighting in (PLAIN, CLUSTER_WEIGHTED):
            share = shares.get((denominator, weighting), UNKNOWN)
            yield {
                "rater_code": who,
                "denominator": denominator,
                "weighting": weighting,
                "n_yes": int(is_yes.sum()),
                "n": int(is_below.sum()),
                "share": share.value,
                "low": share.low,
                "high": share.high,
                "coverage": _coverage(set(strata), sizes),
            }


def _coverage(judged: Container[int | None], sizes: Mapping[int, int]) -> float:
    """Part of the eligible latents whose cluster has an answer; NaN without clusters."""
    n_all = sum(sizes.values())
    return sum(size for stratum, size in sizes.items() if stratum in judged) / n_all if n_all else math.nan
