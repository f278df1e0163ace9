"""Writing an atlas: the same checks and files whoever computed the numbers.

with workspace(path) as folder:
    fill(folder, contents)          # display pictures are already in folder/display
"""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from cytosae_core.artifacts import files
from cytosae_core.atlas import barcodes as barcode_files
from cytosae_core.atlas import manifest, maps, tables
from cytosae_core.atlas.checks import check_part
from cytosae_core.atlas.manifest import DatasetInfo, Manifest, Skipped
from cytosae_core.errors import ArtifactError

LATENTS_PER_ROW_GROUP = 256
"""One latent's references are read with its row group: small enough to read in a few milliseconds."""


@dataclass(frozen=True)
class AtlasPart:
    """What one data set brings into an atlas."""

    info: DatasetInfo
    """Its `n_pictures` is counted anew when the atlas is written."""
    statistics: pd.DataFrame
    """Indexed by all latents in order: n_active, sum_activation (summed over images), label_entropy (missing: NaN)."""
    references: pd.DataFrame
    """latent, rank (from 0), image_id, activation, label, and optionally map_index; real references only."""


@dataclass(frozen=True)
class AtlasContents:
    """Everything an atlas is made of."""

    sae_id: str
    n_latents: int
    parts: Sequence[AtlasPart]
    pictures: pd.DataFrame | None = None
    """image_id, picture, width, height, n_bytes of the pictures in `display/`; None: no pictures."""
    picture_suffix: str = manifest.PICTURE_SUFFIXES[0]
    map_values: npt.NDArray[np.floating] | None = None
    """(n_maps, grid, grid): float16 of `maps.new_maps`, which lies in the folder already, or any others."""
    barcodes: barcode_files.Barcodes | None = None
    image_activation: str = "mean over all tokens"
    config: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None
    skipped: tuple[Skipped, ...] = ()
    more_files: Sequence[str] = ()
    """Names of optional files of the format that lie in the folder already."""


def fill(folder: Path, contents: AtlasContents) -> Manifest:
    """Write tables, maps, barcodes and, last, the manifest into `folder`; returns the manifest.

    Raises ArtifactError when the contents contradict each other.
    """
    manifest.check_dataset_names([part.info.name for part in contents.parts])
    n_maps = 0 if contents.map_values is None else len(contents.map_values)
    for part in contents.parts:
        check_part(part.info, part.statistics, part.references, contents.n_latents, n_maps)
    pictures = _pictures(contents)
    parts = [_with_picture_counts(part, pictures) for part in contents.parts]
    _write_latents(folder, parts)
    _write_references(folder, parts, contents.n_latents)
    _write_images(folder, parts, pictures)
    return _write_manifest(folder, contents, parts)


def _pictures(contents: AtlasContents) -> pd.DataFrame:
    columns = ["image_id", "picture", "width", "height", "n_bytes"]
    if contents.pictures is None:
        return pd.DataFrame({name: [] for name in columns}).astype({"image_id": str}).set_index("image_id")
    pictures: pd.DataFrame = contents.pictures[columns].set_index("image_id")
    if not pictures.index.is_unique:
        raise ArtifactError(f"image {pictures.index[pictures.index.duplicated()][0]!r} has two pictures; keep one")
    return pictures


def _with_picture_counts(part: AtlasPart, pictures: pd.DataFrame) -> AtlasPart:
    references = part.references
    has_picture = references["image_id"].isin(pictures.index)
    counts = references.loc[has_picture, "latent"].value_counts().reindex(part.statistics.index, fill_value=0)
    n_pictures = int(references.loc[has_picture, "image_id"].nunique())
    return AtlasPart(
        dataclasses.replace(part.info, n_pictures=n_pictures), part.statistics.assign(n_pictures=counts), references
    )


def _write_latents(folder: Path, parts: Sequence[AtlasPart]) -> None:
    frames = [
        part.statistics.assign(dataset=part.info.name, latent=part.statistics.index, n_images=part.info.n_images)
        for part in parts
    ]
    table = _as_table(pd.concat(frames, ignore_index=True), tables.LATENTS)
    tables.write_table(folder / tables.LATENTS_NAME, table)


def _write_references(folder: Path, parts: Sequence[AtlasPart], n_latents: int) -> None:
    frames = [
        part.references.assign(dataset=part.info.name, dataset_index=dataset_index)
        for dataset_index, part in enumerate(parts)
    ]
    rows = pd.concat(frames, ignore_index=True)
    if "map_index" not in rows:
        rows["map_index"] = None
    rows = rows.sort_values(["latent", "dataset_index", "rank"], ignore_index=True)
    with pq.ParquetWriter(folder / tables.REFERENCES_NAME, tables.REFERENCES, compression="zstd") as writer:
        for start, end in _row_groups(rows["latent"].to_numpy(), n_latents):
            writer.write_table(_as_table(rows.iloc[start:end], tables.REFERENCES))


def _row_groups(latents: npt.NDArray[np.integer], n_latents: int) -> Iterator[tuple[int, int]]:
    """Slices of sorted `latents` that never part one latent's rows."""
    bounds = np.searchsorted(latents, np.arange(0, n_latents + LATENTS_PER_ROW_GROUP, LATENTS_PER_ROW_GROUP))
    for start, end in itertools.pairwise(bounds):
        if end > start:
            yield int(start), int(end)


def _write_images(folder: Path, parts: Sequence[AtlasPart], pictures: pd.DataFrame) -> None:
    frames = [
        pd.DataFrame({"image_id": np.sort(part.references["image_id"].unique()), "dataset": part.info.name})
        for part in parts
    ]
    images = pd.concat(frames, ignore_index=True).join(pictures, on="image_id")
    tables.write_table(folder / tables.IMAGES_NAME, _as_table(images, tables.IMAGES))


def _as_table(frame: pd.DataFrame, schema: pa.Schema) -> pa.Table:
    table = pa.Table.from_pandas(frame[schema.names], schema=schema, preserve_index=False)
    return table.replace_schema_metadata()


def _write_manifest(folder: Path, contents: AtlasContents, parts: Sequence[AtlasPart]) -> Manifest:
    names = [tables.LATENTS_NAME, tables.REFERENCES_NAME, tables.IMAGES_NAME]
    if contents.map_values is not None:
        maps.write_maps(folder, contents.map_values)
        names.append(tables.MAPS_NAME)
    info = None
    if contents.barcodes is not None:
        barcode_files.check(contents.barcodes, contents.n_latents)
        info = barcode_files.write_barcodes(folder, contents.barcodes)
        names += [tables.COUNTS_NAME, tables.GROUPS_NAME]
    names += contents.more_files
    sealed = manifest.seal(
        Manifest(
            sae_id=contents.sae_id,
            n_latents=contents.n_latents,
            datasets=tuple(part.info for part in parts),
            files=files.describe(folder, names),
            image_activation=contents.image_activation,
            picture_suffix=contents.picture_suffix,
            barcodes=info,
            config=contents.config,
            seed=contents.seed,
            skipped=contents.skipped,
        )
    )
    manifest.write_manifest(folder, sealed)
    return sealed
