"""Files that an atlas may have: exact sums, the patches of reference images, patients' cells, barcodes of images."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from cytosae_core.atlas import tables
from cytosae_core.errors import ArtifactError

PATIENT_ROWS_PER_GROUP = 1 << 16


def write_sums(folder: Path, sums: Sequence[npt.NDArray[np.int64]]) -> str:
    """Exact sums (2, n_latents) of each data set, as (n_datasets, 2, n_latents); returns the file's name."""
    np.save(folder / tables.SUMS_NAME, np.stack(sums), allow_pickle=False)
    return tables.SUMS_NAME


def write_patient_references(folder: Path, frames: Iterable[pd.DataFrame]) -> str:
    """Patients' own strongest images, sorted by latent over all frames, in row groups; returns the file's name."""
    path, schema = folder / tables.PATIENT_REFERENCES_NAME, tables.PATIENT_REFERENCES
    path.parent.mkdir(exist_ok=True)
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for frame in frames:
            table = pa.Table.from_pandas(frame[schema.names], schema=schema, preserve_index=False)
            writer.write_table(table.replace_schema_metadata(), row_group_size=PATIENT_ROWS_PER_GROUP)
    return tables.PATIENT_REFERENCES_NAME


def read_patient_references(folder: Path, latents: range) -> pd.DataFrame:
    """The rows of these latents, all columns; ArtifactError where the table is damaged."""
    path = folder / tables.PATIENT_REFERENCES_NAME
    rows = _rows_between(path, tables.PATIENT_REFERENCES, "latent", latents.start, latents.stop - 1)
    frame: pd.DataFrame = rows.to_pandas()
    return frame


def read_image_barcodes(folder: Path, first: str, last: str) -> pa.Table:
    """The rows of the images with ids from `first` to `last`; ArtifactError where the table is damaged."""
    return _rows_between(folder / tables.IMAGE_BARCODES_NAME, tables.IMAGE_BARCODES, "image_id", first, last)


def _rows_between(path: Path, schema: pa.Schema, column: str, first: int | str, last: int | str) -> pa.Table:
    """Only row groups that may hold such rows are read: the tables are sorted by this column."""
    tables.open_table(path, schema).close()
    try:
        return pq.read_table(path, filters=[(column, ">=", first), (column, "<=", last)])
    except (pa.ArrowException, OSError) as error:
        raise ArtifactError(f"{path} is damaged ({error}); copy the whole folder again") from error


Integers = npt.NDArray[np.int64]


def image_barcodes(image_ids: npt.NDArray[Any], rows: Integers, latents: Integers, counts: Integers) -> pa.Table:
    """One row per image with any of these entries, which are sorted by row of `image_ids` and latent."""
    images, starts = np.unique(rows, return_index=True)
    offsets = pa.array(np.append(starts, len(rows)), pa.int32())
    columns = [
        pa.array(image_ids[images], pa.string()),
        pa.ListArray.from_arrays(offsets, pa.array(latents, pa.int32())),
        pa.ListArray.from_arrays(offsets, pa.array(counts, pa.int32())),
    ]
    return pa.table(columns, schema=tables.IMAGE_BARCODES)


def write_image_barcodes(folder: Path, parts: Iterable[pa.Table]) -> str:
    """Images' barcodes, sorted over all parts, each of which becomes a row group; returns the file's name."""
    path = folder / tables.IMAGE_BARCODES_NAME
    path.parent.mkdir(exist_ok=True)
    with pq.ParquetWriter(path, tables.IMAGE_BARCODES, compression="zstd") as writer:
        for part in parts:
            writer.write_table(part)
    return tables.IMAGE_BARCODES_NAME


class PatchLatents:
    """The strongest latents of each patch of the images that have them, left on disk."""

    def __init__(self, folder: Path) -> None:
        """Raises ArtifactError where the files do not fit each other."""
        names = tables.read_table(folder / tables.PATCH_IMAGES_NAME, tables.PATCH_IMAGES)["image_id"].to_pylist()
        self._latents = tables.read_array(folder / tables.PATCH_LATENTS_NAME)
        self._values = tables.read_array(folder / tables.PATCH_VALUES_NAME)
        if self._latents.shape != self._values.shape or len(self._latents) != len(names) or self._latents.ndim != 3:
            raise ArtifactError(
                f"{folder / tables.PATCH_LATENTS_NAME} has shape {self._latents.shape}, the activations "
                f"{self._values.shape}, and there are {len(names)} images; make the atlas anew"
            )
        self._positions = {name: position for position, name in enumerate(names)}

    @property
    def shape(self) -> tuple[int, int]:
        """Patches of an image, latents of a patch."""
        return self._latents.shape[1], self._latents.shape[2]

    def positions(self, image_ids: Sequence[str]) -> npt.NDArray[np.int64]:
        """(n_images,) positions of these images; -1 where the file has no such image."""
        return np.array([self._positions.get(image_id, -1) for image_id in image_ids], np.int64)

    def at(self, positions: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float16]]:
        """Latents and activations (n_images, n_patches, n) as they are stored."""
        return np.array(self._latents[positions]), np.array(self._values[positions])

    def of_image(self, image_id: str) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
        """Latents (-1: none) and activations (n_patches, n), strongest first; ArtifactError for an unknown image."""
        if image_id not in self._positions:
            raise ArtifactError(
                f"the patches of {image_id!r} are not in the atlas: it keeps those of {len(self._positions)} reference "
                "images of latents of interest; explain the image with the SAE itself"
            )
        position = self._positions[image_id]
        return np.array(self._latents[position]), np.array(self._values[position], dtype=np.float32)


class PatchWriter:
    """The strongest latents of each patch, filled on disk image by image."""

    def __init__(self, folder: Path, image_ids: Sequence[str], n_patches: int, n: int) -> None:
        """Room for (n_images, n_patches, n)."""
        (folder / tables.PATCH_IMAGES_NAME).parent.mkdir(exist_ok=True)
        tables.write_table(
            folder / tables.PATCH_IMAGES_NAME, pa.table([pa.array(image_ids)], schema=tables.PATCH_IMAGES)
        )
        shape = (len(image_ids), n_patches, n)
        self._latents = np.lib.format.open_memmap(folder / tables.PATCH_LATENTS_NAME, "w+", np.int32, shape)
        self._values = np.lib.format.open_memmap(folder / tables.PATCH_VALUES_NAME, "w+", np.float16, shape)

    def put(
        self, positions: npt.NDArray[np.int64], latents: npt.NDArray[np.int32], values: npt.NDArray[np.float16]
    ) -> None:
        """Fill in some images."""
        self._latents[positions], self._values[positions] = latents, values

    def close(self) -> tuple[str, ...]:
        """Bring all to the disk; returns the files' names."""
        self._latents.flush()
        self._values.flush()
        return tables.PATCH_IMAGES_NAME, tables.PATCH_LATENTS_NAME, tables.PATCH_VALUES_NAME
