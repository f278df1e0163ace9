"""Shards of tokens on disk: written once, whole or not at all, with a record that says so.

A shard holds the readable images of a fixed run of table rows, one .npy file per block. Its record is written last,
into the folder above: a shard without a record does not exist, whatever files lie about.
"""

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cytosae_core.artifacts.files import FileRecord, write_whole
from cytosae_core.artifacts.manifest import read_json
from cytosae_core.backbone.decode import UnreadableImage

STORE = "store"
"""Name of the folder that becomes the store, inside the folder of an unfinished extraction."""


class ShardRecord(NamedTuple):
    """One finished shard."""

    shard_index: int
    """Number of the shard; its rows of the table follow from it."""
    positions: Sequence[int]
    """Rows of its images in the table, in the order in which they are stored."""
    skipped: list[UnreadableImage]
    """The rows that could not be read."""
    files: dict[int, FileRecord]
    """Block -> file with (n_images, n_tokens, d_model) float16."""


def write_shard(
    store: Path, records: Path, shard_index: int, tokens: Mapping[int, npt.NDArray[np.float16]],
    positions: list[int], skipped: list[UnreadableImage],
) -> ShardRecord:  # fmt: skip
    """Write one .npy per block into `store`, then the record into `records`; equal tokens give equal bytes."""
    files = {
        block: write_whole(store, f"shard-{shard_index:05d}-block-{block:02d}.npy", _header(array), _bytes_of(array))
        for block, array in tokens.items()
    }
    record = ShardRecord(shard_index, positions, skipped, files)
    write_whole(records, _record_name(shard_index), json.dumps(_to_document(record)).encode())
    return record


def read_record(records: Path, shard_index: int) -> ShardRecord | None:
    """The record of a finished shard; None where it was not finished or its files are not all there."""
    path = records / _record_name(shard_index)
    if not path.is_file():
        return None
    record = _from_document(read_json(path, "delete it, and run the same extraction again to make the shard anew"))
    files = [(records / STORE / file.path, file.size) for file in record.files.values()]
    return record if all(file.is_file() and file.stat().st_size == size for file, size in files) else None


def _record_name(shard_index: int) -> str:
    return f"shard-{shard_index:05d}.json"


def _to_document(record: ShardRecord) -> dict[str, Any]:
    return {
        **record._asdict(),
        "positions": list(record.positions),
        "skipped": [list(item) for item in record.skipped],
        "files": {str(block): list(file) for block, file in record.files.items()},
    }


def _from_document(document: Mapping[str, Any]) -> ShardRecord:
    return ShardRecord(
        shard_index=document["shard_index"],
        positions=_in_little_memory(document["positions"]),
        skipped=[UnreadableImage(*item) for item in document["skipped"]],
        files={int(block): FileRecord(*file) for block, file in document["files"].items()},
    )


def _in_little_memory(positions: list[int]) -> Sequence[int]:
    """The same rows in little memory where they are a plain run, as in nearly all shards."""
    run = range(positions[0], positions[-1] + 1) if positions else range(0)
    return run if len(run) == len(positions) else positions


def _header(array: npt.NDArray[np.float16]) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, np.lib.format.header_data_from_array_1_0(array))
    return buffer.getvalue()


def _bytes_of(array: npt.NDArray[np.float16]) -> memoryview:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
