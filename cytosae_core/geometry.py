"""Where a token lies in its image: the only place that knows 257 = 1 + 16 x 16.

Token 0 is CLS and has no place; tokens 1, 2, ... are the patches in row-major order. Images are resized to a square
without keeping their aspect ratio, so a patch covers the same share of every image, whatever its size in pixels.
"""

import math

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


def patch_grid(tokens: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    """One value per token (..., n_tokens), CLS first, to maps (..., grid, grid) of the patches: rows from the top."""
    grid = grid_of(tokens.shape[-1])
    return tokens[..., 1:].reshape(*tokens.shape[:-1], grid, grid)
