"""Train the ablation: settings varied one at a time, several seeds each; without --vary: the paper's grid."""

import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

from _cli import bar, run

from cytosae_core.sae.config import SaeConfig, paper
from cytosae_core.sae.grid import Grid, Varied
from cytosae_core.sae.sweep import open_splits, run_sweep
from cytosae_core.tokens.store import TokenStore


@dataclass(frozen=True)
class Config:
    """Tokens, the chosen point, and the values to try beside it."""

    tokens: Path
    """Token store, as extract_tokens.py wrote it, with all blocks of the grid."""
    out: Path
    """Folder of the runs and of the table."""
    block: int
    """Chosen block, counted from 1."""
    chosen: SaeConfig = field(default_factory=paper)
    """The chosen point; its width is taken from the store, its seed from seeds."""
    vary: Varied = field(default_factory=Varied)
    """Values to try beside the chosen ones; none at all: those of the paper."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds of every point."""
    held_out_share: float = 0.02
    """Share of the images that every run is measured on and none is trained on."""
    held_out_seed: int = 0
    """Seed of their choice."""
    device: str = "auto"
    """cuda, cpu, ...; auto: a GPU where there is one."""


def main(config: Config) -> None:
    """Train what is not trained yet, and print the table."""
    d_in = TokenStore.open(config.tokens, config.block).d_model
    grid = Grid(replace(config.chosen, d_in=d_in), config.block, config.vary.values, config.seeds)
    tokens = open_splits(config.tokens, grid, config.held_out_share, config.held_out_seed)
    result = run_sweep(grid, tokens, config.out, progress=bar("images x expansion"), device=config.device)
    print(result.table)
    if not result.is_finished:
        sys.exit("interrupted: the same command goes on")
    if result.failures:
        sys.exit(f"{len(result.failures)} runs failed; they are named below the table")


if __name__ == "__main__":
    run(main, Config)
