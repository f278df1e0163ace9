"""The batches of a run: one endless sequence, pass after pass over the data, that can be entered anywhere.

All passes are strung together before they are cut, so that every batch is full and every image, or token, comes once
per pass. What a batch holds depends on its number alone, and that number is all that a resumed run has to know.
"""

from collections.abc import Iterator
from itertools import count
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cytosae_core.sae.config import SaeConfig
from cytosae_core.tokens.source import Tokens, TokenSource

ImageRows = npt.NDArray[np.int64]


class Position(NamedTuple):
    """Where in the data a batch begins."""

    epoch: int
    """Passes over the data that are over."""
    offset: int
    """Images (or tokens, where batches are of tokens) of this pass that came before."""


def token_batches(tokens: TokenSource, config: SaeConfig, n_taken: int = 0) -> Iterator[Tokens]:
    """The batches after the first `n_taken`, without end.

    Of images: (batch_images, n_tokens, d_in). Of tokens: (batch_images * n_tokens, d_in).
    """
    return _of_images(tokens, config, n_taken) if config.batches == "images" else _of_tokens(tokens, config, n_taken)


def position(tokens: TokenSource, config: SaeConfig, n_taken: int) -> Position:
    """Where the batch after the first `n_taken` begins."""
    n_images, n_tokens, _ = tokens.shape
    n_each = 1 if config.batches == "images" else n_tokens
    return Position(*divmod(n_taken * config.batch_images * n_each, n_images * n_each))


def _of_images(tokens: TokenSource, config: SaeConfig, n_taken: int) -> Iterator[Tokens]:
    for batch in count(n_taken):
        yield tokens.take(_rows(tokens.shape[0], config, batch))


def _rows(n_images: int, config: SaeConfig, batch: int) -> ImageRows:
    """The images of a batch, (batch_images,)."""
    first = batch * config.batch_images
    epochs, index = np.divmod(np.arange(first, first + config.batch_images), n_images)
    orders = {
        epoch: np.random.default_rng([config.seed, _shuffle(config, epoch)]).permutation(n_images)
        for epoch in np.unique(epochs).tolist()
    }
    return np.array([orders[epoch][position] for epoch, position in zip(epochs.tolist(), index.tolist(), strict=True)])


def _of_tokens(tokens: TokenSource, config: SaeConfig, n_taken: int) -> Iterator[Tokens]:
    size = config.batch_images * tokens.shape[1]
    rest: list[Tokens] = []
    for piece in _strung(tokens, config, position(tokens, config, n_taken)):
        rest.append(piece)
        if sum(map(len, rest)) >= size:
            joined = np.concatenate(rest)
            n_whole = len(joined) // size * size
            yield from joined[:n_whole].reshape(-1, size, tokens.shape[2])
            rest = [joined[n_whole:]]


def _strung(tokens: TokenSource, config: SaeConfig, start: Position) -> Iterator[Tokens]:
    """The shuffled tokens of all passes, one after the other."""
    yield from tokens.shuffled(config.seed, _shuffle(config, start.epoch), start.offset)
    for epoch in count(start.epoch + 1):
        yield from tokens.shuffled(config.seed, _shuffle(config, epoch), 0)


def _shuffle(config: SaeConfig, epoch: int) -> int:
    """Number of the order that a pass takes: that of the first in all, or its own."""
    return 0 if config.order == "fixed" else epoch
