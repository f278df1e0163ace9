"""The shards of all processes to one token store: index, manifest, rename."""

import io
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from cytosae_core.artifacts.files import FileRecord, drop_unfinished, write_whole
from cytosae_core.artifacts.folders import publish_folder
from cytosae_core.artifacts.manifest import MANIFEST, check_same_settings
from cytosae_core.backbone.decode import UnreadableImage
from cytosae_core.errors import ArtifactError, ImageTableError
from cytosae_core.images.simulated import holds_simulated
from cytosae_core.images.table import ImageTable
from cytosae_core.tokens.plan import n_shards_of
from cytosae_core.tokens.shards import STORE, ShardRecord, read_record
from cytosae_core.tokens.store import INDEX, INDEX_COLUMNS, TokenStore

N_INDEX_ROWS = 2048
"""Rows of the index that are encoded, and read, at a time."""
N_SHOWN = 3
"""Unreadable images that an error quotes."""


def partial_folder(output_path: Path) -> Path:
    """Where an unfinished extraction lies: beside its destination, on the same file system, hidden."""
    return output_path.parent / f".{output_path.name}.partial"


def store_folder(folder: Path) -> Path:
    """The folder, inside that of the unfinished extraction, that becomes the store."""
    return folder / STORE


def refuse_unreadable(table: ImageTable, skipped: Sequence[UnreadableImage], max_share: float) -> None:
    """Raise ImageTableError, quoting the first ones, where too many of the images cannot be read."""
    if len(skipped) > max_share * table.n_images:
        shown = "; ".join(f"{table.frame['image_id'].iat[row]}: {reason}" for row, reason in skipped[:N_SHOWN])
        raise ImageTableError(
            f"{len(skipped)} of {table.n_images} images cannot be read, and at most {max_share:.2%} may be skipped."
            f" Repair them, or raise max_unreadable_share. First of them: {shown}"
        )


def publish(folder: Path, output_path: Path, plan: dict[str, Any], table: ImageTable, max_share: float) -> None:
    """Turn the finished shards in `folder` into the token store `output_path`; safe to repeat after a kill."""
    records = [_finished(folder, index) for index in range(n_shards_of(plan))]
    skipped = [item for record in records for item in record.skipped]
    refuse_unreadable(table, skipped, max_share)
    store = store_folder(folder)
    drop_unfinished(store)
    index = _write_index(store, table, records)
    write_whole(store, MANIFEST, json.dumps(_manifest(plan, table, records, index), indent=1).encode())
    publish_folder(store, output_path)


def clean_up(folder: Path) -> None:
    """Remove the folder of an extraction that has been published."""
    if folder.exists():
        shutil.rmtree(folder)


def reopen(output_path: Path, plan: dict[str, Any]) -> TokenStore:
    """The store at `output_path`; ArtifactError where it was made by another plan."""
    store = TokenStore.open(output_path, plan["blocks"][0])
    check_same_settings({key: store.manifest.get(key) for key in plan}, plan, output_path)
    return store


def _finished(folder: Path, shard_index: int) -> ShardRecord:
    record = read_record(folder, shard_index)
    if record is None:
        raise ArtifactError(f"{folder}: shard {shard_index} is missing; run the same extraction again to make it")
    return record


def _write_index(store: Path, table: ImageTable, records: list[ShardRecord]) -> FileRecord:
    counts = [len(record.positions) for record in records]
    positions = np.concatenate([np.asarray(record.positions, dtype=np.int64) for record in records])
    index = pa.Table.from_pandas(table.frame[INDEX_COLUMNS], preserve_index=False)  # shares the text with the frame
    if len(positions) < table.n_images:
        index = index.take(positions)
    index = index.append_column("shard_index", pa.array(np.repeat(np.arange(len(records)), counts)))
    index = index.append_column("row", pa.array(np.concatenate([np.arange(count) for count in counts])))
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(index, buffer, row_group_size=N_INDEX_ROWS)
    return write_whole(store, INDEX, buffer.getvalue())


def _manifest(plan: dict[str, Any], table: ImageTable, records: list[ShardRecord], index: FileRecord) -> dict[str, Any]:
    ids = table.frame["image_id"]
    return {
        **plan,
        "simulated": holds_simulated(table),
        "n_images": sum(len(record.positions) for record in records),
        "skipped": [
            {"image_id": ids.iat[row], "reason": reason} for record in records for row, reason in record.skipped
        ],
        "skipped_when_listed": [image._asdict() for image in table.skipped],
        "index": index._asdict(),
        "shards": [
            {
                "n_images": len(record.positions),
                "files": {str(block): file._asdict() for block, file in record.files.items()},
            }
            for record in records
        ],
    }
