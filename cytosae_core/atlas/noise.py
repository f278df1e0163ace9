"""Latents that are active nearly everywhere explain nothing: they are left out before those of a patch are ranked.

The rule of the released code: a latent is noise when its mean activation on MLL23, on which the SAE was trained, is
above 0.1. Not its frequency: that would drop nearly all latents of interest.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cytosae_core.errors import ConfigError

PUBLISHED_DATASET = "mll23"


@dataclass(frozen=True)
class NoiseFilter:
    """Which latents are noise."""

    dataset: str | None = None
    """Data set whose mean activations decide; mll23 where the atlas has it, else its first one."""
    max_mean_activation: float = 0.1
    """A latent with a larger mean activation there is noise."""

    def __post_init__(self) -> None:
        """Raise ConfigError for a limit that cannot work."""
        if not self.max_mean_activation > 0:
            raise ConfigError(f"max_mean_activation is {self.max_mean_activation}; it must be above 0, or all is noise")

    def dataset_among(self, names: Sequence[str]) -> str:
        """The data set that decides, among those of an atlas; ConfigError when the atlas has it not."""
        chosen = self.dataset or (PUBLISHED_DATASET if PUBLISHED_DATASET in names else names[0])
        if chosen not in names:
            raise ConfigError(f"noise is to be judged on {chosen!r}, which is not among {list(names)}; name another")
        return chosen

    def keep(self, mean_activation: npt.NDArray[np.floating]) -> npt.NDArray[np.bool_]:
        """(n_latents,) whether each latent is no noise; NaN, where a latent never fires, is none."""
        return ~(mean_activation > self.max_mean_activation)
