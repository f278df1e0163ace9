"""Statistics of all latents, read once and kept as arrays (n_datasets, n_latents)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from cytosae_core import method
from cytosae_core.atlas import tables
from cytosae_core.errors import ArtifactError

_COLUMNS = ("n_images", "n_active", "frequency", "mean_activation", "label_entropy")


class StatisticsTable:
    """The rows of `latents.parquet`, by data set and by latent."""

    def __init__(self, path: Path, datasets: Sequence[str], n_latents: int) -> None:
        """Read the table; raises ArtifactError unless it has every data set's latents, in order."""
        table = tables.read_table(path, tables.LATENTS)
        _check_order(path, table, datasets, n_latents)
        shape = (len(datasets), n_latents)
        n_images = table["n_images"].to_numpy().reshape(shape)
        n_active = table["n_active"].to_numpy().reshape(shape)
        total = table["sum_activation"].to_numpy().reshape(shape)
        self._datasets = list(datasets)
        self._n_pictures = table["n_pictures"].to_numpy().reshape(shape)
        self._values: dict[str, npt.NDArray[np.generic]] = {
            "n_images": n_images,
            "n_active": n_active,
            "frequency": method.activated_frequency(n_active, n_images),
            "mean_activation": method.mean_activation(total, n_active),
            "label_entropy": table["label_entropy"].to_numpy().reshape(shape),
        }

    def of_dataset(self, dataset_index: int) -> pd.DataFrame:
        """One row per latent."""
        return self._frame(dataset_index, pd.RangeIndex(self._n_pictures.shape[1], name="latent"))

    def of_latent(self, latent: int) -> pd.DataFrame:
        """One row per data set."""
        return self._frame((slice(None), latent), pd.Index(self._datasets, name="dataset"))

    def n_pictures(self, dataset_index: int) -> "pd.Series[int]":
        """Pictures in the atlas among each latent's references."""
        index = pd.RangeIndex(self._n_pictures.shape[1], name="latent")
        return pd.Series(self._n_pictures[dataset_index].astype(np.int64), index=index, name="n_pictures")

    def _frame(self, where: int | tuple[slice, int], index: pd.Index) -> pd.DataFrame:
        return pd.DataFrame({name: self._values[name][where] for name in _COLUMNS}, index=index)


def _check_order(path: Path, table: pa.Table, datasets: Sequence[str], n_latents: int) -> None:
    n_rows = len(datasets) * n_latents
    if table.num_rows != n_rows:
        raise ArtifactError(
            f"{path} has {table.num_rows} rows, {len(datasets)} data sets of {n_latents} latents demand {n_rows}; "
            "make the atlas anew"
        )
    latents = table["latent"].to_numpy()
    starts = table["dataset"].take(pa.array(np.arange(len(datasets)) * n_latents)).to_pylist()
    if starts != list(datasets) or not np.array_equal(latents, np.tile(np.arange(n_latents), len(datasets))):
        raise ArtifactError(f"{path} does not list the latents of {list(datasets)} in order; make the atlas anew")
