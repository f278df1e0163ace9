"""What a program can tell of a picture without looking at the cell: extent and place of its map, size of its file."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from cytosae_core.atlas.atlas import LatentAtlas
from cytosae_core.study.protocol import Picture

N_BLOCKS = 4
"""Blocks along each side of a map, for the place of what is active."""
PLACE_WEIGHT = 0.5
"""Of the share of the map in one block, where each other trait counts 1."""

Floats = npt.NDArray[np.float64]


class PictureTraits:
    """Measures pictures of one atlas."""

    def __init__(self, atlas: LatentAtlas) -> None:
        """Read the sizes of all pictures; maps are read when they are asked for."""
        self._atlas = atlas
        self._sizes: pd.DataFrame = atlas.pictures().apply(np.log2)

    def of(self, pictures: Sequence[Picture]) -> Floats:
        """(n_pictures, n_traits) of pictures on disk.

        Log2 of width, height and bytes of the file; then `map_traits`, 0 for a picture without a map.
        """
        sizes = self._sizes.loc[[picture.sha256 for picture in pictures]].to_numpy(dtype=np.float64)
        of_maps = np.zeros((len(pictures), 3 + N_BLOCKS**2))
        rows = [row for row, picture in enumerate(pictures) if picture.map_index is not None]
        if rows:
            maps = [self._atlas.map(pictures[row].map_index or 0) for row in rows]
            of_maps[rows] = map_traits(np.stack(maps).astype(np.float64))
        return np.hstack([sizes, of_maps])


def map_traits(maps: Floats) -> Floats:
    """(n_maps, 3 + N_BLOCKS^2) of maps (n_maps, grid, grid), each on the scale of its own maximum.

    Log2 of its mean and of its share of active patches; sharpness, the mean weighted by itself; and the share of its
    sum in each block, row by row.
    """
    n_patches = maps.shape[1] * maps.shape[2]
    levels = _ratio(maps, maps.max(axis=(1, 2), keepdims=True))
    sums = levels.sum(axis=(1, 2))
    n_active = (levels > 0).sum(axis=(1, 2))
    blocks = _block_sums(levels)
    traits = [
        np.log2((sums + 1) / n_patches)[:, None],  # one more, so that a silent map has a logarithm
        np.log2((n_active + 1) / n_patches)[:, None],
        _ratio((levels**2).sum(axis=(1, 2)), sums)[:, None],
        _ratio(blocks, sums[:, None]),
    ]
    return np.hstack(traits)


def distances(wanted: Floats, offered: Floats) -> Floats:
    """(n, m): how unlike each of n pictures (n, n_traits) its m candidates (n, m, n_traits) are.

    Each trait is measured in standard deviations among all candidates.
    """
    spread = offered.reshape(-1, offered.shape[-1]).std(axis=0)
    weight = np.ones(len(spread))
    weight[-(N_BLOCKS**2) :] = PLACE_WEIGHT
    apart: Floats = (offered - wanted[:, None]) * (weight / np.where(spread > 0, spread, 1.0))
    unlike: Floats = np.sqrt((apart**2).sum(axis=-1))
    return unlike


def _ratio(values: Floats, by: Floats) -> Floats:
    """`values / by`, 0 where `by` is 0."""
    by = np.broadcast_to(by, values.shape)
    return np.divide(values, by, out=np.zeros_like(values), where=by > 0)


def _block_sums(levels: Floats) -> Floats:
    """(n_maps, N_BLOCKS^2): the sum over each block of a map, row by row."""
    grid = levels.shape[1]
    of_block = np.zeros((N_BLOCKS, grid))
    of_block[np.arange(grid) * N_BLOCKS // grid, np.arange(grid)] = 1
    summed: Floats = of_block @ levels @ of_block.T
    return summed.reshape(len(levels), -1)
