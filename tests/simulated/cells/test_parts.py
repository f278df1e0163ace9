"""Small parts of the rendering against slow obvious twins."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cytosae_core.errors import ConfigError
from cytosae_core.simulated.cells.frame import whole
from cytosae_core.simulated.cells.granules import _thinned, stamp
from cytosae_core.simulated.cells.noise import derive_seed, smooth_noise, stream
from cytosae_core.simulated.cells.parameters import CellParameters, Nucleus, flat
from cytosae_core.simulated.cells.shapes import cover, ellipse, segment, union
from cytosae_core.simulated.synthetic import CELL_TYPES, STYLES, render_cell, sample_parameters

FRAME = whole(0.1)


def test_noise_has_mean_zero_and_unit_spread_at_every_scale():
    for scale in (0.3, 0.7, 1.5):
        noise = np.concatenate([smooth_noise(np.random.default_rng(seed), FRAME, scale).ravel() for seed in range(4)])
        assert abs(noise.mean()) < 0.15
        assert noise.std() == pytest.approx(1, abs=0.12)


def test_noise_is_the_sum_of_spline_bumps():
    frame = FRAME.window(0.0, 0.0, 1.0)
    noise = smooth_noise(np.random.default_rng(5), frame, 0.4)
    height, width = frame.shape
    grid = np.random.default_rng(5).standard_normal((int(height / 4) + 5, int(width / 4) + 5))

    def bump(away):
        away = abs(away)
        return 2 / 3 - away**2 + away**3 / 2 if away < 1 else max(2 - away, 0) ** 3 / 6

    for row, column in ((0, 0), (7, 12), (height - 1, width - 1)):
        slow = sum(
            grid[i, j] * bump(1.5 + row / 4 - i) * bump(1.5 + column / 4 - j)
            for i in range(grid.shape[0])
            for j in range(grid.shape[1])
        )
        assert noise[row, column] == pytest.approx(slow / 0.4793)


def test_a_circle_has_its_exact_distance():
    distance = ellipse(FRAME.x, FRAME.y, (1.0, -2.0), (3.0, 3.0), 0.4)
    exact = np.hypot(FRAME.x - 1.0, FRAME.y + 2.0) - 3.0
    assert np.allclose(distance[exact > -2.5], exact[exact > -2.5], atol=1e-6)


def test_a_stroke_has_the_distance_to_its_nearest_point():
    start, end = np.array([-2.0, 1.0]), np.array([3.0, 2.0])
    distance = segment(FRAME.x, FRAME.y, start, end, 0.5, 0.5)
    points = start + np.linspace(0, 1, 2001)[:, None] * (end - start)
    for row, column in ((10, 10), (144, 150), (200, 30), (287, 287)):
        slow = min(np.hypot(FRAME.x[row, column] - x, FRAME.y[row, column] - y) for x, y in points) - 0.5
        assert distance[row, column] == pytest.approx(slow, abs=1e-3)


def test_a_union_is_never_farther_than_its_parts_and_equal_to_them_where_they_are_apart():
    first = ellipse(FRAME.x, FRAME.y, (-3.0, 0.0), (2.0, 2.0), 0.0)
    second = ellipse(FRAME.x, FRAME.y, (3.0, 0.0), (2.0, 2.0), 0.0)
    joined = union(first, second, 0.5)
    nearest = np.minimum(first, second)
    assert (joined <= nearest + 1e-12).all()
    apart = np.abs(first - second) > 0.5
    assert np.array_equal(joined[apart], nearest[apart])


def test_cover_falls_from_one_inside_to_zero_outside():
    assert cover(np.array([-1.0, 0.0, 1.0]), 0.2).tolist() == [1.0, 0.5, 0.0]


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.integers(0, 2**32), st.integers(1, 120))
def test_thinning_keeps_what_a_greedy_loop_keeps(seed, n):
    spots = np.random.default_rng(seed).uniform(-5, 5, (n, 2))
    kept = []
    for spot in spots:
        if all(np.hypot(*(spot - other)) > 0.8 for other in kept):
            kept.append(spot)
    assert np.array_equal(_thinned(spots, 50, 0.8), np.array(kept)[:50])


def test_stamped_discs_mark_the_pixels_whose_centre_is_inside():
    centres = np.array([[0.03, -1.2], [2.5, 2.5], [14.3, 0.0]])
    radii = np.array([0.45, 0.3, 0.6])
    _, mask = stamp(FRAME, centres, radii, np.ones(3))
    slow = np.zeros(FRAME.shape, dtype=bool)
    for (x, y), radius in zip(centres, radii, strict=True):
        slow |= np.hypot(FRAME.x - x, FRAME.y - y) < radius
    assert np.array_equal(mask, slow)


def test_streams_of_different_parts_differ_and_repeat():
    assert stream(3, "nucleus").random() == stream(3, "nucleus").random()
    assert len({stream(3, "a").random(), stream(3, "b").random(), stream(4, "a").random()}) == 3
    assert derive_seed("cell", 1, "x") == derive_seed("cell", 1, "x") < 2**63


def test_the_flat_row_names_every_field_once():
    row = flat(sample_parameters("promyelocyte", np.random.default_rng(1)))
    assert row["cell_type"] == "promyelocyte"
    assert row["nucleus_shape"] in ("round", "cup")
    assert all(isinstance(value, (str, int, float, bool)) for value in row.values())


@pytest.mark.parametrize("cell_type", CELL_TYPES)
def test_sampled_parameters_are_valid_and_whole_where_they_count(cell_type):
    for seed in range(20):
        parameters = sample_parameters(cell_type, np.random.default_rng(seed))
        assert isinstance(parameters.nucleus.n_nucleoli, int)
        assert isinstance(parameters.cytoplasm.n_vacuoles, int)
        assert all(granules.count >= 0 for granules in parameters.granules)


def test_impossible_wishes_are_refused_with_the_value_and_a_remedy():
    with pytest.raises(ConfigError, match=r"40 um cannot be rendered: choose a diameter from 1 to 26"):
        CellParameters("huge", diameter=40)
    with pytest.raises(ConfigError, match=r"1\.5 of the cell cannot be rendered: choose 0 to 0\.97"):
        CellParameters("odd", diameter=10, nucleus=Nucleus(share=1.5))
    with pytest.raises(ConfigError, match="no cell type 'unicorn': choose one of basophil"):
        sample_parameters("unicorn", np.random.default_rng(0))
    with pytest.raises(ConfigError, match="no style 'sepia': choose one of mll23"):
        render_cell(CellParameters("x", diameter=10), "sepia", 0)
    with pytest.raises(ConfigError, match="seed cannot be negative, got -1"):
        render_cell(CellParameters("x", diameter=10), "mll23", -1)


def test_a_file_pixel_and_a_rendered_pixel_cover_the_same_field():
    for style in STYLES.values():
        assert style.um_per_px * 288 == pytest.approx(style.field_um)
