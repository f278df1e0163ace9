"""Red cells and platelets around a white cell."""

from dataclasses import dataclass, replace

import numpy as np

from cytosae_core.simulated.cells.frame import Array, Frame
from cytosae_core.simulated.cells.granules import stamp
from cytosae_core.simulated.cells.noise import smooth_noise, stream, warped
from cytosae_core.simulated.cells.parameters import Surroundings
from cytosae_core.simulated.cells.scene import FAR, Scene
from cytosae_core.simulated.cells.shapes import cover, ellipse, intersection
from cytosae_core.simulated.cells.styles import Style

Spot = tuple[float, float, float, bool]
"""x and y of the middle and radius, micrometres; whether it may lie on other red cells instead of yielding to them."""


@dataclass(frozen=True, eq=False)
class Blood:
    """The red cells laid so far."""

    distance: Array
    """Signed distance to the nearest red cell, micrometres (height, width)."""
    amount: Array
    """Relative amount of haemoglobin (height, width)."""


def render_red_cells(scene: Scene, surroundings: Surroundings, style: Style, seed: int) -> int:
    """Lay red cells on free ground, some over the edge of the picture or over each other; return how many were laid."""
    rng = stream(seed, "red cells")
    crowd = min(surroundings.red_cell_cover * style.red_cell_factor, 0.9)
    surroundings = replace(surroundings, pallor=surroundings.pallor * style.pallor_factor)
    spots = _ring(scene, rng) if surroundings.arrangement == "rosette" else []
    spots += _strewn(scene, crowd, spots, rng)
    drift = warped(rng, scene.frame, 4.0, 0.28)
    blood = Blood(np.full(scene.frame.shape, FAR), np.zeros(scene.frame.shape))
    n_laid = 0
    for index, spot in enumerate(spots):
        n_laid += _lay_red_cell(scene, blood, surroundings, spot, drift, stream(seed, "red cell", index))
    scene.dye(scene.frame, "haemoglobin", blood.amount)
    return n_laid


def _ring(scene: Scene, rng: np.random.Generator) -> list[Spot]:
    """Return places of red cells that touch the white cell all around."""
    cell = scene.masks["cell"]
    reach = float(np.sqrt(cell.sum() / np.pi)) * scene.frame.pixel
    radius = 3.5
    n = int(2 * np.pi * (reach + 0.85 * radius) / (2.05 * radius))
    angles = rng.uniform(0, 2 * np.pi) + np.arange(n) * 2 * np.pi / n + rng.normal(0, 0.06, n)
    away = reach + radius * rng.uniform(0.72, 0.95, n)
    return [(float(r * np.cos(a)), float(r * np.sin(a)), radius, False) for a, r in zip(angles, away, strict=True)]


def _strewn(scene: Scene, crowd: float, taken: list[Spot], rng: np.random.Generator) -> list[Spot]:
    """Return places at random: rarely on the white cell, sometimes on another red cell."""
    frame = scene.frame
    half = frame.pixel * frame.shape[0] / 2 + 3.0
    size = rng.normal(3.65, 0.12)
    n_wanted = rng.poisson(crowd * (2 * half) ** 2 / (np.pi * size**2))
    closeness = 1.9 - 0.2 * crowd
    spots = list(taken)
    for x, y in rng.uniform(-half, half, (14 * n_wanted + 1, 2)):
        if len(spots) - len(taken) >= n_wanted:
            break
        radius = size * float(np.exp(rng.normal(0, 0.055)))
        on_top = bool(rng.random() < 0.02)
        allowed = (0.9 if on_top else closeness) * radius
        clear = all((x - a) ** 2 + (y - b) ** 2 > allowed**2 for a, b, _, _ in spots)
        if clear and _distance_at(scene, x, y) > 0.72 * radius:
            spots.append((float(x), float(y), radius, on_top))
    return spots[len(taken) :]


def _distance_at(scene: Scene, x: float, y: float) -> float:
    """Return the distance to the nearest white cell; outside the picture that of the nearest pixel."""
    last = scene.frame.shape[0] - 1
    column, row = (int(np.clip(np.rint(value / scene.frame.pixel + last / 2), 0, last)) for value in (x, y))
    return float(scene.occupied[row, column])


def _lay_red_cell(
    scene: Scene,
    blood: Blood,
    surroundings: Surroundings,
    spot: Spot,
    drift: tuple[Array, Array],
    rng: np.random.Generator,
) -> int:
    x, y, radius, on_top = spot
    frame = scene.frame.window(x, y, 1.35 * radius)
    if frame is None:
        return 0
    stretch = float(np.exp(abs(rng.normal(0, 0.07))))
    warped_x, warped_y = drift[0][frame.place], drift[1][frame.place]
    disc = ellipse(warped_x, warped_y, (x, y), (radius * stretch, radius / stretch), rng.uniform(0, np.pi))
    if surroundings.crenation > 0:
        disc = disc + _spikes(surroundings.crenation, frame, x, y, rng)
    disc = intersection(disc, 0.18 - scene.occupied[frame.place], 1.1)
    if not on_top:
        disc = intersection(disc, 0.06 - blood.distance[frame.place], 1.0)
    pallor = float(np.clip(surroundings.pallor + rng.normal(0, 0.16), 0.1, 1.05))
    thickness = _biconcave(disc, radius, pallor, rng.uniform(0.40, 0.60))
    dimple = 1 + 0.035 * smooth_noise(rng, frame, 1.6)
    amount = thickness * dimple * cover(disc, 0.34) * float(np.exp(rng.normal(0, 0.07)))
    # a membrane seen edge on bends the light: a faint dark line
    amount += 0.05 * np.exp(-(((disc + 0.15) / 0.2) ** 2))
    # cells that lie on each other are squeezed: less than the sum of both
    blood.amount[frame.place] += amount * (1 - 0.65 * np.clip(blood.amount[frame.place], 0, 1))
    blood.distance[frame.place] = np.minimum(blood.distance[frame.place], disc)
    inside = disc < 0
    scene.mark(frame, "red_cells", inside)
    return int(inside.any())


def _spikes(crenation: float, frame: Frame, x: float, y: float, rng: np.random.Generator) -> Array:
    """Return how far the outline is pulled in between the spikes of an echinocyte."""
    angle = np.arctan2(frame.y - y, frame.x - x)
    n_spikes = int(rng.integers(11, 17))
    phase, lean = rng.uniform(0, 2 * np.pi, 2)
    height = 0.6 + 0.4 * np.cos(3 * angle + lean)
    wave: Array = 0.17 * crenation * height * np.cos(n_spikes * angle + 1.6 * np.cos(2 * angle + phase))
    return wave


def _biconcave(disc: Array, radius: float, pallor: float, width: float) -> Array:
    """Return the relative thickness of a disc that is thin in the middle (after Evans and Fung 1972, flattened)."""
    inward = np.clip(1 + disc / radius, 0, 1)
    shoulder = np.sqrt(np.clip(1 - inward**2.6, 0, 1)) ** 0.55
    hollow = 1 / (1 + np.exp(np.clip((inward - width) / 0.085, -30, 30)))
    thickness: Array = shoulder * (1 - 0.97 * pallor * hollow) * (0.93 + 0.14 * inward)
    return thickness


def render_platelets(scene: Scene, n_platelets: int, seed: int) -> int:
    """Lay platelets on free ground; return how many were laid."""
    n_laid = 0
    half = scene.frame.pixel * scene.frame.shape[0] / 2
    for index in range(n_platelets):
        rng = stream(seed, "platelet", index)
        spots = rng.uniform(-half, half, (24, 2))
        free = [spot for spot in spots if _is_free(scene, *spot)]
        if free:
            lay_platelet(scene, (float(free[0][0]), float(free[0][1])), float(rng.uniform(0.75, 1.5)), rng)
            n_laid += 1
    return n_laid


def _is_free(scene: Scene, x: float, y: float) -> bool:
    window = scene.frame.window(x, y, 1.2)
    return window is not None and not scene.masks["red_cells"][window.place].any() and _distance_at(scene, x, y) > 1.6


def lay_platelet(scene: Scene, centre: tuple[float, float], radius: float, rng: np.random.Generator) -> None:
    """Lay one platelet: a pale frayed disc with a granular purple middle."""
    frame = scene.frame.window(*centre, 1.8 * radius + 0.6)
    if frame is None:
        return
    x, y = warped(rng, frame, max(1.2 * radius, 0.8), 0.10 * radius)
    stretch = float(np.exp(abs(rng.normal(0, 0.12))))
    disc = ellipse(x, y, centre, (radius * stretch, radius / stretch), rng.uniform(0, np.pi))
    disc = disc + 0.06 * radius * smooth_noise(rng, frame, 0.35)
    middle = 1 / (1 + np.exp(np.clip((disc + 0.30 * radius) / (0.18 * radius), -30, 30)))
    n = int(6 + 11 * radius**2)
    spots = np.array(centre) + 0.42 * radius * rng.standard_normal((n, 2))
    grains, _ = stamp(frame, spots, rng.uniform(0.12, 0.22, n), rng.uniform(0.4, 0.9, n))
    scene.dye(frame, "blue", 0.28 * cover(disc, 0.4))
    scene.dye(frame, "platelet", cover(disc, 0.4) * (0.18 + 0.45 * middle + 0.75 * grains))
    scene.mark(frame, "platelets", disc < 0)
    scene.occupied[frame.place] = np.minimum(scene.occupied[frame.place], disc + 0.3)


def render_specks(scene: Scene, n_mean: float, seed: int) -> None:
    """Strew loose granules and stain over the whole picture; they belong to no part."""
    rng = stream(seed, "specks")
    n = int(rng.poisson(n_mean))
    half = scene.frame.pixel * scene.frame.shape[0] / 2
    middles = rng.uniform(-half, half, (max(n // 5, 1), 2))
    spots = middles[rng.integers(len(middles), size=n)] + rng.normal(0, 1.6, (n, 2))
    amount, _ = stamp(scene.frame, spots, rng.uniform(0.06, 0.2, n), rng.uniform(0.3, 0.9, n))
    scene.dye(scene.frame, "azurophilic", amount * (scene.occupied > 0))
