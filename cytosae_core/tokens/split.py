"""The images of a token store in two parts: to train on, and to measure on."""

from typing import NamedTuple

import numpy as np

from cytosae_core.errors import ConfigError
from cytosae_core.tokens.source import StoreTokens
from cytosae_core.tokens.store import TokenStore


class Split(NamedTuple):
    """The images of a store, in two parts."""

    train: StoreTokens
    """To train on."""
    held_out: StoreTokens | None
    """To evaluate on; None: no image was held out."""


def split_store(store: TokenStore, held_out_share: float, seed: int) -> Split:
    """Hold out a share of the images, whole images, sampled by `seed`; ConfigError unless 0 <= share < 1."""
    if not 0 <= held_out_share < 1:
        raise ConfigError(f"held_out_share {held_out_share}: must be at least 0 and below 1")
    n_held_out = round(held_out_share * store.n_images)
    order = np.random.default_rng(seed).permutation(store.n_images)
    record = {"share": held_out_share, "seed": seed, "n_images": n_held_out}
    train = StoreTokens(store, np.sort(order[n_held_out:]), record)
    return Split(train, StoreTokens(store, np.sort(order[:n_held_out]), record) if n_held_out else None)
