"""One nucleated cell laid into the scene: outline, cytoplasm, granules, nucleus, inclusions."""

import numpy as np

from cytosae_core.simulated.cells import cytoplasm, smudge
from cytosae_core.simulated.cells.frame import Array, Frame
from cytosae_core.simulated.cells.granules import render_granules
from cytosae_core.simulated.cells.noise import stream
from cytosae_core.simulated.cells.nucleus import NucleusPicture, render_nucleus
from cytosae_core.simulated.cells.parameters import CellParameters
from cytosae_core.simulated.cells.scene import FAR, Scene
from cytosae_core.simulated.cells.shapes import cover, intersection

PartCounts = dict[str, int]


def render_leukocyte(
    scene: Scene, parameters: CellParameters, centre: tuple[float, float], seed: int, *, main: bool
) -> PartCounts:
    """Lay a cell at `centre` and return what is in it, by name; a neighbour marks only the mask `neighbours`."""
    reach = 0.62 * parameters.diameter * np.sqrt(parameters.elongation) + parameters.ruffles + 1.2
    frame = scene.frame.window(*centre, float(reach))
    if frame is None:
        return {}
    if parameters.nucleus.shape == "smudged":
        return smudge.render_smudge(scene, parameters, centre, frame, seed, main=main)
    cell = cytoplasm.render_outline(parameters, centre, frame, seed)
    cell = intersection(cell, 0.02 - scene.occupied[frame.place], 0.3)
    nucleus = _nucleus(parameters, cell, centre, frame, seed)
    _lay_ground(scene, parameters, cell, nucleus.distance, frame, seed)
    counts = _lay_granules(scene, parameters, cell, nucleus.distance, frame, seed, main=main)
    scene.dye(frame, "chromatin", nucleus.chromatin)
    scene.dye(frame, "matrix", nucleus.matrix)
    scene.dye(frame, "blue", 0.30 * nucleus.nucleoli)
    _lay_inclusions(scene, parameters, cell, nucleus.distance, frame, seed, main=main)
    scene.occupied[frame.place] = np.minimum(scene.occupied[frame.place], cell)
    _mark(scene, cell, nucleus, frame, main=main)
    return counts


def _nucleus(
    parameters: CellParameters, cell: Array, centre: tuple[float, float], frame: Frame, seed: int
) -> NucleusPicture:
    if parameters.nucleus.shape == "none":
        empty = np.zeros(frame.shape)
        return NucleusPicture(empty + FAR, empty, empty, empty)
    return render_nucleus(parameters.nucleus, cell, centre, parameters.diameter / 2, frame, seed)


def _lay_ground(scene: Scene, parameters: CellParameters, cell: Array, nucleus: Array, frame: Frame, seed: int) -> None:
    blue, pink, grey = cytoplasm.ground(parameters.cytoplasm, cell, nucleus, frame, seed)
    # a nucleus fills the height of the cell: little cytoplasm lies above it
    seen = 1 - 0.75 * cover(nucleus, 0.3)
    scene.dye(frame, "blue", blue * seen)
    scene.dye(frame, "pink", pink * seen)
    scene.dye(frame, "haemoglobin", grey * seen)


def _lay_granules(
    scene: Scene, parameters: CellParameters, cell: Array, nucleus: Array, frame: Frame, seed: int, *, main: bool
) -> PartCounts:
    counts: PartCounts = {}
    for index, granules in enumerate(parameters.granules):
        rng = stream(seed, f"{granules.kind} granules", index)
        picture = render_granules(granules, cell, nucleus, frame, rng)
        # a granule takes the place of cytoplasm
        scene.fade(frame, 1 - 0.4 * np.clip(picture.amount, 0, 1))
        scene.dye(frame, granules.kind, picture.amount)
        counts[granules.kind] = counts.get(granules.kind, 0) + picture.count
        if main:
            scene.mark(frame, f"{granules.kind}_granules", picture.mask)
    return counts


def _lay_inclusions(
    scene: Scene, parameters: CellParameters, cell: Array, nucleus: Array, frame: Frame, seed: int, *, main: bool
) -> None:
    part = parameters.cytoplasm
    if part.n_auer_rods or part.faggots:
        rods, mask = cytoplasm.auer_rods(part, cell, nucleus, frame, seed)
        scene.dye(frame, "azurophilic", 1.25 * rods)
        if main:
            scene.mark(frame, "auer_rods", mask)
    if part.n_vacuoles:
        clear, ring, mask = cytoplasm.vacuoles(part, cell, nucleus, frame, seed)
        scene.fade(frame, 1 - 0.88 * clear)
        scene.dye(frame, "blue", 0.18 * ring * cover(cell, 0.3))
        if main:
            scene.mark(frame, "vacuoles", mask)


def _mark(scene: Scene, cell: Array, nucleus: NucleusPicture, frame: Frame, *, main: bool) -> None:
    inside = cell < 0
    if not main:
        scene.mark(frame, "neighbours", inside)
        return
    kernel = (nucleus.distance < 0) & inside
    scene.mark(frame, "cell", inside)
    scene.mark(frame, "nucleus", kernel)
    scene.mark(frame, "cytoplasm", inside & ~kernel)
    scene.mark(frame, "nucleoli", (nucleus.nucleoli > 0.5) & kernel)
