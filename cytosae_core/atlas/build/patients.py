"""Barcodes and reference cells of patients, from the sparse activations of the images of one part of a data set."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from cytosae_core.atlas.build.activations import ImageActivations
from cytosae_core.atlas.build.references import strongest
from cytosae_core.errors import ConfigError

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Patients:
    """The patients of a data set, and whose each image is."""

    table: pd.DataFrame
    """patient, diagnosis; sorted by patient."""
    of_image: Integers
    """(n_images,) row of `table` for each image of the data set; -1 where the patient is not known."""


class BarcodeEntries(NamedTuple):
    """Activating tokens of patients, summed over their images: one entry per patient and latent that has any."""

    patient: Integers
    latent: Integers
    n_above: Integers
    """Activating tokens."""


class PatientReferences(NamedTuple):
    """Each patient's strongest images: one entry per patient, latent and rank."""

    patient: Integers
    latent: Integers
    activation: Floats
    row: Integers
    """Row of the image in its data set."""


@dataclass(frozen=True)
class PatientPart:
    """What the images of a part say of their patients; patients are rows of `Patients.table`."""

    n_images: Integers
    """(n_patients,) images of each patient in this part."""
    counts: BarcodeEntries
    references: PatientReferences


def find_patients(images: pd.DataFrame) -> Patients:
    """The patients in a list of images (columns patient, diagnosis); ConfigError for one with two diagnoses."""
    known = images[["patient", "diagnosis"]].dropna(subset=["patient"]).drop_duplicates()
    table = known.sort_values("patient", ignore_index=True)
    twice = table.loc[table["patient"].duplicated(), "patient"]
    if len(twice):
        raise ConfigError(f"patient {twice.iloc[0]!r} has two diagnoses; a patient belongs to one group")
    of_image = pd.Index(table["patient"]).get_indexer(pd.Index(images["patient"]))
    of_image[images["patient"].isna().to_numpy()] = -1
    return Patients(table, of_image.astype(np.int64))


def patient_part(
    batch: ImageActivations, rows: Integers, patients: Patients, n_latents: int, n_references: int
) -> PatientPart:
    """Counts and references of the patients among these images; `rows` (n_images,) are the images' rows."""
    owners = patients.of_image[rows]
    of_entry = owners[batch.image]
    keys = of_entry * n_latents + batch.latent
    counted = (of_entry >= 0) & (batch.n_above > 0)
    cells, cell_of = np.unique(keys[counted], return_inverse=True)
    counts = np.zeros(len(cells), np.int64)
    np.add.at(counts, cell_of, batch.n_above[counted])
    active = (of_entry >= 0) & (batch.activation > 0)
    return PatientPart(
        np.bincount(owners[owners >= 0], minlength=len(patients.table)),
        BarcodeEntries(cells // n_latents, cells % n_latents, counts),
        top_of_patients(
            PatientReferences(
                of_entry[active], batch.latent[active], batch.activation[active], rows[batch.image[active]]
            ),
            n_references,
        ),
    )


def top_of_patients(entries: PatientReferences, k: int) -> PatientReferences:
    """The `k` strongest entries of each latent and patient, by latent, patient and rank; of equals, the first row."""
    n_patients = int(entries.patient.max(initial=0)) + 1
    kept, _ = strongest(entries.latent * n_patients + entries.patient, entries.activation, entries.row, k)
    return PatientReferences(entries.patient[kept], entries.latent[kept], entries.activation[kept], entries.row[kept])
