"""Where a token lies in its image: the only place that knows 257 = 1 + 16 x 16.

Token 0 is CLS and has no place; tokens 1, 2, ... are the patches in row-major order. Images are resized to a square
without keeping their aspect ratio, so a patch covers the same share of every image, whatever its size in pixels.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cytosae_core.errors import ConfigError

CLS = 0
"""Index of the CLS token."""
IMAGE_SIZE = 224
"""Side, in pixels, of what the backbone sees."""
PATCH_SIZE = 14
"""Side of a patch in pixels of the resized image."""
GRID = IMAGE_SIZE // PATCH_SIZE
"""Patches along a side: 16."""
N_PATCHES = GRID * GRID
"""Patches of an image: 256."""
N_TOKENS = 1 + N_PATCHES
"""Tokens of an image, CLS included: 257."""
PATCHES = slice(1, None)
"""The patches among the tokens of an image: `tokens[..., PATCHES, :]`."""


class PixelBox(NamedTuple):
    """A rectangle in pixels of an image; right and bottom are exclusive, and edges may lie between two pixels."""

    left: float
    """Distance of its left edge from the left edge of the image."""
    top: float
    """Distance of its upper edge from the upper edge of the image."""
    right: float
    """Distance of its right edge from the left edge of the image."""
    bottom: float
    """Distance of its lower edge from the upper edge of the image."""


def n_tokens_of(grid: int) -> int:
    """Tokens of an image that is cut into grid x grid patches: CLS and the patches."""
    return 1 + grid * grid


def grid_of(n_tokens: int) -> int:
    """Patches along a side of an image with `n_tokens` tokens; ConfigError where they form no square."""
    grid = math.isqrt(max(n_tokens - 1, 0))
    if grid < 1 or n_tokens_of(grid) != n_tokens:
        raise ConfigError(f"{n_tokens} tokens are not CLS and a square of patches; pass the tokens of whole images")
    return grid


def token_index(row: int, col: int, grid: int = GRID) -> int:
    """Index, among all tokens of an image, of the patch in this row and column (from 0, from the upper left)."""
    if not (0 <= row < grid and 0 <= col < grid):
        raise ConfigError(f"there is no patch in row {row}, column {col}: both go from 0 to {grid - 1}")
    return 1 + row * grid + col


def patch_position(token: int, grid: int = GRID) -> tuple[int, int]:
    """Row and column of a patch, given its index among all tokens; ConfigError for CLS, which has no place."""
    if not 1 <= token < n_tokens_of(grid):
        raise ConfigError(f"token {token} is no patch: patches are the tokens 1 to {grid * grid}, and {CLS} is CLS")
    return divmod(token - 1, grid)


def patch_grid(tokens: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    """One value per token (..., n_tokens), CLS first, to maps (..., grid, grid) of the patches: rows from the top."""
    grid = grid_of(tokens.shape[-1])
    return tokens[..., 1:].reshape(*tokens.shape[:-1], grid, grid)


def pixel_box(row: int, col: int, width: float = IMAGE_SIZE, height: float = IMAGE_SIZE, grid: int = GRID) -> PixelBox:
    """The part of an image of this width and height, in pixels, that the patch covers."""
    token_index(row, col, grid)  # refuses a patch outside the grid
    return PixelBox(
        left=col * width / grid,
        top=row * height / grid,
        right=(col + 1) * width / grid,
        bottom=(row + 1) * height / grid,
    )


def patch_at(
    x: float, y: float, width: float = IMAGE_SIZE, height: float = IMAGE_SIZE, grid: int = GRID
) -> tuple[int, int]:
    """Row and column of the patch under the point (x, y) of an image of this width and height, in pixels."""
    if not (0 <= x < width and 0 <= y < height):
        raise ConfigError(f"the point ({x}, {y}) lies outside the image of {width} x {height} px")
    return min(int(y * grid / height), grid - 1), min(int(x * grid / width), grid - 1)
