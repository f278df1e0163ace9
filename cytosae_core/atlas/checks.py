"""What must hold for the numbers of one data set before they go into an atlas."""

import numpy as np
import pandas as pd

from cytosae_core.atlas.manifest import DatasetInfo
from cytosae_core.errors import ArtifactError


def check_part(
    info: DatasetInfo, statistics: pd.DataFrame, references: pd.DataFrame, n_latents: int, n_maps: int = 0
) -> None:
    """Raise ArtifactError, naming data set and latent, when statistics and references cannot both be true."""
    if not np.array_equal(statistics.index.to_numpy(), np.arange(n_latents)):
        raise ArtifactError(f"{info.name}: statistics must have one row for each of the {n_latents} latents, in order")
    _check_statistics(info, statistics)
    _check_references(info, statistics, references.sort_values(["latent", "rank"], ignore_index=True))
    if "map_index" in references:
        indices = references["map_index"].dropna().to_numpy(np.int64)
        if len(indices) and not (indices.min() >= 0 and indices.max() < n_maps):
            raise ArtifactError(f"{info.name}: a reference has map {indices.max()}, and there are {n_maps} maps")


def _check_statistics(info: DatasetInfo, statistics: pd.DataFrame) -> None:
    n_active = statistics["n_active"]
    total = statistics["sum_activation"]
    _refuse(info, statistics, (n_active < 0) | (n_active > info.n_images), f"n_active is not in 0 .. {info.n_images}")
    _refuse(info, statistics, ~np.isfinite(total) | (total < 0), "sum_activation is no finite sum")
    _refuse(info, statistics, (n_active > 0) != (total > 0), "n_active and sum_activation contradict each other")


def _check_references(info: DatasetInfo, statistics: pd.DataFrame, rows: pd.DataFrame) -> None:
    latent, rank, activation = rows["latent"], rows["rank"], rows["activation"]
    if len(rows) and not 0 <= latent.min() <= latent.max() < len(statistics):
        raise ArtifactError(f"{info.name}: references of latent {latent.max()}, the SAE has {len(statistics)} latents")
    n_active = statistics["n_active"].to_numpy()[latent.to_numpy()]
    _refuse(info, rows, rank != rows.groupby("latent").cumcount(), "ranks are not 0, 1, 2, ...")
    _refuse(info, rows, rank >= n_active, "has more references than images that activate it")
    _refuse(info, rows, ~np.isfinite(activation) | (activation <= 0), "a reference has no positive activation")
    _refuse(info, rows, (activation.diff() > 0) & (latent.diff() == 0), "activations do not fall with the rank")
    _refuse(info, rows, rows.duplicated(["latent", "image_id"]), "an image is a reference twice")


def _refuse(info: DatasetInfo, rows: pd.DataFrame, is_bad: "pd.Series[bool]", why: str) -> None:
    if is_bad.any():
        row = int(np.argmax(is_bad.to_numpy()))
        latent = rows["latent"].iloc[row] if "latent" in rows else rows.index[row]
        raise ArtifactError(f"{info.name}, latent {latent}: {why} ({rows.iloc[row].to_dict()}); compute it anew")
