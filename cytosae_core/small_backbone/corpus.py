"""What the small backbone learns from: real cells with their types and attributes, rendered cells with their parts.

Real: Acevedo et al. 2020 (CC BY 4.0), without the images of `show_only.txt`, without a held-out tenth of each type,
without every image of WBCAtt's val split (Tsutsui et al. 2023). Rendered: `images.synthetic`, all types and styles.
"""

from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from cytosae_core.artifacts.files import whole_path
from cytosae_core.errors import ImageTableError
from cytosae_core.geometry import IMAGE_SIZE
from cytosae_core.images.select import list_images
from cytosae_core.images.transforms import read_rgb, resize_rgb
from cytosae_core.progress import Progress, no_progress
from cytosae_core.simulated.synthetic import CELL_TYPES, MASK_NAMES, STYLES, render_cell, sample_parameters
from cytosae_core.small_backbone.config import SmallBackboneConfig

MASK_SIDE = 56
"""Side at which masks of parts are kept, pixels: a quarter of the image."""
PARTS: tuple[str, ...] = tuple(name for name in MASK_NAMES if name != "background")
"""Parts of a rendered cell that patches learn to tell."""
UNKNOWN = -1
"""Label of an image that nobody labelled."""
ATTRIBUTES: tuple[str, ...] = (
    "cell_size", "cell_shape", "nucleus_shape", "nuclear_cytoplasmic_ratio", "chromatin_density", "cytoplasm_vacuole",
    "cytoplasm_texture", "cytoplasm_colour", "granule_type", "granule_colour", "granularity",
)  # fmt: skip
"""The eleven attributes of WBCAtt."""

Images = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class RealCells:
    """Photographed cells, in the order of their image ids."""

    frame: pd.DataFrame
    """image_id, path, cell_type, split (`train`, `held_out`, `unused`) and one column of codes per attribute."""
    types: tuple[str, ...]
    """Cell types, in alphabetical order: the codes of `cell_type`."""
    n_values: tuple[int, ...]
    """Values that each attribute takes."""


def list_real(acevedo: Path, show_only: Path, wbcatt: Path, config: SmallBackboneConfig) -> RealCells:
    """The cells that may be used, split; raises ImageTableError where a list of what may not be used is missing."""
    frame = list_images("acevedo", acevedo).frame
    frame = frame[~frame["relative_path"].isin(_lines(show_only))].reset_index(drop=True)
    codes, types = pd.factorize(frame["relative_path"].str.split("/").str[0], sort=True)
    train, val = (_attributes(wbcatt / f"pbc_attr_v1_{split}.csv") for split in ("train", "val"))
    split = np.where(_held_out(codes, config), "held_out", "train")
    split = np.where((split == "train") & frame["relative_path"].isin(val.index), "unused", split)
    table = frame[["image_id", "path"]].assign(cell_type=codes, split=split)
    values = [sorted(train[name].unique()) for name in ATTRIBUTES]
    for name, known in zip(ATTRIBUTES, values, strict=True):
        found = frame["relative_path"].map(train[name])
        table[name] = found.map({value: code for code, value in enumerate(known)}).fillna(UNKNOWN).astype(int)
    return RealCells(table, tuple(map(str, types)), tuple(map(len, values)))


def _lines(path: Path) -> frozenset[str]:
    if not path.is_file():
        raise ImageTableError(f"{path} is missing: without the list of what may not be used, nothing is trained")
    return frozenset(line.strip() for line in path.read_text().splitlines() if line.strip())


def _attributes(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise ImageTableError(f"{path} is missing: get WBCAtt's tables of its train and val split")
    table = pd.read_csv(path)
    return table.set_index(table["path"].str.removeprefix("PBC_dataset_normal_DIB/"))


def _held_out(codes: npt.NDArray[np.int_], config: SmallBackboneConfig) -> npt.NDArray[np.bool_]:
    """A share of each type, sampled without regard to anything else: donors are not known."""
    chosen = np.zeros(len(codes), dtype=bool)
    rng = np.random.default_rng(config.seed)
    for code in np.unique(codes):
        of_type = np.flatnonzero(codes == code)
        chosen[rng.choice(of_type, round(config.held_out_share * len(of_type)), replace=False)] = True
    return chosen


def decode(paths: list[Path], target: Path, progress: Progress = no_progress) -> Images:
    """The images (n, 224, 224, 3) as one array on disk, made once: published by rename, opened without a copy."""
    if not target.is_file():
        shape = (len(paths), IMAGE_SIZE, IMAGE_SIZE, 3)
        with whole_path(target) as unfinished:
            images = np.lib.format.open_memmap(unfinished, mode="w+", dtype=np.uint8, shape=shape)
            for index, path in enumerate(paths):
                images[index] = resize_rgb(read_rgb(path), IMAGE_SIZE)
                progress(index + 1, len(paths))
            images.flush()
    return np.load(target, mmap_mode="r")  # type: ignore[no-any-return]


@dataclass(frozen=True)
class RenderedCells:
    """SIMULATED cells: type and style of number i follow from i alone."""

    images: Images
    """(n, 224, 224, 3)."""
    masks: Images
    """(n, n_parts, 56, 56), coverage from 0 to 255."""
    cell_type: npt.NDArray[np.int_]
    """Position in CELL_TYPES (n)."""


def rendered_cells(folder: Path, config: SmallBackboneConfig, progress: Progress = no_progress) -> RenderedCells:
    """Render the cells that the configuration asks for, once; a later call opens what lies in `folder`."""
    names = list(product(CELL_TYPES, STYLES)) * config.n_rendered_per_type
    images_path, masks_path = folder / "drawn.npy", folder / "drawn_masks.npy"  # as version 1 named them
    if not masks_path.is_file():
        _render(names, config.seed, images_path, masks_path, progress)
    types = list(CELL_TYPES)
    codes = np.array([types.index(cell_type) for cell_type, _ in names])
    return RenderedCells(np.load(images_path, mmap_mode="r"), np.load(masks_path, mmap_mode="r"), codes)


def _render(names: list[tuple[str, str]], seed: int, images_path: Path, masks_path: Path, progress: Progress) -> None:
    shape = (len(names), IMAGE_SIZE, IMAGE_SIZE, 3)
    images = np.lib.format.open_memmap(images_path, mode="w+", dtype=np.uint8, shape=shape)
    shape = (len(names), len(PARTS), MASK_SIDE, MASK_SIDE)
    with whole_path(masks_path) as unfinished:
        masks = np.lib.format.open_memmap(unfinished, mode="w+", dtype=np.uint8, shape=shape)
        for index, (cell_type, style) in enumerate(names):
            images[index], masks[index] = render_one(cell_type, style, (seed, index))
            progress(index + 1, len(names))
        images.flush()
        masks.flush()


def render_one(cell_type: str, style: str, seed: tuple[int, int]) -> tuple[Images, Images]:
    """One rendered cell: picture (224, 224, 3) and coverage of the parts (n_parts, 56, 56), 0 to 255."""
    from PIL import Image

    rng = np.random.default_rng(seed)
    cell = render_cell(sample_parameters(cell_type, rng), style, int(rng.integers(2**31)))
    picture = resize_rgb(Image.fromarray(cell.rgb), IMAGE_SIZE)
    masks = [Image.fromarray(cell.masks[name].astype(np.uint8) * 255) for name in PARTS]
    small = [np.asarray(mask.resize((MASK_SIDE, MASK_SIDE), Image.Resampling.BOX)) for mask in masks]
    return picture, np.stack(small)
