"""Tokens in memory that read like a store."""

import pandas as pd


class MemoryTokens:
    """Tokens (n_images, n_tokens, d_model) in batches of at most `batch_size`."""

    def __init__(self, tokens, **columns):
        self.tokens = tokens
        self.n_images, _, self.d_model = tokens.shape
        names = [f"toy/{number:03d}.png" for number in range(len(tokens))]
        self.index = pd.DataFrame({"image_id": names} | columns)

    def images(self, batch_size=64):
        for start in range(0, self.n_images, min(batch_size, 7)):
            batch = self.tokens[start : start + min(batch_size, 7)]
            yield range(start, start + len(batch)), batch
