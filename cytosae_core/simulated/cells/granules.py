"""Granules: small discs strewn over a region, rendered all at once."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from cytosae_core.simulated.cells.frame import Array, Frame, Mask
from cytosae_core.simulated.cells.parameters import Granules

_SPREAD = {"eosinophilic": 0.12, "basophilic": 0.30, "azurophilic": 0.28, "neutrophilic": 0.25}
"""Variation of the radius within a cell (standard deviation of the logarithm)."""


@dataclass(frozen=True, eq=False)
class GranulePicture:
    """Granules of one kind in a window."""

    amount: Array
    """Relative amount of dye."""
    mask: Mask
    count: int
    """How many found room."""


def render_granules(
    granules: Granules, cell: Array, nucleus: Array, frame: Frame, rng: np.random.Generator
) -> GranulePicture:
    """Strew granules over a cell, mostly beside its nucleus; both are given as signed distances."""
    radii = granules.radius * np.exp(rng.normal(0, _SPREAD[granules.kind], granules.count))
    beside = np.where(nucleus > 0.4 * granules.radius, 1.0, granules.over_nucleus)
    weight: Array = np.where(cell < -(granules.radius + 0.12), beside, 0.0)  # chance of a centre per pixel
    if granules.kind == "eosinophilic":
        centres = _packed(weight, frame, granules, rng)
    else:
        spacing = {"basophilic": 1.25, "azurophilic": 1.3}.get(granules.kind, 1.5)  # between two granules, in radii
        centres = _places(weight, frame, radii, spacing, rng)
    radii = radii[: len(centres)]
    strength = np.exp(rng.normal(0, 0.28, len(centres)))
    amount, mask = stamp(frame, centres, radii, strength)
    return GranulePicture(amount * granules.strength, mask & (cell < 0), len(centres))


def stamp(frame: Frame, centres: Array, radii: Array, strength: Array) -> tuple[Array, Mask]:
    """Render soft discs (n, 2), (n,), (n,) and return the strongest at each pixel, and the pixels inside a disc."""
    height, width = frame.shape
    amount = np.zeros(height * width)
    mask = np.zeros(height * width, dtype=np.bool_)
    if len(centres) == 0:
        return amount.reshape(height, width), mask.reshape(height, width)
    pixel = frame.pixel
    reach = int(np.ceil((radii.max() + pixel) / pixel)) + 1
    steps = np.arange(-reach, reach + 1)
    column = np.rint((centres[:, 0] - frame.x[0, 0]) / pixel).astype(np.intp)[:, None, None] + steps[None, None, :]
    row = np.rint((centres[:, 1] - frame.y[0, 0]) / pixel).astype(np.intp)[:, None, None] + steps[None, :, None]
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    dx = frame.x[0, 0] + column * pixel - centres[:, 0, None, None]
    dy = frame.y[0, 0] + row * pixel - centres[:, 1, None, None]
    away = np.sqrt(dx * dx + dy * dy) - radii[:, None, None]
    disc = np.clip(0.5 - away / (2.2 * pixel), 0, 1) * (1 - 0.25 * np.clip(1 + away / radii[:, None, None], 0, 1) ** 2)
    value = disc * strength[:, None, None]
    flat = np.broadcast_to(row * width + column, value.shape)[inside]
    np.maximum.at(amount, flat, value[inside])
    mask[flat[(away < 0)[inside]]] = True
    return amount.reshape(height, width), mask.reshape(height, width)


def _packed(weight: Array, frame: Frame, granules: Granules, rng: np.random.Generator) -> Array:
    """Return centres (n, 2) on a shaken hexagonal grid: granules that fill a cell lie side by side."""
    apart = 1.62 * granules.radius
    left, top = float(frame.x[0, 0]), float(frame.y[0, 0])
    n_across = int(frame.shape[1] * frame.pixel / apart) + 1
    n_down = int(frame.shape[0] * frame.pixel / (0.87 * apart)) + 1
    column, row = (grid.ravel() for grid in np.meshgrid(np.arange(n_across), np.arange(n_down)))
    x = left + (column + 0.5 * (row % 2)) * apart
    y = top + row * 0.87 * apart
    spots = np.stack([x, y], axis=1) + rng.normal(0, 0.36 * granules.radius, (len(x), 2))
    at = np.rint((spots - np.array([left, top])) / frame.pixel).astype(np.intp)
    at = np.clip(at, 0, np.array(frame.shape[::-1]) - 1)
    spots = rng.permutation(spots[weight[at[:, 1], at[:, 0]] == 1], axis=0)
    return spots[: granules.count]


def _places(weight: Array, frame: Frame, radii: Array, spacing: float, rng: np.random.Generator) -> Array:
    """Return up to one centre (n, 2) per radius, sampled by weight and thinned so that none lies on another."""
    flat = np.flatnonzero(weight)
    if len(flat) == 0 or len(radii) == 0:
        return np.zeros((0, 2))
    odds = weight.ravel()[flat]
    n_tries = 5 * len(radii) // 2
    chances = np.cumsum(odds)
    found = np.searchsorted(chances, rng.random(n_tries) * chances[-1], side="right")
    tries = flat[np.minimum(found, len(flat) - 1)]
    jitter = rng.uniform(-0.5, 0.5, (n_tries, 2)) * frame.pixel
    spots = np.stack([frame.x.ravel()[tries], frame.y.ravel()[tries]], axis=1) + jitter
    return _thinned(spots, len(radii), spacing * float(radii.mean()))


def _thinned(spots: Array, n_wanted: int, apart: float) -> Array:
    """Return the first `n_wanted` spots that are at least `apart` from those kept before them."""
    pairs = cKDTree(spots).query_pairs(apart, output_type="ndarray")
    kept = [True] * len(spots)
    # in this order a spot's own fate is settled before it can push out a later one
    for first, second in pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))].tolist():
        if kept[first]:
            kept[second] = False
    thinned: Array = spots[np.array(kept)][:n_wanted]
    return thinned
