"""From a cell type to the parameters of one cell of it."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from cytosae_core.errors import ConfigError
from cytosae_core.simulated.cells.parameters import CellParameters, Cytoplasm, Granules, Nucleus, Surroundings
from cytosae_core.simulated.cells.recipes import RECIPES, CellRecipe, GranuleRecipe, Span

CELL_TYPES: tuple[str, ...] = tuple(RECIPES)
"""All types that can be rendered: the 18 classes of MLL23 first."""

NEIGHBOURS = (
    "myelocyte", "metamyelocyte", "neutrophil_band", "neutrophil_segmented", "normoblast", "lymphocyte", "myeloblast",
    "promyelocyte", "neutrophil_segmented", "normoblast",
)  # fmt: skip
"""What lies around a cell in bone marrow; twice what is twice as frequent."""


def sample_parameters(cell_type: str, rng: np.random.Generator) -> CellParameters:
    """Return the parameters of one cell of a type; raises ConfigError for a type that cannot be rendered."""
    if cell_type not in RECIPES:
        raise ConfigError(f"There is no cell type {cell_type!r}: choose one of {', '.join(CELL_TYPES)}.")
    recipe = RECIPES[cell_type]
    return CellParameters(
        cell_type=cell_type,
        diameter=_within(recipe.diameter, rng),
        elongation=1 + abs(float(rng.normal(0, 0.07))),
        irregularity=_within(recipe.irregularity, rng),
        ruffles=_within(recipe.ruffles, rng),
        nucleus=_nucleus(recipe, rng),
        cytoplasm=_cytoplasm(recipe, rng),
        granules=tuple(_granules(part, rng) for part in recipe.granules),
        surroundings=_surroundings(rng),
    )


def _granules(recipe: GranuleRecipe, rng: np.random.Generator) -> Granules:
    count, radius, strength = (_within(span, rng) for span in (recipe.count, recipe.radius, recipe.strength))
    return Granules(recipe.kind, round(count), radius, strength, recipe.over_nucleus)


def _nucleus(recipe: CellRecipe, rng: np.random.Generator) -> Nucleus:
    shape = recipe.shapes[int(rng.integers(len(recipe.shapes)))]
    values = _sampled(Nucleus, recipe.nucleus, rng)
    if shape == "bilobed":
        values["n_lobes"] = 2
    if shape == "multilobed":
        values["n_lobes"] = max(int(values.get("n_lobes", 3)), 3)
    return Nucleus(shape=shape, **values)


def _cytoplasm(recipe: CellRecipe, rng: np.random.Generator) -> Cytoplasm:
    values = _sampled(Cytoplasm, recipe.cytoplasm, rng)
    if rng.random() >= recipe.vacuolated:
        values["n_vacuoles"] = 0
    return Cytoplasm(faggots=bool(rng.random() < recipe.faggots), **values)


def _surroundings(rng: np.random.Generator) -> Surroundings:
    crenated = rng.random() < 0.05
    chance = rng.random()
    return Surroundings(
        red_cell_cover=float(rng.uniform(0.12, 0.75)),
        pallor=float(rng.uniform(0.25, 1.0)),
        crenation=float(rng.uniform(0.4, 1.0)) if crenated else 0.0,
        n_platelets=int(rng.poisson(1.0)),
        arrangement="doublet" if chance < 0.03 else "rosette" if chance < 0.05 else "single",
    )


def _sampled(part: type, spans: Mapping[str, Span], rng: np.random.Generator) -> dict[str, Any]:
    """Return one value per field, whole where the field is whole."""
    whole = {entry.name for entry in fields(part) if entry.type in (int, "int")}
    return {
        name: round(float(rng.uniform(low - 0.499, high + 0.499))) if name in whole else _within((low, high), rng)
        for name, (low, high) in spans.items()
    }


def _within(span: Span | tuple[int, int], rng: np.random.Generator) -> float:
    """Return a value of the span, most often near its middle."""
    low, high = span
    return float(low + (high - low) * rng.beta(1.6, 1.6))
