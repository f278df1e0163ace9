"""Cells to be shown together: pictures in rows, with maps and a scale bar; from an atlas, by latent."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

from cytosae_core.atlas.atlas import LatentAtlas
from cytosae_core.atlas.manifest import DatasetInfo
from cytosae_core.method import LOG10_THRESHOLD, high_activation

BAR_UM = 10.0
"""Length of a scale bar in micrometres: a little more than a red cell."""

Rgb = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Cell:
    """One picture, or the empty frame of one that is not there."""

    picture: Path | Rgb | None
    """File of the atlas, or an image of the user's."""
    caption: str = ""
    """One or two words below it."""
    tip: str = ""
    """More, for who points at it."""
    map: npt.NDArray[np.float32] | None = None
    """Patch activations (grid, grid), to be shown on the row's scale."""
    scale: float = 0.0
    """The end of the latent's colour scale."""
    boxes: tuple[tuple[int, int], ...] = ()
    """Patches (row, column) that are outlined and numbered from 1."""
    grid: int = 16
    """Patches along a side, for the boxes."""

    def pixels(self) -> Rgb | None:
        """The picture as RGB (height, width, 3); None for an empty frame."""
        if isinstance(self.picture, Path):
            with Image.open(self.picture) as image:
                return np.asarray(image.convert("RGB"))
        return self.picture


@dataclass(frozen=True)
class CellRow:
    """Pictures beside each other."""

    heading: str
    """Whose they are."""
    cells: tuple[Cell, ...]
    """Strongest first."""
    um_per_px: float | None = None
    """Micrometres per pixel of the pictures; None: no scale bar."""


@dataclass(frozen=True)
class CellSheet:
    """Rows that belong together: one latent, or one patch."""

    title: str
    """What it is."""
    note: str
    """Its figures, in one line."""
    rows: tuple[CellRow, ...]
    name: str
    """Name for files: small letters, digits and `_`."""

    @property
    def has_pictures(self) -> bool:
        """Whether there is anything to look at."""
        return any(cell.picture is not None for row in self.rows for cell in row.cells)


def latent_sheet(atlas: LatentAtlas, latent: int, *, note: str = "", more: tuple[CellRow, ...] = ()) -> CellSheet:
    """The latent's reference images, one row per data set; then `more`."""
    rows = [reference_row(atlas, latent, info) for info in atlas.datasets]
    known = note or latent_note(atlas, latent)
    return CellSheet(f"Latent {latent}", known, (*rows, *more), f"latent_{latent}")


def reference_row(atlas: LatentAtlas, latent: int, info: DatasetInfo, n: int | None = None) -> CellRow:
    """The latent's strongest images in one data set; a row without cells where there are no pictures of them."""
    references = atlas.references(latent, info.name)
    scale = atlas.map_scale(latent) if atlas.has_maps else 0.0
    cells = tuple(
        _reference_cell(atlas, row, scale) for row in references.head(n or len(references)).to_dict("records")
    )
    frequency = float(atlas.latent(latent)["frequency"].loc[info.name])
    active = f"{frequency:.2%} of {info.n_images:,} images"
    mark = " · SIMULATED" if info.simulated else ""
    missing = "" if any(cell.picture is not None for cell in cells) else " · no pictures in this atlas"
    return CellRow(f"{info.name}{mark} · active on {active}{missing}", () if missing else cells, info.um_per_px)


def _reference_cell(atlas: LatentAtlas, row: Mapping[Hashable, Any], scale: float) -> Cell:
    picture, map_index, label = row["picture"], row["map_index"], row["label"]
    return Cell(
        picture=None if picture is None else atlas.picture_path(picture),
        caption="" if label is None or pd.isna(label) else str(label),
        tip=f"{row['image_id']} · activation {row['activation']:.4g} · rank {row['rank'] + 1}",
        map=None if map_index is None else atlas.map(map_index),
        scale=scale,
    )


def latent_note(atlas: LatentAtlas, latent: int) -> str:
    """Its mean activation by data set, and whether that is above the threshold of interest."""
    means = atlas.latent(latent)["mean_activation"].dropna()
    if means.empty:
        return "never active"
    high = high_activation(means.to_numpy(float)).sum()
    largest = f"largest mean activation {means.max():.3g} ({means.idxmax()})"
    return f"{largest} · above {10**LOG10_THRESHOLD:g} on {high} of {len(atlas.datasets)} data sets"


def picture_width(cell: Cell) -> int:
    """Width in pixels of the cell's picture; 0 for an empty frame. Only the file's head is read."""
    if isinstance(cell.picture, Path):
        with Image.open(cell.picture) as image:
            return image.width
    return 0 if cell.picture is None else int(cell.picture.shape[1])


def bar_share(row: CellRow) -> float:
    """Length of the scale bar as a share of the width of the row's first picture; 0 where it is not known."""
    width = picture_width(row.cells[0]) if row.cells else 0
    share = BAR_UM / (row.um_per_px * width) if row.um_per_px and width else 0.0
    return share if share <= 1 else 0.0
