"""Masks say where the parts are: inside the picture, inside each other, and nowhere else."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cytosae_core.simulated.cells.noise import stream
from cytosae_core.simulated.synthetic import CELL_TYPES, MASK_NAMES, render_cell, sample_parameters

from .conftest import plain

IN_THE_CELL = [name for name in MASK_NAMES if name.endswith("granules")] + ["vacuoles", "auer_rods", "nucleoli"]


def check_masks(masks, n_pixels):
    assert set(masks) == set(MASK_NAMES)
    assert all(mask.shape == (288, 288) and mask.dtype == np.bool_ for mask in masks.values())
    assert not (masks["nucleus"] & ~masks["cell"]).any()
    assert not (masks["nucleoli"] & ~masks["nucleus"]).any()
    for name in IN_THE_CELL:
        assert not (masks[name] & ~masks["cell"]).any(), name
    for name in ("red_cells", "neighbours", "background"):
        assert not (masks[name] & masks["cell"]).any(), name
    assert not (masks["cytoplasm"] & masks["nucleus"]).any()
    covered = masks["cell"] | masks["red_cells"] | masks["platelets"] | masks["neighbours"] | masks["background"]
    assert covered.sum() == n_pixels


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    st.sampled_from(CELL_TYPES),
    st.sampled_from(["mll23", "acevedo", "matek", "bmc", "hehr"]),
    st.integers(0, 2**62),
)
def test_parts_lie_inside_the_cell_and_every_pixel_belongs_to_something(cell_type, style, seed):
    cell = render_cell(sample_parameters(cell_type, stream(seed, "test")), style, seed)
    assert cell.rgb.shape == (288, 288, 3)
    assert cell.rgb.dtype == np.uint8
    check_masks(cell.masks, 288 * 288)


@pytest.mark.parametrize("cell_type", CELL_TYPES)
def test_every_type_has_the_parts_that_its_attributes_name(cell_type, rendered):
    cell = rendered(cell_type, 11)
    attributes = cell.attributes
    assert attributes["cell_type"] == cell_type
    assert attributes["simulated"] is True
    assert cell.masks["cell"].any()
    assert cell.masks["nucleus"].any() == (cell_type != "platelet")
    for kind in ("eosinophilic", "basophilic", "azurophilic", "neutrophilic"):
        assert cell.masks[f"{kind}_granules"].any() == (attributes[f"n_{kind}_granules"] > 0), kind
    has_rods = attributes["cytoplasm_n_auer_rods"] > 0 or attributes["cytoplasm_faggots"]
    assert cell.masks["auer_rods"].any() <= has_rods


@pytest.mark.parametrize("cell_type", ["lymphocyte", "myeloblast", "plasma_cell", "monocyte"])
def test_the_rendered_nucleus_takes_about_the_share_that_was_asked_for(cell_type):
    errors = []
    for seed in range(6):
        cell = render_cell(plain(cell_type, seed), "mll23", seed)
        errors.append(cell.attributes["measured_nucleus_share"] - cell.attributes["nucleus_share"])
    assert abs(np.mean(errors)) < 0.12


def test_the_cell_is_as_large_as_was_asked_for_in_every_style():
    for style, tolerance in (("mll23", 0.12), ("acevedo", 0.12), ("hehr", 0.12)):
        ratios = []
        for seed in range(5):
            parameters = plain("lymphocyte", seed)
            cell = render_cell(parameters, style, seed)
            wanted = np.pi * (parameters.diameter / 2) ** 2
            ratios.append(cell.attributes["cell_area_um2"] / wanted)
        assert np.mean(ratios) == pytest.approx(1, abs=tolerance), style
