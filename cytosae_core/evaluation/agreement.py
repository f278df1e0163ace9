"""How well raters agree: pure functions on an array of category codes.

`ratings` is `(n_items, n_raters)`, whole codes from 0, with -1 or NaN where a rater gave no answer. Every statistic
takes optional item weights, `(n_items,)` or `(n_resamples, n_items)`, and gives one value for each row of weights:
a resample is nothing but a row of weights, which is what makes the bootstrap fast. A value that the data
does not define is NaN, never 0 or 1. Letters: r_ik raters who put item i into category k, r_i = sum_k r_ik,
n items, q categories.

Formulas with gaps: K. L. Gwet, Handbook of Inter-Rater Reliability, 4th edition (2014), chapters 2 and 5.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cytosae_core.errors import AnalysisError

NO_VARIATION = 1e-12
"""Chance agreement closer to 1 than this means that only one category was used."""

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


def percent_agreement(ratings: ArrayLike, weights: FloatArray | None = None) -> FloatArray:
    """Share of agreeing pairs of answers: mean over items with r_i >= 2 of sum_k r_ik (r_ik - 1) / (r_i (r_i - 1))."""
    counts = _counts(category_codes(ratings))
    n_answers = counts.sum(axis=1)
    is_paired = n_answers >= 2
    n_pairs = np.where(is_paired, n_answers * (n_answers - 1), 1.0)
    agreeing = (counts * (counts - 1)).sum(axis=1) / n_pairs
    return _ratio(_weighted(agreeing, weights), _weighted(is_paired, weights))


def cohen_kappa(ratings: ArrayLike, weights: FloatArray | None = None) -> FloatArray:
    """Cohen's kappa (1960) of two raters, over the items that both answered.

    (p_a - p_e) / (1 - p_e) with p_e = sum_k p_k. p_.k, the products of the two raters' own shares. NaN when
    both used one and the same category throughout. Raises AnalysisError unless there are two raters.
    """
    codes = category_codes(ratings)
    if codes.shape[1] != 2:
        raise AnalysisError(f"Cohen's kappa is for 2 raters, not {codes.shape[1]}; use fleiss_kappa")
    is_complete: BoolArray = np.all(codes >= 0, axis=1)
    n_categories = int(codes.max(initial=0)) + 1
    shares = [_shares(_counts(codes[:, [rater]], n_categories), is_complete, weights) for rater in (0, 1)]
    agreeing = is_complete & (codes[:, 0] == codes[:, 1])
    observed = _ratio(_weighted(agreeing, weights), _weighted(is_complete, weights))
    return _beyond_chance(observed, (shares[0] * shares[1]).sum(axis=-1))


def fleiss_kappa(ratings: ArrayLike, weights: FloatArray | None = None) -> FloatArray:
    """Fleiss' kappa (1971) of any number of raters, with gaps after Gwet.

    (p_a - p_e) / (1 - p_e) with p_a the percent agreement, p_e = sum_k pi_k^2, and pi_k the mean of
    r_ik / r_i over items with at least one answer. NaN when only one category was used.
    """
    shares = _mean_shares(ratings, weights)
    return _beyond_chance(percent_agreement(ratings, weights), (shares**2).sum(axis=-1))


def gwet_ac1(ratings: ArrayLike, weights: FloatArray | None = None, *, n_categories: int) -> FloatArray:
    """Gwet's AC1 (2008): as Fleiss' kappa, with p_e = sum_k pi_k (1 - pi_k) / (q - 1).

    `n_categories` is q, the answers that could be given, used or not. It does not collapse when nearly
    all items fall into one category, as kappa does; it is no substitute for kappa either.
    """
    if n_categories < 2:
        raise AnalysisError(f"AC1 needs at least 2 categories that could be chosen, not {n_categories}")
    shares = _mean_shares(ratings, weights)
    chance = (shares * (1 - shares)).sum(axis=-1) / (n_categories - 1)
    return _beyond_chance(percent_agreement(ratings, weights), chance)


def krippendorff_alpha(ratings: ArrayLike, weights: FloatArray | None = None) -> FloatArray:
    """Krippendorff's alpha for nominal data (Content Analysis, 2004, chapter 11), over items with r_i >= 2.

    (a_o - a_e) / (1 - a_e) with N = sum_i r_i, a_o = sum_ik r_ik (r_ik - 1) / (r_i - 1) / N, n_k = sum_i r_ik and
    a_e = sum_k n_k (n_k - 1) / (N (N - 1)). NaN when only one category was used.
    """
    counts = _counts(category_codes(ratings))
    counts = counts * (counts.sum(axis=1) >= 2)[:, None]
    n_answers = counts.sum(axis=1)
    agreeing = (counts * (counts - 1)).sum(axis=1) / np.maximum(n_answers - 1, 1)
    per_category, n_all = _weighted(counts, weights), _weighted(n_answers, weights)
    expected = _ratio((per_category * (per_category - 1)).sum(axis=-1), n_all * (n_all - 1))
    return _beyond_chance(_ratio(_weighted(agreeing, weights), n_all), expected)


def category_codes(ratings: ArrayLike) -> IntArray:
    """Ratings as whole numbers with -1 for no answer; raises AnalysisError for anything else."""
    values = np.asarray(ratings, dtype=np.float64)
    if values.ndim != 2:
        raise AnalysisError(f"ratings have {values.ndim} dimensions; give an array (n_items, n_raters)")
    codes = np.where(np.isnan(values), -1, values).astype(np.int64)
    is_wrong = (codes < -1) | (~np.isnan(values) & (codes != values))
    if is_wrong.any():
        raise AnalysisError(f"{values[is_wrong][0]} is not a category code; use 0, 1, 2, ..., and -1 for no answer")
    return codes


def _counts(codes: IntArray, n_categories: int | None = None) -> FloatArray:
    """r_ik `(n_items, n_categories)`."""
    n = int(codes.max(initial=0)) + 1 if n_categories is None else n_categories
    counts: FloatArray = (codes[:, :, None] == np.arange(n)).sum(axis=1).astype(np.float64)
    return counts


def _weighted(values: NDArray[np.generic], weights: FloatArray | None) -> FloatArray:
    """Sum over items, once for each row of weights."""
    numbers = values.astype(np.float64)
    total: FloatArray = numbers.sum(axis=0) if weights is None else weights @ numbers
    return total


def _ratio(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    result: FloatArray = np.where(denominator > 0, numerator / np.where(denominator > 0, denominator, 1), np.nan)
    return result


def _shares(values: FloatArray, is_used: BoolArray, weights: FloatArray | None) -> FloatArray:
    """Weighted mean of the rows of `values` that are used: `(..., n_categories)`."""
    return _ratio(_weighted(values * is_used[:, None], weights), _weighted(is_used, weights)[..., None])


def _mean_shares(ratings: ArrayLike, weights: FloatArray | None) -> FloatArray:
    """pi_k `(..., n_categories)`: mean of r_ik / r_i over items with at least one answer."""
    counts = _counts(category_codes(ratings))
    n_answers = counts.sum(axis=1)
    return _shares(counts / np.maximum(n_answers, 1)[:, None], n_answers >= 1, weights)


def _beyond_chance(observed: FloatArray, chance: FloatArray) -> FloatArray:
    is_defined = chance < 1 - NO_VARIATION
    result: FloatArray = np.where(is_defined, (observed - chance) / np.where(is_defined, 1 - chance, 1), np.nan)
    return result
