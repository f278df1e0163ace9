"""How large and how sure the difference of each latent between two groups of patients is.

All of it from the patients' barcodes (`method.patient_barcode`), one value per patient: a patient with many images
counts as one patient.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import false_discovery_control, mannwhitneyu

from cytosae_core.errors import AnalysisError
from cytosae_core.patients.differential import PatientCounts, two_groups

FloatArray = NDArray[np.float64]


def latent_effects(barcodes: PatientCounts, group_a: str, group_b: str, *, min_images: int = 0) -> pd.DataFrame:
    """One row per latent, indexed by it: hedges_g, auroc, p_value, q_value.

    hedges_g is `(mean_a - mean_b) / s` with the pooled standard deviation `s` of the patients' barcodes and the
    correction `1 - 3 / (4 (n_a + n_b) - 9)` for small groups (Hedges 1981); missing where `s` is 0 or there are fewer
    than three patients. auroc is the chance that a patient of `group_a` has more than one of `group_b`, ties counted
    half (Mann-Whitney's U over `n_a n_b`). p_value is Mann-Whitney's, two-sided, by the normal approximation with
    correction for ties and continuity; it is missing for latents that have one value in all patients of the two
    groups, which are not tested. q_value controls the false discovery rate over the tested latents (Benjamini and
    Hochberg 1995). Raises AnalysisError like `differential_latents`.
    """
    a, b = two_groups(barcodes, group_a, group_b, min_images=min_images)
    p_value, auroc = mann_whitney(a, b)
    return pd.DataFrame(
        {
            "hedges_g": hedges_g(a, b),
            "auroc": auroc,
            "p_value": p_value,
            "q_value": q_values(p_value),
        },
        index=pd.RangeIndex(a.shape[1], name="latent"),
    )


def hedges_g(a: FloatArray, b: FloatArray) -> FloatArray:
    """Standardised difference of the means of two samples, column by column: (n_a, k), (n_b, k) -> (k,)."""
    n = len(a) + len(b)
    if n < 3:
        return np.full(a.shape[1], np.nan)
    squares = ((a - a.mean(axis=0)) ** 2).sum(axis=0) + ((b - b.mean(axis=0)) ** 2).sum(axis=0)
    spread = np.sqrt(squares / (n - 2))
    g = np.full(a.shape[1], np.nan)
    np.divide(a.mean(axis=0) - b.mean(axis=0), spread, out=g, where=spread > 0)
    return g * (1 - 3 / (4 * n - 9))


def mann_whitney(a: FloatArray, b: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Two-sided p values (k,), missing for constant columns, and `U / (n_a n_b)` (k,) of (n_a, k) against (n_b, k)."""
    both = np.vstack([a, b])
    varies = (both != both[0]).any(axis=0)
    p_value, auroc = np.full(a.shape[1], np.nan), np.full(a.shape[1], 0.5)
    if varies.any():
        tested = mannwhitneyu(a[:, varies], b[:, varies], axis=0, method="asymptotic", alternative="two-sided")
        p_value[varies], auroc[varies] = tested.pvalue, tested.statistic / (len(a) * len(b))
    return p_value, auroc


def q_values(p_value: FloatArray) -> FloatArray:
    """q values (k,) of Benjamini and Hochberg (1995), at which each is found; missing ones stay out of the family.

    Raises AnalysisError for a p value outside of 0 to 1.
    """
    is_bad = (p_value < 0) | (p_value > 1)
    if is_bad.any():
        raise AnalysisError(f"{p_value[is_bad][0]} is no p value; they go from 0 to 1")
    known = ~np.isnan(p_value)
    q_value = np.full(p_value.shape, np.nan)
    if known.any():
        q_value[known] = false_discovery_control(p_value[known], method="bh")
    return q_value
