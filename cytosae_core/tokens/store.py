"""A token store: what an extraction left on disk, opened without a copy and checked as it is opened.

<store>/manifest.json             plan of the extraction, skipped images, shards with size and sha256
<store>/index.parquet             one row per image: image_id, ..., shard_index, row in the shard
<store>/shard-00000-block-11.npy  (n_images, n_tokens, d_model) float16, little-endian, C order
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow.parquet

from cytosae_core.artifacts.files import FileRecord, check_digest, check_sizes, sha256_of
from cytosae_core.artifacts.manifest import MANIFEST, Kind, read_manifest
from cytosae_core.errors import ArtifactError, ChecksumError, ConfigError
from cytosae_core.progress import Progress, no_progress
from cytosae_core.tokens.shuffle import Chunk, OpenShard, Tokens, read_chunks

INDEX = "index.parquet"
"""Name of the table of images inside a token store."""
INDEX_COLUMNS = ["image_id", "dataset", "relative_path", "label", "patient", "diagnosis"]
"""What the index says of an image; `shard_index` and `row` (in the shard) follow."""
FORMAT = "cytosae-tokens"
"""Kind of the artifact."""
FORMAT_VERSION = 1
"""Version of its format; raised when a reader of the old one would go wrong."""
REMEDY = "delete the folder and run scripts/extract_tokens.py again"
"""What to do about a damaged store: it holds nothing that cannot be computed again."""
_KIND = Kind(FORMAT, FORMAT_VERSION, "a token store", REMEDY)

Positions = Sequence[int] | npt.NDArray[np.int64]


@dataclass(frozen=True)
class TokenStore:
    """The tokens of one block of the images of a store; make one with `TokenStore.open`."""

    path: Path
    """Folder of the store."""
    block: int
    """Block whose tokens are read, counted from 1."""
    manifest: Mapping[str, Any] = field(repr=False)
    """The manifest, as it stands on disk."""

    @classmethod
    def open(cls, path: Path, block: int | None = None) -> "TokenStore":
        """Open a store at `block` (None: its only one) and check manifest, sizes and counts.

        Raises ArtifactError, FormatVersionError or ChecksumError with what is wrong and what to run.
        """
        if not (path / MANIFEST).is_file():
            raise ArtifactError(
                f"{path} is no token store (it has no {MANIFEST}); make one with scripts/extract_tokens.py, or run it"
                " again with the same output to finish an interrupted extraction"
            )
        manifest = read_manifest(path / MANIFEST, _KIND)
        store = cls(path, _choose(path, manifest["blocks"], block), manifest)
        store._check_files()
        return store

    @property
    def blocks(self) -> tuple[int, ...]:
        """All blocks that the store holds."""
        return tuple(self.manifest["blocks"])

    @property
    def n_images(self) -> int:
        """Number of images."""
        return int(self.manifest["n_images"])

    @property
    def n_tokens(self) -> int:
        """Tokens per image, CLS included."""
        return int(self.manifest["n_tokens"])

    @property
    def d_model(self) -> int:
        """Width of a token."""
        return int(self.manifest["d_model"])

    @property
    def backbone_id(self) -> str:
        """Identity of the weights that made the tokens."""
        return str(self.manifest["backbone"]["backbone_id"])

    @property
    def simulated(self) -> bool:
        """Whether images rendered by a program are among those that the tokens come from."""
        return bool(self.manifest.get("simulated", False))

    @cached_property
    def store_id(self) -> str:
        """First 16 hex digits of the sha256 of the manifest: equal exactly where all tokens are."""
        return sha256_of(self.path / MANIFEST)[:16]

    @cached_property
    def index(self) -> pd.DataFrame:
        """One row per image, in the order of the tokens: image_id, dataset, label, ..., shard_index, row."""
        return pd.read_parquet(self.path / INDEX)

    @cached_property
    def starts(self) -> npt.NDArray[np.int64]:
        """(n_shards + 1,) position of the first image of every shard, and the end."""
        counts = [shard["n_images"] for shard in self.manifest["shards"]]
        return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])

    def shard(self, shard_index: int) -> Tokens:
        """The tokens of a shard, (n_images, n_tokens, d_model), memory-mapped and read-only."""
        shape = (int(self.manifest["shards"][shard_index]["n_images"]), self.n_tokens, self.d_model)
        if shape[0] == 0:
            return np.empty(shape, np.float16)
        path = self._file(shard_index)
        tokens: Tokens = np.load(path, mmap_mode="r", allow_pickle=False)
        if tokens.shape != shape or tokens.dtype != np.float16:
            raise ChecksumError(f"{path}: {tokens.dtype}{tokens.shape} instead of float16{shape}; {REMEDY}")
        return tokens

    def chunks(self, positions: Positions, max_images: int | None = None) -> list[Chunk]:
        """These images in their order, as runs of neighbours: none across shards, none longer than `max_images`.

        `positions` are rows of the index. Raises ConfigError for an image that the store does not hold.
        """
        places = np.asarray(positions, dtype=np.int64)
        outside = places[(places < 0) | (places >= self.n_images)]
        if len(outside):
            raise ConfigError(
                f"image {outside[0]}: the store {self.path} holds the images 0 to {self.n_images - 1}; ask for those"
            )
        shards = np.searchsorted(self.starts, places, side="right") - 1
        firsts = places - self.starts[shards]
        longest = max_images or max(self.n_images, 1)
        breaks = np.flatnonzero((np.diff(places) != 1) | (np.diff(shards) != 0)) + 1
        return [
            Chunk(int(shards[first]), int(firsts[first]), min(longest, end - first))
            for begin, end in zip([0, *breaks.tolist()], [*breaks.tolist(), len(places)], strict=True)
            for first in range(begin, end, longest)
        ]

    def read(self, positions: Positions, open_shard: OpenShard | None = None) -> Tokens:
        """The tokens of these images, rows of the index, in this order: (n, n_tokens, d_model), a copy in memory.

        `open_shard` stands in for `shard`; without it, one shard is open at a time. Raises ConfigError for an image
        that the store does not hold.
        """
        buffer = np.empty((len(positions), self.n_tokens, self.d_model), np.float16)
        return read_chunks(self.chunks(positions), open_shard or lru_cache(maxsize=1)(self.shard), buffer)

    def verify(self, progress: Progress = no_progress) -> None:
        """Read everything and compare checksums; ChecksumError names the first file that was changed."""
        files = self._files()
        for n_done, file in enumerate(files, start=1):
            check_digest(self.path, file.path, file.sha256, REMEDY)
            progress(n_done, len(files))

    def _files(self) -> list[FileRecord]:
        """The index and all shards, of every block."""
        shards = (file for shard in self.manifest["shards"] for file in shard["files"].values())
        return [FileRecord(**file) for file in (self.manifest["index"], *shards)]

    def _file(self, shard_index: int) -> Path:
        return self.path / str(self.manifest["shards"][shard_index]["files"][str(self.block)]["path"])

    def _check_files(self) -> None:
        check_sizes(self.path, self._files(), REMEDY)
        n_rows = pyarrow.parquet.read_metadata(self.path / INDEX).num_rows
        n_listed = sum(shard["n_images"] for shard in self.manifest["shards"])
        if not n_rows == n_listed == self.n_images:
            raise ArtifactError(
                f"{self.path}: the manifest says {self.n_images} images, its shards hold {n_listed} and the index"
                f" {n_rows}; {REMEDY}"
            )


def _choose(path: Path, blocks: Sequence[int], block: int | None) -> int:
    if block is None and len(blocks) == 1:
        return blocks[0]
    if block is None or block not in blocks:
        raise ConfigError(f"{path} holds the blocks {', '.join(map(str, blocks))}, and {block} was asked for; name one")
    return block
