"""Agreement of every pair of raters at once: few numbers for each pair instead of a tally."""

from itertools import combinations

import numpy as np

from cytosae_core.evaluation.agreement import Coefficient, beyond_chance, ratio
from cytosae_core.evaluation.tally import FloatArray, IntArray


def rater_pairs(n_raters: int) -> IntArray:
    """All pairs of raters, `(n_pairs, 2)`, in reading order."""
    return np.array(list(combinations(range(n_raters), 2)), dtype=np.int64).reshape(-1, 2)


def paired_codes(codes: IntArray) -> IntArray:
    """Codes `(n_items, 2)` without the answers that have no counterpart, as Cohen's kappa wants them."""
    is_complete = (codes >= 0).all(axis=1, keepdims=True)
    return np.where(is_complete, codes, -1)


def pair_columns(codes: IntArray, n_categories: int) -> FloatArray:
    """What each item adds, pair by pair: `(n_items, n_pairs * (2 q + 1))`.

    Whether both gave the same answer; then, where both answered, which answer each of them gave.
    """
    pairs = rater_pairs(codes.shape[1])
    first, second = codes[:, pairs[:, 0]], codes[:, pairs[:, 1]]
    is_complete = (first >= 0) & (second >= 0)
    given = [(side[..., None] == np.arange(n_categories)) & is_complete[..., None] for side in (first, second)]
    same = (is_complete & (first == second))[..., None]
    return np.concatenate([same, *given], axis=-1).reshape(len(codes), -1).astype(np.float64)


def pair_prior_columns(n_pairs: int, n_categories: int) -> FloatArray:
    """`tally.prior_columns` for pairs: an answer that all give, each in turn; last, answers at random."""
    q = n_categories
    together = np.concatenate([np.ones((q, 1)), np.eye(q), np.eye(q)], axis=1)
    at_random = np.full((1, 2 * q + 1), 1 / q)
    return np.tile(np.concatenate([together, at_random]), (1, n_pairs))


def pair_agreement(sums: FloatArray, n_categories: int) -> tuple[FloatArray, Coefficient]:
    """Percent agreement and Cohen's kappa `(..., n_pairs)` of sums of `pair_columns`; formulas in agreement.py."""
    parts = sums.reshape(*sums.shape[:-1], -1, 2 * n_categories + 1)
    first, second = parts[..., 1 : n_categories + 1], parts[..., n_categories + 1 :]
    n_complete = first.sum(axis=-1)
    observed = ratio(parts[..., 0], n_complete)
    return observed, beyond_chance(observed, ratio((first * second).sum(axis=-1), n_complete**2))
