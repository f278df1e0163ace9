"""Cells for the tests: rendered once per session, because each costs some 50 ms."""

from dataclasses import replace
from functools import lru_cache

import pytest

from cytosae_core.simulated.cells.noise import stream
from cytosae_core.simulated.synthetic import CellParameters, RenderedCell, render_cell, sample_parameters


def plain(cell_type: str, seed: int) -> CellParameters:
    """A cell of a type without red cells, platelets or twins: only the cell itself is in the picture."""
    parameters = sample_parameters(cell_type, stream(seed, "test"))
    around = replace(parameters.surroundings, red_cell_cover=0.0, n_platelets=0, arrangement="single")
    return replace(parameters, surroundings=around)


@lru_cache(maxsize=128)
def rendered(cell_type: str, seed: int, style: str = "mll23") -> RenderedCell:
    return render_cell(sample_parameters(cell_type, stream(seed, "test")), style, seed)


@pytest.fixture(scope="session", name="rendered")
def _rendered():
    return rendered
