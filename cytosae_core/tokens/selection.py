"""Some images of a token store, read as if they were all of it."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cytosae_core.concepts.directions import TokenReader
from cytosae_core.errors import AnalysisError


class SelectedTokens:
    """The images of a store at `rows`, in the order of the store."""

    def __init__(self, tokens: TokenReader, rows: NDArray[np.bool_]) -> None:
        """`rows` (n_images,) says which are kept; AnalysisError when that is none of them."""
        if not rows.any():
            raise AnalysisError(
                "no image of the token store is among those to be scored; extract tokens of the same set"
            )
        self._tokens, self._rows = tokens, rows
        self._before = np.concatenate([[0], np.cumsum(rows)])

    @property
    def n_images(self) -> int:
        """Number of images that are kept."""
        return int(self._before[-1])

    @property
    def d_model(self) -> int:
        """Width of a token."""
        return self._tokens.d_model

    @property
    def index(self) -> pd.DataFrame:
        """One row an image that is kept."""
        return self._tokens.index[self._rows].reset_index(drop=True)

    def images(self, batch_size: int = 64) -> Iterator[tuple[range, NDArray[np.float16]]]:
        """The images that are kept, in order: (positions among them, tokens (n, n_tokens, d_model))."""
        for positions, batch in self._tokens.images(batch_size):
            kept = self._rows[positions.start : positions.stop]
            if kept.any():
                first = int(self._before[positions.start])
                yield range(first, first + int(kept.sum())), batch[kept]
