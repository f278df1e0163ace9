"""Which latents are shown when nobody names them, and which patches of an image."""

from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from cytosae_core.atlas.atlas import LatentAtlas
from cytosae_core.atlas.noise import NoiseFilter
from cytosae_core.errors import ConfigError
from cytosae_core.figures.plane import HIGH_ACTIVATION

Order = Literal["mean_activation", "frequency", "purest", "score"]

MIN_PICTURES = 5
"""Pictures that a latent must have in some data set: fewer say little."""


def choose_latents(
    atlas: LatentAtlas, n: int, order: Order = "mean_activation", scores: "pd.Series[float] | None" = None
) -> list[int]:
    """The first `n` latents with pictures, without noise, above the threshold of interest.

    By mean activation or frequency (largest first), label entropy (purest: lowest first) on the data set that decides
    about noise, or by `scores` latent -> score (largest first). Ties by latent number. Raises ConfigError without
    latents that have pictures, and for "score" without scores.
    """
    noise = NoiseFilter()
    table = atlas.statistics(noise.dataset_among([info.name for info in atlas.datasets]))
    mean = table["mean_activation"].to_numpy(float)
    pictures = np.max([atlas.n_pictures(info.name).to_numpy() for info in atlas.datasets], axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        fitting = noise.keep(mean) & (np.log10(mean) > HIGH_ACTIVATION)
    latents = np.flatnonzero(fitting & (pictures >= min(MIN_PICTURES, max(pictures.max(), 1))))
    if not len(latents):
        raise ConfigError("no latent of interest has pictures in this atlas; build it with --images, or name --latents")
    return [int(latent) for latent in latents[np.argsort(_keys(table, order, scores)[latents], kind="stable")][:n]]


def _keys(table: pd.DataFrame, order: Order, scores: "pd.Series[float] | None") -> npt.NDArray[np.float64]:
    """A number a latent, smallest first; those without one come last."""
    if order == "score":
        if scores is None:
            raise ConfigError("--order score needs --scores, the folder that score_attributes.py wrote")
        keys = -scores.reindex(table.index).to_numpy(float)
    elif order == "purest":
        keys = table["label_entropy"].to_numpy(float)
    else:
        keys = -table[order].to_numpy(float)
    return np.where(np.isnan(keys), np.inf, keys)


def strongest_patches(
    latents: npt.NDArray[np.integer], values: npt.NDArray[np.floating], n: int
) -> list[tuple[int, int]]:
    """Up to `n` patches (row, column) of an image, each the strongest of another latent, the strongest first.

    `latents` and `values` are (n_patches, k), strongest first, -1 where there is none.
    """
    grid = round(len(latents) ** 0.5)
    chosen: list[tuple[int, int]] = []
    seen: set[int] = set()
    for place in np.argsort(-values[:, 0], kind="stable"):
        top = int(latents[place, 0])
        if top >= 0 and top not in seen and len(chosen) < n:
            seen.add(top)
            chosen.append(divmod(int(place), grid))
    return chosen
