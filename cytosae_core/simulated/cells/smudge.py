"""Smudge cells (Gumprecht shadows): a burst nucleus, smeared and frayed, without cytoplasm."""

import numpy as np

from cytosae_core.simulated.cells.frame import Array, Frame
from cytosae_core.simulated.cells.noise import smooth_noise, stream, warped
from cytosae_core.simulated.cells.parameters import CellParameters
from cytosae_core.simulated.cells.scene import Scene
from cytosae_core.simulated.cells.shapes import ellipse, segment, union


def render_smudge(
    scene: Scene, parameters: CellParameters, centre: tuple[float, float], frame: Frame, seed: int, *, main: bool
) -> dict[str, int]:
    """Lay a smudged nucleus at `centre`; all of it counts as cell and as nucleus."""
    rng = stream(seed, "smudge")
    body = _smear(parameters, centre, frame, rng)
    threads = smooth_noise(rng, frame, 1.0) + 0.7 * smooth_noise(rng, frame, 0.4)
    holes = smooth_noise(rng, frame, 2.2)
    depth = np.clip(-body, 0, None)
    thickness = 1 / (1 + np.exp(np.clip((body + 0.25) / 0.22, -30, 30)))
    thickness = thickness * (0.35 + 0.45 * (1 - np.exp(-depth / 1.6))) * np.clip(1 + 0.22 * holes, 0.3, None)
    amount = thickness * parameters.nucleus.density
    scene.dye(frame, "chromatin", amount * np.clip(0.42 + 0.20 * threads, 0.05, None))
    scene.dye(frame, "matrix", amount * np.clip(0.72 - 0.10 * threads, 0.1, None))
    scene.occupied[frame.place] = np.minimum(scene.occupied[frame.place], body + 0.5)
    for name in ("cell", "nucleus") if main else ("neighbours",):
        scene.mark(frame, name, body < 0)
    return {}


def _smear(parameters: CellParameters, centre: tuple[float, float], frame: Frame, rng: np.random.Generator) -> Array:
    """Return the signed distance to an oval core with frayed strands, all dragged more or less one way."""
    x, y = warped(rng, frame, 2.4, 0.5)
    radius = 0.34 * parameters.diameter
    drag = rng.uniform(0, 2 * np.pi)
    stretch = np.sqrt(parameters.nucleus.elongation)
    smear = ellipse(x, y, centre, (radius * stretch, radius / stretch), drag)
    smear = smear + 0.45 * smooth_noise(rng, frame, 1.3)
    for _ in range(int(rng.integers(9, 17))):
        angle = drag + rng.choice([0.0, np.pi]) + rng.normal(0, 0.75)
        way = np.array([np.cos(angle), np.sin(angle)])
        start = np.array(centre) + 0.55 * radius * way + rng.normal(0, 0.35 * radius, 2)
        end = start + way * radius * rng.uniform(0.2, 0.6)
        smear = union(smear, segment(x, y, start, end, 0.34 * radius, 0.14 * radius), 1.0)
    return smear
