"""Barcodes and reference cells of patients, from the sparse activations of the images of one part of a data set."""

from dataclasses import dataclass

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


@dataclass(frozen=True)
class PatientPart:
    """What the images of a part say of their patients; patients are rows of `Patients.table`."""

    n_images: Integers
    """(n_patients,) images of each patient in this part."""
    counts: tuple[Integers, Integers, Integers]
    """Patient, latent and activating tokens, summed over the patient's images; only where there are any."""
    references: tuple[Integers, Integers, Floats, Integers]
    """Patient, latent, activation and row of each patient's strongest images."""


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
    cells, places = np.unique(keys[counted], return_inverse=True)
    counts = np.zeros(len(cells), np.int64)
    np.add.at(counts, places, batch.n_above[counted])
    active = (of_entry >= 0) & (batch.activation > 0)
    return PatientPart(
        np.bincount(owners[owners >= 0], minlength=len(patients.table)),
        (cells // n_latents, cells % n_latents, counts),
        top_of_patients(
            of_entry[active], batch.latent[active], batch.activation[active], rows[batch.image[active]], n_references
        ),
    )


def top_of_patients(
    patients: Integers, latents: Integers, values: Floats, rows: Integers, k: int
) -> tuple[Integers, Integers, Floats, Integers]:
    """The `k` strongest entries of each latent and patient, by latent, patient and rank; of equals, the first row."""
    n_patients = int(patients.max(initial=0)) + 1
    places, _ = strongest(latents * n_patients + patients, values, rows, k)
    return patients[places], latents[places], values[places], rows[places]
