"""Whether a latent would have been among the top ones with other patients of the same groups.

Patients are sampled again with replacement within each group, and the ranking is made anew: a place that many of the
bootstrap samples do not repeat is a place by chance.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cytosae_core.errors import AnalysisError
from cytosae_core.method import N_DIFFERENTIAL
from cytosae_core.patients.differential import PatientCounts, Ranking, stronger, two_groups
from cytosae_core.progress import Progress, no_progress

FloatArray = NDArray[np.float64]

INTERVAL = (0.025, 0.975)
"""Quantiles of the ranks that are given."""


def top_stability(
    barcodes: PatientCounts,
    group_a: str,
    group_b: str,
    *,
    seed: int,
    n: int = N_DIFFERENTIAL,
    n_bootstrap: int = 1000,
    ranking: Ranking = "corrected",
    min_images: int = 0,
    progress: Progress = no_progress,
) -> pd.DataFrame:
    """Latents that are among the top `n` of a direction in any bootstrap sample, the surest first.

    Columns latent, direction, top_share (share of the samples in which it is there), rank_low, rank_median,
    rank_high (2.5 %, 50 % and 97.5 % of its ranks in the samples, `n + 1` standing for any place below). Raises
    AnalysisError like `differential_latents`, and for fewer than 1 sample.
    """
    if n < 1 or n_bootstrap < 1:
        raise AnalysisError(f"n is {n} and n_bootstrap {n_bootstrap}; both must be at least 1")
    a, b = two_groups(barcodes, group_a, group_b, ranking=ranking, min_images=min_images)
    rng = np.random.default_rng(seed)
    tops: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
    for index in range(n_bootstrap):
        mean_a, mean_b = _sampled_mean(a, rng), _sampled_mean(b, rng)
        tops.append((stronger(mean_a, mean_b, n), stronger(mean_b, mean_a, n)))
        progress(index + 1, n_bootstrap)
    parts = [_summary([one[side] for one in tops], group, n) for side, group in enumerate((group_a, group_b))]
    return pd.concat(parts, ignore_index=True)


def _sampled_mean(values: FloatArray, rng: np.random.Generator) -> FloatArray:
    """`method.disease_barcode` (k,) of n patients sampled with replacement from values (n, k); no row is copied."""
    weights = np.bincount(rng.integers(len(values), size=len(values)), minlength=len(values))
    mean: FloatArray = weights @ values / len(values)
    return mean


def _summary(tops: list[NDArray[np.int64]], group: str, n: int) -> pd.DataFrame:
    """One row per latent that is in any of the lists `tops`, each the latents of one sample in their order."""
    latents = np.unique(np.concatenate(tops))
    ranks = np.full((len(tops), len(latents)), n + 1)
    for row, top in enumerate(tops):
        ranks[row, np.searchsorted(latents, top)] = np.arange(1, len(top) + 1)
    low, high = np.quantile(ranks, INTERVAL, axis=0, method="inverted_cdf") if len(latents) else (latents, latents)
    table = pd.DataFrame(
        {
            "latent": latents,
            "direction": pd.Series([group] * len(latents), dtype="str"),
            "top_share": (ranks <= n).mean(axis=0),
            "rank_low": low,
            "rank_median": np.median(ranks, axis=0) if len(latents) else latents,
            "rank_high": high,
        }
    )
    order = np.lexsort((table["latent"], -table["top_share"]))
    return table.iloc[order].reset_index(drop=True)
