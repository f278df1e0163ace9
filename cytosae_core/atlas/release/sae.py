"""Which SAE tables belong to, when its weights are at hand and when they are not."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from cytosae_core.atlas.release.model import ReleaseTables
from cytosae_core.errors import ReleaseError
from cytosae_core.sae.checkpoint import read_checkpoint

PUBLISHED_SAE_ID = "release-8jsxk3co"
"""Identity of the published run where only its tables are at hand."""
_PUBLISHED_DIGESTS: Mapping[str, str] = {
    "mll23": "6d94cc1d07367b4ac1df384e5d4d98e4161e0a43b7420b87704f0170a74e806f",
    "acevedo": "a02cdecbd320a42ddd3955d5aaf5bf41362a556347247b47a2a2ba61070e38da",
    "matek": "295ebc7b488068189f609b6867a7bb71bda5a58d0b9434ee1122b675cd48169d",
    "bmc": "9e025780cee7af907a87b1891ef5aa9bfb1c4149fb0570f0e7c966b08c38aeed",
    "hehr": "f8f61d7392df074f5c1e0bb94600f2101f8fa2b7574abb92b65de3c3f2d7dfc4",
}
"""Digests of the published tables, so that any subset of the data sets gives the same identity."""


def identify(all_tables: Sequence[ReleaseTables], checkpoint: Path | None, given: str | None) -> tuple[str, str]:
    """`sae_id` and where it comes from, as FORMAT.md says.

    Raises ReleaseError when the checkpoint has another number of latents than the tables.
    """
    if checkpoint is not None:
        found = read_checkpoint(checkpoint)
        if found.d_sae != all_tables[0].n_latents:
            raise ReleaseError(
                f"{checkpoint} has {found.d_sae:,} latents and the tables have {all_tables[0].n_latents:,}; give the "
                "checkpoint that the tables were made with"
            )
        return given or found.sae_id, "user" if given else "weights"
    if given is not None:
        return given, "user"
    if all(tables.digest == _PUBLISHED_DIGESTS.get(tables.dataset) for tables in all_tables):
        return PUBLISHED_SAE_ID, "published tables"
    first = min(all_tables, key=lambda tables: tables.dataset)
    return f"tables-{first.digest[:16]}", "tables"
