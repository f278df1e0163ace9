"""Procedurally rendered, Pappenheim-stained blood cells with known concepts: SIMULATED, and labelled so everywhere.

A cell is rendered from `CellParameters` (micrometres and dye strengths) in one of `STYLES`. Geometry is signed
distances with soft edges, colour is the Beer-Lambert law over dye-bound parts, and the style adds lamp, lens, sensor
and file. The same arguments give the same bytes, whatever came before: every part of every cell has its own random
stream.

    rng = np.random.default_rng(7)
    cell = render_cell(sample_parameters("eosinophil", rng), "mll23", seed=7)
    cell.rgb, cell.masks["eosinophilic_granules"], cell.attributes["n_eosinophilic_granules"]
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from cytosae_core.artifacts.tables import csv_bytes
from cytosae_core.errors import ConfigError
from cytosae_core.progress import Progress, no_progress
from cytosae_core.simulated.cells.compose import RenderedCell, render_cell
from cytosae_core.simulated.cells.files import NOTICE, read_masks
from cytosae_core.simulated.cells.layouts import LAYOUTS, find_layout, patient_path
from cytosae_core.simulated.cells.noise import derive_seed, stream
from cytosae_core.simulated.cells.parameters import (
    CellParameters,
    Cytoplasm,
    Granules,
    Nucleus,
    Surroundings,
)
from cytosae_core.simulated.cells.patients import MIXTURES, Patient, make_patient, personal, sample_patient_cell
from cytosae_core.simulated.cells.scene import MASK_NAMES
from cytosae_core.simulated.cells.styles import STYLES, Style
from cytosae_core.simulated.cells.types import CELL_TYPES, sample_parameters
from cytosae_core.simulated.cells.writing import Job, Plan, carry_out, publish, published

__all__ = [
    "CELL_TYPES",
    "LAYOUTS",
    "MASK_NAMES",
    "MIXTURES",
    "NOTICE",
    "STYLES",
    "CellParameters",
    "Cytoplasm",
    "RenderedCell",
    "Granules",
    "Nucleus",
    "Patient",
    "Style",
    "Surroundings",
    "render_cell",
    "make_patient",
    "personal",
    "read_masks",
    "sample_parameters",
    "sample_patient_cell",
    "write_cohort",
    "write_dataset",
]

_PERCENT_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "pb_myeloblast": ("myeloblast", "myeloblast_cup_like", "myeloblast_auer_rod", "monoblast"),
    "pb_promyelocyte": ("promyelocyte", "promyelocyte_atypical", "faggot_cell"),
    "pb_myelocyte": ("myelocyte",),
    "pb_metamyelocyte": ("metamyelocyte",),
    "pb_neutrophil_band": ("neutrophil_band",),
    "pb_neutrophil_segmented": ("neutrophil_segmented",),
    "pb_eosinophil": ("eosinophil", "eosinophil_abnormal"),
    "pb_basophil": ("basophil",),
    "pb_lymphocyte_typ": ("lymphocyte", "lymphocyte_large_granular"),
    "pb_lymphocyte_atyp_react": ("lymphocyte_reactive",),
    "pb_monocyte": ("monocyte",),
    "pb_other": ("smudge_cell", "normoblast"),
}
"""Columns of the published metadata -> the rendered types counted there; monoblasts count as blasts."""


def write_dataset(
    folder: Path,
    style: str,
    *,
    n_per_type: int,
    seed: int,
    cell_types: Sequence[str] | None = None,
    with_masks: bool = True,
    n_workers: int = 1,
    progress: Progress = no_progress,
) -> Path:
    """Render `n_per_type` cells of each type into `folder/SIMULATED_<style>` and return that path.

    The layout is the published one of mll23, acevedo, matek or bmc; `cell_types` None means all that it has a class
    for. An interrupted run resumes; a finished one is returned as it is. Raises ConfigError for a style without a
    labelled layout, a type without a class in it, no cells, or a folder that holds something else.
    """
    layout = find_layout(style)
    types = tuple(layout.codes if cell_types is None else cell_types)
    unknown = [name for name in types if name not in layout.codes]
    if unknown:
        raise ConfigError(f"{style} has no class for {unknown}: choose from {', '.join(layout.codes)}.")
    _check_counts(n_per_type=n_per_type, n_types=len(types))
    jobs = [_labelled_job(style, name, number, seed) for name in types for number in range(1, n_per_type + 1)]
    configuration = {"kind": "dataset", "seed": seed, "n_per_type": n_per_type, "cell_types": list(types)}
    plan = Plan(folder / f"SIMULATED_{style}", style, configuration, tuple(jobs), with_masks)
    if published(plan):
        return plan.goal
    return publish(plan, *carry_out(plan, progress, n_workers))


def write_cohort(
    folder: Path,
    *,
    n_patients: int,
    cells_per_patient: int,
    seed: int,
    style: str = "hehr",
    groups: Sequence[str] = tuple(MIXTURES),
    with_masks: bool = True,
    n_workers: int = 1,
    progress: Progress = no_progress,
) -> Path:
    """Render `n_patients` patients of each group into `folder/SIMULATED_<style>_cohort`, in the layout of AML Hehr.

    Returns that path; `data/<bag_label>/<patient_id>/*.tif` and `metadata.csv` lie in it. Every patient has one
    slide: all cells share its dyes. Resumes and refuses like `write_dataset`; the number of processes changes no byte.
    """
    _check_counts(n_patients=n_patients, cells_per_patient=cells_per_patient, n_groups=len(groups))
    patients = [make_patient(group, index, seed) for group in groups for index in range(1, n_patients + 1)]
    jobs = [_patient_job(patient, index) for patient in patients for index in range(1, cells_per_patient + 1)]
    counts = {"n_patients": n_patients, "cells_per_patient": cells_per_patient}
    configuration = {"kind": "cohort", "seed": seed, "groups": list(groups)} | counts
    plan = Plan(folder / f"SIMULATED_{style}_cohort", style, configuration, tuple(jobs), with_masks)
    if published(plan):
        return plan.goal
    work, attributes = carry_out(plan, progress, n_workers)
    (work / "metadata.csv").write_bytes(csv_bytes(_metadata(patients, attributes)))
    return publish(plan, work, attributes)


def _labelled_job(style: str, cell_type: str, number: int, seed: int) -> Job:
    own_seed = derive_seed("cell", seed, style, cell_type, number)
    parameters = sample_parameters(cell_type, stream(own_seed, "parameters"))
    return Job(LAYOUTS[style].path(cell_type, number), parameters, own_seed)


def _patient_job(patient: Patient, index: int) -> Job:
    parameters, seed = sample_patient_cell(patient, index)
    path = patient_path(patient.group, patient.patient_id, index)
    return Job(path, parameters, seed, derive_seed("slide", patient.seed), patient.patient_id, patient.group)


def _metadata(patients: Sequence[Patient], attributes: pd.DataFrame) -> pd.DataFrame:
    """Return one row per patient with the percentages of the cells that were rendered, as in the published table."""
    percent = pd.crosstab(attributes["patient"], attributes["cell_type"], normalize="index") * 100
    rows = []
    for patient in patients:
        own = percent.loc[patient.patient_id]
        who = {"patient_id": patient.patient_id, "bag_label": patient.group, "age": patient.age}
        shares = {name: own.reindex(list(kinds)).fillna(0).sum() for name, kinds in _PERCENT_COLUMNS.items()}
        rows.append(who | {"sex_1f_2m": patient.sex} | shares | {"simulated": True})
    return pd.DataFrame(rows)


def _check_counts(**counts: int) -> None:
    for name, count in counts.items():
        if count < 1:
            raise ConfigError(f"{name} must be at least 1, got {count}.")
