"""What the numbers of an atlas mean: every choice that the method leaves open, once, and in words for the manifest.

With `h_ij[s]` the activation of latent s at token j of image i, over the tokens that were chosen:

    activation of an image   A_i[s] = mean_j h_ij[s],  or the count a_i[s]
    count of an image        a_i[s] = number of tokens with h_ij[s] > tau
    activated frequency      f[s] = share of images with A_i[s] > 0
    mean activation          m[s] = mean of A_i[s] over those images
    label entropy            H[s] = -sum p ln p, p the share of the reference images' summed A_i[s] by label

(CytoSAE, MICCAI 2025; the released code takes the mean over all tokens for A, and all tokens for a.)
"""

from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from cytosae_core.atlas.barcodes import TOKENS
from cytosae_core.errors import ConfigError

Activation = Literal["mean", "count"]
LOG10_THRESHOLD = -3.0
"""Latents above this log10 mean activation are the "high-activation" ones that the paper looks at."""


@dataclass(frozen=True)
class Definitions:
    """The choices; the defaults are those of the released tables for A, and of the paper's text for barcodes."""

    activation: Activation = "mean"
    """What makes the one number of an image: the mean over its tokens, or the count of tokens above `tau`."""
    cls_in_mean: bool = True
    """Whether CLS is part of the mean, as in the released tables."""
    cls_in_counts: bool = False
    """Whether CLS is counted, as in the released patient counts; the paper counts patches."""
    tau: float = 0.2
    """A token counts when its activation is above this."""
    n_references: int = 10
    """Reference images of a latent in a data set, at most."""
    n_patient_references: int = 3
    """Images kept of each patient for each latent, at most; 0: none."""

    def __post_init__(self) -> None:
        """Raise ConfigError for values that cannot work."""
        if not 0 <= self.tau < float("inf"):
            raise ConfigError(f"tau is {self.tau}; it must be 0 or more, since activations are never negative")
        if not 1 <= self.n_references <= 1000:
            raise ConfigError(f"n_references is {self.n_references}; keep 1 to 1000 images of a latent")
        if not 0 <= self.n_patient_references <= 100:
            raise ConfigError(f"n_patient_references is {self.n_patient_references}; keep 0 to 100 images")

    @property
    def image_activation(self) -> str:
        """What the manifest says in `image_activation`."""
        if self.activation == "count":
            return f"number of {'tokens' if self.cls_in_counts else 'patches'} above {self.tau:g}"
        return "mean over all tokens" if self.cls_in_mean else "mean over patches"

    @property
    def counted_tokens(self) -> str:
        """What the manifest says in `barcodes.tokens`."""
        return TOKENS[int(self.cls_in_counts)]

    def to_document(self) -> dict[str, object]:
        """The choices as plain values, for `config.definitions` of the manifest."""
        return asdict(self)


def of_interest(means: npt.NDArray[np.float64], *, all_latents: bool) -> npt.NDArray[np.bool_]:
    """(n_latents,) latents above the threshold on any data set, or all; means (n_datasets, n_latents), NaN: never."""
    if all_latents:
        return np.ones(means.shape[1], dtype=bool)
    return np.asarray((np.nan_to_num(means) > 10**LOG10_THRESHOLD).any(axis=0))
