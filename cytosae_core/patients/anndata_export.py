"""Barcodes as AnnData (.h5ad): rows are images, patients or diseases, columns are latents; opens in scanpy."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData  # type: ignore[import-untyped]
from scipy import sparse

from cytosae_core.artifacts.tables import RESEARCH_USE_ONLY, provenance_of, write_results
from cytosae_core.atlas.atlas import LatentAtlas
from cytosae_core.atlas.barcodes import Barcodes
from cytosae_core.errors import AnalysisError
from cytosae_core.patients.levels import Level
from cytosae_core.patients.similarity import group_similarity, nearest_patients, patient_similarity

NAMES = {"image": "image_id", "patient": "patient", "disease": "diagnosis"}
"""Column of a level's rows that names them."""


def to_anndata(
    level: Level, statistics: Mapping[str, pd.DataFrame], *, simulated: bool, about: Mapping[str, str | float]
) -> AnnData:
    """A level as AnnData.

    X (float32) holds barcodes, activating tokens per image; layers["counts"] the counts; obs the groups with their
    denominators (n_images, n_patients) and `provenance`; var, one row per latent, `latent` and each data set's
    statistics as `<column>_<dataset>`; obsp["similarity"], for patients, `patient_similarity`; uns["cytosae"] what it
    was made from (`about`). `statistics` are data set -> `LatentAtlas.statistics`. Raises AnalysisError where they
    have another number of latents than the barcodes.
    """
    n_latents = level.barcodes.shape[1]
    var = pd.DataFrame({"latent": np.arange(n_latents)})
    for dataset, table in statistics.items():
        if len(table) != n_latents:
            raise AnalysisError(f"{dataset} has statistics of {len(table)} latents and the barcodes have {n_latents}")
        own = table.sort_index().astype("float64").add_suffix(f"_{dataset}")
        var = pd.concat([var, own.reset_index(drop=True)], axis=1)
    obs = level.rows.assign(provenance=provenance_of(simulated))
    data = AnnData(
        X=_matrix(level.barcodes, np.float32),
        obs=_plain(obs, list(obs[NAMES[level.name]].astype(str))),
        var=_plain(var, [f"latent_{latent}" for latent in range(n_latents)]),
        layers={"counts": _matrix(level.counts, np.int64)},
        uns={"cytosae": {"level": level.name, "notice": RESEARCH_USE_ONLY, "simulated": simulated, **about}},
    )
    if level.name == "patient" and len(level.rows) > 1:
        data.obsp["similarity"] = patient_similarity(np.asarray(level.barcodes))
    return data


def write_h5ad(data: AnnData, path: Path) -> None:
    """Write a file that anndata of this and older versions reads."""
    data.write_h5ad(path, compression="gzip")


def _matrix(values: Any, dtype: type) -> Any:  # noqa: ANN401  dense or sparse
    return sparse.csr_matrix(values, dtype=dtype) if sparse.issparse(values) else np.asarray(values, dtype=dtype)


def _plain(frame: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """The frame with text as categories of plain Python strings: this anndata cannot write pandas' newer text."""
    plain = frame.set_axis(pd.Index(names, dtype=object), axis=0)
    for name in frame.columns:
        if not pd.api.types.is_numeric_dtype(frame[name]) and not pd.api.types.is_bool_dtype(frame[name]):
            codes, values = pd.factorize(frame[name].astype(object), sort=False)
            text = pd.Index([str(value) for value in values], dtype=object)
            plain[name] = pd.Categorical.from_codes(codes, categories=text)
    return plain.set_axis(pd.Index(list(frame.columns), dtype=object), axis=1)


def export_level(
    level: Level, atlas: LatentAtlas, barcodes: Barcodes, folder: Path, settings: Mapping[str, Any]
) -> Path:
    """Publish the folder `folder` with `barcodes.h5ad` and, for patients, similarity tables; returns the folder.

    Everything says SIMULATED where the atlas does.
    """
    statistics = {info.name: atlas.statistics(info.name) for info in atlas.datasets}
    about: dict[str, str | float] = {"atlas_id": atlas.atlas_id, "sae_id": atlas.sae_id}
    about |= {"dataset": barcodes.dataset, "tokens": barcodes.tokens, "tau": barcodes.tau}
    data = to_anndata(level, statistics, simulated=atlas.simulated, about=about)
    tables = _similarity_tables(level) if "similarity" in data.obsp else {}
    writers = {"barcodes.h5ad": lambda path: write_h5ad(data, path)}
    return write_results(folder, tables, {**settings, **about}, simulated=atlas.simulated, writers=writers)


def _similarity_tables(level: Level) -> dict[str, pd.DataFrame]:
    similarity = patient_similarity(np.asarray(level.barcodes))
    names = list(level.rows["patient"])
    return {
        "similarity": pd.DataFrame(similarity, columns=names).assign(patient=names).set_index("patient").reset_index(),
        "group_similarity": group_similarity(similarity, level.rows["diagnosis"]),
        "nearest_patients": nearest_patients(similarity, level.rows),
    }
