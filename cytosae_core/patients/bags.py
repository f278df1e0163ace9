"""Backbone tokens pooled for the baselines: two vectors per image, and the images of each patient."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cytosae_core.concepts.directions import BATCH
from cytosae_core.errors import AnalysisError
from cytosae_core.geometry import CLS, PATCHES
from cytosae_core.progress import Progress, no_progress
from cytosae_core.tokens.source import TokenSource, in_order

PooledTokens = NDArray[np.float32]
"""(n_images, 2, d_model): the CLS token, and the mean of the patches."""


def pool_tokens(tokens: TokenSource, progress: Progress = no_progress) -> PooledTokens:
    """CLS token and mean patch of every image, (n_images, 2, d_model), read in batches."""
    n_images, _, d_model = tokens.shape
    pooled = np.empty((n_images, 2, d_model), np.float32)
    for chunk, batch in in_order(tokens, BATCH):
        pooled[chunk, 0] = batch[:, CLS]
        pooled[chunk, 1] = batch[:, PATCHES].mean(axis=1, dtype=np.float32)
        progress(chunk.stop, n_images)
    return pooled


def patient_bags(index: pd.DataFrame, pooled: PooledTokens, patients: Sequence[str]) -> list[NDArray[np.float32]]:
    """One array (n_images, 2 d_model) for each of `patients`, in their order: CLS token and mean patch side by side.

    `index` has a column patient, one row per image of `pooled`. Raises AnalysisError for a patient without images.
    """
    if len(index) != len(pooled):
        raise AnalysisError(f"{len(index)} images are listed and {len(pooled)} were pooled; pool this store again")
    flat = pooled.reshape(len(pooled), -1)
    rows = index.reset_index(drop=True).groupby("patient").indices
    missing = [name for name in patients if name not in rows]
    if missing:
        raise AnalysisError(
            f"patient {missing[0]!r} has a barcode and no tokens ({len(missing)} such patients); extract the tokens of "
            "the same images"
        )
    return [flat[rows[name]] for name in patients]


def mean_patch(bags: Sequence[NDArray[np.float32]]) -> NDArray[np.float64]:
    """Mean patch of all images of each patient (n_patients, d_model): every image counts the same."""
    return np.stack([bag[:, bag.shape[1] // 2 :].mean(axis=0, dtype=np.float64) for bag in bags])
