"""Randomness that can be repeated: named streams of a seed, and smooth noise at a scale in micrometres."""

import hashlib
from functools import lru_cache

import numpy as np
from scipy import sparse

from cytosae_core.simulated.cells.frame import SIDE, Array, Frame

_SPREAD = 0.4793
"""Standard deviation of a two-dimensional cubic B-spline over unit white noise, averaged over positions."""


def derive_seed(*words: object) -> int:
    """Return a seed in [0, 2**63) that depends on nothing but `words`: not on the order in which cells are rendered."""
    digest = hashlib.blake2b("\x1f".join(str(word) for word in words).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def stream(seed: int, part: str, index: int = 0) -> np.random.Generator:
    """Return the generator of one part of one cell: changing a part leaves the randomness of the others alone."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, derive_seed(part), index])))


@lru_cache(maxsize=256)
def _whole_basis(spacing: float) -> sparse.csr_array:
    """Weights (288, n_nodes) of the cubic B-spline whose nodes are `spacing` pixels apart.

    Sparse not only for speed: a dense product would go to BLAS, whose sums depend on the number of threads.
    """
    position = 1.5 + np.arange(SIDE)[:, None] / spacing
    away = np.abs(position - np.arange(_n_nodes(SIDE, spacing))[None, :])
    near = 2 / 3 - away**2 + away**3 / 2
    far = np.clip(2 - away, 0, None) ** 3 / 6
    return sparse.csr_array(np.where(away < 1, near, far))


@lru_cache(maxsize=4096)
def _basis(n_pixels: int, spacing: float) -> sparse.csr_array:
    """Return the first `n_pixels` rows, with the nodes that they need."""
    basis = _whole_basis(spacing)
    end = basis.indptr[n_pixels]
    rows = (basis.data[:end], basis.indices[:end], basis.indptr[: n_pixels + 1])
    return sparse.csr_array(rows, shape=(n_pixels, _n_nodes(n_pixels, spacing)))


def _n_nodes(n_pixels: int, spacing: float) -> int:
    return int(n_pixels / spacing) + 5


def smooth_noise(rng: np.random.Generator, frame: Frame, scale: float) -> Array:
    """Return noise (height, width) of mean 0 and standard deviation 1, in bumps about `scale` micrometres wide."""
    spacing = max(round(scale / frame.pixel * 8) / 8, 1.0)
    down, across = (_basis(n_pixels, spacing) for n_pixels in frame.shape)
    grid = rng.standard_normal((down.shape[1], across.shape[1]))
    noise: Array = down @ np.ascontiguousarray((across @ np.ascontiguousarray(grid.T)).T)
    noise /= _SPREAD
    return noise


def warped(rng: np.random.Generator, frame: Frame, scale: float, amplitude: float) -> tuple[Array, Array]:
    """Return x and y pushed about by smooth noise of standard deviation `amplitude` micrometres: organic outlines."""
    if amplitude <= 0:
        return frame.x, frame.y
    x = frame.x + amplitude * smooth_noise(rng, frame, scale)
    y = frame.y + amplitude * smooth_noise(rng, frame, scale)
    return x, y
