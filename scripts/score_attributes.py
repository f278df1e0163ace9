"""Ask whether single latents know attributes: AUROC on held-out images, maps on masks, monosemanticity."""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from _cli import bar, run

from cytosae_core.artifacts.tables import write_results
from cytosae_core.concepts import label_sources
from cytosae_core.concepts.attribute_list import list_digest
from cytosae_core.concepts.inputs import open_latents
from cytosae_core.concepts.scoring import ScoringConfig, score_attributes, split_note
from cytosae_core.patients.bags import pool_tokens
from cytosae_core.tokens.source import StoreTokens
from cytosae_core.tokens.store import TokenStore


@dataclass(frozen=True, kw_only=True)
class Config(ScoringConfig):
    """Which latents, which images, and where attributes are known from: classes, without --rendered or --wbcatt."""

    tokens: Path
    """Token store of the images."""
    sae: Path
    """Folder of the SAE, or a published .pt file."""
    out: Path
    """New folder for the tables."""
    block: int | None = None
    """Block whose tokens are used, counted from 1; needed where the store holds several."""
    rendered: Path | None = None
    """Folder of SIMULATED cells with masks: scores the committed list of parts and attributes, and cell types."""
    wbcatt: Path | None = None
    """pbc_attr_v1_val.csv: scores the 11 attributes of WBCAtt on the images that it lists."""
    leave_out: Path | None = None
    """Text file of relative paths, one per line, that must not be scored on."""


def main(config: Config) -> None:
    """Score, write the tables, and print what was found."""
    store = TokenStore.open(config.tokens, config.block)
    latents, sae_id = open_latents(config.sae)
    known = label_sources.find_labels(store.index, config.rendered, config.wbcatt, config.leave_out, bar("masks"))
    tokens = StoreTokens(store, np.flatnonzero(known.rows))
    embeddings = pool_tokens(tokens, bar("embeddings"))[:, 0]
    tables = score_attributes(
        latents, tokens, known.labels, embeddings, truth=known.truth, config=config,
        firing_progress=bar("latents that fire"), progress=bar("passes"),
    )  # fmt: skip
    simulated = known.truth is not None or bool(store.manifest.get("simulated", False))
    ids = {"sae_id": sae_id, "store_id": store.store_id, "list_digest": list_digest()}
    settings = asdict(config) | ids | {"split": split_note(tokens.index)}
    write_results(config.out, tables, settings, simulated=simulated)
    print(f"{config.out}{' (SIMULATED cells)' if simulated else ''}; {settings['split']}")
    print(tables["summary"].round(3).to_string(index=False))


if __name__ == "__main__":
    run(main, Config)
