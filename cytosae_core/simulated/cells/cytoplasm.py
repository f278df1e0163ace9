"""Cytoplasm: outline of the cell, blue and pink ground, Golgi area, vacuoles, Auer rods."""

import numpy as np
from numpy.typing import NDArray

from cytosae_core.simulated.cells.frame import Array, Frame, Mask
from cytosae_core.simulated.cells.noise import smooth_noise, stream, warped
from cytosae_core.simulated.cells.parameters import CellParameters, Cytoplasm
from cytosae_core.simulated.cells.shapes import cover, ellipse, segment


def render_outline(parameters: CellParameters, centre: tuple[float, float], frame: Frame, seed: int) -> Array:
    """Return the signed distance to the membrane."""
    rng = stream(seed, "membrane")
    x, y = warped(rng, frame, 5.0, 1.6 * parameters.irregularity)
    x = x + 0.07 * smooth_noise(rng, frame, 0.8)
    stretch = np.sqrt(parameters.elongation)
    radius = parameters.diameter / 2
    cell = ellipse(x, y, centre, (radius * stretch, radius / stretch), rng.uniform(0, np.pi))
    if parameters.ruffles > 0:
        cell = cell - _hairs(parameters.ruffles, frame, centre, cell, rng)
    return cell


def _hairs(length: float, frame: Frame, centre: tuple[float, float], cell: Array, rng: np.random.Generator) -> Array:
    """Return how far the membrane is pushed out: hairs of uneven length around the cell."""
    angle = np.arctan2(frame.y - centre[1], frame.x - centre[0])
    n_nodes = 256
    fine = np.clip(np.interp(np.arange(n_nodes), np.arange(0, n_nodes, 2), rng.standard_normal(n_nodes // 2)), 0, None)
    coarse = np.repeat(rng.uniform(0.2, 1.0, 32), n_nodes // 32)
    lengths = length * fine * coarse
    position = (angle / (2 * np.pi) + 0.5) * n_nodes + 0.25 * smooth_noise(rng, frame, 1.0) * (cell > -0.5)
    hairs: Array = np.interp(position % n_nodes, np.arange(n_nodes + 1), np.append(lengths, lengths[0]))
    return hairs


def ground(cytoplasm: Cytoplasm, cell: Array, nucleus: Array, frame: Frame, seed: int) -> tuple[Array, Array, Array]:
    """Return the amounts of blue, pink and haemoglobin in the cytoplasm; each (height, width)."""
    rng = stream(seed, "cytoplasm")
    depth = np.clip(-cell, 0, None)
    clouds = smooth_noise(rng, frame, 0.9)
    fine = smooth_noise(rng, frame, 0.28)
    broad = smooth_noise(rng, frame, 3.5)
    inside = cover(cell, 0.22)
    thick = 0.72 + 0.28 * (1 - np.exp(-depth / 0.9))
    texture = 1 + cytoplasm.mottling * (0.40 * clouds + 0.65 * fine) + 0.10 * broad
    edge = np.exp(-depth / 0.7)
    pale = 1 - cytoplasm.hof * _golgi(cell, nucleus, frame, rng)
    blue = inside * np.clip(thick * texture * cytoplasm.basophilia * pale + cytoplasm.rim * edge, 0, None)
    pink = inside * thick * cytoplasm.acidophilia * np.clip(1 + 0.3 * clouds * cytoplasm.mottling, 0, None)
    pink = pink * (2 - pale)
    return blue, pink, inside * thick * cytoplasm.greyness


def _golgi(cell: Array, nucleus: Array, frame: Frame, rng: np.random.Generator) -> Array:
    """Return a soft patch, 0 to 1, at the nucleus on the side where the cytoplasm is widest."""
    room = np.minimum(nucleus, -cell)
    row, column = np.unravel_index(int(np.argmax(room)), room.shape)
    x, y = float(frame.x[row, column]), float(frame.y[row, column])
    reach = max(1.3, 1.3 * float(room.max()))
    away = np.hypot(frame.x - x, frame.y - y) / reach
    patch: Array = np.exp(-away * away) * np.exp(-np.clip(nucleus - reach, 0, None))
    return patch


def vacuoles(cytoplasm: Cytoplasm, cell: Array, nucleus: Array, frame: Frame, seed: int) -> tuple[Array, Array, Mask]:
    """Return how clear each pixel is, a thin dark ring around each vacuole, and the mask."""
    rng = stream(seed, "vacuoles")
    clear, ring = np.zeros(frame.shape), np.zeros(frame.shape)
    room = np.argwhere((cell < -0.5) & (nucleus > -0.3))
    for _ in range(cytoplasm.n_vacuoles if len(room) else 0):
        row, column = room[rng.integers(len(room))]
        radius = max(cytoplasm.vacuole_radius * float(np.exp(rng.normal(0, 0.3))), 0.28)
        radius = min(radius, max(-float(cell[row, column]) - 0.1, 0.3))
        place = float(frame.x[row, column]), float(frame.y[row, column])
        away = ellipse(frame.x, frame.y, place, (radius * 1.08, radius / 1.08), rng.uniform(0, np.pi))
        clear = np.maximum(clear, cover(away, 0.25))
        ring = np.maximum(ring, np.exp(-(((away - 0.12) / 0.14) ** 2)))
    return clear, ring * (1 - clear), (clear > 0.5) & (cell < 0)


def auer_rods(cytoplasm: Cytoplasm, cell: Array, nucleus: Array, frame: Frame, seed: int) -> tuple[Array, Mask]:
    """Return the dye of Auer rods, single and bundled, and their mask."""
    rng = stream(seed, "auer rods")
    amount = np.zeros(frame.shape)
    room = np.argwhere((cell < -0.9) & (nucleus > 0.2))
    if len(room) == 0:
        return amount, amount > 0
    for start, end, radius in _rods(cytoplasm, room, frame, rng):
        rod = segment(frame.x, frame.y, start, end, radius, radius * 0.6)
        amount = np.maximum(amount, cover(rod, 0.16) * rng.uniform(0.8, 1.1))
    amount = amount * cover(cell + 0.25, 0.2)
    return amount, (amount > 0.4) & (cell < 0)


def _rods(
    cytoplasm: Cytoplasm, room: NDArray[np.intp], frame: Frame, rng: np.random.Generator
) -> list[tuple[Array, Array, float]]:
    """Return (start, end, radius) of each rod: singles anywhere, a bundle crossing near one place."""
    rods = []
    hub = room[rng.integers(len(room))]
    lean = rng.uniform(0, np.pi)
    n_bundled = int(rng.integers(7, 14)) if cytoplasm.faggots else 0
    for index in range(cytoplasm.n_auer_rods + n_bundled):
        bundled = index < n_bundled
        row, column = hub if bundled else room[rng.integers(len(room))]
        angle = lean + rng.normal(0, 0.45) if bundled else rng.uniform(0, np.pi)
        half = rng.uniform(0.9, 1.9) * np.array([np.cos(angle), np.sin(angle)])
        middle = np.array([frame.x[row, column], frame.y[row, column]]) + bundled * rng.normal(0, 0.55, 2)
        rods.append((middle - half, middle + half, float(rng.uniform(0.09, 0.15))))
    return rods
