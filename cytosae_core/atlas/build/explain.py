"""An image that the user brings, explained patch by patch with the latents and references of an atlas (needs torch)."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cytosae_core import geometry
from cytosae_core.atlas.atlas import LatentAtlas
from cytosae_core.atlas.attribution import N_SHOWN, PatchExplanation, explanation, patch_index
from cytosae_core.atlas.build.encode import SparseEncoder
from cytosae_core.atlas.definitions import Definitions
from cytosae_core.atlas.noise import NoiseFilter
from cytosae_core.backbone.residual import normalise_batch, tokens_at
from cytosae_core.backbone.vit import Backbone
from cytosae_core.errors import ArtifactError
from cytosae_core.images.transforms import read_rgb, resize_rgb
from cytosae_core.sae.checkpoint import Checkpoint


class Explainer:
    """Backbone, SAE and atlas that belong together."""

    def __init__(
        self, atlas: LatentAtlas, checkpoint: Checkpoint, backbone: Backbone, block: int,
        noise: NoiseFilter = NoiseFilter(),  # noqa: B008 - frozen
    ) -> None:  # fmt: skip
        """Raises ArtifactError where the atlas was made with another SAE, backbone or block."""
        _check(atlas, checkpoint, backbone, block)
        self.atlas, self._backbone, self._block = atlas, backbone, block
        self._encoder = SparseEncoder(checkpoint.weights, Definitions(), str(backbone.device))
        dataset = noise.dataset_among([info.name for info in atlas.datasets])
        self._keep = noise.keep(atlas.statistics(dataset)["mean_activation"].to_numpy())

    def open(self, path: Path) -> "ExplainedImage":
        """The image in this file; raises ImageError where it cannot be read."""
        pixels = resize_rgb(read_rgb(path), self._backbone.image_size)
        images = normalise_batch(np.stack([pixels]), self._backbone)
        tokens = tokens_at(self._backbone, images, [self._block], "float32")[self._block][0]
        return ExplainedImage(self.atlas, self._encoder, self._keep, tokens.cpu().numpy())


@dataclass(frozen=True)
class ExplainedImage:
    """The tokens of one image, to be asked."""

    atlas: LatentAtlas
    encoder: SparseEncoder
    keep: npt.NDArray[np.bool_]
    """(n_latents,) latents that are no noise."""
    tokens: npt.NDArray[np.float32]
    """(n_tokens, d_in), CLS first."""

    def patch(self, row: int, col: int, n: int = N_SHOWN) -> PatchExplanation:
        """What explains the patch (from the upper left, from 0); ConfigError for a patch outside of the image."""
        token = self.tokens[1 + patch_index(row, col, len(self.tokens) - 1)]
        latents, values = self.encoder.strongest_latents(token[None], self.keep, n)
        return explanation(self.atlas, latents[0], values[0])

    def map(self, latent: int) -> npt.NDArray[np.float32]:
        """Activations (grid, grid) of one latent at the patches; to be shown on `scale`."""
        values = self.encoder.latents(self.tokens, np.array([latent]))[:, 0]
        return np.asarray(geometry.patch_grid(values), dtype=np.float32)

    def scale(self, latent: int) -> float:
        """One end of the latent's colour scale, over this image and its references in the atlas."""
        return max(self.atlas.map_scale(latent), float(self.map(latent).max()))


def _check(atlas: LatentAtlas, checkpoint: Checkpoint, backbone: Backbone, block: int) -> None:
    if atlas.sae_id != checkpoint.sae_id:
        raise ArtifactError(
            f"{atlas.path} was made with SAE {atlas.sae_id}, and {checkpoint.sae_id} was given; give the atlas's own"
        )
    made_with: Mapping[str, Any] = atlas.manifest.config.get("datasets", {})
    for name, identity in made_with.items():
        found = (identity.get("backbone", {}).get("backbone_id"), identity.get("block"))
        if found != (None, None) and found != (backbone.backbone_id, block):
            raise ArtifactError(
                f"{atlas.path}: the tokens of {name} are of backbone {found[0]}, block {found[1]}, and backbone "
                f"{backbone.backbone_id}, block {block} was given; take those of the atlas"
            )
