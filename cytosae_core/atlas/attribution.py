"""What explains a patch: its active latents without the noise, strongest first, with their reference images.

The CytoSAE paper's figure 3. Maps are shown on one colour scale per latent, over all images shown: a scale for each
image would make weak cells look as hot as strong ones.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from cytosae_core import geometry
from cytosae_core.atlas.atlas import LatentAtlas
from cytosae_core.errors import ConfigError

N_SHOWN = 2
"""Latents that the paper shows for a patch."""


class PatchExplanation(NamedTuple):
    """The strongest latents of one patch."""

    latents: pd.DataFrame
    """rank (from 0), latent, activation at the patch, scale (the end of the latent's colour scale); strongest first."""
    references: pd.DataFrame
    """Their reference images, as `LatentAtlas.references` gives them, in the order of `latents`."""


def explain_patch(atlas: LatentAtlas, image_id: str, row: int, col: int, n: int = N_SHOWN) -> PatchExplanation:
    """What explains the patch (from the upper left, from 0) of a reference image; no torch.

    Raises ArtifactError when the atlas has no patches of the image, ConfigError for a patch outside of it or an `n`
    beyond what the atlas keeps.
    """
    latents, values = atlas.patch_latents(image_id)
    if not 1 <= n <= latents.shape[1]:
        raise ConfigError(f"n is {n}; the atlas keeps the {latents.shape[1]} strongest latents of a patch")
    patch = patch_index(row, col, len(latents))
    return explanation(atlas, latents[patch][:n], values[patch][:n])


def patch_index(row: int, col: int, n_patches: int) -> int:
    """Index of a patch among the patches of an image; ConfigError where there is none."""
    return geometry.token_index(row, col, geometry.grid_of(n_patches + 1)) - 1


def explanation(
    atlas: LatentAtlas, latents: npt.NDArray[np.integer], values: npt.NDArray[np.floating]
) -> PatchExplanation:
    """The table of these latents, strongest first (-1: none), with scales and references from the atlas."""
    found = latents[latents >= 0].tolist()
    table = pd.DataFrame(
        {
            "rank": np.arange(len(found)),
            "latent": np.array(found, np.int64),
            "activation": values[latents >= 0].astype(np.float64),
            "scale": [atlas.map_scale(latent) for latent in found],
        }
    )
    table["scale"] = np.maximum(table["scale"].astype(np.float64), table["activation"])
    references = [atlas.references(latent) for latent in found] or [atlas.references(0).iloc[:0]]
    return PatchExplanation(table, pd.concat(references, ignore_index=True))
