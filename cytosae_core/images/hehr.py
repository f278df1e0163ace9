"""AML Hehr: patients and groups from folders and `metadata.csv`, and the published rule on which patients count."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from cytosae_core.errors import ImageTableError
from cytosae_core.images.sources import HEHR_GROUPS, SOURCES
from cytosae_core.images.table import ImageTable, scan

MALIGNANT = ("pb_myeloblast", "pb_promyelocyte", "pb_myelocyte")
"""Columns of `metadata.csv`, in percent of the leukocytes, that add up to the malignant cells."""
MIN_MALIGNANT_PERCENT = 20.0
"""AML patients below this share are left out by Hehr et al. (2023)."""
CONTROL = "control"
"""Group of the healthy stem cell donors, who are never left out."""


Metadata = dict[str, dict[str, str]]
"""patient_id -> column -> text of the cell."""


class QualityRule(NamedTuple):
    """What the published rule leaves."""

    table: ImageTable
    """Images of the patients that count."""
    left_out: tuple[str, ...]
    """Patients that do not, in alphabetical order."""


def scan_hehr(root: Path) -> ImageTable:
    """Images under `root` (the folder of `data/` and `metadata.csv`, or `data/` itself), with patient and group.

    Where `metadata.csv` is there, every patient must be in it with the group of its folder; ImageTableError otherwise.
    """
    table = scan(SOURCES["hehr"], root)
    if metadata_path(root).exists():
        _check_groups(table, read_metadata(root))
    return table


def published_quality(table: ImageTable, root: Path) -> QualityRule:
    """Leave out AML patients with less than `MIN_MALIGNANT_PERCENT` malignant cells; controls stay.

    Raises ImageTableError where `metadata.csv` is missing, lacks a patient or contradicts a folder, or where the
    share of an AML patient cannot be told.
    """
    metadata = read_metadata(root)
    _check_groups(table, metadata)
    patients = table.frame[["patient", "diagnosis"]].drop_duplicates()
    aml = patients.loc[patients["diagnosis"] != CONTROL, "patient"]
    malignant = {one: sum(_percent(one, name, metadata[one][name]) for name in MALIGNANT) for one in aml}
    left_out = sorted(patient for patient, percent in malignant.items() if percent < MIN_MALIGNANT_PERCENT)
    return QualityRule(table.where(~table.frame["patient"].isin(left_out).to_numpy()), tuple(left_out))


def metadata_path(root: Path) -> Path:
    """Where `metadata.csv` is published: beside `data/`."""
    return SOURCES["hehr"].find_root(root).resolve().parent / "metadata.csv"


def read_metadata(root: Path) -> Metadata:
    """`metadata.csv` as text by patient_id; ImageTableError where it is missing or lacks a column."""
    path = metadata_path(root)
    try:
        metadata = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise ImageTableError(f"{path}: cannot be read ({error}); put the published metadata.csv there") from error
    missing = [name for name in ("patient_id", "bag_label", *MALIGNANT) if name not in metadata.columns]
    if missing:
        raise ImageTableError(f"{path}: no column '{missing[0]}'; put the published metadata.csv there")
    twins = metadata.loc[metadata["patient_id"].duplicated(), "patient_id"]
    if len(twins):
        raise ImageTableError(f"{path}: patient '{twins.iloc[0]}' has two rows; keep the one that is right")
    rows = metadata.to_dict("records")
    return {row["patient_id"]: {str(name): str(cell) for name, cell in row.items()} for row in rows}


def _check_groups(table: ImageTable, metadata: Metadata) -> None:
    for patient, diagnosis in table.frame[["patient", "diagnosis"]].drop_duplicates().itertuples(index=False):
        if patient not in metadata:
            raise ImageTableError(f"patient '{patient}' has images and no row in metadata.csv; add the row")
        bag_label = metadata[patient]["bag_label"]
        if HEHR_GROUPS.get(bag_label) != diagnosis:
            raise ImageTableError(
                f"patient '{patient}' lies in the folder of '{diagnosis}' and is '{bag_label}' in metadata.csv; "
                "correct the one that is wrong"
            )


def _percent(patient: str, name: str, text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = np.nan
    if not 0 <= share <= 100:
        raise ImageTableError(
            f"patient '{patient}' has {name} = '{text}' in metadata.csv, which is no percentage; "
            "fill it in, or do not apply the published quality rule"
        )
    return share
