"""Directions in the space of tokens: latents, single dimensions, principal components, random ones; all one form.

    z = x W + b        for latents ReLU(x W + b), with b = b_enc - b_dec W_enc

so that all of them are pooled over an image, chosen and scored in exactly the same way.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cytosae_core.errors import AnalysisError
from cytosae_core.tokens.source import TokenSource, in_order

DirectionKind = Literal["latent", "dimension", "component", "random"]
FloatArray = NDArray[np.float32]
BATCH = 32
"""Images that are read at a time."""


@dataclass(frozen=True, eq=False)
class Directions:
    """Some directions of one kind."""

    kind: DirectionKind
    weights: FloatArray
    """W (d_model, n_directions)."""
    bias: FloatArray
    """b (n_directions,)."""

    @property
    def n_directions(self) -> int:
        """How many there are."""
        return len(self.bias)

    @property
    def rectified(self) -> bool:
        """Whether values below zero are set to zero: then, only high values mean anything."""
        return self.kind == "latent"

    def take(self, columns: slice | NDArray[np.int64]) -> "Directions":
        """Only some of them."""
        return replace(self, weights=np.ascontiguousarray(self.weights[:, columns]), bias=self.bias[columns])

    def of(self, tokens: NDArray[np.floating]) -> FloatArray:
        """Values (n, n_tokens, n_directions) of tokens (n, n_tokens, d_model)."""
        flat = tokens.reshape(-1, tokens.shape[-1]).astype(np.float32)
        values: FloatArray = flat @ self.weights
        values += self.bias
        if self.rectified:
            np.maximum(values, 0, out=values)
        return values.reshape(*tokens.shape[:-1], -1)


def latents(w_enc: FloatArray, b_enc: FloatArray, b_dec: FloatArray) -> Directions:
    """The latents of a sparse autoencoder with ReLU: W_enc (d_model, d_sae), b_enc (d_sae,), b_dec (d_model,)."""
    shift = b_enc.astype(np.float64) - b_dec.astype(np.float64) @ w_enc.astype(np.float64)
    return Directions("latent", np.asarray(w_enc, np.float32), shift.astype(np.float32))


def dimensions(d_model: int) -> Directions:
    """The raw dimensions of a token."""
    return Directions("dimension", np.eye(d_model, dtype=np.float32), np.zeros(d_model, np.float32))


def random_directions(d_model: int, n_directions: int, seed: int) -> Directions:
    """Directions sampled evenly from the sphere."""
    sampled = np.random.default_rng(seed).standard_normal((d_model, n_directions))
    unit = (sampled / np.linalg.norm(sampled, axis=0)).astype(np.float32)
    return Directions("random", unit, np.zeros(n_directions, np.float32))


def components(tokens: TokenSource, rows: NDArray[np.bool_]) -> Directions:
    """All principal components of the tokens of the images `rows` (n_images,), the largest variance first.

    Raises AnalysisError where no image is chosen.
    """
    d_model = tokens.shape[2]
    total = np.zeros(d_model)
    products = np.zeros((d_model, d_model))
    n = 0
    for place, batch in in_order(tokens, BATCH):
        flat = batch[rows[place]].reshape(-1, d_model).astype(np.float64)
        total += flat.sum(axis=0)
        products += flat.T @ flat
        n += len(flat)
    if n == 0:
        raise AnalysisError("no image was chosen to find principal components in; give more images")
    mean = total / n
    _, vectors = np.linalg.eigh(products / n - np.outer(mean, mean))
    falling = vectors[:, ::-1]
    return Directions("component", falling.astype(np.float32), -(mean @ falling).astype(np.float32))
