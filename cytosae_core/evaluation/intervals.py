"""Shares with intervals that keep a width at 0 of 5 and 5 of 5."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cytosae_core.errors import AnalysisError
from cytosae_core.evaluation.agreement import ratio
from cytosae_core.evaluation.bootstrap import LEVEL, N_RESAMPLES, Columns, Design, design, estimate, weigh
from cytosae_core.evaluation.tally import FloatArray

BoolArray = NDArray[np.bool_]

_PRIOR = np.array([[1.0, 1.0], [0.0, 1.0]])
"""An item above and below the line, and one below it only."""
_STRENGTH = np.ones(2)


@dataclass(frozen=True)
class Share:
    """A share with its interval; NaN throughout where nothing was counted."""

    value: float
    low: float
    high: float


UNKNOWN = Share(math.nan, math.nan, math.nan)


def wilson(n_yes: int, n: int, level: float = LEVEL) -> Share:
    """Share `n_yes / n` with the Wilson score interval (Wilson, JASA 22, 209, 1927).

    Raises AnalysisError unless 0 <= n_yes <= n.
    """
    if not 0 <= n_yes <= n:
        raise AnalysisError(f"{n_yes} of {n} is not a share; the first number must lie between 0 and the second")
    return wilson_of(n_yes / n, n, level) if n else UNKNOWN


def wilson_of(share: float, n: float, level: float = LEVEL) -> Share:
    """Wilson's interval of a share of `n` observations, which need not be a whole number."""
    z = NormalDist().inv_cdf((1 + level) / 2)
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # At 0 and 1 one limit is the share itself; floating point would miss it by a last digit.
    return Share(share, min(max(centre - half, 0.0), share), max(min(centre + half, 1.0), share))


def stratified_shares(
    is_yes: BoolArray,
    denominators: Mapping[str, BoolArray],
    strata: ArrayLike,
    weights: Mapping[str, FloatArray],
    fractions: ArrayLike | float = 0.0,
    *,
    n_resamples: int = N_RESAMPLES,
    seed: int,
) -> dict[tuple[str, str], Share]:
    """Shares of judged items `(n_items,)` by (denominator, weighting): sum w yes / sum w d.

    d is 1 for items of the denominator, so an answer that is not in it takes nothing from the others of its stratum:
    the ratio estimator (Cochran, Sampling Techniques, 1977, chapter 6), which follows the population where the share
    of such answers differs from stratum to stratum. The interval is the Bayesian bootstrap of bootstrap.py with
    a prior of one yes and one no: strata that are all yes or all no add no more than that to its width, and it keeps
    one at 0 and at 1.
    """
    plan = design(strata, fractions)
    keys = [(name, weighting) for name in denominators for weighting in weights]
    blocks = [_block(is_yes, denominators[name], weights[weighting], plan) for name, weighting in keys]
    columns = Columns(
        np.concatenate([block.items for block in blocks], axis=1),
        np.concatenate([block.prior for block in blocks], axis=1),
        _STRENGTH,
    )
    found = estimate(
        lambda sums: ratio(sums[..., 0::2], sums[..., 1::2]), columns, plan, n_resamples=n_resamples, seed=seed
    )
    shares = zip(found.value.tolist(), found.low.tolist(), found.high.tolist(), strict=True)
    return {key: Share(*share) for key, share in zip(keys, shares, strict=True)}


def _block(is_yes: BoolArray, is_below: BoolArray, weights: FloatArray, plan: Design) -> Columns:
    """Columns yes and all of one denominator; nothing where nothing is below the line."""
    items = np.stack([is_yes & is_below, is_below], axis=1).astype(np.float64)
    used = weights * is_below
    return weigh(items, used, _PRIOR, _STRENGTH, plan) if used.any() else Columns(items * 0, _PRIOR * 0, _STRENGTH)
