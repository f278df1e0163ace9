"""Latents that are active nearly everywhere explain nothing: they are left out before those of a patch are ranked.

The rule of the released code: a latent is noise when its mean activation on MLL23, on which the SAE was trained, is
above 0.1. Not its frequency: that would drop nearly all latents of interest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cytosae_core.errors import ConfigError
from cytosae_core.method import NOISE_LIMIT, TRAINING_DATASET


@dataclass(frozen=True)
class NoiseFilter:
    """Which latents are noise."""

    dataset: str | None = None
    """Data set whose mean activations decide; mll23 where the atlas has it, else its first one."""
    max_mean_activation: float = NOISE_LIMIT
    """A latent with a larger mean activation there is noise."""

    def __post_init__(self) -> None:
        """Raise ConfigError for a limit that cannot work."""
        if not self.max_mean_activation > 0:
            raise ConfigError(f"max_mean_activation is {self.max_mean_activation}; it must be above 0, or all is noise")

    def dataset_among(self, names: Sequence[str]) -> str:
        """The data set that decides, among those of an atlas; ConfigError when the atlas has it not."""
        chosen = self.dataset or (TRAINING_DATASET if TRAINING_DATASET in names else names[0])
        if chosen not in names:
            raise ConfigError(f"noise is to be judged on {chosen!r}, which is not among {list(names)}; name another")
        return chosen

    @classmethod
    def of_config(cls, config: Mapping[str, Any]) -> "NoiseFilter | None":
        """The filter that the maker of an atlas used, as its manifest says; None where it does not say."""
        if "noise_of" not in config or "max_noise" not in config:
            return None
        return cls(str(config["noise_of"]), float(config["max_noise"]))

    def keep(self, mean_activation: npt.NDArray[np.floating]) -> npt.NDArray[np.bool_]:
        """(n_latents,) whether each latent is no noise; NaN, where a latent never fires, is none."""
        return ~(mean_activation > self.max_mean_activation)


def filter_of_whole(parts: Sequence[tuple[NoiseFilter, Sequence[str]]], names: Sequence[str]) -> NoiseFilter | None:
    """The filter of a build of all data sets `names`, from those of builds of parts with the data sets they had.

    A data set that a part would have taken by default was not chosen by anybody: the whole takes its own default. None
    where nobody can know: the parts have different limits, or made different choices.
    """
    limits = {part.max_mean_activation for part, _ in parts}
    chosen = {part.dataset for part, had in parts if part.dataset != NoiseFilter().dataset_among(had)}
    dataset = next(iter(chosen), None)
    ignored = any(dataset in had and part.dataset != dataset for part, had in parts)
    if len(limits) != 1 or len(chosen) > 1 or ignored:
        return None
    return NoiseFilter(NoiseFilter(dataset).dataset_among(names), limits.pop())
