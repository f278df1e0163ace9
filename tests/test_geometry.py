"""Tokens, patches and pixels: the arithmetic that every map and every overlay relies on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cytosae_core import geometry
from cytosae_core.errors import ConfigError


def test_an_image_of_224_px_has_257_tokens():
    assert (geometry.GRID, geometry.N_PATCHES, geometry.N_TOKENS, geometry.CLS) == (16, 256, 257, 0)


@given(st.integers(1, 40), st.data())
def test_a_patch_is_found_again_by_its_row_and_column(grid, data):
    row, col = data.draw(st.integers(0, grid - 1)), data.draw(st.integers(0, grid - 1))
    token = geometry.token_index(row, col, grid)
    assert geometry.patch_position(token, grid) == (row, col)
    assert geometry.grid_of(geometry.n_tokens_of(grid)) == grid


def test_patches_are_counted_row_by_row_after_cls():
    places = [(row, col) for row in range(16) for col in range(16)]
    assert [geometry.patch_position(token) for token in range(1, 257)] == places


def test_a_map_has_the_value_of_each_patch_at_its_row_and_column():
    values = np.arange(2 * 257).reshape(2, 257)
    maps = geometry.patch_grid(values)
    for row, col in [(0, 0), (0, 15), (7, 3), (15, 15)]:
        assert maps[1, row, col] == values[1, geometry.token_index(row, col)]


@given(st.integers(0, 15), st.integers(0, 15), st.floats(16, 5000), st.floats(16, 5000))
def test_the_middle_of_a_pixel_box_lies_in_its_patch(row, col, width, height):
    box = geometry.pixel_box(row, col, width, height)
    middle = (box.left + box.right) / 2, (box.top + box.bottom) / 2
    assert geometry.patch_at(*middle, width, height) == (row, col)


def test_boxes_tile_the_image_without_gap_or_overlap():
    boxes = [geometry.pixel_box(row, col, 360, 363) for row in range(16) for col in range(16)]
    area = sum((box.right - box.left) * (box.bottom - box.top) for box in boxes)
    assert area == pytest.approx(360 * 363)
    assert boxes[0][:2] == (0, 0)
    assert boxes[-1][2:] == (360, 363)


def test_the_box_of_a_patch_of_the_resized_image_is_14_px_wide():
    assert geometry.pixel_box(2, 1) == (14, 28, 28, 42)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: geometry.patch_position(0), "token 0 is no patch"),
        (lambda: geometry.patch_position(257), "token 257 is no patch: patches are the tokens 1 to 256"),
        (lambda: geometry.token_index(16, 0), "no patch in row 16, column 0"),
        (lambda: geometry.pixel_box(0, -1), "no patch in row 0, column -1"),
        (lambda: geometry.patch_at(224, 0), "outside the image of 224 x 224 px"),
        (lambda: geometry.grid_of(256), "256 tokens are not CLS and a square of patches"),
        (lambda: geometry.grid_of(1), "1 tokens are not CLS"),
    ],
)
def test_what_does_not_exist_is_refused_by_value(call, message):
    with pytest.raises(ConfigError, match=message):
        call()
