"""Train a sparse autoencoder on a store of tokens; again, to go on. With --held-out-share 0: the published run."""

import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

from _cli import run
from _watch import WatchConfig, watchers

from cytosae_core.sae.config import SaeConfig, paper
from cytosae_core.sae.train import train
from cytosae_core.tokens.split import split_store
from cytosae_core.tokens.store import TokenStore


@dataclass(frozen=True, kw_only=True)
class Config(WatchConfig):
    """What to train on, where to, how, and who watches."""

    tokens: Path
    """Token store, as extract_tokens.py wrote it."""
    out: Path
    """Folder of the run."""
    config: SaeConfig = field(default_factory=paper)
    """The training itself; its width is taken from the store."""
    block: int | None = None
    """Block whose tokens are used, counted from 1; needed where the store holds several."""
    held_out_share: float = 0.02
    """Share of the images that is kept for evaluation and never trained on (the published run: 0)."""
    held_out_seed: int = 0
    """Seed of their choice."""
    device: str = "auto"
    """cuda, cpu, ...; auto: a GPU where there is one."""


def main(config: Config) -> None:
    """Train, go on or find finished, and say where it stands."""
    store = TokenStore.open(config.tokens, config.block)
    tokens, held_out = split_store(store, config.held_out_share, config.held_out_seed)
    training = replace(config.config, d_in=store.d_model)
    simulated = bool(tokens.identity["simulated"])
    watching = watchers(config, training, config.out, simulated=simulated)
    result = train(training, tokens, config.out, held_out=held_out, observers=watching, device=config.device)
    mark = " (SIMULATED cells)" if simulated else ""
    if not result.is_finished:
        sys.exit(f"interrupted after step {result.step} of {training.n_steps}{mark}: the same command goes on")
    print(f"{config.out}: finished after {result.step} steps; {result.sae_id}{mark}")


if __name__ == "__main__":
    run(main, Config)
