"""What the atlases of a merge agree on about `patches/`, as a build of the whole would have been told it."""

from collections.abc import Sequence
from dataclasses import dataclass

from cytosae_core.atlas.atlas import LatentAtlas
from cytosae_core.atlas.noise import NoiseFilter, filter_of_whole


@dataclass(frozen=True)
class PatchRule:
    """Which lists a build of the whole would have made."""

    noise: NoiseFilter | None
    """With the data set's name; None: the atlases do not agree on what noise is."""
    n: int
    """Latents of a patch: the fewest that an atlas with any has; 0: none has."""
    all_pictures: bool
    """Whether the references of all latents count, not only of those of interest."""

    @classmethod
    def of(cls, atlases: Sequence[LatentAtlas], names: Sequence[str]) -> "PatchRule":
        """What the manifests say; `names` are the data sets of the whole."""
        filters = [
            (noise, [info.name for info in atlas.datasets])
            for atlas in atlases
            if (noise := NoiseFilter.of_config(atlas.manifest.config)) is not None
        ]
        lengths = [int(atlas.manifest.config.get("n_patch_latents", 0)) for atlas in atlases]
        return cls(
            filter_of_whole(filters, names),
            min((n for n in lengths if n), default=0),
            any(atlas.manifest.config.get("all_pictures", False) for atlas in atlases),
        )

    def to_document(self) -> dict[str, object]:
        """For `config` of the manifest, in the words of a build."""
        noise: dict[str, object] = {}
        if self.noise is not None:
            noise = {"noise_of": self.noise.dataset, "max_noise": self.noise.max_mean_activation}
        return {**noise, "n_patch_latents": self.n, "all_pictures": self.all_pictures}
