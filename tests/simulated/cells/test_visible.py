"""What a parameter promises can be seen in the pixels: every concept changes the picture in its own direction."""

from dataclasses import replace

import numpy as np
import pytest

from cytosae_core.simulated.synthetic import CellParameters, Cytoplasm, Granules, Nucleus, Surroundings, render_cell

EMPTY = Surroundings(red_cell_cover=0.0, n_platelets=0)
STYLE_NAMES = ["mll23", "acevedo", "matek", "hehr"]


def a_cell(**parts) -> CellParameters:
    return CellParameters("test", diameter=15.0, **{"surroundings": EMPTY, **parts})


def colour(cell, name, but=None):
    where = cell.masks[name] if but is None else cell.masks[name] & ~cell.masks[but]
    return cell.rgb[where].mean(axis=0)


@pytest.mark.parametrize("style", STYLE_NAMES)
def test_eosinophilic_granules_are_redder_than_the_cytoplasm_between_them(style):
    cell = render_cell(a_cell(granules=(Granules("eosinophilic", 80, 0.4),)), style, 1)
    granules, between = colour(cell, "eosinophilic_granules"), colour(cell, "cytoplasm", "eosinophilic_granules")
    assert granules[0] - granules[1] > between[0] - between[1] + 20
    assert granules[0] / granules[2] > between[0] / between[2]


@pytest.mark.parametrize("style", STYLE_NAMES)
@pytest.mark.parametrize("kind", ["basophilic", "azurophilic"])
def test_dark_granules_are_darker_than_the_cytoplasm_between_them(style, kind):
    name = f"{kind}_granules"
    cell = render_cell(a_cell(granules=(Granules(kind, 60, 0.3),)), style, 2)
    assert colour(cell, name).mean() < colour(cell, "cytoplasm", name).mean() - 20


def test_basophilic_granules_are_darker_than_eosinophilic_ones_of_the_same_cell():
    both = (Granules("eosinophilic", 60, 0.4), Granules("basophilic", 30, 0.4))
    cell = render_cell(a_cell(nucleus=Nucleus(share=0.3), granules=both), "mll23", 3)
    dark = cell.rgb[cell.masks["basophilic_granules"] & cell.masks["cytoplasm"]].mean()
    assert dark < colour(cell, "eosinophilic_granules", "basophilic_granules").mean() - 15


@pytest.mark.parametrize("style", STYLE_NAMES)
def test_the_nucleus_is_much_darker_than_the_cytoplasm_and_this_than_the_background(style):
    cell = render_cell(a_cell(), style, 4)
    nucleus, cytoplasm, background = (colour(cell, name).mean() for name in ("nucleus", "cytoplasm", "background"))
    assert nucleus < cytoplasm - 40
    assert cytoplasm < background - 8


def test_vacuoles_are_brighter_than_the_cytoplasm():
    cell = render_cell(a_cell(cytoplasm=Cytoplasm(basophilia=0.8, n_vacuoles=8, vacuole_radius=0.7)), "mll23", 5)
    assert colour(cell, "vacuoles").mean() > colour(cell, "cytoplasm", "vacuoles").mean() + 15


def test_auer_rods_are_redder_and_darker_than_the_cytoplasm():
    cell = render_cell(a_cell(nucleus=Nucleus(share=0.35), cytoplasm=Cytoplasm(faggots=True)), "mll23", 6)
    rods, between = colour(cell, "auer_rods"), colour(cell, "cytoplasm", "auer_rods")
    assert rods.mean() < between.mean() - 15
    assert rods[0] - rods[1] > between[0] - between[1]


def test_more_basophilia_makes_the_cytoplasm_bluer():
    cells = [render_cell(a_cell(cytoplasm=Cytoplasm(basophilia=value)), "mll23", 7) for value in (0.2, 1.2)]
    pale, blue = (colour(cell, "cytoplasm") for cell in cells)
    assert blue[0] < pale[0] - 30
    assert blue[2] - blue[0] > pale[2] - pale[0] + 20


def test_clumped_chromatin_varies_more_than_fine_chromatin():
    def spread(clumping):
        nucleus = Nucleus(share=0.6, clumping=clumping, clump_scale=0.8, irregularity=0.0)
        cell = render_cell(a_cell(nucleus=nucleus), "mll23", 8)
        return cell.rgb[cell.masks["nucleus"]].mean(axis=1).std()

    assert spread(0.95) > spread(0.05) + 3


def test_nucleoli_are_bluer_than_the_chromatin():
    cell = render_cell(a_cell(nucleus=Nucleus(share=0.7, n_nucleoli=3, clumping=0.1)), "mll23", 9)
    nucleoli, chromatin = colour(cell, "nucleoli"), colour(cell, "nucleus", "nucleoli")
    assert nucleoli[2] - nucleoli[0] > chromatin[2] - chromatin[0]


def test_red_cells_without_pallor_are_darker_in_the_middle():
    def middle(pallor):
        around = Surroundings(red_cell_cover=0.6, pallor=pallor, n_platelets=0)
        cell = render_cell(a_cell(surroundings=around), "acevedo", 10)
        return cell.rgb[cell.masks["red_cells"]].mean()

    assert middle(1.0) > middle(0.1) + 5


def test_a_doublet_has_a_neighbour_and_a_rosette_is_ringed_by_red_cells():
    doublet = render_cell(a_cell(surroundings=replace(EMPTY, arrangement="doublet")), "acevedo", 11)
    rosette = render_cell(a_cell(surroundings=replace(EMPTY, arrangement="rosette")), "acevedo", 11)
    alone = render_cell(a_cell(), "acevedo", 11)
    assert doublet.masks["neighbours"].sum() > 0.3 * doublet.masks["cell"].sum()
    assert rosette.attributes["n_red_cells"] >= 6
    assert alone.attributes["n_red_cells"] == 0


def test_removing_the_granules_leaves_the_rest_of_the_cell_as_it_was():
    with_granules = render_cell(a_cell(granules=(Granules("azurophilic", 50, 0.2),)), "mll23", 12)
    without = render_cell(a_cell(), "mll23", 12)
    for name in ("cell", "nucleus", "nucleoli"):
        assert np.array_equal(with_granules.masks[name], without.masks[name]), name
    far = ~without.masks["cell"]
    change = np.abs(with_granules.rgb.astype(int) - without.rgb.astype(int)).max(axis=2)
    assert np.percentile(change[far], 99) <= 2
