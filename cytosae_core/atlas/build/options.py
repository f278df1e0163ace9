"""What a build of an atlas is asked for; free of torch."""

from dataclasses import dataclass, field
from typing import Any

from cytosae_core.atlas.definitions import Definitions
from cytosae_core.atlas.noise import NoiseFilter
from cytosae_core.atlas.pictures import MAX_SIDE
from cytosae_core.errors import ConfigError


@dataclass(frozen=True)
class BuildConfig:
    """How an atlas is made of tokens."""

    definitions: Definitions = field(default_factory=Definitions)
    """What the numbers mean."""
    noise: NoiseFilter = field(default_factory=NoiseFilter)
    """Latents that never explain a patch."""
    part_images: int = 256
    """Images in a part: the work that a killed run loses at most."""
    barcodes_of: str | None = None
    """Data set whose patients get barcodes; the one with patients and diagnoses by default."""
    image_barcodes: bool = False
    """Keep the barcode of every single image too: some 10 kB each."""
    maps: bool = True
    """Keep the patch maps of the reference images, which takes a second look at them: 512 bytes each."""
    n_patch_latents: int = 5
    """Latents kept for each patch of the images with pictures, strongest first; 0: none."""
    all_pictures: bool = False
    """Make pictures for the references of all latents, not only those above 10^-3 on any data set."""
    max_missing: int | None = None
    """Refuse the atlas when more reference images than this cannot be shown; no limit by default."""
    max_side: int = MAX_SIDE
    """Longer side in pixels above which a picture is reduced; nothing is ever enlarged."""
    n_workers: int | None = None
    """Processes that make pictures; all cores by default."""
    machine: int = 0
    """Number of this machine among `n_machines` that share no disk."""
    n_machines: int = 1
    """Machines; each does its share of the parts and stops. Bring the hidden folders together and run without this."""

    def __post_init__(self) -> None:
        """Raise ConfigError for values that cannot work."""
        if self.part_images < 1:
            raise ConfigError(f"part_images is {self.part_images}; a part needs at least 1 image")
        if not 0 <= self.n_patch_latents <= 100:
            raise ConfigError(f"n_patch_latents is {self.n_patch_latents}; keep 0 to 100 latents of a patch")
        if not 0 <= self.machine < self.n_machines:
            raise ConfigError(f"machine {self.machine} of {self.n_machines}: they are counted from 0")
        if self.max_side < 32:
            raise ConfigError(f"max_side is {self.max_side} px; nobody can judge a cell below 32 px")
        if self.n_workers is not None and self.n_workers < 1:
            raise ConfigError(f"n_workers is {self.n_workers}; it must be at least 1")

    def to_document(self) -> dict[str, Any]:
        """What decides the numbers, as plain values: how the work is shared is no part of it."""
        return {
            "definitions": self.definitions.to_document(),
            "image_barcodes": self.image_barcodes,
            "maps": self.maps,
            "n_patch_latents": self.n_patch_latents,
            "all_pictures": self.all_pictures,
            "max_side": self.max_side,
            "max_missing": self.max_missing,
        }
