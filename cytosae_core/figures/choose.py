"""Which latents are shown when nobody names them, and which patches of an image."""

from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from cytosae_core.atlas.atlas import LatentAtlas
from cytosae_core.errors import ConfigError
from cytosae_core.figures.inputs import noise_filter
from cytosae_core.method import high_activation

LatentOrder = Literal["varied", "purest", "mean_activation", "frequency", "score"]

MIN_PICTURES = 5
"""Pictures that a latent must have in some data set: fewer say little."""


def choose_latents(
    atlas: LatentAtlas,
    n: int,
    order: LatentOrder = "varied",
    *,
    labels: "pd.Series[str] | None" = None,
    scores: "pd.Series[float] | None" = None,
) -> list[int]:
    """The first `n` latents with pictures, without noise, above the threshold of interest.

    On the data set that decides about noise. "varied": of each top label (`labels`: latent -> label) in turn the latent
    with the lowest label entropy; "purest": the lowest entropies of all; else by mean activation, frequency, or
    `scores` (latent -> score), the largest first. Ties by mean activation, then by latent number. Raises ConfigError
    where no latent of interest has pictures, and for "score" without scores.
    """
    table = atlas.statistics(deciding_dataset(atlas))
    keys = _keys(table, order, scores)
    mean = table["mean_activation"].to_numpy(float)
    latents = _fitting(atlas, mean)
    latents = latents[np.lexsort((latents, -mean[latents], keys[latents]))]
    if order == "varied" and labels is not None:
        of_latent = labels.reindex(latents).fillna("")
        turns = of_latent.groupby(of_latent).cumcount().to_numpy()
        latents = latents[np.argsort(turns, kind="stable")]
    return [int(latent) for latent in latents[:n]]


def deciding_dataset(atlas: LatentAtlas) -> str:
    """The data set on which noise is judged, and latents are chosen."""
    return noise_filter(atlas).dataset_among([info.name for info in atlas.datasets])


def _fitting(atlas: LatentAtlas, mean: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    pictures = np.max([atlas.n_pictures(info.name).to_numpy() for info in atlas.datasets], axis=0)
    if not pictures.any():
        raise ConfigError("no latent has pictures in this atlas; build it with --images")
    has_pictures = pictures >= min(MIN_PICTURES, pictures.max())
    fitting = noise_filter(atlas).keep(mean) & high_activation(mean) & has_pictures
    if not fitting.any():
        raise ConfigError("no latent of interest has pictures in this atlas; name some with --latents")
    return np.flatnonzero(fitting)


def _keys(table: pd.DataFrame, order: LatentOrder, scores: "pd.Series[float] | None") -> npt.NDArray[np.float64]:
    """One number per latent, smallest first; those without one come last."""
    if order == "score":
        if scores is None:
            raise ConfigError("--order score needs --scores, the folder that score_attributes.py wrote")
        keys = -scores.reindex(table.index).to_numpy(float)
    elif order in ("varied", "purest"):
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
    for patch in np.argsort(-values[:, 0], kind="stable"):
        top = int(latents[patch, 0])
        if top >= 0 and top not in seen and len(chosen) < n:
            seen.add(top)
            chosen.append(divmod(int(patch), grid))
    return chosen
