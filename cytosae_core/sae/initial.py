"""Weights before the first step: Kaiming-uniform matrices, unit decoder rows, b_dec at the middle of a batch."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from cytosae_core.sae.config import BiasStart, SaeConfig
from cytosae_core.sae.model import SparseAutoencoder, renormalise_rows

N_ITERATIONS = 100
"""Weiszfeld iterations at most, as published."""
NEAREST = 1e-6
"""Distances below this count as this, so that a median on a point stays finite; as published."""
TOLERANCE = 1e-20
"""Relative change of the mean distance at which the iteration ends; as published, hence at the last bit."""


def initial_sae(config: SaeConfig, first_batch: Tensor, generator: torch.Generator) -> SparseAutoencoder:
    """A fresh autoencoder on the CPU; `first_batch` (n_images, n_tokens, d_in) or (n, d_in) places b_dec.

    Kaiming-uniform of the shapes as stored: bounds sqrt(6 / d_sae) for W_enc and sqrt(6 / d_in) for W_dec.
    """
    sae = SparseAutoencoder(config.d_in, config.d_sae, config.torch_dtype)
    with torch.no_grad():
        nn.init.kaiming_uniform_(sae.W_enc, generator=generator)
        nn.init.kaiming_uniform_(sae.W_dec, generator=generator)
        renormalise_rows(sae.W_dec)
        sae.b_dec.copy_(BIAS_STARTS[config.b_dec_init](first_batch))
    return sae


def mean_token(tokens: Tensor) -> Tensor:
    """Mean (d_in,) of all tokens (..., d_in)."""
    return tokens.flatten(0, -2).mean(dim=0)


def median_token(tokens: Tensor) -> Tensor:
    """Geometric median (d_in,) of all tokens (..., d_in), as the paper says."""
    return geometric_median(tokens.flatten(0, -2))


def median_image(tokens: Tensor) -> Tensor:
    """Released: the matrix of every image (n_images, n_tokens, d_in) is a point; their median is averaged over tokens.

    Of tokens (n, d_in) without images every token is a point, as in the released code.
    """
    median = geometric_median(tokens.flatten(1))  # (n_tokens * d_in,)
    return median.reshape(-1, tokens.shape[-1]).mean(dim=0)  # (d_in,)


def geometric_median(points: Tensor) -> Tensor:
    """The point (d,) with the least mean distance to the points (n, d), by Weiszfeld's iteration from their mean."""
    median = points.mean(dim=0)  # (d,)
    distances = _distances(points, median)  # (n,)
    for _ in range(N_ITERATIONS):
        weights = 1 / distances.clamp(min=NEAREST)  # (n,)
        median = weights @ points / weights.sum()  # (d,)
        before, distances = distances.mean(), _distances(points, median)
        if torch.abs(before - distances.mean()) <= TOLERANCE * distances.mean():
            break
    return median


def _distances(points: Tensor, centre: Tensor) -> Tensor:
    distances: Tensor = torch.linalg.vector_norm(points - centre, dim=1)  # (n,)
    return distances


BIAS_STARTS: Mapping[BiasStart, Callable[[Tensor], Tensor]] = {
    "geometric_median_released": median_image,
    "geometric_median": median_token,
    "mean": mean_token,
}
"""How b_dec starts, by the name in the configuration."""
