"""Barcodes of images, patients and diseases, each with its counts and what they are divided by.

They are `method.image_barcode`, `method.patient_barcode` and `method.disease_barcode`: a patient with many images
weighs as much as any other.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from cytosae_core.concepts.directions import BATCH, Directions
from cytosae_core.concepts.pooling import CHUNK
from cytosae_core.geometry import PATCHES
from cytosae_core.method import disease_barcode, image_barcode
from cytosae_core.patients.differential import PatientCounts, patient_barcodes, usable_patients
from cytosae_core.progress import Progress, no_progress
from cytosae_core.tokens.source import TokenSource, in_order

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Level:
    """Barcodes of one level: images, patients or diseases."""

    name: str
    """image, patient or disease."""
    barcodes: FloatArray | sparse.csr_matrix
    """(n_rows, n_latents): a_i, a_p or a_d."""
    counts: NDArray[np.int64] | sparse.csr_matrix
    """(n_rows, n_latents): activating tokens, summed over all images of the row."""
    rows: pd.DataFrame
    """One row each: image_id, patient or diagnosis; n_images; for diseases n_patients."""


def patient_level(barcodes: PatientCounts, min_images: int = 1) -> Level:
    """Patients, sorted by name; those with fewer than `min_images` images are left out."""
    counts, groups = usable_patients(barcodes, min_images)
    return Level("patient", patient_barcodes(counts, groups, "corrected"), counts.astype(np.int64), groups)


def disease_level(patients: Level) -> Level:
    """Diseases, sorted by name, from the level of patients; patients without a diagnosis are in none."""
    per_image = np.asarray(patients.barcodes)
    counts = np.asarray(patients.counts)
    means, sums, rows = [], [], []
    for diagnosis, positions in sorted(patients.rows.groupby("diagnosis").indices.items()):
        means.append(disease_barcode(per_image[positions]))
        sums.append(counts[positions].sum(axis=0))
        n_images = int(patients.rows["n_images"].to_numpy()[positions].sum())
        rows.append({"diagnosis": str(diagnosis), "n_patients": len(positions), "n_images": n_images})
    return Level("disease", np.array(means), np.array(sums), pd.DataFrame(rows))


def image_level(
    latents: Directions, tokens: TokenSource, *, tau: float, with_cls: bool = False, progress: Progress = no_progress
) -> Level:
    """Images in the order of the tokens: the patches, and CLS when asked for, whose activation is above `tau`."""
    chunks = []
    for first in range(0, latents.n_directions, CHUNK):
        part = latents.take(slice(first, first + CHUNK))
        blocks = []
        for _, batch in in_order(tokens, BATCH):
            used = batch if with_cls else batch[:, PATCHES]
            blocks.append(sparse.csr_matrix(image_barcode(part.of(used), tau)))
        chunks.append(sparse.vstack(blocks))
        progress(min(first + CHUNK, latents.n_directions), latents.n_directions)
    counts = sparse.csr_matrix(sparse.hstack(chunks))
    columns = [name for name in ("image_id", "dataset", "label", "patient", "diagnosis") if name in tokens.index]
    rows = tokens.index[columns].reset_index(drop=True).assign(n_images=1)
    return Level("image", counts.astype(np.float64), counts, rows)
