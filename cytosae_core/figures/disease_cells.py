"""The cells behind latents that differ between diseases (the paper's figure 5B)."""

from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from cytosae_core.atlas.atlas import LatentAtlas
from cytosae_core.atlas.barcodes import Barcodes
from cytosae_core.figures.cells import Cell, CellRow, CellSheet, latent_sheet
from cytosae_core.figures.inputs import has_patient_references, picture_names

N_PATIENTS = 10
"""Patients of a group whose strongest cell is shown."""


def disease_sheets(
    atlas: LatentAtlas, barcodes: Barcodes, marked: pd.DataFrame, groups: tuple[str, str], n: int
) -> list[CellSheet]:
    """One sheet for each of the first `n` latents in each direction of `marked`: references, then patients' own cells.

    `marked` as of `differential_latents`.
    """
    has_patients = has_patient_references(atlas)
    pictures = picture_names(atlas) if has_patients else {}
    sheets = []
    for row in marked[marked["rank"] <= n].sort_values(["direction", "rank"]).to_dict("records"):
        note = f"rank {row['rank']} in {row['direction']} · {row['mean_a']:.3g} against {row['mean_b']:.3g} a patient"
        patients = _patient_rows(atlas, barcodes, int(row["latent"]), groups, pictures) if has_patients else ()
        sheets.append(latent_sheet(atlas, int(row["latent"]), note=note, more=patients))
    return sheets


def _patient_rows(
    atlas: LatentAtlas, barcodes: Barcodes, latent: int, groups: tuple[str, str], pictures: dict[str, str]
) -> tuple[CellRow, ...]:
    """One row per group: the strongest cell of each of its patients, as far as there are pictures of it."""
    found = atlas.patient_references(latent)
    found = found[found["image_id"].isin(pictures)].drop_duplicates("patient")
    found = found.merge(barcodes.groups[["patient", "diagnosis"]], on="patient")
    info = next(info for info in atlas.datasets if info.name == barcodes.dataset)
    rows = []
    for group in groups:
        own = found[found["diagnosis"] == group].sort_values(["activation", "patient"], ascending=[False, True])
        cells = tuple(_patient_cell(atlas, pictures, one) for one in own.head(N_PATIENTS).to_dict("records"))
        n_all = int((barcodes.groups["diagnosis"] == group).sum())
        mark = " · SIMULATED" if info.simulated else ""
        rows.append(CellRow(f"patients of {group}{mark} · {len(cells)} of {n_all}", cells, info.um_per_px))
    return tuple(row for row in rows if row.cells)


def _patient_cell(atlas: LatentAtlas, pictures: dict[str, str], one: Mapping[Hashable, Any]) -> Cell:
    tip = f"{one['image_id']} · activation {one['activation']:.4g}"
    return Cell(atlas.picture_path(pictures[one["image_id"]]), str(one["patient"]), tip)
