"""The images that activate each latent most: kept while images pass by, in constant memory.

The order is total: stronger first, and among equals the smaller image id. So the references of parts of a data set
give those of the whole, however it was divided.
"""

import numpy as np
import numpy.typing as npt

from cytosae_core.errors import ConfigError

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
_NOBODY = np.iinfo(np.int64).max


def strongest(keys: Integers, values: Floats, orders: Integers, k: int) -> tuple[Integers, Integers]:
    """Positions and ranks (from 0) of the `k` entries with the largest values of each key, by key and rank.

    Among equal values the smaller order comes first.
    """
    positions = np.lexsort((orders, -values, keys))
    in_order = keys[positions]
    is_first = np.ones(len(keys), dtype=bool)
    is_first[1:] = in_order[1:] != in_order[:-1]
    starts = np.flatnonzero(is_first)
    ranks = np.arange(len(keys)) - np.repeat(starts, np.diff(np.append(starts, len(keys))))
    keep = ranks < k
    return positions[keep], ranks[keep]


class TopImages:
    """The `k` strongest images of each latent so far; fewer where fewer activate it, and never padded.

    An image is compared with the weakest that a latent keeps, all latents at once: nearly every one is rejected there.
    """

    def __init__(self, n_latents: int, k: int) -> None:
        """Nothing seen yet; memory is 12 k bytes per latent, whatever comes."""
        self.k = k
        self._values = np.zeros((n_latents, k), np.float32)
        self._orders = np.full((n_latents, k), _NOBODY)

    def update(self, latents: Integers, values: Floats, orders: Integers) -> None:
        """Offer one entry an (image, latent) with an activation above 0.

        `orders` are different integers for different images, in the order of their ids; no (image, latent) may be
        offered twice.
        """
        last = self._values[latents, -1]
        better = (values > last) | ((values == last) & (orders < self._orders[latents, -1]))
        if not better.any():
            return
        latents, values, orders = latents[better], values[better], orders[better]
        touched = np.unique(latents)
        kept, slots = np.nonzero(self._values[touched] > 0)
        kept = touched[kept]
        latents = np.concatenate([kept, latents])
        values = np.concatenate([self._values[kept, slots], values])
        orders = np.concatenate([self._orders[kept, slots], orders])
        positions, ranks = strongest(latents, values, orders, self.k)
        self._values[latents[positions], ranks] = values[positions]
        self._orders[latents[positions], ranks] = orders[positions]

    def merge(self, other: "TopImages") -> None:
        """Offer everything that another pass over other images kept; ConfigError where it kept fewer of each."""
        if other.k < self.k:
            raise ConfigError(f"{other.k} references of a part cannot fill {self.k} of the whole; keep as many in both")
        self.update(*other.entries()[:3])

    def entries(self) -> tuple[Integers, Floats, Integers, Integers]:
        """Latents, values, orders and ranks of all that is kept, by latent and rank."""
        latents, ranks = np.nonzero(self._values > 0)
        return latents, self._values[latents, ranks], self._orders[latents, ranks], ranks
