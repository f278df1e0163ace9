"""What is known of rendered cells: which images have which attribute, and which patches lie on which part."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cytosae_core.concepts.attribute_list import CELL_ATTRIBUTES, CellAttribute, Condition
from cytosae_core.errors import AnalysisError
from cytosae_core.geometry import GRID
from cytosae_core.images.sources import SOURCES
from cytosae_core.progress import Progress, no_progress
from cytosae_core.simulated.cells.files import read_masks
from cytosae_core.simulated.cells.scene import MASK_NAMES

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class RenderedTruth:
    """Known concepts of a list of rendered images, in its order. SIMULATED, always."""

    attributes: pd.DataFrame
    """One row per image: columns of `attributes.parquet`, `share_<part>`, `patch_<part>`."""
    coverage: NDArray[np.float32]
    """(n_images, n_parts, 16, 16): share of each patch that lies on the part."""
    parts: tuple[str, ...] = MASK_NAMES
    """Names of the second axis."""


def read_rendered_truth(
    folder: Path, relative_paths: "pd.Series[str]", progress: Progress = no_progress
) -> RenderedTruth:
    """Truth of rendered images, from the folder that `render_cohort.py` made.

    `relative_paths` are those of the image table: relative to the folder of class folders. Raises AnalysisError where
    the folder is no rendered data set with masks, or an image is not in it.
    """
    attributes = read_attributes(folder, relative_paths)
    coverage = np.empty((len(attributes), len(MASK_NAMES), GRID, GRID), np.float32)
    for row, path in enumerate(attributes["relative_path"]):
        coverage[row] = _coverage((folder / "masks" / path).with_suffix(".npz"))
        progress(row + 1, len(attributes))
    shares = {f"share_{part}": coverage[:, k].mean(axis=(1, 2)) for k, part in enumerate(MASK_NAMES)}
    patches = {f"patch_{part}": coverage[:, k].max(axis=(1, 2)) for k, part in enumerate(MASK_NAMES)}
    return RenderedTruth(pd.concat([attributes, pd.DataFrame(shares | patches)], axis=1), coverage)


def attribute_labels(attributes: pd.DataFrame, listed: tuple[CellAttribute, ...] = CELL_ATTRIBUTES) -> pd.DataFrame:
    """One row per image, one column of bool per attribute of the list: whether all of its conditions hold."""
    return pd.DataFrame(
        {each.name: np.all([_holds(attributes, one) for one in each.conditions], axis=0) for each in listed}
    )


def patch_coverage(mask: NDArray[np.bool_]) -> FloatArray:
    """Share of each patch (16, 16) that a mask (height, width) covers; pixels on an edge count where they lie."""
    return _row_shares(mask.shape[0]) @ mask.astype(np.float64) @ _row_shares(mask.shape[1]).T


def _row_shares(n_pixels: int) -> FloatArray:
    """(16, n_pixels) weights with which pixels make up the mean of each sixteenth of a line."""
    edges = np.linspace(0, n_pixels, GRID + 1)
    pixels = np.arange(n_pixels)
    overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    weights: FloatArray = np.clip(overlap, 0, 1) / (n_pixels / GRID)
    return weights


def read_attributes(folder: Path, relative_paths: "pd.Series[str]") -> pd.DataFrame:
    """`attributes.parquet`, one row per image, in the order of `relative_paths`; raises as `read_rendered_truth`."""
    path = folder / "attributes.parquet"
    if not path.is_file() or not (folder / "masks").is_dir():
        raise AnalysisError(f"{folder} has no attributes.parquet and masks; render cells with scripts/render_cohort.py")
    attributes = pd.read_parquet(path)
    style = str(attributes["style"].iloc[0])
    top = SOURCES[style].top if style in SOURCES else None
    attributes = attributes.set_index(attributes["relative_path"].str.removeprefix(f"{top}/"))
    unknown = sorted(set(relative_paths) - set(attributes.index))
    if unknown:
        raise AnalysisError(
            f"image {unknown[0]!r} is not among the rendered cells of {folder}; give the folder that the images were "
            "rendered into"
        )
    return attributes.loc[list(relative_paths)].reset_index(drop=True)


def _coverage(path: Path) -> NDArray[np.float64]:
    masks = read_masks(path)
    return np.stack([patch_coverage(masks[part]) for part in MASK_NAMES])


def _holds(attributes: pd.DataFrame, condition: Condition) -> NDArray[np.bool_]:
    if condition.column not in attributes:
        raise AnalysisError(f"these cells have no attribute {condition.column!r}; render them again with this version")
    column, value = attributes[condition.column], condition.value
    if isinstance(value, tuple):
        return column.isin(value).to_numpy(dtype=bool)
    return (column > value if condition.comparison == ">" else column < value).to_numpy(dtype=bool)
