"""What decoys are matched by, against slow and obvious twins."""

import itertools
import math

import numpy as np
import pytest

from cytosae_core.atlas.atlas import LatentAtlas
from cytosae_core.errors import StudyError
from cytosae_core.study import traits
from cytosae_core.study.builder import StudyConfig, build_study
from cytosae_core.study.items import pictures_of
from tests.atlas.tiny import make_tiny_atlas


@pytest.fixture(scope="module")
def atlas(tmp_path_factory) -> LatentAtlas:
    return make_tiny_atlas(tmp_path_factory.mktemp("atlas") / "tiny", with_maps=True, missing_share=0.2)


def slow_traits(one: np.ndarray) -> list[float]:
    side, peak = len(one), one.max()
    levels = [[value / peak if peak > 0 else 0.0 for value in row] for row in one.tolist()]
    values = [value for row in levels for value in row]
    total = sum(values)
    blocks = [0.0] * traits.N_BLOCKS**2
    for row, column in itertools.product(range(side), repeat=2):
        block = (row * traits.N_BLOCKS // side) * traits.N_BLOCKS + column * traits.N_BLOCKS // side
        blocks[block] += levels[row][column]
    return [
        math.log2((total + 1) / side**2),
        math.log2((sum(value > 0 for value in values) + 1) / side**2),
        sum(value**2 for value in values) / total if total else 0.0,
        *(part / total if total else 0.0 for part in blocks),
    ]


@pytest.mark.parametrize("grid", [4, 7, 16])
def test_the_traits_of_a_map_are_those_of_the_slow_twin_and_know_no_scale(grid):
    rng = np.random.default_rng(grid)
    maps = np.maximum(rng.normal(0, 1, (5, grid, grid)), 0)
    maps[2] = 0
    assert np.allclose(traits.map_traits(maps), [slow_traits(one) for one in maps])
    assert np.allclose(traits.map_traits(1000 * maps), traits.map_traits(maps))


def test_the_traits_of_a_picture_are_its_size_and_its_map_or_nothing_where_it_has_none(atlas):
    shown = [picture for picture in pictures_of(atlas, 3, ["mll23", "acevedo"]) if picture.sha256]
    measured = traits.PictureTraits(atlas).of(shown)
    for picture, row in zip(shown, measured, strict=True):
        n_bytes = atlas.picture_path(picture.sha256).stat().st_size
        assert np.allclose(row[:3], np.log2([48, 48, n_bytes]))
        assert np.allclose(row[3:], slow_traits(atlas.map(picture.map_index)), atol=1e-6)


def test_distances_are_in_standard_deviations_of_what_is_offered():
    rng = np.random.default_rng(1)
    wanted, offered = rng.normal(0, 3, (2, 22)), rng.normal(0, 3, (2, 5, 22))
    offered[:, :, 0] = wanted[:, None, 0] = 7.0  # no spread, no distance
    spread = [np.std([offered[i, j, k] for i in range(2) for j in range(5)]) or 1.0 for k in range(22)]
    weights = [1.0] * 6 + [traits.PLACE_WEIGHT] * 16
    for i, j in itertools.product(range(2), range(5)):
        parts = [(weights[k] * (offered[i, j, k] - wanted[i, k]) / spread[k]) ** 2 for k in range(22)]
        assert math.isclose(traits.distances(wanted, offered)[i, j], math.sqrt(sum(parts)))


def test_too_few_latents_for_a_decoy_are_refused_with_what_to_do(tmp_path):
    few = make_tiny_atlas(tmp_path / "few", n_latents=24, datasets=("mll23",))
    config = StudyConfig("Few", "mll23", n_clusters=2, n_per_cluster=2, min_pictures=3, n_decoys=1)
    with pytest.raises(StudyError, match=r"too few latents have pictures of \['mll23'\] to make a decoy.*ask for no"):
        build_study(few, config)
