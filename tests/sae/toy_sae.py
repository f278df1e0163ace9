"""Tokens and autoencoders of a few numbers each."""

import numpy as np
import torch

from cytosae_core.sae.model import SparseAutoencoder


def toy_tokens(n_images=12, n_tokens=5, d_in=4, seed=0, dtype=np.float32):
    """(n_images, n_tokens, d_in) with a mean far from zero, as real tokens have."""
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n_images, n_tokens, d_in)) + np.arange(d_in)).astype(dtype)


class NoTokens:
    """A source without images."""

    shape = (0, 5, 4)

    def read(self, rows, batch_images):
        return iter(())


def toy_weights(d_in=4, d_sae=12, seed=0, scale=1.0):
    """Random weights of an SAE as float64 arrays; a third of the latents is nearly or quite dead."""
    rng = np.random.default_rng(seed)
    return {
        "W_enc": scale * rng.normal(size=(d_in, d_sae)),
        "b_enc": rng.normal(size=d_sae) - 6.0 * (np.arange(d_sae) % 3 == 0),
        "W_dec": rng.normal(size=(d_sae, d_in)) / np.sqrt(d_sae),
        "b_dec": np.arange(d_in, dtype=np.float64),
    }


def sae_of(weights):
    """The autoencoder with these weights, in float64."""
    sae = SparseAutoencoder(*weights["W_enc"].shape, dtype=torch.float64)
    sae.load_state_dict({name: torch.as_tensor(value) for name, value in weights.items()})
    return sae
