"""Tokens, patches and pixels: the arithmetic that every map and every overlay relies on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cytosae_core import geometry
from cytosae_core.errors import ConfigError


def test_an_image_of_224_px_has_257_tokens():
    assert (geometry.GRID, geometry.N_PATCHES, geometry.N_TOKENS, geometry.CLS) == (16, 256, 257, 0)


@given(st.integers(1, 40))
def test_patches_are_counted_row_by_row_after_cls(grid):
    tokens = [geometry.token_index(row, col, grid) for row in range(grid) for col in range(grid)]
    assert tokens == list(range(1, geometry.n_tokens_of(grid)))
    assert geometry.grid_of(geometry.n_tokens_of(grid)) == grid


def test_a_map_has_the_value_of_each_patch_at_its_row_and_column():
    values = np.arange(2 * 257).reshape(2, 257)
    maps = geometry.patch_grid(values)
    for row, col in [(0, 0), (0, 15), (7, 3), (15, 15)]:
        assert maps[1, row, col] == values[1, geometry.token_index(row, col)]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: geometry.token_index(16, 0), "no patch in row 16, column 0"),
        (lambda: geometry.token_index(0, -1), "no patch in row 0, column -1: both go from 0 to 15"),
        (lambda: geometry.grid_of(256), "256 tokens are not CLS and a square of patches"),
        (lambda: geometry.grid_of(1), "1 tokens are not CLS"),
    ],
)
def test_what_does_not_exist_is_refused_by_value(call, message):
    with pytest.raises(ConfigError, match=message):
        call()
