"""An image that the user brings, for figure 3: the only part of the figures that needs torch."""

from pathlib import Path

import numpy as np

from cytosae_core.atlas.atlas import LatentAtlas
from cytosae_core.atlas.build.explain import Explainer
from cytosae_core.backbone.choose import BackboneChoice, choose_backbone
from cytosae_core.figures.attribution import Explained
from cytosae_core.figures.choose import strongest_patches
from cytosae_core.figures.inputs import noise_filter
from cytosae_core.geometry import grid_of
from cytosae_core.images.simulated import says_simulated
from cytosae_core.images.transforms import read_rgb
from cytosae_core.sae.checkpoint import read_checkpoint


def own_image(
    atlas: LatentAtlas, path: Path, sae: Path, *, backbone: str, weights: Path | None, block: int
) -> Explained:
    """The image in `path`, explained by the SAE; raises like `Explainer`, and ImageError for an unreadable file."""
    choice = BackboneChoice(backbone=backbone, weights=weights)
    explainer = Explainer(atlas, read_checkpoint(sae), choose_backbone(choice), block, noise_filter(atlas))
    found = explainer.open(path)

    def strongest(n: int) -> list[tuple[int, int]]:
        return strongest_patches(*found.encoder.strongest_latents(found.tokens[1:], found.keep, 1), n)

    return Explained(
        name=path.name,
        picture=np.asarray(read_rgb(path)),
        grid=grid_of(len(found.tokens)),
        strongest=strongest,
        explain=found.patch,
        map=found.map,
        simulated=says_simulated(path),
    )
