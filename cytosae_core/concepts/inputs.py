"""What an analysis of single latents opens: the latents of an SAE."""

from pathlib import Path

from cytosae_core.concepts.directions import Directions, latents
from cytosae_core.errors import ConfigError


def open_latents(path: Path, sae_id: str | None = None) -> tuple[Directions, str]:
    """The latents of the SAE at `path`, and its id; ConfigError where that is not `sae_id`."""
    from cytosae_core.sae.checkpoint import read_checkpoint  # imports torch, needed only here

    sae = read_checkpoint(path)
    if sae_id not in (None, sae.sae_id):
        raise ConfigError(f"{path} is {sae.sae_id} and the atlas was made with {sae_id}; give that SAE")
    return latents(*(sae.weights[name].numpy() for name in ("W_enc", "b_enc", "b_dec"))), sae.sae_id
