"""How often and how strongly each latent is active, image by image in constant memory, in any order and any parts."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cytosae_core import method
from cytosae_core.atlas.build import exact_sum
from cytosae_core.atlas.build.activations import ImageActivations
from cytosae_core.errors import ConfigError


@dataclass
class LatentStatistics:
    """Counts and sums of one data set, with their denominator; equal for every order and division of the images."""

    n_images: int
    """Images looked at."""
    n_active: npt.NDArray[np.int64]
    """(n_latents,) images with an activation above 0."""
    sums: npt.NDArray[np.int64]
    """(2, n_latents) summed activation, as `exact_sum` keeps it."""

    @classmethod
    def empty(cls, n_latents: int) -> "LatentStatistics":
        """Nothing seen yet."""
        return cls(0, np.zeros(n_latents, np.int64), np.zeros((2, n_latents), np.int64))

    @property
    def n_latents(self) -> int:
        """Number of latents."""
        return len(self.n_active)

    @property
    def sum_activation(self) -> npt.NDArray[np.float64]:
        """(n_latents,) sum over images of A_i[s]."""
        return exact_sum.total(self.sums)

    @property
    def mean_activation(self) -> npt.NDArray[np.float64]:
        """(n_latents,) m[s]; NaN where there are no active images."""
        return method.mean_activation(self.sum_activation, self.n_active)

    def update(self, batch: ImageActivations) -> None:
        """Add images; the time it takes does not depend on how many there were before."""
        active = batch.active()
        self.n_images += batch.n_images
        self.n_active += np.bincount(active.latent, minlength=self.n_latents)
        for sums, units in zip(self.sums, exact_sum.split(active.activation), strict=True):
            np.add.at(sums, active.latent, units)

    def merge(self, other: "LatentStatistics") -> None:
        """Add what another pass over other images of the same data set found; ConfigError for another SAE's."""
        if other.n_latents != self.n_latents:
            raise ConfigError(f"statistics of {other.n_latents} and {self.n_latents} latents are of different SAEs")
        self.n_images += other.n_images
        self.n_active += other.n_active
        self.sums += other.sums
