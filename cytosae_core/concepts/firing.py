"""Which latents fire at all on some images: the others are the same on all of them, and can tell nothing.

Of a wide SAE they are most. Looking whether they fire, as an atlas does, costs a fraction of pooling them.
torch is imported by the functions that need it: analysis loads without it.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cytosae_core.atlas.definitions import Definitions
from cytosae_core.concepts.directions import BATCH, Directions
from cytosae_core.errors import AnalysisError
from cytosae_core.progress import Progress, no_progress
from cytosae_core.tokens.source import TokenSource, in_order

if TYPE_CHECKING:
    from cytosae_core.sae.checkpoint import Weights


def firing_latents(latents: Directions, tokens: TokenSource, progress: Progress = no_progress) -> NDArray[np.int64]:
    """Numbers (n_firing,), ascending, of the latents that are active at some token; AnalysisError for none."""
    from cytosae_core.atlas.build.encode import SparseEncoder

    fires = np.zeros(latents.n_directions, bool)
    encoder: SparseEncoder | None = None
    for place, batch in in_order(tokens, BATCH):
        encoder = encoder or SparseEncoder(_weights(latents, batch[0].mean(axis=0, dtype=np.float32)), Definitions())
        fires[encoder.images(batch).active().latent] = True
        progress(place.stop, tokens.shape[0])
    if not fires.any():
        raise AnalysisError("no latent is active on these images; take the tokens that the SAE was trained on")
    return np.flatnonzero(fires)


def _weights(latents: Directions, centre: NDArray[np.float32]) -> "Weights":
    """z = ReLU((x - centre) W + (b + centre W)): the nearer the centre, the fewer latents an 8-bit look leaves open."""
    import torch

    rows = torch.from_numpy(np.ascontiguousarray(latents.weights.T))
    bias = latents.bias.astype(np.float64) + centre.astype(np.float64) @ latents.weights
    return {
        "W_enc": rows.T,
        "b_enc": torch.from_numpy(bias.astype(np.float32)),
        "W_dec": rows,
        "b_dec": torch.from_numpy(centre),
    }
