"""Shards of tokens on disk: written once, whole or not at all, with a record that says so.

A shard holds the readable images of a fixed run of table rows, one .npy file a block. Its record is written last, into
the folder above: a shard without a record does not exist, whatever files lie about.
"""

import hashlib
import io
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cytosae_core.backbone.decode import UnreadableImage
from cytosae_core.errors import ArtifactError

STORE = "store"
"""Name of the folder that becomes the store, inside the folder of an unfinished extraction."""


class FileRecord(NamedTuple):
    """What a manifest says of a file."""

    path: str
    """Relative to the folder of the manifest, with forward slashes."""
    size: int
    """Bytes."""
    sha256: str
    """64 hex digits."""


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


def write_whole(folder: Path, name: str, *parts: bytes | memoryview) -> FileRecord:
    """Write a file under a temporary name, force it to the disk, then rename it: it is whole, or it is not there.

    Raises ArtifactError where it cannot be written.
    """
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    temporary = folder / f".{name}.{os.getpid()}.tmp"
    try:
        with temporary.open("wb") as file:
            file.writelines(parts)
            file.flush()
            os.fsync(file.fileno())
        size = temporary.stat().st_size
        temporary.replace(folder / name)
        sync_folder(folder)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise ArtifactError(
            f"{folder / name} cannot be written ({error.strerror}); make room or check the rights, and run the same"
            " command again: what is finished is kept"
        ) from error
    return FileRecord(name, size, digest.hexdigest())


def sync_folder(folder: Path) -> None:
    """Force the names in a folder to the disk, so that a rename survives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of(path: Path) -> str:
    """Checksum of a file, 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_shard(
    store: Path, records: Path, shard_index: int, tokens: Mapping[int, npt.NDArray[np.float16]],
    positions: list[int], skipped: list[UnreadableImage],
) -> ShardRecord:  # fmt: skip
    """Write one .npy a block into `store`, then the record into `records`; equal tokens give equal bytes."""
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
    record = _from_document(json.loads(path.read_text()))
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
