"""Intervals of agreement statistics: items resampled within their strata, all resamples at once."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cytosae_core.evaluation.agreement import FloatArray, category_codes

N_RESAMPLES = 2000

Statistic = Callable[[ArrayLike, FloatArray | None], FloatArray]
"""A function of ratings `(n_items, n_raters)` and item weights, such as those in agreement.py."""


@dataclass(frozen=True)
class Estimate:
    """A value with its bootstrap interval."""

    value: float
    low: float
    high: float
    undefined_share: float
    """Share of the resamples in which the statistic is not defined; the interval is of the others."""
    n_items: int
    """Items with at least two answers."""
    n_resamples: int


def estimate(
    statistic: Statistic,
    ratings: ArrayLike,
    *,
    strata: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    n_resamples: int = N_RESAMPLES,
    level: float = 0.95,
    seed: int,
) -> Estimate:
    """The statistic with a percentile bootstrap interval over items, resampled within strata.

    `strata (n_items,)` holds any labels; without it all items are one stratum. `weights (n_items,)` makes the
    weighted statistic. Items that nobody answered are left out. An interval has no width when every item agrees
    fully: that is a property of the bootstrap, not certainty.
    """
    codes = category_codes(ratings)
    is_answered: NDArray[np.bool_] = np.any(codes >= 0, axis=1)
    codes = codes[is_answered]
    item_weights = np.ones(len(is_answered)) if weights is None else np.asarray(weights, dtype=np.float64)
    labels = np.zeros(len(is_answered), dtype=np.int64) if strata is None else np.asarray(strata)
    resamples = _resamples(labels[is_answered], n_resamples, seed) * item_weights[is_answered]
    values = statistic(codes, resamples)
    value = float(statistic(codes, item_weights[is_answered]))
    defined = values[~np.isnan(values)]
    low, high = (np.nan, np.nan)
    if len(defined) and not np.isnan(value):
        low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(
        value=value,
        low=float(low),
        high=float(high),
        undefined_share=1 - len(defined) / n_resamples,
        n_items=int(((codes >= 0).sum(axis=1) >= 2).sum()),
        n_resamples=n_resamples,
    )


def _resamples(strata: NDArray[np.generic], n_resamples: int, seed: int) -> FloatArray:
    """How often each item is sampled in each resample `(n_resamples, n_items)`; sums are fixed within strata."""
    rng = np.random.default_rng(seed)
    times = np.zeros((n_resamples, len(strata)))
    for stratum in np.unique(strata):
        members = np.flatnonzero(strata == stratum)
        times[:, members] = rng.multinomial(len(members), np.full(len(members), 1 / len(members)), size=n_resamples)
    return times
