"""The grid of the ablation: one setting at a time, and the chosen point only once."""

from dataclasses import asdict

import pytest

from cytosae_core.errors import ConfigError
from cytosae_core.sae.config import PAPER, SaeConfig
from cytosae_core.sae.grid import CHOSEN, PAPER_VALUES, Grid, Varied


def test_the_grid_of_the_paper_is_thirteen_points_and_thirty_nine_runs():
    grid = Grid(PAPER, block=11)
    assert len(grid.points) == 13
    assert len(grid.points) * len(grid.seeds) == 39
    assert [len([row for row in grid.rows if row.setting == name]) for name in PAPER_VALUES] == [4, 2, 4, 2, 3, 3]


def test_a_point_differs_from_the_chosen_one_in_its_setting_alone():
    grid = Grid(PAPER, block=11)
    for row in grid.rows:
        changed = {key for key, value in asdict(row.point.config).items() if value != asdict(PAPER)[key]}
        changed |= {"block"} if row.point.block != 11 else set()
        assert changed == (set() if row.point.name == CHOSEN else {row.setting})
        value = row.point.block if row.setting == "block" else getattr(row.point.config, row.setting)
        assert value == row.value


def test_the_chosen_value_has_a_row_even_when_it_is_not_named():
    grid = Grid(SaeConfig(expansion=8), 11, {"expansion": (16,)})
    assert [(row.value, row.point.name) for row in grid.rows] == [(8, CHOSEN), (16, "expansion-16")]


def test_every_point_has_a_folder_of_its_own():
    names = [point.name for point in Grid(PAPER, block=11).points]
    assert len(set(names)) == len(names)
    assert not [name for name in names if "/" in name]


def test_two_values_of_each_of_three_settings_are_four_points():
    varied = Varied(expansion=(4, 8), ghost_gradients=(True, False), l1_coefficient=(8e-5, 8e-4))
    grid = Grid(SaeConfig(expansion=4), 11, varied.values)
    assert (len(grid.rows), len(grid.points)) == (6, 4)


def test_without_any_value_the_grid_is_that_of_the_paper():
    assert Varied().values == PAPER_VALUES


def test_an_unknown_setting_is_refused():
    with pytest.raises(ConfigError, match="settings depth: a sweep can vary expansion, b_dec_init"):
        Grid(PAPER, 11, {"depth": (1,)})


@pytest.mark.parametrize("seeds", [(), (1, 1)])
def test_seeds_must_be_there_and_differ(seeds):
    with pytest.raises(ConfigError, match="name at least one, and none twice"):
        Grid(PAPER, 11, seeds=seeds)


def test_a_value_that_no_run_can_have_is_refused_before_anything_is_trained():
    with pytest.raises(ConfigError, match="learning_rate -1"):
        _ = Grid(PAPER, 11, {"learning_rate": (-1.0,)}).points
