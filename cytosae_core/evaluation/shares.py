"""How many latents are meaningful: plain, and weighted by the clusters they were sampled from.

The sample takes about the same number from each cluster however large it is, so only the weighted share speaks for
all high-activation latents. "Artefact" and "cannot judge" are answers, and whether they belong below the line is a
matter of definition: both denominators are given. Only main items count: no repeats, decoys or training items.
"""

from collections.abc import Iterator

import pandas as pd

from cytosae_core.evaluation.answers import AnswerTable
from cytosae_core.evaluation.consensus import CONSENSUS, consensus_answers
from cytosae_core.evaluation.intervals import UNKNOWN, StratumCount, coverage, stratified_share, wilson
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
DENOMINATORS: dict[str, frozenset[str] | None] = {"judged": None, "yes_or_no": frozenset({"yes", "no"})}
"""Which answers are below the line; None: every answer."""


def share_table(table: AnswerTable) -> pd.DataFrame:
    """Share of meaningful latents for each rater and for the consensus, with 95 % intervals; columns as in COLUMNS."""
    if CONCEPT_TASK not in [task.task_id for task in table.study.tasks]:
        return pd.DataFrame(columns=list(COLUMNS))
    answers = table.answers(CONCEPT_TASK, "concept", "meaningful")
    rows = [row for rater in table.raters for row in _rows(table, rater, answers[rater])]
    rows += _rows(table, CONSENSUS, consensus_answers(answers))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _rows(table: AnswerTable, rater: str, answers: "pd.Series[str]") -> Iterator[dict[str, object]]:
    for denominator, values in DENOMINATORS.items():
        counted = answers[answers.notna() if values is None else answers.isin(values)]
        n_yes, n = int((counted == "yes").sum()), len(counted)
        strata = _stratum_counts(table, counted)
        shares = {"plain": wilson(n_yes, n), "cluster_weighted": stratified_share(strata) if strata else UNKNOWN}
        for weighting, share in shares.items():
            about = {"rater_code": rater, "denominator": denominator, "weighting": weighting, "n_yes": n_yes, "n": n}
            interval = {"share": share.value, "low": share.low, "high": share.high}
            yield {**about, **interval, "coverage": coverage(strata)}


def _stratum_counts(table: AnswerTable, counted: "pd.Series[str]") -> list[StratumCount]:
    stratum_of = pd.Series({item.item_id: item.stratum for item in table.items(CONCEPT_TASK)}, dtype=object)
    strata = stratum_of.reindex(counted.index)
    return [
        StratumCount(
            n_yes=int(((strata == stratum.stratum) & (counted == "yes")).sum()),
            n_judged=int((strata == stratum.stratum).sum()),
            n_population=stratum.n_eligible,
        )
        for stratum in table.study.strata
    ]
