"""The published patient counts: divided by the wrong number, multiplied back, with the denominators they need.

`cls_sae_cnt.npy` holds activating tokens (CLS included) by patient and latent, divided by the number of latents. Its
rows follow `hehr_classnames.txt`. Diagnoses and numbers of images are not in it.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from cytosae_core.atlas import tables
from cytosae_core.atlas.barcodes import Barcodes
from cytosae_core.errors import ReleaseError
from cytosae_core.geometry import N_TOKENS
from cytosae_core.images.sources import HEHR_GROUPS
from cytosae_core.method import TAU

DATASET = "hehr"
_COLUMNS = ("patient", "diagnosis", "n_images")


def read_patient_counts(path: Path, n_latents: int, names: Sequence[str], patients: pd.DataFrame) -> Barcodes:
    """Barcodes from the published counts; `names` are the patients of the rows, `patients` says what they have.

    Raises ReleaseError, naming the first bad row, when shape, names or numbers of images do not fit, or the values
    are no counts divided by `n_latents`; ArtifactError when the file cannot be read.
    """
    stored = tables.read_array(path)
    if stored.shape != (len(names), n_latents) or not np.issubdtype(stored.dtype, np.floating):
        raise ReleaseError(
            f"{path} holds {stored.dtype} of shape {stored.shape}, {len(names)} patients and {n_latents} latents "
            f"demand floats of shape ({len(names)}, {n_latents}); give the class names and tables it was made with"
        )
    groups = _in_order(patients, names)
    counts = np.zeros(stored.shape, dtype=np.int32)
    for row, (name, n_images) in enumerate(zip(names, groups["n_images"], strict=True)):
        counts[row] = _counts(path, row, name, stored[row], int(n_images))
    return Barcodes(DATASET, counts, groups, "patches+cls", TAU)


def read_patients(path: Path, listed: pd.DataFrame | None) -> pd.DataFrame:
    """Table of patient, diagnosis, n_images from a CSV file.

    Either it has these columns, or it is the Hehr data set's `metadata.csv` (patient_id, bag_label), and the numbers
    of images come from `listed`, the patients of the list of images, where there is one. Raises ReleaseError when
    neither fits.
    """
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise ReleaseError(f"{path} cannot be read as a table ({error}); give a CSV file") from error
    if set(_COLUMNS) <= set(frame.columns):
        return _with_numbers(path, frame)
    if not {"patient_id", "bag_label"} <= set(frame.columns):
        raise ReleaseError(
            f"{path} has columns {list(frame.columns)}; it needs {list(_COLUMNS)}, or patient_id and bag_label of the "
            "Hehr data set"
        )
    if listed is None or listed.empty:
        raise ReleaseError(
            f"{path} has no numbers of images, and neither has the import: give the images or the file list of "
            f"{DATASET} too, or a table with the columns {list(_COLUMNS)}"
        )
    named = frame.assign(
        patient=frame["patient_id"], diagnosis=frame["bag_label"].map(lambda label: HEHR_GROUPS.get(label, label))
    )
    return named[["patient", "diagnosis"]].merge(listed[["patient", "n_images"]], on="patient", how="inner")


def _with_numbers(path: Path, frame: pd.DataFrame) -> pd.DataFrame:
    n_images = pd.to_numeric(frame["n_images"], errors="coerce")
    is_bad = ~(n_images >= 1) | (n_images != np.floor(n_images))
    if is_bad.any():
        first = int(np.argmax(is_bad.to_numpy()))
        raise ReleaseError(
            f"{path}: patient {frame['patient'].iloc[first]!r} has {frame['n_images'].iloc[first]!r} images; "
            "n_images must be a whole number above 0"
        )
    return frame[list(_COLUMNS)].assign(n_images=n_images.astype(np.int64))


def _in_order(patients: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    repeated = patients.loc[patients["patient"].duplicated(), "patient"]
    if len(repeated):
        raise ReleaseError(f"patient {repeated.iloc[0]!r} has two rows in the table of patients; give one per patient")
    by_name = patients.set_index("patient")
    for row, name in enumerate(names):
        if name not in by_name.index:
            raise ReleaseError(
                f"row {row} of the patient counts is patient {name!r}, who is not in the table of patients; add the "
                "diagnosis and number of images"
            )
    return by_name.loc[list(names)].reset_index()[list(_COLUMNS)]


def _counts(
    path: Path, row: int, name: str, stored: npt.NDArray[np.floating], n_images: int
) -> npt.NDArray[np.integer]:
    product = stored.astype(np.float64) * len(stored)
    counts = np.rint(product)
    is_bad = ~(np.abs(product - counts) <= 1e-6 * counts + 1e-3) | (counts < 0)
    if is_bad.any():
        latent = int(np.argmax(is_bad))
        raise ReleaseError(
            f"{path}: row {row} (patient {name!r}), latent {latent}: {stored[latent]:.9g} x {len(stored)} = "
            f"{product[latent]:.6g} is no count; give the file as it was published"
        )
    if counts.max() > n_images * N_TOKENS:  # no token is counted twice
        latent = int(np.argmax(counts))
        raise ReleaseError(
            f"{path}: row {row} (patient {name!r}), latent {latent}: {int(counts[latent])} activating tokens, and "
            f"{n_images} images have {n_images * N_TOKENS}; check n_images and the order of the patients"
        )
    return counts.astype(np.int32)
