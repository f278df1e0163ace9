"""Directions pooled over images, in chunks that fit in memory whatever the width of the SAE."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cytosae_core.concepts.directions import BATCH, Directions, FloatArray
from cytosae_core.geometry import PATCHES
from cytosae_core.method import image_activation
from cytosae_core.progress import Progress, no_progress
from cytosae_core.tokens.source import TokenSource, in_order

CHUNK = 1024
"""Directions of one pass over the tokens."""
NO_SPREAD = 1e-12
"""Products of standard deviations below this are rounding noise."""

Coverage = NDArray[np.float32]
"""(n_images, n_parts, 16, 16): share of each patch that lies on a part."""


class Pooled(NamedTuple):
    """One value per image and direction, several times: `first` is the number of the first direction of the chunk."""

    first: int
    values: dict[str, FloatArray]
    """Pooling -> (n_images, k). `mean` over all tokens and `max` over patches; for directions that have two ends also
    `-mean` and `-min`, so that a high value always stands for having the attribute."""
    part_correlation: NDArray[np.float64] | None
    """(n_parts, k) Pearson correlation, over all patches of the chosen images, of value and coverage."""


class _PatchSums:
    """Sums over patches from which correlations are made."""

    def __init__(self, n_parts: int, n_directions: int) -> None:
        self.n = 0
        self.z, self.zz = np.zeros(n_directions), np.zeros(n_directions)
        self.c, self.cc = np.zeros(n_parts), np.zeros(n_parts)
        self.cz = np.zeros((n_parts, n_directions))

    def add(self, values: FloatArray, coverage: Coverage) -> None:
        """Patches (n, 256, k) and their coverage (n, n_parts, 16, 16)."""
        z = values.reshape(-1, values.shape[-1])
        c = np.moveaxis(coverage.reshape(*coverage.shape[:2], -1), 1, 2).reshape(len(z), -1)
        self.n += len(z)
        self.z += z.sum(axis=0, dtype=np.float64)
        self.zz += np.einsum("ij,ij->j", z, z, dtype=np.float64)
        self.c += c.sum(axis=0, dtype=np.float64)
        self.cc += np.einsum("ij,ij->j", c, c, dtype=np.float64)
        self.cz += c.T @ z

    def correlation(self) -> NDArray[np.float64]:
        """(n_parts, k); missing where one of the two never varies."""
        n = max(self.n, 1)
        z_mean, c_mean = self.z / n, self.c / n
        z_spread = np.sqrt(np.maximum(self.zz / n - z_mean**2, 0))
        c_spread = np.sqrt(np.maximum(self.cc / n - c_mean**2, 0))
        spreads = np.outer(c_spread, z_spread)
        together = self.cz / n - np.outer(c_mean, z_mean)
        result = np.full(spreads.shape, np.nan)
        np.divide(together, spreads, out=result, where=spreads > NO_SPREAD)
        return result


def pooled_chunks(
    directions: Directions,
    tokens: TokenSource,
    *,
    coverage: Coverage | None = None,
    choosing: NDArray[np.bool_] | None = None,
    chunk: int = CHUNK,
    progress: Progress = no_progress,
) -> Iterator[Pooled]:
    """All directions on all images, `chunk` directions at a time; one pass over the tokens for each.

    With `coverage`, the images `choosing` (n_images,) also give the correlation of value and coverage by patch.
    """
    for first in range(0, directions.n_directions, chunk):
        part = directions.take(slice(first, first + chunk))
        yield Pooled(first, *_pool(part, tokens, coverage, choosing))
        progress(min(first + chunk, directions.n_directions), directions.n_directions)


def _pool(
    part: Directions, tokens: TokenSource, coverage: Coverage | None, choosing: NDArray[np.bool_] | None
) -> tuple[dict[str, FloatArray], NDArray[np.float64] | None]:
    shape = (tokens.shape[0], part.n_directions)
    mean, high, low = (np.empty(shape, np.float32) for _ in range(3))
    sums = None if coverage is None else _PatchSums(coverage.shape[1], part.n_directions)
    for chunk, batch in in_order(tokens, BATCH):
        values = part.of(batch)
        patches = values[:, PATCHES]
        mean[chunk], high[chunk] = image_activation(values), patches.max(axis=1)
        if not part.rectified:
            low[chunk] = patches.min(axis=1)
        if sums is not None and coverage is not None:
            used = np.ones(len(batch), bool) if choosing is None else choosing[chunk]
            if used.any():
                sums.add(patches[used], coverage[chunk][used])
    pooled = {"mean": mean, "max": high}
    if not part.rectified:
        pooled |= {"-mean": -mean, "-min": -low}
    return pooled, None if sums is None else sums.correlation()


def maps_of(directions: Directions, tokens: TokenSource, rows: NDArray[np.bool_]) -> FloatArray:
    """Patch values (n_chosen, n_directions, grid, grid) on the images `rows` (n_images,), in their order."""
    parts = []
    for chunk, batch in in_order(tokens, BATCH):
        chosen = batch[rows[chunk]]
        if len(chosen):
            values = np.moveaxis(directions.of(chosen[:, PATCHES]), 1, 2)
            grid = round(values.shape[-1] ** 0.5)
            parts.append(values.reshape(*values.shape[:2], grid, grid))
    return np.concatenate(parts) if parts else np.empty((0, directions.n_directions, 0, 0), np.float32)
