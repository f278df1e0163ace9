"""What the numbers of an atlas mean: every choice that the method leaves open, once, and in words for the manifest.

The formulas are those of `method.py`, over the tokens that are chosen here: `method.image_activation` or
`method.image_barcode` for the one number A_i[s] of an image, then `method.activated_frequency`,
`method.mean_activation` and `method.label_entropy`. (The released code takes the mean over all tokens for A, and counts
all tokens.)
"""

from dataclasses import asdict, dataclass
from typing import Literal

from cytosae_core.atlas.barcodes import TOKENS
from cytosae_core.errors import ConfigError
from cytosae_core.method import LOG10_THRESHOLD, N_REFERENCES, TAU

Activation = Literal["mean", "count"]


@dataclass(frozen=True)
class Definitions:
    """The choices; the defaults are those of the released tables for A, and of the paper's text for barcodes."""

    activation: Activation = "mean"
    """What makes the one number of an image: the mean over its tokens, or the count of tokens above `tau`."""
    cls_in_mean: bool = True
    """Whether CLS is part of the mean, as in the released tables."""
    cls_in_counts: bool = False
    """Whether CLS is counted, as in the released patient counts; the paper counts patches."""
    tau: float = TAU
    """A token counts when its activation is above this."""
    n_references: int = N_REFERENCES
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


def pictures_of(*, all_latents: bool) -> str:
    """What the manifest says in `config.pictures_of`."""
    return "all latents" if all_latents else f"latents above 10^{LOG10_THRESHOLD:g} on any data set"
