"""Latents that differ between two diseases, from the patients' barcodes.

The difference is `a_d1 - a_d2` of `method.disease_barcode`. Where `method.patient_barcode` divides by the patient's
images, the authors' released code divides by the width of the autoencoder, so a patient with more images weighs more;
that ranking is what the paper's experts saw, and is offered as "released".
"""

from typing import Literal, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cytosae_core.errors import AnalysisError
from cytosae_core.method import N_DIFFERENTIAL, disease_barcode, patient_barcode

Ranking = Literal["corrected", "released"]

TIE = 1e-12
"""Differences within this share of the largest mean are rounding noise: such latents tie."""

FloatArray = NDArray[np.float64]


class PatientCounts(Protocol):
    """What is needed of an atlas's barcodes."""

    @property
    def counts(self) -> NDArray[np.generic]:
        """Activating tokens `(n_patients, n_latents)`."""

    @property
    def groups(self) -> pd.DataFrame:
        """One row per patient, in the order of `counts`: patient, diagnosis, n_images."""


def differential_latents(
    barcodes: PatientCounts,
    group_a: str,
    group_b: str,
    *,
    n: int = N_DIFFERENTIAL,
    ranking: Ranking = "corrected",
    min_images: int = 0,
) -> pd.DataFrame:
    """The `n` latents that are stronger in each of two groups of patients, strongest first.

    Columns latent, direction (the group in which it is stronger), rank (from 1), difference (`mean_a - mean_b`),
    mean_a, mean_b (activating tokens per image; under "released" activating tokens over the width of the
    autoencoder). Ties go to the smaller latent number; latents without a difference are never listed, so there may
    be fewer than `n`. Patients with fewer than `min_images` images are left out. Raises AnalysisError for an unknown
    or repeated group, a group without patients, and patients without images.
    """
    if n < 1:
        raise AnalysisError(f"n is {n}; ask for at least 1 latent in each direction")
    patients = two_groups(barcodes, group_a, group_b, ranking=ranking, min_images=min_images)
    mean_a, mean_b = (disease_barcode(of_group) for of_group in patients)
    parts = [
        _direction(group_a, mean_a, mean_b, stronger(mean_a, mean_b, n)),
        _direction(group_b, mean_a, mean_b, stronger(mean_b, mean_a, n)),
    ]
    return pd.concat(parts, ignore_index=True)


def group_means(
    barcodes: PatientCounts, group_a: str, group_b: str, *, ranking: Ranking = "corrected", min_images: int = 0
) -> pd.DataFrame:
    """mean_a and mean_b of every latent (the index), as `differential_latents` ranks them; the same errors."""
    patients = two_groups(barcodes, group_a, group_b, ranking=ranking, min_images=min_images)
    means = (disease_barcode(of_group) for of_group in patients)
    return pd.DataFrame(dict(zip(("mean_a", "mean_b"), means, strict=True))).rename_axis("latent")


def two_groups(
    barcodes: PatientCounts, group_a: str, group_b: str, *, ranking: Ranking = "corrected", min_images: int = 0
) -> tuple[FloatArray, FloatArray]:
    """Barcodes of the patients of both groups, (n_a, n_latents) and (n_b, n_latents), by patient.

    Patients with fewer than `min_images` images are left out. Raises AnalysisError for an unknown or repeated group, a
    group without patients, and patients without images.
    """
    counts, groups = usable_patients(barcodes, min_images)
    _check_groups(groups, group_a, group_b)
    patients = patient_barcodes(counts, groups, ranking)
    of_a, of_b = (patients[(groups["diagnosis"] == group).to_numpy()] for group in (group_a, group_b))
    return of_a, of_b


def usable_patients(barcodes: PatientCounts, min_images: int) -> tuple[FloatArray, pd.DataFrame]:
    """Counts `(n_patients, n_latents)` and patients, sorted by name so that their order cannot change a last digit."""
    groups = barcodes.groups.reset_index(drop=True)
    repeated = groups["patient"][groups["patient"].duplicated()]
    if len(repeated):
        raise AnalysisError(f"patient {repeated.iloc[0]!r} is in the barcodes twice; keep one row per patient")
    groups = groups[groups["n_images"] >= min_images].sort_values("patient")
    without = groups["patient"][groups["n_images"] < 1]
    if len(without):
        raise AnalysisError(
            f"patient {without.iloc[0]!r} has no images, so there is no barcode to average; "
            "leave such patients out with min_images=1"
        )
    counts = np.asarray(barcodes.counts)[groups.index.to_numpy()].astype(np.float64)
    return counts, groups.reset_index(drop=True)


def _check_groups(groups: pd.DataFrame, group_a: str, group_b: str) -> None:
    known = sorted(groups["diagnosis"].dropna().unique())
    for group in (group_a, group_b):
        if group not in known:
            raise AnalysisError(f"no patients of group {group!r} in the barcodes; there are {known}")
    if group_a == group_b:
        raise AnalysisError(f"group {group_a!r} cannot be compared with itself; choose two of {known}")


def patient_barcodes(counts: FloatArray, groups: pd.DataFrame, ranking: Ranking) -> FloatArray:
    """Barcodes `(n_patients, n_latents)`: counts over images, or over the width of the autoencoder as released."""
    if ranking not in ("corrected", "released"):
        raise AnalysisError(f"ranking {ranking!r} is not known; choose 'corrected' or 'released'")
    n_images: FloatArray = groups["n_images"].to_numpy(dtype=np.float64)
    return patient_barcode(counts, n_images if ranking == "corrected" else np.full_like(n_images, counts.shape[1]))


def stronger(mean: FloatArray, other: FloatArray, n: int) -> NDArray[np.int64]:
    """Up to `n` latents with the largest `mean - other`, largest first, ties by latent number."""
    scale = max(float(mean.max()), float(other.max()))
    if scale == 0:
        return np.empty(0, dtype=np.int64)
    steps = np.round((mean - other) / (scale * TIE))
    # Sorting all latents takes most of a bootstrap: first only those that can be listed, ties at the end included.
    n_below = max(len(steps) - n, 0)
    listed = np.flatnonzero(steps >= max(np.partition(steps, n_below)[n_below], 1))
    return listed[np.argsort(-steps[listed], kind="stable")[:n]]


def _direction(group: str, mean_a: FloatArray, mean_b: FloatArray, latents: NDArray[np.int64]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "latent": latents,
            "direction": group,
            "rank": np.arange(1, len(latents) + 1),
            "difference": mean_a[latents] - mean_b[latents],
            "mean_a": mean_a[latents],
            "mean_b": mean_b[latents],
        }
    ).astype({"latent": "int64", "rank": "int64", "direction": "str"})
