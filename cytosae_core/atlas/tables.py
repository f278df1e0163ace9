"""The parquet tables of an atlas: their columns, and readers that refuse anything else."""

from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from cytosae_core.errors import ArtifactError

LATENTS_NAME = "latents.parquet"
REFERENCES_NAME = "references.parquet"
IMAGES_NAME = "images.parquet"
GROUPS_NAME = "barcodes/groups.parquet"
COUNTS_NAME = "barcodes/counts.npy"
MAPS_NAME = "maps.npy"
DISPLAY_NAME = "display"
SUMS_NAME = "sums.npy"
PATCH_IMAGES_NAME = "patches/images.parquet"
PATCH_LATENTS_NAME = "patches/latents.npy"
PATCH_VALUES_NAME = "patches/activations.npy"
PATIENT_REFERENCES_NAME = "barcodes/references.parquet"
IMAGE_BARCODES_NAME = "barcodes/images.parquet"

LATENTS = pa.schema(
    [
        ("dataset", pa.string()),
        ("latent", pa.int32()),
        ("n_images", pa.int64()),
        ("n_active", pa.int64()),
        ("sum_activation", pa.float64()),
        ("label_entropy", pa.float64()),
        ("n_pictures", pa.int16()),
    ]
)
REFERENCES = pa.schema(
    [
        ("latent", pa.int32()),
        ("dataset", pa.string()),
        ("rank", pa.int16()),
        ("image_id", pa.string()),
        ("activation", pa.float32()),
        ("label", pa.string()),
        ("map_index", pa.int32()),
    ]
)
IMAGES = pa.schema(
    [
        ("image_id", pa.string()),
        ("dataset", pa.string()),
        ("picture", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("n_bytes", pa.int64()),
    ]
)
GROUPS = pa.schema([("patient", pa.string()), ("diagnosis", pa.string()), ("n_images", pa.int64())])
PATCH_IMAGES = pa.schema([("image_id", pa.string())])
PATIENT_REFERENCES = pa.schema(
    [
        ("latent", pa.int32()),
        ("patient", pa.string()),
        ("rank", pa.int16()),
        ("image_id", pa.string()),
        ("activation", pa.float32()),
    ]
)
IMAGE_BARCODES = pa.schema(
    [
        ("image_id", pa.string()),
        ("latents", pa.list_(pa.int32())),
        ("counts", pa.list_(pa.int32())),
    ]
)


def open_table(path: Path, schema: pa.Schema) -> pq.ParquetFile:
    """The parquet file at `path`, its pages unread; raises ArtifactError unless it has exactly `schema`'s columns."""
    try:
        table = pq.ParquetFile(path, memory_map=True)
        found = table.schema_arrow.remove_metadata()
        found_words = _words(found)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise ArtifactError(f"{path} is not a readable parquet file ({error}); copy the whole folder again") from error
    if not found.equals(schema):
        raise ArtifactError(f"{path} has columns {found_words}, the format says {_words(schema)}; make the atlas anew")
    return table


def read_table(path: Path, schema: pa.Schema, columns: list[str] | None = None) -> pa.Table:
    """All rows, of all or some columns; raises ArtifactError when the table is damaged or has other columns."""
    table = open_table(path, schema)
    try:
        rows = table.read(columns=columns)
        rows.validate(full=True)
        return rows
    except (pa.ArrowException, OSError) as error:
        raise ArtifactError(f"{path} is damaged ({error}); copy the whole folder again") from error
    finally:
        table.close()


def read_array(path: Path) -> npt.NDArray[Any]:
    """The array of a `.npy` file, left on disk; raises ArtifactError when it is damaged or holds Python objects."""
    try:
        array: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError, SyntaxError, TokenError) as error:  # numpy reads the header as Python text
        raise ArtifactError(f"{path} is damaged ({error}); copy the whole folder again") from error
    return array


def write_table(path: Path, table: pa.Table) -> None:
    """Write all rows as one row group."""
    pq.write_table(table, path, compression="zstd")


def _words(schema: pa.Schema) -> str:
    return ", ".join(f"{column.name} {column.type}" for column in schema)
