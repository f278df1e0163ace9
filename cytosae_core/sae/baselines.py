"""What an autoencoder has to beat: principal components, as many as it has active latents per token.

The components and the mean come from the training tokens; variance is explained on the held-out ones, centred there,
with the formula of `metrics`: 1 - sum ||x - x_hat||^2 / sum ||x - mean(x)||^2.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from cytosae_core.errors import AnalysisError
from cytosae_core.progress import Progress, no_progress
from cytosae_core.sae.accumulators import SpreadSums
from cytosae_core.sae.metrics import check_spread
from cytosae_core.tokens.source import TokenSource, in_order

Floats = npt.NDArray[np.float64]

BATCH_IMAGES = 32
"""Images that are read at a time."""


@dataclass(frozen=True)
class PrincipalComponents:
    """Directions of largest variance of some training tokens."""

    mean: Floats
    """(d_in,) mean of the training tokens."""
    directions: Floats
    """(d_in, d_in) orthonormal rows, by falling variance of the training tokens along them."""


class CovarianceSums:
    """Mean and scatter matrix of tokens in float64, batch by batch (Chan, Golub and LeVeque 1983)."""

    def __init__(self, d_in: int) -> None:
        """Start with no tokens of width d_in."""
        self.n_tokens = 0
        self.mean: Floats = np.zeros(d_in)
        self.scatter: Floats = np.zeros((d_in, d_in))

    def update(self, x: Floats) -> None:
        """Add tokens (n_tokens, d_in)."""
        mean = x.mean(0)
        centred = x - mean  # (n, d_in)
        n_all = self.n_tokens + len(x)
        shift = mean - self.mean
        self.scatter += centred.T @ centred + np.outer(shift, shift) * (self.n_tokens * len(x) / n_all)
        self.mean += shift * (len(x) / n_all)
        self.n_tokens = n_all


def principal_components(training: TokenSource, progress: Progress = no_progress) -> PrincipalComponents:
    """The principal components of the training tokens, from their streamed covariance; `progress` counts images."""
    sums = CovarianceSums(training.shape[2])
    for x in _batches(training, progress):
        sums.update(x)
    if sums.n_tokens == 0:
        raise AnalysisError("there are no training images to take components from; give a store that holds some")
    _, directions = np.linalg.eigh(sums.scatter)  # columns, by rising eigenvalue
    return PrincipalComponents(sums.mean, np.ascontiguousarray(directions[:, ::-1].T))


def explained_by_components(
    components: PrincipalComponents, held_out: TokenSource, progress: Progress = no_progress
) -> Floats:
    """(d_in + 1,) centred explained variance of the held-out tokens by the first 0, 1, ... d_in components.

    Raises AnalysisError when the held-out tokens have no variance.
    """
    spread, explained, residual = SpreadSums(held_out.shape[2]), np.zeros(held_out.shape[2]), 0.0
    for x in _batches(held_out, progress):
        centred = x - components.mean  # (n, d_in)
        spread.update(torch.from_numpy(x))
        residual += float(np.square(centred).sum())
        explained += np.square(centred @ components.directions.T).sum(0)
    check_spread(spread)
    left: Floats = residual - np.concatenate([[0.0], np.cumsum(explained)])
    return 1 - left / spread.total


def n_components_at(l0: float, d_in: int) -> int:
    """As many components as a token has active latents, rounded; never more than there are dimensions."""
    return min(round(l0), d_in)


def _batches(tokens: TokenSource, progress: Progress) -> Iterator[Floats]:
    n_images, _, d_in = tokens.shape
    for rows, batch in in_order(tokens, BATCH_IMAGES):
        yield batch.astype(np.float64).reshape(-1, d_in)
        progress(rows.stop, n_images)
