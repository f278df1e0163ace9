"""Shuffled tokens at sequential speed: whole chunks are read into a pool, and the pool is permuted in memory.

The chunks of a reader come in a random order; each is one contiguous read. A pool takes as many of them as fit, from
all over the data set, and its tokens leave it in a random order. The sequence of all pools, cut into batches, is the
epoch, so that any batch can be found again without reading what comes before its pool.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cytosae_core.errors import ConfigError
from cytosae_core.geometry import PATCHES

Tokens = npt.NDArray[np.float16]


@dataclass(frozen=True)
class ShuffleConfig:
    """How tokens are shuffled; with the epoch and the reader it fixes their order."""

    batch_size: int
    """Tokens in a batch."""
    seed: int
    """Seed of both permutations."""
    pool_bytes: int = 256 * 2**20
    """Memory that is permuted at a time; at least one chunk."""
    chunk_images: int = 16
    """Images that are read in one piece (ViT-B: 6 MB)."""
    patches_only: bool = False
    """Leave out the CLS tokens."""

    def __post_init__(self) -> None:
        if min(self.batch_size, self.pool_bytes, self.chunk_images) < 1:
            raise ConfigError(
                f"batch_size {self.batch_size}, pool_bytes {self.pool_bytes}, chunk_images {self.chunk_images}:"
                " all must be at least 1"
            )


class Chunk(NamedTuple):
    """Contiguous images of a shard."""

    shard_index: int
    """The shard."""
    first: int
    """Row of its first image in the shard."""
    n_images: int
    """Number of images."""


def shuffled_batches(
    chunks: Sequence[Chunk], read_shard: Callable[[int], Tokens], shape: tuple[int, int], config: ShuffleConfig,
    place: tuple[int, int, int], start: int = 0,
) -> Iterator[Tokens]:  # fmt: skip
    """Batches of an epoch from batch `start` on; `shape`: (n_tokens, d_model), `place`: (epoch, reader, n_readers)."""
    epoch, reader, n_readers = place
    if not (0 <= reader < n_readers and epoch >= 0 and start >= 0):
        raise ConfigError(f"reader {reader} of {n_readers}, epoch {epoch}, start {start}: readers count from 0")
    order = np.random.default_rng([config.seed, epoch]).permutation(len(chunks))[reader::n_readers]
    mine = [chunks[index] for index in order]
    n_taken = shape[0] - 1 if config.patches_only else shape[0]
    pools = _pools(mine, config.pool_bytes // (2 * n_taken * shape[1]))
    return _rebatch(_permuted(pools, read_shard, (n_taken, shape[1]), config, place, start * config.batch_size), config)


def shuffled_stream(images: Iterable[Tokens], config: ShuffleConfig, epoch: int = 0) -> Iterator[Tokens]:
    """The tokens of a stream, each once, shuffled within pools: batches (config.batch_size, d_model), the last smaller.

    `images` gives arrays (n, n_tokens, d_model), best in a shuffled order, as `stream_tokens` does with a seed. A pool
    closes with the array that fills it; `config.chunk_images` is not used.
    """
    return _rebatch(_pooled(images, config, epoch), config)


def _pooled(
    images: Iterable[Tokens], config: ShuffleConfig, epoch: int
) -> Iterator[tuple[Tokens, npt.NDArray[np.int64]]]:
    taken = PATCHES if config.patches_only else slice(None)
    parts = (tokens[:, taken].reshape(-1, tokens.shape[-1]) for tokens in images)
    for pool_index in count():
        pool: list[Tokens] = []
        while sum(part.nbytes for part in pool) < config.pool_bytes and (part := next(parts, None)) is not None:
            pool.append(part)
        if not pool:
            return
        tokens = np.concatenate(pool)
        yield tokens, np.random.default_rng([config.seed, epoch, pool_index]).permutation(len(tokens))


def _pools(chunks: Sequence[Chunk], max_images: int) -> list[list[Chunk]]:
    """Chunks in groups of at most `max_images` images, and at least one chunk."""
    pools: list[list[Chunk]] = []
    n_images = 0
    for chunk in chunks:
        if not pools or n_images + chunk.n_images > max_images:
            pools.append([])
            n_images = 0
        pools[-1].append(chunk)
        n_images += chunk.n_images
    return pools


def _permuted(
    pools: list[list[Chunk]], read_shard: Callable[[int], Tokens], shape: tuple[int, int], config: ShuffleConfig,
    place: tuple[int, int, int], n_skip: int,
) -> Iterator[tuple[Tokens, npt.NDArray[np.int64]]]:  # fmt: skip
    """(tokens of a pool, order in which they are taken), without the first `n_skip` tokens of the epoch."""
    epoch, reader, _ = place
    # One buffer for all pools: fresh pages would cost as much as reading into them.
    n_images = max((sum(chunk.n_images for chunk in pool) for pool in pools), default=0)
    buffer = np.empty((n_images, *shape), np.float16)
    for pool_index, pool in enumerate(pools):
        n_tokens = sum(chunk.n_images for chunk in pool) * shape[0]
        if n_skip >= n_tokens:
            n_skip -= n_tokens
            continue
        order = np.random.default_rng([config.seed, epoch, reader, pool_index]).permutation(n_tokens)
        yield _read_pool(pool, read_shard, buffer, config), order[n_skip:]
        n_skip = 0


def _read_pool(pool: list[Chunk], read_shard: Callable[[int], Tokens], buffer: Tokens, config: ShuffleConfig) -> Tokens:
    """The tokens of a pool, (n_pool, d_model), in the buffer (images, tokens, d_model) that the next pool reuses."""
    taken = PATCHES if config.patches_only else slice(None)
    end = 0
    for shard_index, first, n_images in pool:
        buffer[end : end + n_images] = read_shard(shard_index)[first : first + n_images, taken]
        end += n_images
    return buffer[:end].reshape(-1, buffer.shape[2])


def _rebatch(pools: Iterator[tuple[Tokens, npt.NDArray[np.int64]]], config: ShuffleConfig) -> Iterator[Tokens]:
    """Cut the pools, one after the other, into batches; only the last batch of all may be smaller."""
    rest: list[Tokens] = []
    n_rest = 0
    for tokens, order in pools:
        done = 0
        while done < len(order):
            taken = order[done : done + config.batch_size - n_rest]
            rest.append(tokens[taken])
            done, n_rest = done + len(taken), n_rest + len(taken)
            if n_rest == config.batch_size:
                yield rest[0] if len(rest) == 1 else np.concatenate(rest)
                rest, n_rest = [], 0
    if rest:
        yield np.concatenate(rest)
