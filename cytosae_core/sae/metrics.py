"""How good a sparse autoencoder is on images it was not trained on; each formula stands at its figure.

x: tokens, x_hat: their reconstructions, z: activations of the latents, N: tokens, norms over the width of a token.
Activations exist for one batch of images at a time.
"""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor

from cytosae_core import method
from cytosae_core.errors import AnalysisError, ConfigError
from cytosae_core.sae.accumulators import ErrorSums, LatentSums, SpreadSums
from cytosae_core.sae.model import SparseAutoencoder
from cytosae_core.tokens.source import TokenSource, in_order

RARE_FREQUENCY = 1e-4
"""A latent that fires, but on less than this share of the tokens, is rare."""
ALWAYS_ON_FREQUENCY = 0.5
"""A latent that is active on more than this share of the images is always on."""
_ROUNDING = 1e-20
"""Spread, relative to the tokens' squares, that float64 rounding can make out of equal tokens."""


@dataclass(frozen=True)
class Evaluation:
    """Figures of one autoencoder on one set of images; all are finite."""

    n_images: int
    """Images."""
    n_tokens: int
    """Tokens, CLS included."""
    mse: float
    """Mean over tokens and dimensions of (x_hat - x)^2."""
    mse_released: float
    """Mean over tokens and dimensions of (x_hat - x)^2 / ||x||: the term of the released loss."""
    l1: float
    """Mean over tokens of sum_s |z_s|, without the coefficient, so that runs with several coefficients compare."""
    l0: float
    """Mean over tokens of the number of latents with z_s > 0."""
    l0_p5: int
    """The least k such that at least 5 % of the tokens have at most k active latents."""
    l0_p25: int
    """The same for 25 %."""
    l0_p50: int
    """The same for 50 %: the (lower) median."""
    l0_p75: int
    """The same for 75 %."""
    l0_p95: int
    """The same for 95 %."""
    explained_variance: float
    """1 - sum ||x - x_hat||^2 / sum ||x - mean(x)||^2, mean(x) per dimension over these tokens: 0 for a constant."""
    explained_variance_released: float
    """1 - sum ||x - x_hat||^2 / sum ||x||^2, not centred, as in the released code: a constant scores well."""
    dead_share: float
    """Share of the latents that fire on none of these tokens."""
    rare_share: float
    """Share of the latents that fire, but on less than RARE_FREQUENCY of the tokens."""
    always_on_share: float
    """Share of the latents that are active on more than ALWAYS_ON_FREQUENCY of the images."""
    n_concepts: int
    """Latents with `method.high_activation`, image activations being the mean over all tokens, CLS included
    (released)."""

    def values(self) -> dict[str, float]:
        """All figures by name, as an observer takes them."""
        return {name: float(value) for name, value in asdict(self).items()}


@torch.no_grad()
def evaluate(sae: SparseAutoencoder, tokens: TokenSource, *, batch_images: int = 4) -> Evaluation:
    """All figures of the autoencoder on these images; memory grows with `batch_images`, the figures do not change.

    Raises AnalysisError when there are no tokens, or no spread to be explained.
    """
    errors, spread, latents = ErrorSums(), SpreadSums(sae.d_in), LatentSums(sae.d_sae)
    for x in _batches(sae, tokens, batch_images):
        z = sae.encode(x)  # (n_images, n_tokens, d_sae)
        flat = x.flatten(0, 1)  # (n_images * n_tokens, d_in)
        errors.update(flat, sae.decode(z).flatten(0, 1))
        spread.update(flat)
        latents.update(z)
    return _figures(errors, spread, latents)


def _batches(sae: SparseAutoencoder, tokens: TokenSource, batch_images: int) -> Iterator[Tensor]:
    if tokens.shape[2] != sae.d_in:
        raise ConfigError(
            f"tokens of shape {tokens.shape}: the SAE needs (n_images, n_tokens, {sae.d_in}); give its tokens"
        )
    for rows, part in in_order(tokens, batch_images):
        x = torch.as_tensor(part)
        if not bool(x.isfinite().all()):
            raise AnalysisError(
                f"the tokens of the held-out images {rows.start} to {rows.stop - 1} hold a NaN or infinite value; "
                "check the token store: TokenStore.verify() finds changed files"
            )
        yield x.to(sae.W_enc.device, sae.W_enc.dtype)


def _figures(errors: ErrorSums, spread: SpreadSums, latents: LatentSums) -> Evaluation:
    check_spread(spread)
    if not math.isfinite(errors.squares_over_norm):
        raise AnalysisError(
            f"the reconstruction error is {errors.squares_over_norm}: a weight is not finite, or a token is 0 "
            "throughout; train again with a lower learning rate, or check the token store"
        )
    d_sae = len(latents.activation)
    token_share = latents.n_active_tokens / latents.n_tokens
    is_dead = latents.n_active_tokens == 0
    return Evaluation(
        n_images=latents.n_images,
        n_tokens=latents.n_tokens,
        mse=errors.squares / errors.n_values,
        mse_released=errors.squares_over_norm / errors.n_values,
        l1=float(latents.activation.sum()) / latents.n_images,
        l0=latents.l0,
        l0_p5=latents.l0_percentile(5),
        l0_p25=latents.l0_percentile(25),
        l0_p50=latents.l0_percentile(50),
        l0_p75=latents.l0_percentile(75),
        l0_p95=latents.l0_percentile(95),
        explained_variance=1 - errors.squares / spread.total,
        explained_variance_released=1 - errors.squares / errors.token_squares,
        dead_share=int(is_dead.sum()) / d_sae,
        rare_share=int((~is_dead & (token_share < RARE_FREQUENCY)).sum()) / d_sae,
        always_on_share=int((latents.n_active_images > ALWAYS_ON_FREQUENCY * latents.n_images).sum()) / d_sae,
        n_concepts=int(method.high_activation(latents.mean_activation).sum()),
    )


def check_spread(spread: SpreadSums) -> None:
    """Raise AnalysisError when the tokens have no spread, so that no share of it can be explained."""
    if spread.n_tokens == 0:
        raise AnalysisError("there are no held-out images; hold out at least one")
    if spread.total <= _ROUNDING * spread.n_tokens * float(np.square(spread.mean).sum()):
        raise AnalysisError(
            f"the {spread.n_tokens} held-out tokens are all the same, so there is no variance to explain; "
            "check the token store, or hold out other images"
        )
