"""What figures are made of."""

from dataclasses import dataclass
from pathlib import Path

from cytosae_core.errors import ConfigError
from cytosae_core.figures.choose import LatentOrder
from cytosae_core.method import N_DIFFERENTIAL
from cytosae_core.patients.differential import Ranking


@dataclass(frozen=True, kw_only=True)
class FigureConfig:
    """Which atlas, which results, and what of them."""

    atlas: Path
    """The atlas."""
    other_atlases: tuple[Path, ...] = ()
    """Atlases of other SAEs, whose concepts are counted beside those of the first."""
    results: Path | None = None
    """Folder that classify_patients.py wrote: F1 against the threshold, confusion matrix."""
    groups: tuple[str, str] | None = None
    """The two groups of patients to be compared; the paper's CBFB::MYH11 and PML::RARA where there are such."""
    latents: tuple[int, ...] = ()
    """Latents whose reference images are shown; the first --n-latents in the --order where none are named."""
    n_latents: int = 12
    """Latents whose reference images are shown where none are named."""
    order: LatentOrder = "varied"
    """What comes first: the purest (lowest label entropy) of each label in turn, the purest of all, the strongest, the
    most frequent, or the best --scores."""
    scores: Path | None = None
    """Folder that score_attributes.py wrote, for --order score: monosemanticity of each latent."""
    image: str | None = None
    """Reference image whose patches are explained, such as acevedo/basophil/BA_100102.jpg; chosen by default."""
    own_image: Path | None = None
    """An image file of your own whose patches are explained; needs --sae and torch."""
    patches: tuple[tuple[int, int], ...] = ()
    """Rows and columns of the patches to be explained, from 0; chosen by default."""
    n_patches: int = 3
    """Patches that are explained where none are named."""
    sae: Path | None = None
    """The atlas's SAE, for --own-image."""
    backbone: str = "dinobloom-b"
    """The atlas's backbone, for --own-image."""
    weights: Path | None = None
    """Its checkpoint on this machine, for --own-image; fetched by name without it."""
    block: int = 11
    """The block that the SAE was trained on, counted from 1, for --own-image."""
    n_marked: int = N_DIFFERENTIAL
    """Latents marked in each direction between the two groups."""
    n_sheets: int = 10
    """Of these, latents in each direction whose cells are shown."""
    ranking: Ranking = "corrected"
    """released: as in the authors' code, which divides by the width of the SAE instead of the number of images."""
    min_images: int = 1
    """Patients with fewer images are left out."""
    static: bool = True
    """Whether PNG and SVG files are wanted beside the pages; kaleido (pip install kaleido) and Chromium or Chrome make
    them, in a few seconds each."""

    def __post_init__(self) -> None:
        """Raise ConfigError for numbers that cannot work, and an image without what it needs."""
        for name in ("n_latents", "n_patches", "n_marked", "n_sheets"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if self.own_image is not None and self.sae is None:
            raise ConfigError(f"{self.own_image} is to be explained by an SAE; give --sae, and its --backbone")
