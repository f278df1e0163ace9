"""What each item adds to the sums of which every statistic of agreement is a function.

`ratings` is `(n_items, n_raters)`, whole codes from 0, with -1 or NaN where a rater gave no answer. Each item becomes
one row of numbers; a resample is a row of item weights, so the sums of all resamples are one product of matrices,
and all statistics of a question share them. Letters, as in the literature: r_ik raters who put item i into category k,
r_i = sum_k r_ik, n items, q categories, R raters.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cytosae_core.errors import AnalysisError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Sums:
    """Sums over items; each array has, before its own axes, those of the weights: none, or one for each resample."""

    pairs: FloatArray
    """(..., q, q): sum_i r_ik (r_il - [k = l]) / (r_i (r_i - 1)) over items with r_i >= 2: pairs, each item once."""
    n_paired: FloatArray
    """(...): items with r_i >= 2."""
    coincidences: FloatArray
    """(..., q, q): sum_i r_ik (r_il - [k = l]) / (r_i - 1) over items with r_i >= 2: pairs, each answer once."""
    shares: FloatArray
    """(..., q): sum_i r_ik / r_i over items with an answer."""
    n_answered: FloatArray
    """(...): items with at least one answer."""
    by_rater: FloatArray
    """(..., R, q): items that each rater put into each category."""

    @property
    def n_categories(self) -> int:
        """q, the answers that could be given, used or not."""
        return int(self.shares.shape[-1])


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


def tally(ratings: ArrayLike, n_categories: int | None = None, weights: ArrayLike | None = None) -> Sums:
    """Sums over the items, or one for each row of `weights` `(n_items,)` or `(n_resamples, n_items)`.

    `n_categories` is q, by default the largest code and one. Raises AnalysisError for a code beyond it.
    """
    codes = category_codes(ratings)
    q = int(codes.max(initial=0)) + 1 if n_categories is None else n_categories
    columns = item_columns(codes, q)
    total = columns.sum(axis=0) if weights is None else np.asarray(weights, dtype=np.float64) @ columns
    return unpack(total, codes.shape[1], q)


def item_columns(codes: IntArray, n_categories: int, n_answers: FloatArray | None = None) -> FloatArray:
    """One row for each item, to be summed with weights and unpacked: `(n_items, n_columns)`.

    `n_answers` `(n_items,)` is what an item counts in the coincidences, by default its answers r_i.
    """
    if codes.max(initial=-1) >= n_categories:
        raise AnalysisError(f"code {codes.max()} is beyond the {n_categories} categories; raise n_categories")
    return _columns((codes[:, :, None] == np.arange(n_categories)).astype(np.float64), n_answers)


def _columns(given: FloatArray, n_answers: FloatArray | None = None) -> FloatArray:
    """`item_columns` of answers as `(n_items, n_raters, n_categories)` zeros and ones."""
    counts = given.sum(axis=1)
    n_given = counts.sum(axis=1)
    is_paired = n_given >= 2
    diagonal = counts[:, :, None] * np.eye(counts.shape[1])
    agreeing = (counts[:, :, None] * counts[:, None, :] - diagonal) * is_paired[:, None, None]
    each_once = np.maximum(n_given, 1)
    pairs = agreeing / (each_once * np.maximum(n_given - 1, 1))[:, None, None]
    parts = (
        pairs,
        is_paired,
        pairs * (n_given if n_answers is None else n_answers)[:, None, None],
        counts / each_once[:, None],
        n_given >= 1,
        given,
    )
    return np.concatenate([_flat(part.astype(np.float64)) for part in parts], axis=1)


def _flat(part: FloatArray) -> FloatArray:
    """(n_items, everything else); -1 would not do for no items."""
    return part.reshape(len(part), int(np.prod(part.shape[1:])))


def unpack(sums: FloatArray, n_raters: int, n_categories: int) -> Sums:
    """Named sums of `(..., n_columns)`."""
    q, before = n_categories, sums.shape[:-1]
    shapes: tuple[tuple[int, ...], ...] = ((q, q), (), (q, q), (q,), (), (n_raters, q))
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
    parts = np.split(sums, ends[:-1], axis=-1)
    return Sums(*(part.reshape(before + shape) for part, shape in zip(parts, shapes, strict=True)))


def prior_columns(n_raters: int, n_categories: int) -> FloatArray:
    """Rows for the items that a weak prior adds, `(n_categories + 1, n_columns)`.

    One row for each answer that all raters give together; last, the mean of an item on which every rater
    answers at random: pairs, coincidences and answers spread evenly over the categories.
    """
    q = n_categories
    together = np.broadcast_to(np.eye(q)[:, None, :], (q, n_raters, q))
    even = [np.full(q * q, 1 / q**2), np.ones(1), np.full(q * q, n_raters / q**2), np.full(q, 1 / q), np.ones(1)]
    at_random = np.concatenate([*even, np.full(n_raters * q, 1 / q)])
    return np.concatenate([_columns(together.astype(np.float64)), at_random[None]])
