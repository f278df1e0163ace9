"""What linear probes find in tokens: a real cell's type in their mean, a rendered cell's parts in each patch."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cytosae_core.backbone.residual import normalise_batch, tokens_at
from cytosae_core.backbone.vit import Backbone
from cytosae_core.geometry import GRID, PATCH_SIZE
from cytosae_core.progress import Progress, no_progress
from cytosae_core.simulated.synthetic import CELL_TYPES, STYLES
from cytosae_core.small_backbone.config import PROBED_BLOCK
from cytosae_core.small_backbone.corpus import PARTS, Images, RealCells, render_one

Floats = npt.NDArray[np.float32]
Describe = Callable[[Images], Floats]
"""Images (n, 224, 224, 3) -> one description per patch (n, 256, d)."""

COVERED = 0.05
"""Share of a patch that a part must cover to count as there."""
PROBE_SEED = 90_001
"""Seed of the rendered cells of the probe: none of them was trained on."""
INVERSE_STRENGTH = 0.1
"""scikit-learn's C of the cell-type probe on standardised dimensions; fixed beforehand, nothing is tuned."""
N_AT_ONCE = 16
"""Images described in one go."""
RIDGE = 10.0
"""Strength of the patch probe's ridge penalty; fixed beforehand."""


def patches_of(backbone: Backbone, block: int = PROBED_BLOCK) -> Describe:
    """The patch tokens of a block, as a description."""

    def describe(images: Images) -> Floats:
        tokens = tokens_at(backbone, normalise_batch(np.ascontiguousarray(images), backbone), [block])[block]
        return np.asarray(tokens[:, 1:].cpu().numpy(), dtype=np.float32)

    return describe


def raw_pixels(images: Images) -> Floats:
    """The pixels of each patch (n, 256, 588): what is there before any model."""
    n = len(images)
    split = images.reshape(n, GRID, PATCH_SIZE, GRID, PATCH_SIZE, 3).transpose(0, 1, 3, 2, 4, 5)
    return np.asarray(split.reshape(n, GRID * GRID, -1) / np.float32(255), dtype=np.float32)


def small_picture(images: Images) -> Floats:
    """The image at 32 x 32 as one row (n, 1, 3072): raw pixels for the cell-type probe."""
    n = len(images)
    small = images.reshape(n, 32, 7, 32, 7, 3).mean((2, 4)) / 255
    return np.asarray(small.reshape(n, 1, -1), dtype=np.float32)


def means(images: Images, rows: npt.NDArray[np.int_], describe: Describe, progress: Progress = no_progress) -> Floats:
    """Mean description (n_rows, d) over the patches of each image."""
    parts = []
    for start in range(0, len(rows), N_AT_ONCE):
        parts.append(describe(images[rows[start : start + N_AT_ONCE]]).mean(1))
        progress(min(start + N_AT_ONCE, len(rows)), len(rows))
    return np.concatenate(parts)


class TypeScore(NamedTuple):
    """A cell-type probe on the held-out images."""

    accuracy: float
    """Share found."""
    per_type: dict[str, float]
    """Share found of each type."""
    n_train: int
    n_held_out: int


def probe_types(images: Images, cells: RealCells, describe: Describe, progress: Progress = no_progress) -> TypeScore:
    """Fit on the train split, score on the held-out tenth; donors are not known, so both may share some."""
    used = np.flatnonzero(cells.frame["split"] != "unused")
    found = means(images, used, describe, progress)
    is_train = (cells.frame["split"].to_numpy() == "train")[used]
    types = cells.frame["cell_type"].to_numpy()[used]
    model = make_pipeline(StandardScaler(), LogisticRegression(C=INVERSE_STRENGTH, max_iter=2000))
    model.fit(found[is_train], types[is_train])
    right, held_out = model.predict(found[~is_train]) == types[~is_train], types[~is_train]
    per_type = {name: float(right[held_out == code].mean()) for code, name in enumerate(cells.types)}
    return TypeScore(float(right.mean()), per_type, int(is_train.sum()), len(right))


class RenderedPatches(NamedTuple):
    """SIMULATED cells for the patch probe."""

    images: Images
    """(n, 224, 224, 3)."""
    covered: npt.NDArray[np.bool_]
    """Whether a part covers a twentieth of a patch (n, 256, n_parts)."""


def render_probe_cells(n_per_type: int, progress: Progress = no_progress) -> RenderedPatches:
    """New rendered cells of all types, styles taking turns."""
    names = [(kind, list(STYLES)[turn % len(STYLES)]) for turn in range(n_per_type) for kind in CELL_TYPES]
    images, masks = [], []
    for index, (kind, style) in enumerate(names):
        picture, parts = render_one(kind, style, (PROBE_SEED, index))
        images.append(picture)
        masks.append(_share(parts) >= COVERED)
        progress(index + 1, len(names))
    return RenderedPatches(np.stack(images), np.stack(masks))


def _share(masks: Images) -> Floats:
    """Coverage (n_parts, 56, 56) -> share of each patch (256, n_parts)."""
    side = masks.shape[-1]
    # 56 pixels are 3.5 per patch: double them, so that every patch is a whole number of pixels.
    doubled = masks.repeat(2, 1).repeat(2, 2).reshape(-1, GRID, 2 * side // GRID, GRID, 2 * side // GRID)
    shares = doubled.mean((2, 4)).reshape(len(masks), -1).T / 255
    return np.asarray(shares, dtype=np.float32)


class PartScore(NamedTuple):
    """How well a linear probe tells one part from the patch alone, on cells it was not fitted to."""

    part: str
    prevalence: float
    """Share of patches that have it."""
    auroc: float
    average_precision: float


def probe_parts(cells: RenderedPatches, describe: Describe, progress: Progress = no_progress) -> list[PartScore]:
    """Fit on two thirds of the cells of each type, score on the rest; parts in no patch of the rest are left out."""
    found = []
    for start in range(0, len(cells.images), N_AT_ONCE):
        found.append(describe(cells.images[start : start + N_AT_ONCE]))
        progress(min(start + N_AT_ONCE, len(cells.images)), len(cells.images))
    described, is_train = np.concatenate(found), np.arange(len(cells.images)) // len(CELL_TYPES) % 3 != 0
    model = make_pipeline(StandardScaler(), Ridge(alpha=RIDGE))
    model.fit(_flat(described[is_train]), _flat(cells.covered[is_train]).astype(np.float32))
    scores, truth = model.predict(_flat(described[~is_train])), _flat(cells.covered[~is_train])
    return [_part_score(name, truth[:, i], scores[:, i]) for i, name in enumerate(PARTS) if 0 < truth[:, i].mean() < 1]


def _flat(values: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    return values.reshape(-1, values.shape[-1])


def _part_score(name: str, truth: npt.NDArray[np.generic], scores: npt.NDArray[np.floating]) -> PartScore:
    return PartScore(
        name, float(truth.astype(bool).mean()), float(roc_auc_score(truth, scores)),
        float(average_precision_score(truth, scores)),
    )  # fmt: skip
