"""The published tables of one data set, read and checked for what must hold within them."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from cytosae_core.atlas.release.checks import check_values
from cytosae_core.atlas.release.model import Floats, Integers, ReleaseTables
from cytosae_core.errors import ReleaseError
from cytosae_core.sae.checkpoint import load_without_code

DATASETS = ("mll23", "acevedo", "matek", "bmc", "hehr")
"""The published data sets, in the order in which they are shown."""

_MEANS = "sae_mean_acts.pt"
_FREQUENCY = "sae_sparsity.pt"
_VALUES = "max_activating_image_values.pt"
_POSITIONS = "max_activating_image_indices.pt"
_LABELS = "max_activating_image_label_indices.pt"
_ENTROPY = "top_entropy.pt"
_N_DIMS: Mapping[str, int] = MappingProxyType(
    {_VALUES: 2, _POSITIONS: 2, _LABELS: 2, _MEANS: 1, _FREQUENCY: 1, _ENTROPY: 1}
)
"""Tables by their number of dimensions: latents, and slots for reference images."""


def find_datasets(tables: Path) -> tuple[str, ...]:
    """Data sets that have tables in the folder: the published ones first, then others by name.

    Raises ReleaseError when there are none.
    """
    if not tables.is_dir():
        raise ReleaseError(f"{tables}: no such folder; give the folder that holds one folder of tables per data set")
    found = sorted(path.parent.name for path in tables.glob(f"*/{_MEANS}"))
    if not found:
        raise ReleaseError(f"{tables} holds no tables: no <data set>/{_MEANS} lies in it; give the folder above them")
    published = [name for name in DATASETS if name in found]
    return (*published, *(name for name in found if name not in DATASETS))


def read_tables(tables: Path, dataset: str) -> ReleaseTables:
    """The tables of one data set; raises ReleaseError when they are incomplete or contradict themselves.

    Raises ArtifactError when a file is missing, cut off, or holds anything but a tensor.
    """
    folder = tables / dataset
    names = [name for name in _N_DIMS if name != _ENTROPY or (folder / _ENTROPY).exists()]
    arrays = {name: _read(folder / name) for name in names}
    _check_shapes(folder, arrays)
    found = ReleaseTables(
        dataset=dataset,
        mean_activation=arrays[_MEANS],
        frequency=arrays[_FREQUENCY],
        values=arrays[_VALUES],
        positions=_whole_numbers(folder / _POSITIONS, arrays[_POSITIONS]),
        labels=arrays[_LABELS],
        entropy=arrays.get(_ENTROPY),
    )
    check_values(found)
    return found


def _read(path: Path) -> npt.NDArray[Any]:
    tensor = load_without_code(path)
    if not isinstance(tensor, torch.Tensor):
        raise ReleaseError(f"{path} holds a {type(tensor).__name__}, not a tensor; give the published file")
    expected = torch.int64 if path.name == _LABELS else torch.float32
    if tensor.dtype != expected or tensor.ndim != _N_DIMS[path.name]:
        raise ReleaseError(
            f"{path} holds {tensor.dtype} of shape {tuple(tensor.shape)}; it must be {expected} with "
            f"{_N_DIMS[path.name]} dimension(s): give the published file"
        )
    return np.asarray(tensor.detach().numpy())


def _check_shapes(folder: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    shape = arrays[_VALUES].shape
    for name, array in arrays.items():
        expected = shape[: _N_DIMS[name]]
        if array.shape != expected or not array.size:
            raise ReleaseError(
                f"{folder / name} has shape {array.shape}, {_VALUES} of shape {shape} demands {expected}; "
                "the files do not belong together: download them again"
            )


def _whole_numbers(path: Path, stored: Floats) -> Integers:
    """Positions were stored as floats; every one must be a whole number."""
    is_bad = ~np.isfinite(stored) | (stored != np.rint(stored)) | (stored < 0)
    if is_bad.any():
        latent, slot = np.argwhere(is_bad)[0]
        raise ReleaseError(
            f"{path}: latent {latent}, slot {slot} points to position {stored[latent, slot]}, which is no position; "
            "download the file again"
        )
    return stored.astype(np.int64)
