"""Tokens in memory that are read a few images at a time."""

import pandas as pd

from cytosae_core.tokens.source import ArrayTokens


class MemoryTokens(ArrayTokens):
    """Tokens (n_images, n_tokens, d_model) in batches of at most 7, with these columns in their index."""

    def __init__(self, tokens, **columns):
        names = [f"toy/{number:03d}.png" for number in range(len(tokens))]
        super().__init__(tokens, images=pd.DataFrame({"image_id": names} | columns))

    def read(self, rows, batch_images=7):
        return super().read(rows, min(batch_images, 7))
