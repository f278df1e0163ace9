"""Where training tokens come from: an array in memory, or a token store on disk; all images, or some of them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from cytosae_core.errors import ConfigError
from cytosae_core.tokens.shuffle import Chunk, ShuffleConfig, shuffled_batches
from cytosae_core.tokens.store import TokenStore

PIECE_TOKENS = 4096
"""Tokens that a store hands out at a time when it shuffles."""
POOL_BYTES = 256 * 2**20
"""Memory that a store shuffles at a time."""
CHUNK_IMAGES = 16
"""Images that a store reads in one piece, at most, when it shuffles."""

Tokens = npt.NDArray[Any]
Rows = npt.NDArray[np.int64]


class TokenSource(Protocol):
    """Tokens of a fixed list of images."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(n_images, n_tokens, d_in)."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """Which tokens these are, as JSON values: a run goes on only where this is the same."""

    def images(self, rows: Rows) -> Tokens:
        """The tokens of these images, in this order, (n, n_tokens, d_in)."""

    def shuffled(self, seed: int, epoch: int, start: int) -> Iterator[Tokens]:
        """All tokens, each once, in an order fixed by seed and epoch, without the first `start`: pieces (n, d_in)."""


@dataclass(frozen=True)
class ArrayTokens:
    """Tokens in memory."""

    array: Tokens = field(repr=False)
    """(n_images, n_tokens, d_in), of any floating-point type."""
    simulated: bool = False
    """Whether a program drew the images."""

    def __post_init__(self) -> None:
        if self.array.ndim != 3 or 0 in self.array.shape:
            raise ConfigError(f"tokens of shape {self.array.shape}: must be (n_images, n_tokens, d_in), none of them 0")

    @property
    def shape(self) -> tuple[int, int, int]:
        """(n_images, n_tokens, d_in)."""
        n_images, n_tokens, d_in = self.array.shape
        return n_images, n_tokens, d_in

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

    def images(self, rows: Rows) -> Tokens:
        """The tokens of these images, (n, n_tokens, d_in)."""
        return self.array[rows]

    def shuffled(self, seed: int, epoch: int, start: int) -> Iterator[Tokens]:
        """All tokens of an epoch from token `start` on, in one permutation of all of them."""
        tokens = self.array.reshape(-1, self.shape[2])
        order = np.random.default_rng([seed, epoch]).permutation(len(tokens))
        for first in range(start, len(order), PIECE_TOKENS):
            yield tokens[order[first : first + PIECE_TOKENS]]


@dataclass(frozen=True)
class StoreTokens:
    """Tokens of a store, read as they are needed."""

    store: TokenStore
    rows: Rows = field(repr=False)
    """Positions of the images in the store, ascending."""
    held_out: Mapping[str, Any] = field(default_factory=dict)
    """How the images were chosen, for the record."""

    def __post_init__(self) -> None:
        if len(self.rows) == 0:
            raise ConfigError(f"no image of {self.store.path} is left to train on; hold out fewer, or extract more")

    @property
    def shape(self) -> tuple[int, int, int]:
        """(n_images, n_tokens, d_in)."""
        return len(self.rows), self.store.n_tokens, self.store.d_model

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

    def images(self, rows: Rows) -> Tokens:
        """The tokens of these images, (n, n_tokens, d_in) float16."""
        tokens = np.empty((len(rows), *self.shape[1:]), np.float16)
        for place, position in enumerate(self.rows[rows].tolist()):
            tokens[place] = self._image(position)
        return tokens

    def __getitem__(self, images: slice) -> Tokens:
        """The tokens of a run of images, read when they are asked for, (n, n_tokens, d_in) float16."""
        return self.images(np.arange(len(self.rows))[images])

    def shuffled(self, seed: int, epoch: int, start: int) -> Iterator[Tokens]:
        """All tokens of an epoch from token `start` on, shuffled pool by pool as `TokenStore.shuffled` does."""
        config = ShuffleConfig(PIECE_TOKENS, seed, POOL_BYTES, CHUNK_IMAGES)
        n_pieces, n_skip = divmod(start, PIECE_TOKENS)
        pieces = shuffled_batches(self._chunks, self._shard, self.shape[1:], config, (epoch, 0, 1), n_pieces)
        for piece in pieces:
            yield piece[n_skip:]
            n_skip = 0

    @cached_property
    def _shards(self) -> list[Tokens]:
        return [self.store.shard(index) for index in range(len(self.store.starts) - 1)]

    def _shard(self, shard_index: int) -> Tokens:
        return self._shards[shard_index]

    def _image(self, position: int) -> Tokens:
        shard_index = int(np.searchsorted(self.store.starts, position, side="right")) - 1
        tokens: Tokens = self._shards[shard_index][position - self.store.starts[shard_index]]
        return tokens

    @cached_property
    def _chunks(self) -> list[Chunk]:
        """Runs of neighbouring images, none longer than a chunk and none across shards."""
        shards = np.searchsorted(self.store.starts, self.rows, side="right") - 1
        breaks = np.flatnonzero((np.diff(self.rows) != 1) | (np.diff(shards) != 0)) + 1
        return [
            Chunk(
                int(shards[first]),
                int(self.rows[first] - self.store.starts[shards[first]]),
                min(CHUNK_IMAGES, end - first),
            )
            for begin, end in zip([0, *breaks.tolist()], [*breaks.tolist(), len(self.rows)], strict=True)
            for first in range(begin, end, CHUNK_IMAGES)
        ]


class Split(NamedTuple):
    """The images of a store, in two parts."""

    train: StoreTokens
    """To train on."""
    held_out: StoreTokens | None
    """To evaluate on; None: no image was held out."""


def split_store(store: TokenStore, held_out_share: float, seed: int) -> Split:
    """Hold out a share of the images, whole images, drawn by `seed`; ConfigError unless 0 <= share < 1."""
    if not 0 <= held_out_share < 1:
        raise ConfigError(f"held_out_share {held_out_share}: must be at least 0 and below 1")
    n_held_out = round(held_out_share * store.n_images)
    order = np.random.default_rng(seed).permutation(store.n_images)
    record = {"share": held_out_share, "seed": seed, "n_images": n_held_out}
    train = StoreTokens(store, np.sort(order[n_held_out:]), record)
    return Split(train, StoreTokens(store, np.sort(order[:n_held_out]), record) if n_held_out else None)
