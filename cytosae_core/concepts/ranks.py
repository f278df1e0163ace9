"""How well a number tells images with an attribute from those without: AUROC, average precision, intervals."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


class Interval(NamedTuple):
    """95 % of the bootstrap samples lie between them; missing where no sample had both kinds of image."""

    low: float
    high: float


def auroc_columns(values: NDArray[np.floating], labels: BoolArray) -> FloatArray:
    """AUROC (n_labels, k) of every column of `values` (n_images, k) for every column of `labels` (n_images, n_labels).

    The chance that an image with the label has a higher value than one without, ties counted half. Missing where all
    images have the label, or none. Columns are ranked once for all labels.
    """
    n_with = labels.sum(axis=0).astype(np.float64)[:, None]
    n_without = len(labels) - n_with
    sums = labels.T.astype(np.float64) @ rankdata(values, axis=0)
    pairs = n_with * n_without
    result = np.full(sums.shape, np.nan)
    np.divide(sums - n_with * (n_with + 1) / 2, pairs, out=result, where=pairs > 0)
    return result


class Curves(NamedTuple):
    """One value per sample of images: (n_samples,)."""

    auroc: FloatArray
    average_precision: FloatArray


def weighted_curves(scores: NDArray[np.floating], labels: BoolArray, weights: FloatArray) -> Curves:
    """AUROC and average precision of `scores` (n_images,) when image i is there `weights[b, i]` times in sample b.

    Average precision is the sum over distinct scores, from the highest, of (share of the labelled images that have
    it) times (share of labelled images among those with at least this score). Both are missing for a sample without
    both kinds of image.
    """
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    with_it = _steps(weights[:, order] * labels[order], ends)
    without = _steps(weights[:, order] * ~labels[order], ends)
    above_with, above = np.cumsum(with_it, axis=1), np.cumsum(with_it + without, axis=1)
    n_with, n_without = with_it.sum(axis=1), without.sum(axis=1)
    known = (n_with > 0) & (n_without > 0)
    precision = np.divide(above_with, above, out=np.zeros_like(above), where=above > 0)
    below_or_half = above_with - with_it / 2
    auroc, average_precision = np.full(len(weights), np.nan), np.full(len(weights), np.nan)
    auroc[known] = ((without * below_or_half).sum(axis=1) / np.maximum(n_with * n_without, 1))[known]
    average_precision[known] = ((with_it * precision).sum(axis=1) / np.maximum(n_with, 1))[known]
    return Curves(auroc, average_precision)


def _steps(values: FloatArray, ends: NDArray[np.int64]) -> FloatArray:
    """Sums (n_samples, n_steps) of `values` over runs that end at the positions `ends`."""
    sums = np.cumsum(values, axis=1)[:, ends]
    return np.diff(sums, axis=1, prepend=0.0)


def bootstrap_weights(clusters: NDArray[np.generic], n_samples: int, seed: int) -> FloatArray:
    """(n_samples, n_images) how often each image is in a sample, when whole clusters (n_images,) are sampled again.

    Clusters are patients where they are known, so that a patient's images stay together, and single images otherwise.
    """
    names, of_image = np.unique(clusters, return_inverse=True)
    sampled = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), size=n_samples)
    return sampled.astype(np.float64)[:, of_image]


def interval(samples: FloatArray) -> Interval:
    """2.5 % and 97.5 % of the samples (n_samples,) that have a value."""
    known = samples[~np.isnan(samples)]
    if not len(known):
        return Interval(np.nan, np.nan)
    low, high = np.quantile(known, (0.025, 0.975))
    return Interval(float(low), float(high))
