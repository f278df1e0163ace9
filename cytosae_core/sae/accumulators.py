"""Sums that hold in memory what an evaluation needs of all tokens: O(d_in + d_sae), however many tokens come by."""

import math

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cytosae_core import method

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


class SpreadSums:
    """Mean and squared distance from it, per dimension, in float64 (Chan, Golub and LeVeque 1983: parallel Welford)."""

    def __init__(self, d_in: int) -> None:
        """Start with no tokens of width d_in."""
        self.n_tokens = 0
        self.mean: Floats = np.zeros(d_in)
        self.squares: Floats = np.zeros(d_in)

    def update(self, x: Tensor) -> None:
        """Add tokens (n_tokens, d_in)."""
        x = x.double()  # (n, d_in)
        mean = x.mean(0)
        squares = (x - mean).square_().sum(0).cpu().numpy()
        n_new, n_all = x.shape[0], self.n_tokens + x.shape[0]
        shift = mean.cpu().numpy() - self.mean
        self.squares += squares + shift**2 * (self.n_tokens * n_new / n_all)
        self.mean += shift * (n_new / n_all)
        self.n_tokens = n_all

    @property
    def total(self) -> float:
        """Sum over tokens of ||x - mean(x)||^2."""
        return float(self.squares.sum())


class ErrorSums:
    """Sums of the reconstruction error over tokens, in float64."""

    def __init__(self) -> None:
        """Start with no tokens."""
        self.n_values = 0
        self.squares = self.squares_over_norm = self.token_squares = 0.0

    def update(self, x: Tensor, x_hat: Tensor) -> None:
        """Add tokens and their reconstructions, both (n_tokens, d_in)."""
        error = (x_hat - x).square_().sum(-1, dtype=torch.float64)  # (n,)
        norm = torch.linalg.vector_norm(x, dim=-1, dtype=torch.float64)  # (n,)
        self.n_values += x.numel()
        self.squares += float(error.sum())
        self.squares_over_norm += float((error / norm).sum())
        self.token_squares += float(norm.square().sum())


class LatentSums:
    """What each latent did: tokens and images on which it fired, and the sum of its image activations."""

    def __init__(self, d_sae: int) -> None:
        """Start with no images; `tokens_with[k]` counts tokens on which exactly k latents are active."""
        self.n_images = self.n_tokens = 0
        self.n_active_tokens: Counts = np.zeros(d_sae, np.int64)
        self.n_active_images: Counts = np.zeros(d_sae, np.int64)
        self.activation: Floats = np.zeros(d_sae)
        self.tokens_with: Counts = np.zeros(d_sae + 1, np.int64)

    def update(self, z: Tensor) -> None:
        """Add the activations of some images, (n_images, n_tokens, d_sae)."""
        for image in z:
            self._add_image(image)

    def _add_image(self, z: Tensor) -> None:
        # Ones in the type of z: torch sums these seven times as fast as booleans, and counts below 2^24 are exact.
        is_active = z.sign()  # (n_tokens, d_sae)
        image_activation = z.sum(0)  # (d_sae,)
        self.n_images += 1
        self.n_tokens += len(z)
        self.n_active_tokens += is_active.sum(0).long().cpu().numpy()
        self.n_active_images += (image_activation > 0).cpu().numpy()
        self.activation += (image_activation.double() / len(z)).cpu().numpy()
        self.tokens_with += torch.bincount(is_active.sum(1).long(), minlength=len(self.tokens_with)).cpu().numpy()

    @property
    def l0(self) -> float:
        """Mean number of active latents per token."""
        return float(self.n_active_tokens.sum()) / self.n_tokens

    def l0_percentile(self, percent: int) -> int:
        """The least k such that at least `percent` % of the tokens have at most k active latents."""
        rank = max(math.ceil(percent * self.n_tokens / 100), 1)
        return int(np.searchsorted(np.cumsum(self.tokens_with), rank))

    @property
    def mean_activation(self) -> Floats:
        """(d_sae,) m[s] of `method.mean_activation`; NaN for a latent that is active on no image."""
        return method.mean_activation(self.activation, self.n_active_images)
