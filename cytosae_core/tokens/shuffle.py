"""Shuffled tokens at sequential speed: whole chunks are read into a pool, and the pool is permuted in memory.

The chunks come in a random order; each is one contiguous read. A pool takes as many of them as fit, from all over the
data set, and its tokens leave it in a random order. The sequence of all pools, cut into batches, is the epoch, so that
any token can be found again without reading what comes before its pool.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cytosae_core.errors import ConfigError

Tokens = npt.NDArray[np.float16]
OpenShard = Callable[[int], Tokens]
"""From the number of a shard to its tokens (n_images, n_tokens, d_model)."""


@dataclass(frozen=True)
class ShuffleConfig:
    """How tokens are shuffled; with the epoch it fixes their order."""

    batch_size: int
    """Tokens in a batch."""
    seed: int
    """Seed of both permutations."""
    pool_bytes: int = 256 * 2**20
    """Memory that is permuted at a time; at least one chunk."""

    def __post_init__(self) -> None:
        if min(self.batch_size, self.pool_bytes) < 1:
            raise ConfigError(
                f"batch_size {self.batch_size}, pool_bytes {self.pool_bytes}: both must be at least 1; raise them"
            )


class Chunk(NamedTuple):
    """Contiguous images of a shard."""

    shard_index: int
    """The shard."""
    first: int
    """Row of its first image in the shard."""
    n_images: int
    """Number of images."""


def read_chunks(chunks: Iterable[Chunk], open_shard: OpenShard, buffer: Tokens) -> Tokens:
    """Read the images of these chunks, one after the other, into the buffer (images, n_tokens, d_model).

    Returns the part of the buffer that is filled.
    """
    end = 0
    for shard_index, first, n_images in chunks:
        buffer[end : end + n_images] = open_shard(shard_index)[first : first + n_images]
        end += n_images
    return buffer[:end]


def shuffled_batches(
    chunks: Sequence[Chunk], open_shard: OpenShard, shape: tuple[int, int], config: ShuffleConfig,
    epoch: int = 0, start: int = 0,
) -> Iterator[Tokens]:  # fmt: skip
    """All tokens of an epoch, each once, without the first `start` of them: batches (config.batch_size, d_model).

    Only the last batch may be smaller. `shape` is (n_tokens, d_model) of an image; shards of which no token is left to
    read are not opened.
    """
    if epoch < 0 or start < 0:
        raise ConfigError(f"epoch {epoch}, start {start}: both count from 0")
    order = np.random.default_rng([config.seed, epoch]).permutation(len(chunks))
    pools = _pools([chunks[index] for index in order], config.pool_bytes // (2 * shape[0] * shape[1]))
    return _rebatch(_permuted(pools, open_shard, shape, config, epoch, start), config.batch_size)


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
    pools: list[list[Chunk]], open_shard: OpenShard, shape: tuple[int, int], config: ShuffleConfig, epoch: int,
    n_skip: int,
) -> Iterator[tuple[Tokens, npt.NDArray[np.int64]]]:  # fmt: skip
    """(tokens of a pool, order in which they are taken), without the first `n_skip` tokens of the epoch."""
    # One buffer for all pools: fresh pages would cost as much as reading into them.
    n_images = max((sum(chunk.n_images for chunk in pool) for pool in pools), default=0)
    buffer = np.empty((n_images, *shape), np.float16)
    for pool_index, pool in enumerate(pools):
        n_tokens = sum(chunk.n_images for chunk in pool) * shape[0]
        if n_skip >= n_tokens:
            n_skip -= n_tokens
            continue
        # The 0 once numbered one of several readers; without it, a run begun then would go on in another order.
        order = np.random.default_rng([config.seed, epoch, 0, pool_index]).permutation(n_tokens)
        yield read_chunks(pool, open_shard, buffer).reshape(-1, shape[1]), order[n_skip:]
        n_skip = 0


def _rebatch(pools: Iterator[tuple[Tokens, npt.NDArray[np.int64]]], batch_size: int) -> Iterator[Tokens]:
    """Cut the pools, one after the other, into batches; only the last batch of all may be smaller."""
    rest: list[Tokens] = []
    n_rest = 0
    for tokens, order in pools:
        done = 0
        while done < len(order):
            taken = order[done : done + batch_size - n_rest]
            rest.append(tokens[taken])
            done, n_rest = done + len(taken), n_rest + len(taken)
            if n_rest == batch_size:
                yield rest[0] if len(rest) == 1 else np.concatenate(rest)
                rest, n_rest = [], 0
    if rest:
        yield np.concatenate(rest)
