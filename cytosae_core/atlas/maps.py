"""Patch maps: where on an image a latent is active, 16 x 16 patches, stored as float16."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from cytosae_core.atlas import tables
from cytosae_core.errors import ArtifactError

SHAPE = (16, 16)
"""Patches of one image (rows, columns)."""


class PatchMaps:
    """The maps of an atlas, left on disk until one is asked for."""

    def __init__(self, folder: Path) -> None:
        """Open `maps.npy`; raises ArtifactError unless it is float16 (n_maps, 16, 16)."""
        path = folder / tables.MAPS_NAME
        self._maps = tables.read_array(path)
        if self._maps.dtype != np.float16 or self._maps.shape[1:] != SHAPE:
            raise ArtifactError(
                f"{path} holds {self._maps.dtype} of shape {self._maps.shape}, the format says float16 "
                f"(n_maps, {SHAPE[0]}, {SHAPE[1]}); make the atlas anew"
            )

    def __len__(self) -> int:
        return len(self._maps)

    def __getitem__(self, map_index: int) -> npt.NDArray[np.float32]:
        """Latent activations of the patches (16, 16); raises ArtifactError when there is no such map."""
        if not 0 <= map_index < len(self):
            raise ArtifactError(f"there is no map {map_index}: the atlas has {len(self)}; open the latent again")
        return np.asarray(self._maps[map_index], dtype=np.float32)


def write_maps(folder: Path, maps: npt.NDArray[np.floating]) -> None:
    """Write maps (n_maps, 16, 16) as float16; raises ArtifactError when the shape differs or a value has no place."""
    if maps.shape[1:] != SHAPE:
        raise ArtifactError(f"maps have shape {maps.shape}, the format says (n_maps, {SHAPE[0]}, {SHAPE[1]})")
    with np.errstate(over="ignore"):
        half = maps.astype(np.float16)
    if not np.isfinite(half).all():
        raise ArtifactError(f"a map value is not finite as float16 (largest: {np.nanmax(maps)}); scale the maps")
    np.save(folder / tables.MAPS_NAME, half, allow_pickle=False)
