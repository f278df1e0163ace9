"""What the items would be if each rater erred in their own way: the latent classes of Dawid and Skene.

A. P. Dawid and A. M. Skene, J R Stat Soc C 28, 20 (1979). Each item has a true class k with probability p_k, and
rater g, whatever the others say, gives answer l to an item of class k with probability t_gkl. Alternately

    T_ik  ~  p_k prod_g t_g,k,x_ig        (the answers x_ig that there are; sum_k T_ik = 1)
    p_k   =  sum_i w_i T_ik / sum_i w_i
    t_gkl =  sum_i w_i T_ik [x_ig = l] / sum_i w_i T_ik [x_ig given]

from T_ik = r_ik / r_i until nothing moves. With two raters the model is not identified: any of many confusions fits.
"""

from dataclasses import dataclass

import numpy as np

from cytosae_core.errors import AnalysisError
from cytosae_core.evaluation.agreement import ratio
from cytosae_core.evaluation.tally import FloatArray, IntArray

FEWEST_RATERS = 3
N_STEPS = 500
"""Most steps to take."""
TOLERANCE = 1e-6
"""The largest change of a probability at which nothing is said to move."""
_NEVER = 1e-12
"""Stands for a probability of 0, whose logarithm could not be taken."""


@dataclass(frozen=True)
class LatentClasses:
    """The model, each array with one leading entry for each row of weights."""

    shares: FloatArray
    """p_k (..., q)"""
    confusions: FloatArray
    """t_gkl (..., R, q, q); NaN for a class that no item is of."""
    probabilities: FloatArray
    """T_ik (..., n_items, q)"""

    def sensitivity(self) -> FloatArray:
        """(..., R, q): probability of answer k to an item of class k."""
        return np.diagonal(self.confusions, axis1=-2, axis2=-1)

    def specificity(self) -> FloatArray:
        """(..., R, q): probability of another answer than k to an item of another class, by these classes' shares."""
        others = self.shares[..., None, :, None] * (1 - np.eye(self.shares.shape[-1]))
        return 1 - ratio((np.nan_to_num(self.confusions) * others).sum(axis=-2), others.sum(axis=-2))


@dataclass(frozen=True)
class PriorCounts:
    """What a weak prior adds to each row of weights."""

    shares: FloatArray
    """(..., q): items of each class"""
    confusions: FloatArray
    """(..., R, q, q): answers of each rater to items of each class"""


def dawid_skene(
    codes: IntArray,
    n_categories: int,
    weights: FloatArray | None = None,
    *,
    prior: PriorCounts | None = None,
    start: FloatArray | None = None,
    n_steps: int = N_STEPS,
) -> LatentClasses:
    """Latent classes of `codes` `(n_items, n_raters)` with -1 for no answer, one model for each row of `weights`.

    `weights` is `(n_items,)` or `(n_resamples, n_items)`; items without an answer must have been left out. `start` are
    the T_ik to begin with, by default the votes. Raises AnalysisError for fewer than three raters.
    """
    n_raters, q = codes.shape[1], n_categories
    if n_raters < FEWEST_RATERS:
        raise AnalysisError(f"latent classes need at least {FEWEST_RATERS} raters, not {n_raters}; ask one more rater")
    given = (codes[:, :, None] == np.arange(q)).reshape(len(codes), n_raters * q).astype(np.float64)
    used = np.ones(len(codes)) if weights is None else weights
    votes = given.reshape(len(codes), n_raters, q).sum(axis=1)
    probabilities = votes / votes.sum(axis=1, keepdims=True) if start is None else start
    probabilities = np.broadcast_to(probabilities, (*used.shape, q))
    for _ in range(n_steps):
        shares, confusions = _maximise(given, used[..., None] * probabilities, n_raters, prior)
        before, probabilities = probabilities, _expect(given, shares, confusions)
        if np.abs(probabilities - before).max(initial=0) < TOLERANCE:
            break
    shares, confusions = _maximise(given, used[..., None] * probabilities, n_raters, prior)
    return LatentClasses(shares, confusions, probabilities)


def _maximise(
    given: FloatArray, members: FloatArray, n_raters: int, prior: PriorCounts | None
) -> tuple[FloatArray, FloatArray]:
    """p_k and t_gkl of weighted members `(..., n_items, q)`."""
    q = members.shape[-1]
    of_class = members.sum(axis=-2)
    counts = (given.T @ members).reshape(*members.shape[:-2], n_raters, q, q)  # (..., R, answer, class)
    counts = counts.swapaxes(-1, -2)
    if prior is not None:
        of_class, counts = of_class + prior.shares, counts + prior.confusions
    return of_class / of_class.sum(axis=-1, keepdims=True), ratio(counts, counts.sum(axis=-1, keepdims=True))


def _expect(given: FloatArray, shares: FloatArray, confusions: FloatArray) -> FloatArray:
    """T_ik `(..., n_items, q)`."""
    n_raters, q = confusions.shape[-3], confusions.shape[-1]
    by_answer = np.log(np.maximum(np.nan_to_num(confusions), _NEVER)).swapaxes(-1, -2)  # (..., R, answer, class)
    by_answer = by_answer.reshape(*confusions.shape[:-3], n_raters * q, q)
    with np.errstate(divide="ignore"):  # a class that no item is of stays so
        logs = np.log(shares)[..., None, :] + given @ by_answer
    likelihoods = np.exp(logs - logs.max(axis=-1, keepdims=True))
    probabilities: FloatArray = likelihoods / likelihoods.sum(axis=-1, keepdims=True)
    return probabilities
