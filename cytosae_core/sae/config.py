"""Everything that decides what a training run computes, and the configuration of the published run."""

from dataclasses import dataclass
from typing import Literal, get_args

import torch

from cytosae_core.errors import ConfigError

BiasStart = Literal["geometric_median_released", "geometric_median", "mean"]
ErrorForm = Literal["released", "plain"]
BatchForm = Literal["images", "tokens"]
BatchOrder = Literal["fixed", "reshuffled"]
FloatType = Literal["float32", "float64"]

_CHOICES = {"b_dec_init": BiasStart, "mse": ErrorForm, "batches": BatchForm, "order": BatchOrder, "dtype": FloatType}
_AT_LEAST_ONE = (
    "d_in", "expansion", "dead_window", "warm_up_steps", "batch_images", "n_images", "checkpoint_every",
    "evaluate_every",
)  # fmt: skip


@dataclass(frozen=True)
class SaeConfig:
    """How a sparse autoencoder is trained; the defaults are those of the published run (`paper`)."""

    d_in: int = 768
    """Width of a token."""
    expansion: int = 64
    """Latents per dimension of a token: d_sae = expansion x d_in."""
    b_dec_init: BiasStart = "geometric_median_released"
    """Start of b_dec, from the batch before the first: geometric median with every image as one point, averaged over
    its tokens; geometric median of the tokens; or their mean."""
    l1_coefficient: float = 8e-5
    """Weight of the L1 term; calibrated to the released form of the error."""
    mse: ErrorForm = "released"
    """Reconstruction error (`method.loss`): released (mean of squares over the token's norm) or plain (their sum)."""
    ghost_gradients: bool = True
    """Whether dead latents get gradients from a reconstruction of the residual."""
    dead_window: int = 64
    """Consecutive forward passes without firing after which a latent counts as dead."""
    learning_rate: float = 4e-4
    """Adam's learning rate after the warm-up."""
    warm_up_steps: int = 500
    """Steps over which the learning rate rises in proportion; constant afterwards (1: no warm-up)."""
    batch_images: int = 64
    """Images in a batch, or as many tokens as they have."""
    batches: BatchForm = "images"
    """Batches of whole images (released), or of tokens shuffled over all images."""
    order: BatchOrder = "fixed"
    """Whether every pass over the data takes the same shuffled order (released) or a new one."""
    n_images: int = 1_000_000
    """Images to see in all, passes over the data included; whole batches, so the last one may go over."""
    seed: int = 42
    """Seed of the initial weights and of the order of the data."""
    dtype: FloatType = "float32"
    """Number format of weights and arithmetic."""
    checkpoint_every: int = 500
    """Steps between two checkpoints: the work that a killed run loses at most."""
    evaluate_every: int = 500
    """Steps between two evaluations on the held-out images; there is one at the end in any case."""

    def __post_init__(self) -> None:
        for name in _AT_LEAST_ONE:
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} {getattr(self, name)}: must be at least 1")
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in get_args(choices):
                raise ConfigError(f"{name} {getattr(self, name)!r}: must be one of {', '.join(get_args(choices))}")
        if not self.learning_rate > 0:
            raise ConfigError(f"learning_rate {self.learning_rate}: must be above 0")
        if not self.l1_coefficient >= 0:
            raise ConfigError(f"l1_coefficient {self.l1_coefficient}: must not be negative")
        if self.seed < 0:
            raise ConfigError(f"seed {self.seed}: must not be negative")

    @property
    def d_sae(self) -> int:
        """Number of latents."""
        return self.expansion * self.d_in

    @property
    def n_steps(self) -> int:
        """Training steps in all."""
        return -(-self.n_images // self.batch_images)

    @property
    def torch_dtype(self) -> torch.dtype:
        """The precision, as torch names it."""
        return torch.float64 if self.dtype == "float64" else torch.float32


def paper(d_in: int = 768) -> SaeConfig:
    """The run that made the published SAE: 15,625 steps of 64 images on DinoBloom-B, block 11, 49,152 latents.

    Where the paper (MICCAI 2025) and the authors' code differ, this follows the code:

    - error: the code divides the squared error by the token's norm and takes the mean over the width; the paper sums
      it. The coefficients fit the code's form only.
    - b_dec: the paper takes the geometric median of the training tokens; the code that of one batch, each image's
      whole matrix being one point, averaged over its 257 rows. That batch is not trained on in the first pass.
    - length: the option is called training tokens (1,000,000), and counts images.
    - order: shuffled once, then the same in every pass (about 24 over MLL23), without augmentation. The order itself
      cannot be had again: it depends on the authors' file list and on their version of the data library.
    - images: paper and data set say 41,906; the released tables were made from 41,621.
    - warm-up: the option is parsed and ignored, which changes nothing, since the fixed value is 500, too.
    - the paper's option 'mean' is taken over images only in the code, which gives b_dec the wrong shape; 'mean' here is
      over all tokens.
    """
    return SaeConfig(d_in=d_in)


PAPER = paper()
"""The published run, on tokens of DinoBloom-B."""
