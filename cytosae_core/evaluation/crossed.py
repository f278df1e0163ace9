"""Intervals over raters and items together: what would other raters say of other items?

Drawing raters with replacement pairs a rater with themselves, which agrees fully, so the raters' part is a
jackknife (Arvesen, Ann Math Stat 40, 2076, 1969; Gwet, Handbook, chapter 5). Leaving a rater out also takes out the
noise of their answers to these items, which the items' part holds already; that is taken off, as for two-way clusters
(Cameron, Gelbach and Miller, J Bus Econ Stat 29, 238, 2011):

    V = V_items + max(V_raters - V_answers, V_raters / 2)

V_items from the bootstrap over items, V_raters and V_answers from leaving out one rater, one answer, at a time. Half of
V_raters is the least, because three raters say little about the difference: without it such intervals cover 91 to 96 %.
"""

from collections.abc import Callable

import numpy as np
from scipy.special import ndtri, stdtrit

from cytosae_core.evaluation.bootstrap import LEVEL, Design, Estimates
from cytosae_core.evaluation.tally import FloatArray, IntArray, Sums, item_columns, unpack

FEWEST_RATERS = 3
"""With two raters, leaving one out leaves nothing to compare."""

Statistics = Callable[[Sums], FloatArray]
"""From sums to statistics `(..., n_statistics)`."""


def crossed_limits(
    codes: IntArray, n_categories: int, weights: FloatArray, plan: Design, statistics: Statistics, of_items: Estimates
) -> tuple[FloatArray, FloatArray]:
    """Lower and upper limits `(n_statistics,)` at 95 %; NaN with fewer than 3 raters.

    `of_items` has the intervals over items, which are widened about the estimate: by the larger variance, and by the t
    distribution with Satterthwaite's degrees of freedom, since the raters are few.
    """
    n_raters = codes.shape[1]
    if n_raters < FEWEST_RATERS:
        unknown = np.full_like(of_items.value, np.nan)
        return unknown, unknown
    # Without a rater every item has fewer answers, and the items count among each other as before.
    n_answers = (codes >= 0).sum(axis=1).astype(np.float64)
    with_all = item_columns(codes, n_categories) * weights[:, None]
    no_rater, no_answer = [], []
    for rater in range(n_raters):
        without = codes.copy()
        without[:, rater] = -1
        columns = item_columns(without, n_categories, n_answers) * weights[:, None]
        no_rater.append(statistics(unpack(columns.sum(axis=0), n_raters, n_categories)))
        is_given = codes[:, rater] >= 0
        one_less = with_all.sum(axis=0) + (columns - with_all)[is_given]
        no_answer.append(statistics(unpack(one_less, n_raters, n_categories)))
    of_raters, of_answers = _jackknife_variance(np.stack(no_rater)), _jackknife_variance(np.concatenate(no_answer))
    more = np.nan_to_num(np.maximum(of_raters - of_answers, of_raters / 2))
    items = of_items.deviation**2
    n_free = max(len(codes) - len(np.unique(plan.strata)), 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        freedom = (items + more) ** 2 / (items**2 / n_free + more**2 / (n_raters - 1))
        wider = np.sqrt(1 + more / items) * stdtrit(freedom, (1 + LEVEL) / 2) / ndtri((1 + LEVEL) / 2)
    is_known = (items > 0) & ~np.isnan(of_raters)
    value = of_items.value
    limits = (value - (value - of_items.low) * wider, value + (of_items.high - value) * wider)
    lower, upper = (np.where(is_known, np.clip(limit, -1, 1), np.nan) for limit in limits)
    return lower, upper


def _jackknife_variance(values: FloatArray) -> FloatArray:
    """Of estimates `(n, n_statistics)`, each with one observation left out; NaN where one of them is not defined."""
    n = len(values)
    variance: FloatArray = (n - 1) / n * ((values - values.mean(axis=0)) ** 2).sum(axis=0)
    return variance
