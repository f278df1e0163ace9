"""A whole picture from parameters, style and seed."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from cytosae_core.errors import ConfigError
from cytosae_core.simulated.cells.frame import SIDE, Mask, whole
from cytosae_core.simulated.cells.leukocyte import render_leukocyte
from cytosae_core.simulated.cells.noise import derive_seed, stream
from cytosae_core.simulated.cells.optics import Pixels, develop
from cytosae_core.simulated.cells.parameters import CellParameters, flat
from cytosae_core.simulated.cells.scene import Scene
from cytosae_core.simulated.cells.styles import STYLES, Colour, Style
from cytosae_core.simulated.cells.surroundings import lay_platelet, render_platelets, render_red_cells, render_specks
from cytosae_core.simulated.cells.types import NEIGHBOURS, sample_parameters

Attributes = dict[str, str | int | float | bool]


@dataclass(frozen=True, eq=False)
class RenderedCell:
    """A SIMULATED cell."""

    rgb: Pixels
    """Picture (288, 288, 3)."""
    masks: dict[str, Mask]
    """Part -> its pixels (288, 288); see `scene.MASK_NAMES`."""
    attributes: Attributes
    """One flat row: what was asked for, and what was rendered and measured."""


def render_cell(
    parameters: CellParameters, style: str | Style, seed: int, *, slide_seed: int | None = None
) -> RenderedCell:
    """Render one cell; the same arguments give the same bytes, whatever was rendered before.

    `slide_seed` fixes the mixture of dyes and the light: cells of one slide share it; None takes it from `seed`.
    Raises ConfigError for an unknown style or a negative seed.
    """
    style = find_style(style)
    if seed < 0:
        raise ConfigError(f"A seed cannot be negative, got {seed}: give 0 or more.")
    slide_seed = derive_seed("slide", seed) if slide_seed is None else slide_seed
    scene = Scene(whole(style.um_per_px), mixed_dyes(style, slide_seed))
    counts = _lay_cells(scene, parameters, style, seed)
    around = parameters.surroundings
    n_red_cells = render_red_cells(scene, around, style, seed)
    n_platelets = render_platelets(scene, around.n_platelets, seed)
    render_specks(scene, style.n_specks, seed)
    masks = _finished(scene)
    attributes = flat(parameters) | {f"n_{kind}_granules": count for kind, count in counts.items()}
    attributes |= {"style": style.name, "seed": seed, "um_per_px": style.um_per_px, "simulated": True}
    attributes |= {"n_red_cells": n_red_cells, "n_platelets": n_platelets} | _measured(masks, style)
    return RenderedCell(develop(scene, style, seed, slide_seed), masks, attributes)


def find_style(style: str | Style) -> Style:
    """Return the style of that name, or the style itself; raises ConfigError."""
    if isinstance(style, Style):
        return style
    if style not in STYLES:
        raise ConfigError(f"There is no style {style!r}: choose one of {', '.join(STYLES)}.")
    return STYLES[style]


def mixed_dyes(style: Style, slide_seed: int) -> Mapping[str, Colour]:
    """Return the dyes of one slide: each a little stronger or weaker than the style's, reds and blues together."""
    rng = stream(slide_seed, "dyes")
    common = rng.normal(0, style.dye_spread)
    tilt = rng.normal(0, style.dye_spread, 3) * np.array([1.0, 0.5, 1.0])
    dyes: dict[str, Colour] = {}
    for name, colour in style.pigments.items():
        factor = np.exp(common + 0.5 * rng.normal(0, style.dye_spread) + tilt)
        red, green, blue = (float(part) for part in np.array(colour) * factor)
        dyes[name] = (red, green, blue)
    return MappingProxyType(dyes)


def _lay_cells(scene: Scene, parameters: CellParameters, style: Style, seed: int) -> dict[str, int]:
    """Lay the cell near the middle, then other white cells against it and at the edges."""
    rng = stream(seed, "places")
    centre = (float(rng.normal(0, 0.35)), float(rng.normal(0, 0.35)))
    if parameters.cell_type == "platelet":
        lay_platelet(scene, centre, parameters.diameter / 2, stream(seed, "central platelet"))
        scene.masks["cell"] |= scene.masks["platelets"]
        return {}
    counts = render_leukocyte(scene, parameters, centre, seed, main=True)
    if parameters.surroundings.arrangement == "doublet":
        _lay_twin(scene, parameters, centre, seed, rng)
    for index in range(rng.poisson(style.n_neighbours)):
        _lay_neighbour(scene, style, derive_seed(seed, "neighbour", index))
    return counts


def _lay_twin(
    scene: Scene, parameters: CellParameters, centre: tuple[float, float], seed: int, rng: np.random.Generator
) -> None:
    """Lay a second cell of the same kind, pressed against the first."""
    angle = rng.uniform(0, 2 * np.pi)
    away = parameters.diameter * 0.95
    place = (centre[0] + away * float(np.cos(angle)), centre[1] + away * float(np.sin(angle)))
    render_leukocyte(scene, parameters, place, derive_seed(seed, "twin"), main=False)


def _lay_neighbour(scene: Scene, style: Style, seed: int) -> None:
    """Lay another cell of the marrow so that the edge of the picture cuts it."""
    rng = stream(seed, "neighbour")
    kind = NEIGHBOURS[int(rng.integers(len(NEIGHBOURS)))]
    angle = rng.uniform(0, 2 * np.pi)
    away = 0.5 * style.field_um * rng.uniform(0.95, 1.25)
    place = (away * float(np.cos(angle)), away * float(np.sin(angle)))
    parameters = sample_parameters(kind, rng)
    if parameters.nucleus.shape != "smudged":
        render_leukocyte(scene, replace(parameters, irregularity=0.15), place, seed, main=False)


def _finished(scene: Scene) -> dict[str, Mask]:
    """Return the masks: what lies under a white cell is hidden, and background is what nothing covers."""
    masks = scene.masks
    masks["neighbours"] &= ~masks["cell"]
    masks["red_cells"] &= ~(masks["cell"] | masks["neighbours"])
    covered = masks["cell"] | masks["neighbours"] | masks["red_cells"] | masks["platelets"]
    masks["background"] = ~covered
    return masks


def _measured(masks: dict[str, Mask], style: Style) -> Attributes:
    """Return areas in square micrometres as rendered, cut off at the edge of the picture."""
    square = style.um_per_px**2
    cell, nucleus = float(masks["cell"].sum() * square), float(masks["nucleus"].sum() * square)
    return {
        "cell_area_um2": cell,
        "nucleus_area_um2": nucleus,
        "measured_nucleus_share": nucleus / cell if cell else 0.0,
        "red_cell_share": float(masks["red_cells"].sum() / SIDE**2),
        "vacuole_area_um2": float(masks["vacuoles"].sum() * square),
    }
