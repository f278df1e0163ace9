"""Where tokens come from: one protocol for training, measuring, building atlases and scoring concepts.

`ArrayTokens` holds them in memory, `StoreTokens` reads all images of a token store or some of them, and
`stream.StreamedTokens` makes them with a backbone whenever they are asked for.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from cytosae_core.errors import ArtifactError, ConfigError, ImageTableError
from cytosae_core.tokens.shuffle import Chunk, OpenShard, ShuffleConfig, shuffled_batches
from cytosae_core.tokens.store import TokenStore

PIECE_TOKENS = 4096
"""Tokens that a source hands out at a time when it shuffles."""
POOL_BYTES = 256 * 2**20
"""Memory that a store shuffles at a time."""
CHUNK_IMAGES = 16
"""Images that a store reads in one piece, at most, when it shuffles."""
BATCH_IMAGES = 8
"""Images that are read at a time, where nothing else is said."""
OPEN_SHARDS = 200
"""Shards that stay mapped while images are read in random order; each costs a file descriptor."""

Tokens = npt.NDArray[Any]
Rows = Sequence[int] | npt.NDArray[np.int64]


class TokenBatch(NamedTuple):
    """The tokens of a few images."""

    rows: Sequence[int]
    """Rows of the images in `TokenSource.index`."""
    tokens: Tokens
    """(n_images, n_tokens, d_in), CLS first."""
    skipped: Sequence[tuple[int, str]] = ()
    """Rows of images that could not be read, and why."""


class TokenSource(Protocol):
    """Tokens of a fixed list of images; a row is the number of an image in that list."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(n_images, n_tokens, d_in)."""

    @property
    def index(self) -> pd.DataFrame:
        """One row per image: image_id and, where they are known, dataset, relative_path, label, patient, diagnosis."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """Which tokens these are, as JSON values: what an autoencoder says it was trained on.

        A training goes on only where it is the same. It always says shape and simulated.
        """

    @property
    def origin(self) -> Mapping[str, Any]:
        """What the tokens were made of, as JSON values without paths: what an atlas says it was built from.

        A build goes on only where it is the same. Its fingerprint, where there is one, is that of the list of images.
        """

    @property
    def skipped(self) -> list[tuple[str, str]]:
        """Image ids that were left out of the list because they could not be read, and why."""

    def take(self, rows: Rows) -> Tokens:
        """The tokens of these images in this order, (n, n_tokens, d_in); ImageTableError where one is unreadable."""

    def read(self, rows: Sequence[int], batch_images: int = BATCH_IMAGES) -> Iterator[TokenBatch]:
        """The tokens of these images in this order, at most `batch_images` at a time; unreadable ones are named."""

    def shuffled(self, seed: int, epoch: int, start: int) -> Iterator[Tokens]:
        """All tokens, each once, in an order fixed by seed and epoch, without the first `start`: pieces (n, d_in)."""


def in_order(tokens: TokenSource, batch_images: int) -> Iterator[tuple[slice, Tokens]]:
    """All images of a source in order: (their rows, their tokens (n, n_tokens, d_in)), n at most `batch_images`.

    Raises ImageTableError where an image cannot be read.
    """
    done = 0
    for batch in tokens.read(range(tokens.shape[0]), batch_images):
        refuse_skipped(tokens, batch)
        yield slice(done, done + len(batch.tokens)), batch.tokens
        done += len(batch.tokens)


def refuse_skipped(tokens: TokenSource, batch: TokenBatch) -> None:
    """Raise ImageTableError, naming the first, where an image of the batch could not be read."""
    for row, reason in batch.skipped:
        raise ImageTableError(
            f"{tokens.index['image_id'].iat[row]} cannot be read ({reason}), and no image may be missing here; repair"
            " it, leave it out of the list, or extract the tokens first: an extraction leaves it out"
        )


def cut(rows: Sequence[int], batch_images: int) -> Iterator[Sequence[int]]:
    """These rows, at most `batch_images` at a time; ConfigError where that is less than 1."""
    if batch_images < 1:
        raise ConfigError(f"batch_images {batch_images}: must be at least 1")
    for start in range(0, len(rows), batch_images):
        yield rows[start : start + batch_images]


def shuffled_pieces(
    chunks: Sequence[Chunk], open_shard: OpenShard, shape: tuple[int, int], seed: int, epoch: int, start: int
) -> Iterator[Tokens]:
    """The tokens of these chunks, each once, without the first `start`; `shape` is (n_tokens, d_in) of an image."""
    config = ShuffleConfig(PIECE_TOKENS, seed, POOL_BYTES)
    return shuffled_batches(chunks, open_shard, shape, config, epoch, start)


@dataclass(frozen=True, eq=False)
class ArrayTokens:
    """Tokens in memory."""

    array: Tokens = field(repr=False)
    """(n_images, n_tokens, d_in), of any floating-point type."""
    simulated: bool = False
    """Whether a program rendered the images."""
    images: pd.DataFrame | None = field(default=None, repr=False)
    """One row per image, as `TokenSource.index` has them; None: they are known by their numbers alone."""

    def __post_init__(self) -> None:
        if self.array.ndim != 3 or 0 in self.array.shape:
            raise ConfigError(f"tokens of shape {self.array.shape}: must be (n_images, n_tokens, d_in), none of them 0")
        if self.images is not None and len(self.images) != len(self.array):
            raise ConfigError(f"{len(self.images)} images are listed for {len(self.array)}; list every image once")

    @property
    def shape(self) -> tuple[int, int, int]:
        """(n_images, n_tokens, d_in)."""
        n_images, n_tokens, d_in = self.array.shape
        return n_images, n_tokens, d_in

    @cached_property
    def index(self) -> pd.DataFrame:
        """One row per image."""
        if self.images is not None:
            return self.images.reset_index(drop=True)
        return pd.DataFrame({"image_id": [str(row) for row in range(len(self.array))]})

    @cached_property
    def identity(self) -> Mapping[str, Any]:
        """Shape, type and digest of the values."""
        return {
            "kind": "array",
            "shape": list(self.shape),
            "dtype": self.array.dtype.name,
            "sha256": sha256(np.ascontiguousarray(self.array).data).hexdigest(),
            "simulated": self.simulated,
        }

    @cached_property
    def origin(self) -> Mapping[str, Any]:
        """Digests of the values and of the list of images."""
        images = sha256(self.index.to_csv(index=False).encode()).hexdigest()
        return {"array": self.identity["sha256"], "images": images, "fingerprint": None}

    @property
    def skipped(self) -> list[tuple[str, str]]:
        """None: all images of an array are there."""
        return []

    def take(self, rows: Rows) -> Tokens:
        """The tokens of these images, (n, n_tokens, d_in)."""
        return self.array[np.asarray(rows, np.int64)]

    def read(self, rows: Sequence[int], batch_images: int = BATCH_IMAGES) -> Iterator[TokenBatch]:
        """The tokens of these images, at most `batch_images` at a time."""
        for part in cut(rows, batch_images):
            yield TokenBatch(part, self.take(part))

    def shuffled(self, seed: int, epoch: int, start: int) -> Iterator[Tokens]:
        """All tokens of an epoch from token `start` on, in one permutation of all of them."""
        tokens = self.array.reshape(-1, self.shape[2])
        order = np.random.default_rng([seed, epoch]).permutation(len(tokens))
        for first in range(start, len(order), PIECE_TOKENS):
            yield tokens[order[first : first + PIECE_TOKENS]]


@dataclass(frozen=True, eq=False)
class StoreTokens:
    """Tokens of a store, of all images or some of them, read as they are needed."""

    store: TokenStore
    rows: npt.NDArray[np.int64] = field(repr=False)
    """Positions of the images in the store, in the order of the source; where they ascend, reads are long."""
    held_out: Mapping[str, Any] = field(default_factory=dict)
    """How the images were chosen, for the record."""

    def __post_init__(self) -> None:
        if len(self.rows) == 0:
            raise ConfigError(f"no image of {self.store.path} is left to train on; hold out fewer, or extract more")

    @classmethod
    def open(cls, path: Path, block: int | None = None) -> "StoreTokens":
        """All images of the store at `path`, in its order, at this block; raises what `TokenStore.open` raises."""
        store = TokenStore.open(path, block)
        return cls(store, np.arange(store.n_images))

    @classmethod
    def by_id(cls, store: TokenStore) -> "StoreTokens":
        """All images of the store's one data set, sorted by image_id: an atlas ranks equal images in this order.

        Raises ArtifactError when the store holds several data sets.
        """
        names = sorted(set(store.index["dataset"]))
        if len(names) != 1:
            raise ArtifactError(f"{store.path} holds the data sets {names}; extract each into a store of its own")
        return cls(store, np.argsort(store.index["image_id"].to_numpy(dtype=object), kind="stable"))

    @property
    def shape(self) -> tuple[int, int, int]:
        """(n_images, n_tokens, d_in)."""
        return len(self.rows), self.store.n_tokens, self.store.d_model

    @cached_property
    def index(self) -> pd.DataFrame:
        """One row per image, with the columns of the store's index."""
        return self.store.index.iloc[self.rows].reset_index(drop=True)

    @cached_property
    def identity(self) -> Mapping[str, Any]:
        """Store, images, block and backbone, and whether the images were simulated."""
        manifest = self.store.manifest
        return {
            "kind": "store",
            "shape": list(self.shape),
            "store_id": self.store.store_id,
            "datasets": list(manifest["dataset"]["names"]),
            "fingerprint": manifest["dataset"]["fingerprint"],
            "block": self.store.block,
            "backbone": manifest["backbone"]["name"],
            "backbone_id": self.store.backbone_id,
            "held_out": dict(self.held_out),
            "simulated": self.store.simulated,
        }

    @cached_property
    def origin(self) -> Mapping[str, Any]:
        """Identity of the store's files, of the backbone and of the images, the block, and any choice of images."""
        manifest = self.store.manifest
        origin = {
            "tokens": self.store.store_id,
            "backbone": dict(manifest["backbone"]),
            "block": self.store.block,
            "fingerprint": manifest["dataset"]["fingerprint"],
        }
        if len(self.rows) < self.store.n_images:
            origin["rows"] = sha256(np.asarray(self.rows, np.int64).tobytes()).hexdigest()
        return origin

    @property
    def skipped(self) -> list[tuple[str, str]]:
        """Images that the extraction could not read."""
        return [(image["image_id"], image["reason"]) for image in self.store.manifest["skipped"]]

    def take(self, rows: Rows) -> Tokens:
        """The tokens of these images, (n, n_tokens, d_in) float16; their shards stay open, for they are asked again."""
        return self.store.read(self.rows[np.asarray(rows, np.int64)], self._open_shard)

    def read(self, rows: Sequence[int], batch_images: int = BATCH_IMAGES) -> Iterator[TokenBatch]:
        """The tokens of these images, float16, at most `batch_images` at a time; one shard is open at a time."""
        open_shard = lru_cache(maxsize=1)(self.store.shard)
        for part in cut(rows, batch_images):
            yield TokenBatch(part, self.store.read(self.rows[np.asarray(part, np.int64)], open_shard))

    def shuffled(self, seed: int, epoch: int, start: int) -> Iterator[Tokens]:
        """All tokens of an epoch from token `start` on, shuffled pool by pool."""
        return shuffled_pieces(self._chunks, self._open_shard, self.shape[1:], seed, epoch, start)

    @cached_property
    def _open_shard(self) -> Callable[[int], Tokens]:
        return lru_cache(maxsize=OPEN_SHARDS)(self.store.shard)

    @cached_property
    def _chunks(self) -> list[Chunk]:
        return self.store.chunks(self.rows, CHUNK_IMAGES)
