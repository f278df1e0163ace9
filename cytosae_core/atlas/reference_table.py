"""Reference images: read for one latent at a time, so that opening an atlas costs nothing."""

import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cytosae_core.atlas import tables
from cytosae_core.errors import ArtifactError

_STORED = ("dataset", "latent", "rank", "image_id", "activation", "label")


class ReferenceTable:
    """The rows of `references.parquet`, joined with the pictures of `images.parquet`."""

    def __init__(self, folder: Path) -> None:
        """Read the tables' footers; raises ArtifactError unless they have the format's columns."""
        self._path = folder / tables.REFERENCES_NAME
        self._images_path = folder / tables.IMAGES_NAME
        with tables.open_table(self._path, tables.REFERENCES) as table:
            self._metadata = table.metadata
        tables.open_table(self._images_path, tables.IMAGES).close()
        self._first, self._last = _latent_ranges(self._path, self._metadata)

    def of_latent(self, latent: int, datasets: Sequence[str]) -> pd.DataFrame:
        """The latent's references in the named data sets, by data set and rank; columns as `LatentAtlas.references`."""
        row_groups = np.flatnonzero((self._first <= latent) & (latent <= self._last))
        rows = self._read([int(index) for index in row_groups])
        rows = rows.filter(pc.equal(rows["latent"], latent))
        if len(datasets) == 1:
            rows = rows.filter(pc.equal(rows["dataset"], datasets[0]))
        frame: pd.DataFrame = rows.select(list(_STORED)).to_pandas()
        # Object columns: None stays None, where pandas' own types would turn it into NaN.
        pictures = pd.Series([self._pictures.get(image) for image in frame["image_id"]], dtype=object)
        map_indices = pd.Series(rows["map_index"].to_pylist(), dtype=object)
        return frame.assign(picture=pictures, map_index=map_indices)

    def pictures(self) -> list[str]:
        """Digests of all pictures, each once."""
        return sorted(set(self._pictures.values()))

    def picture_table(self) -> pd.DataFrame:
        """One row per picture, indexed by its digest: width, height, n_bytes."""
        columns = ["picture", "width", "height", "n_bytes"]
        images: pd.DataFrame = tables.read_table(self._images_path, tables.IMAGES, columns).to_pandas()
        return images.dropna(subset="picture").drop_duplicates("picture").set_index("picture").astype("int64")

    @functools.cached_property
    def _pictures(self) -> dict[str, str]:
        """Image id -> digest, of the images that have a picture."""
        images = tables.read_table(self._images_path, tables.IMAGES, ["image_id", "picture"])
        images = images.filter(pc.is_valid(images["picture"]))
        return dict(zip(images["image_id"].to_pylist(), images["picture"].to_pylist(), strict=True))

    def _read(self, row_groups: list[int]) -> pa.Table:
        # A file object of one's own for each call: they are not made for several threads.
        try:
            with pq.ParquetFile(self._path, metadata=self._metadata, memory_map=True) as table:
                rows = table.read_row_groups(row_groups, use_threads=False)
                rows.validate(full=True)
                return rows
        except (pa.ArrowException, OSError) as error:
            raise ArtifactError(f"{self._path} is damaged ({error}); copy the whole folder again") from error


def _latent_ranges(path: Path, metadata: pq.FileMetaData) -> tuple[np.ndarray, np.ndarray]:
    """Smallest and largest latent of each row group."""
    column = tables.REFERENCES.names.index("latent")
    ranges = [metadata.row_group(index).column(column).statistics for index in range(metadata.num_row_groups)]
    if any(found is None or not found.has_min_max for found in ranges):
        raise ArtifactError(f"{path} was written without column statistics; make the atlas anew")
    return np.array([found.min for found in ranges]), np.array([found.max for found in ranges])
