"""Rows to columns while they come in: a row of a table costs its text, and no Python objects."""

from collections.abc import Iterable
from itertools import islice
from typing import NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from cytosae_core.errors import ImageTableError
from cytosae_core.images.sources import ImageRow
from cytosae_core.images.walk import FoundImage

N_PACKED = 1024
"""Rows that are objects at a time."""
_SCHEMA = pa.schema(
    [
        *((name, pa.large_string()) for name in ("relative_path", "path", *ImageRow._fields)),
        ("n_bytes", pa.int64()),
    ]
)


class SkippedImage(NamedTuple):
    """A file that belongs to the data set and is not used."""

    relative_path: str
    """From the root of the data set."""
    reason: str
    """Why it is left out, without any path of this machine."""


class TableRow(NamedTuple):
    """A file and what is known of it, on its way into a table."""

    found: FoundImage
    """The file, without a reason against it."""
    row: ImageRow
    """Label, patient, diagnosis."""


def packed(rows: Iterable[TableRow | SkippedImage]) -> tuple[dict[str, pd.Series], tuple[SkippedImage, ...]]:
    """The images as columns (relative_path, path, label, patient, diagnosis, n_bytes), and the others; all sorted.

    Raises ImageTableError where a folder has a name that is no Unicode.
    """
    remaining = iter(rows)
    batches: list[pa.RecordBatch] = []
    skipped: list[SkippedImage] = []
    while piece := list(islice(remaining, N_PACKED)):
        batches.append(_batch([item for item in piece if isinstance(item, TableRow)]))
        skipped += [item for item in piece if isinstance(item, SkippedImage)]
    return _sorted(batches), tuple(sorted(skipped))


def _sorted(batches: list[pa.RecordBatch]) -> dict[str, pd.Series]:
    """Empty `batches` into columns in the order of `relative_path`, one at a time: all are never there twice."""
    table = pa.Table.from_batches(batches, schema=_SCHEMA)
    batches.clear()
    order = pc.sort_indices(table["relative_path"])
    columns = dict(zip(table.column_names, table.columns, strict=True))
    del table
    return {name: columns.pop(name).take(order).to_pandas() for name in list(columns)}


def _batch(rows: list[TableRow]) -> pa.RecordBatch:
    lines = [(found.relative_path, str(found.path), *row, found.n_bytes) for found, row in rows]
    columns = zip(*lines, strict=True) if lines else ([] for _ in _SCHEMA)
    try:
        return pa.record_batch(
            [pa.array(column, field.type) for column, field in zip(columns, _SCHEMA, strict=True)], schema=_SCHEMA
        )
    except UnicodeEncodeError as error:
        raise ImageTableError(
            f"{lines[0][1]!r}: the name of a folder is not valid Unicode; rename it, or name the images through a link"
        ) from error
