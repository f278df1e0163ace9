"""Everything that decides what the steps make; free of torch."""

from dataclasses import asdict, dataclass
from pathlib import Path

from cytosae_core.artifacts.files import sha256_of
from cytosae_core.artifacts.manifest import digest_of
from cytosae_core.errors import ConfigError
from cytosae_core.method import LOG10_THRESHOLD, N_DIFFERENTIAL
from cytosae_core.simulated.cells.writing import RENDERING_VERSION

_WEIGHTS = Path(__file__).parents[1] / "backbone" / "weights" / "cytosae-small.safetensors"


@dataclass(frozen=True)
class PipelineSettings:
    """The settings of all steps; the defaults are those of the demo, minutes on two cores."""

    seed: int = 0
    """Of the cells, the autoencoder, the folds and the bootstrap."""
    n_patients: int = 8
    """Rendered patients of each of the five groups."""
    cells_per_patient: int = 40
    """Rendered cells of each patient."""
    min_images: int = 200
    """Images below which no autoencoder is trained: its latents would mean nothing."""
    backbone: str = "cytosae-small"
    """The shipped vision transformer."""
    block: int = 11
    """Block whose tokens are used, counted from 1."""
    expansion: int = 16
    """Latents per dimension of a token."""
    l1_coefficient: float = 6e-4
    """Weight of the L1 term."""
    learning_rate: float = 1e-3
    """Adam's learning rate after the warm-up: more than the paper's, for a short run."""
    warm_up_steps: int = 50
    """Steps over which the learning rate rises."""
    batch_images: int = 4
    """As many tokens as these images have make a batch: small ones, for many steps in a short run."""
    n_trained_images: int = 6000
    """Images to see in all, passes over the data included; two passes where there are more images."""
    max_trained_images: int = 24_000
    """Images to see at most."""
    checkpoint_every: int = 200
    """Steps between two checkpoints: seconds of work that a killed run loses at most."""
    held_out_share: float = 0.02
    """Share of the images on which the autoencoder is evaluated and never trained."""
    n_seeds: int = 3
    """Shuffles of the patients in the classification."""
    n_permutations: int = 99
    """Times that groups are dealt anew, for the test against chance."""
    thresholds: tuple[float, ...] = (LOG10_THRESHOLD - 1, LOG10_THRESHOLD, LOG10_THRESHOLD + 1)
    """log10 of the mean activation above which latents are used: the sweep."""
    n_differential: int = N_DIFFERENTIAL
    """Differential latents of each direction."""
    n_bootstrap: int = 200
    """Samples of patients behind the stability of the differential latents."""

    def __post_init__(self) -> None:
        """Raise ConfigError for values that cannot work."""
        for name in ("n_patients", "cells_per_patient", "min_images", "n_differential"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be at least 1")

    def images_to_see(self, n_images: int) -> int:
        """Images that the autoencoder sees in all, when it is trained on so many."""
        return min(max(self.n_trained_images, 2 * n_images), max(self.max_trained_images, self.n_trained_images))

    def digest(self, of_images: str) -> str:
        """12 hex digits: equal only where the same settings, weights and images would give the same results."""
        return digest_of([asdict(self), sha256_of(_WEIGHTS), RENDERING_VERSION, of_images], is_spaced=True)[:12]


DEMO = PipelineSettings()
"""What start.sh makes without arguments, and of a user's own cells."""
