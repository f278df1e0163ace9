"""The monosemanticity score of Pach et al. (2025): are the images that a latent answers to alike?

With activations a_n over N images, min-max scaled to ã_n in [0, 1], and embeddings e_n of unit length,

    MS = sum_{n < m} ã_n ã_m (e_n . e_m)  /  sum_{n < m} ã_n ã_m

the mean cosine similarity of pairs of images, weighted by how strongly both activate the latent. Both sums over pairs
come from sums over images: sum_{n != m} ã_n ã_m e_n . e_m = |sum ã_n e_n|^2 - sum ã_n^2, and the same with 1 for e.
The embeddings here are the backbone's, as are the latents': the score is comparable within one backbone only.
"""

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

TINY = 1e-9
"""Sums of pair weights below this share of the squared sum are rounding noise: one image alone makes no pair."""


def monosemanticity(values: NDArray[np.floating], embeddings: NDArray[np.floating]) -> FloatArray:
    """Score (k,) of activations (n_images, k), given embeddings (n_images, d) of any length above zero.

    Missing where all images have one value, or only one image is above the lowest.
    """
    a = np.asarray(values, dtype=np.float64)
    low, high = a.min(axis=0), a.max(axis=0)
    scaled = np.divide(a - low, high - low, out=np.zeros_like(a), where=high > low)
    e = unit(embeddings)
    squares = (scaled**2).sum(axis=0)
    similar = ((scaled.T @ e) ** 2).sum(axis=1) - squares
    pairs = scaled.sum(axis=0) ** 2 - squares
    score: FloatArray = np.divide(similar, pairs, out=np.full(len(pairs), np.nan), where=pairs > TINY * squares)
    return score


def mean_similarity(embeddings: NDArray[np.floating]) -> float:
    """Mean cosine similarity of all pairs of images: the score of a latent that answers to all of them alike."""
    e = unit(embeddings)
    n = len(e)
    return float((np.sum(e.sum(axis=0) ** 2) - n) / (n * (n - 1)))


def unit(embeddings: NDArray[np.floating]) -> FloatArray:
    """The embeddings (n_images, d) at length 1, in double precision."""
    wide = np.asarray(embeddings, dtype=np.float64)
    scaled: FloatArray = wide / np.linalg.norm(wide, axis=1, keepdims=True)
    return scaled
