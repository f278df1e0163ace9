"""One data set that several atlases have parts of: its references, statistics and maps, as one pass over all found."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from cytosae_core import method
from cytosae_core.atlas import maps, tables
from cytosae_core.atlas.atlas import LatentAtlas
from cytosae_core.atlas.build import exact_sum
from cytosae_core.atlas.build.references import strongest
from cytosae_core.atlas.manifest import DatasetInfo
from cytosae_core.atlas.writer import AtlasPart
from cytosae_core.errors import ConfigError


@dataclass(frozen=True)
class DatasetPart:
    """One data set of one atlas."""

    atlas: LatentAtlas
    info: DatasetInfo
    sums: npt.NDArray[np.int64]
    references: pd.DataFrame
    """The columns of `references.parquet`, and atlas: the id of the atlas."""


@dataclass(frozen=True)
class Carried:
    """What became of an optional file."""

    files: tuple[str, ...] = ()
    """Its names, where the merged atlas has it."""
    left_out: dict[str, str] = field(default_factory=dict)
    """What of it is not there though an atlas has it, and why, in words for the user."""


def parts_of(atlas: LatentAtlas) -> list[DatasetPart]:
    """The data sets of an atlas in its order; ArtifactError where it is damaged."""
    sums = tables.read_array(atlas.path / tables.SUMS_NAME)
    references = tables.read_table(atlas.path / tables.REFERENCES_NAME, tables.REFERENCES).to_pandas()
    references = references.assign(atlas=atlas.atlas_id)
    return [
        DatasetPart(atlas, info, np.array(sums[dataset_index]), references[references["dataset"] == info.name])
        for dataset_index, info in enumerate(atlas.datasets)
    ]


def merged_references(group: Sequence[DatasetPart], k: int) -> pd.DataFrame:
    """References of the whole, sorted by latent and rank, with the atlas that each comes from.

    Raises ConfigError for an image that is in two parts.
    """
    rows = pd.concat([part.references for part in group], ignore_index=True)
    refuse_shared([part.references["image_id"] for part in group])
    _, orders = np.unique(rows["image_id"].to_numpy(dtype=object).astype(str), return_inverse=True)
    positions, ranks = strongest(rows["latent"].to_numpy(np.int64), rows["activation"].to_numpy(), orders, k)
    return rows.iloc[positions].assign(rank=ranks.astype(np.int16)).reset_index(drop=True)


def refuse_shared(image_ids: "Sequence[pd.Series[str]]") -> None:
    """Raise ConfigError where two of these have an image in common."""
    every = pd.concat([of_part.drop_duplicates() for of_part in image_ids], ignore_index=True)
    twice = every[every.duplicated()]
    if len(twice):
        raise ConfigError(f"image {twice.iloc[0]!r} is in two of the atlases; merge parts that share no image")


def merged_part(group: Sequence[DatasetPart], references: pd.DataFrame, *, has_maps: bool) -> AtlasPart:
    """The whole data set, for the writer; ConfigError where the labels of its parts are of two kinds."""
    first = group[0].info
    kinds = sorted({part.info.label_kind for part in group})
    if len(kinds) > 1:
        raise ConfigError(
            f"{first.name}: labels are {kinds} in its parts; build all parts with the same lists of images"
        )
    n_latents = group[0].atlas.n_latents
    labels, _ = pd.factorize(references["label"])
    latents, values = references["latent"].to_numpy(np.int64), references["activation"].to_numpy()
    statistics = pd.DataFrame(
        {
            "n_active": np.sum([part.atlas.statistics(first.name)["n_active"] for part in group], axis=0),
            "sum_activation": exact_sum.total(added_sums(group)),
            "label_entropy": method.label_entropy(latents, labels, values, n_latents),
        }
    )
    scales = {part.info.um_per_px for part in group}
    info = replace(
        first,
        n_images=sum(part.info.n_images for part in group),
        simulated=any(part.info.simulated for part in group),
        um_per_px=scales.pop() if len(scales) == 1 else None,
        fingerprint=first.fingerprint if len(group) == 1 else None,
    )
    return AtlasPart(info, statistics, references if has_maps else references.drop(columns="map_index"))


def added_sums(group: Sequence[DatasetPart]) -> npt.NDArray[np.int64]:
    """Exact sums (2, n_latents) of the whole data set."""
    total: npt.NDArray[np.int64] = np.sum([part.sums for part in group], axis=0, dtype=np.int64)
    return total


def merged_maps(
    folder: Path, atlases: Sequence[LatentAtlas], merged: Sequence[pd.DataFrame]
) -> npt.NDArray[np.float16]:
    """All maps in the order of the references, which get their new rows; ConfigError for maps of different grids."""
    n_maps = sum(len(rows) for rows in merged)
    arrays = {atlas.atlas_id: tables.read_array(atlas.path / tables.MAPS_NAME) for atlas in atlases}
    grids = sorted({array.shape[1] for array in arrays.values()})
    if len(grids) > 1:
        raise ConfigError(f"the atlases differ in the grid of patches: {grids}; merge only what was made alike")
    values = maps.new_maps(folder, n_maps, grids[0])
    start = 0
    for rows in merged:
        for atlas_id, of_atlas in rows.groupby("atlas"):
            values[start + of_atlas.index.to_numpy()] = arrays[str(atlas_id)][of_atlas["map_index"].to_numpy(np.int64)]
        rows["map_index"] = np.arange(start, start + len(rows))
        start += len(rows)
    return values
