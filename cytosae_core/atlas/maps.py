"""Patch maps: where on an image a latent is active, stored as float16, 16 x 16 patches with the paper's backbone."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cytosae_core.atlas import tables
from cytosae_core.errors import ArtifactError


class PatchMaps:
    """The maps of an atlas, left on disk until one is asked for."""

    def __init__(self, folder: Path) -> None:
        """Open `maps.npy`; raises ArtifactError unless it is float16 (n_maps, grid, grid)."""
        path = folder / tables.MAPS_NAME
        self._maps = tables.read_array(path)
        if self._maps.dtype != np.float16 or not is_square(self._maps.shape):
            raise ArtifactError(
                f"{path} holds {self._maps.dtype} of shape {self._maps.shape}, the format says float16 "
                "(n_maps, grid, grid); make the atlas anew"
            )

    def __len__(self) -> int:
        return len(self._maps)

    def __getitem__(self, map_index: int) -> npt.NDArray[np.float32]:
        """Latent activations of the patches (grid, grid); raises ArtifactError when there is no such map."""
        if not 0 <= map_index < len(self):
            raise ArtifactError(f"there is no map {map_index}: the atlas has {len(self)}; open the latent again")
        return np.asarray(self._maps[map_index], dtype=np.float32)


def is_square(shape: tuple[int, ...]) -> bool:
    """Whether an array of this shape holds square maps (n_maps, grid, grid)."""
    return len(shape) == 3 and shape[1] == shape[2] > 0


def new_maps(folder: Path, n_maps: int, grid: int) -> np.memmap[Any, np.dtype[np.float16]]:
    """`maps.npy` with room for (n_maps, grid, grid), to be filled on disk; `write_maps` takes it as it is."""
    return np.lib.format.open_memmap(folder / tables.MAPS_NAME, "w+", np.float16, (n_maps, grid, grid))


def write_maps(folder: Path, maps: npt.NDArray[np.floating]) -> None:
    """Write maps (n_maps, grid, grid) as float16, or complete those of `new_maps`.

    Raises ArtifactError when the shape differs or a value has no place.
    """
    if not is_square(maps.shape):
        raise ArtifactError(f"maps have shape {maps.shape}, the format says (n_maps, grid, grid)")
    if isinstance(maps, np.memmap):
        maps.flush()
        return
    with np.errstate(over="ignore"):
        half = maps.astype(np.float16)
    if not np.isfinite(half).all():
        raise ArtifactError(f"a map value is not finite as float16 (largest: {np.nanmax(maps)}); scale the maps")
    np.save(folder / tables.MAPS_NAME, half, allow_pickle=False)
