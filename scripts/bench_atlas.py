"""Measure how fast tokens become statistics and references, against the released approach in the same run."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from _cli import bar, run
from torch import Tensor

from cytosae_core.bench.atlas import (
    VARIANTS,
    AtlasBenchConfig,
    SparsePass,
    Tokens,
    accumulation,
    bench,
    constructed,
    peak_memory,
    run_pass,
)
from cytosae_core.errors import ConfigError
from cytosae_core.sae.checkpoint import read_checkpoint
from cytosae_core.tokens.store import TokenStore


@dataclass(frozen=True)
class Config(AtlasBenchConfig):
    """What to measure; a constructed SAE and random tokens by default."""

    sae: Path | None = None
    """A trained SAE; then `tokens` too."""
    tokens: Path | None = None
    """A token store of the backbone and block that it was trained on."""


def main(config: Config) -> None:
    """Print what was measured, on what, and the two ratios that matter."""
    weights, tokens = inputs(config)
    kind = "constructed SAE, random tokens (SIMULATED)" if config.sae is None else "trained SAE, tokens of a store"
    print(f"{kind}: {len(tokens)} images of {tokens.shape[1]} tokens of width {tokens.shape[2]}, "
          f"{len(weights['b_enc']):,} latents")  # fmt: skip
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}, {config.n_rounds} rounds in turn")
    show_density(SparsePass(weights), tokens, config.batch_size)
    times = bench(config, weights, tokens, bar("rounds"))
    seconds = times.groupby("variant")[["s", "cpu_s"]].median().loc[list(VARIANTS)]
    seconds["images/s"] = 1 / seconds["s"]
    peaks = peak_memory(config, partial(inputs, config))
    seconds["peak MiB"] = [peaks[name] for name in VARIANTS]
    print(seconds.round(3).to_string())
    by_round = times.pivot_table(index="round", columns="variant", values="s")
    for name in VARIANTS[:2]:
        ratio = by_round[name] / by_round["ours"]
        print(f"{name} / ours: {ratio.median():.1f} times the time ({ratio.min():.1f} to {ratio.max():.1f}), "
              f"{peaks[name] / peaks['ours']:.1f} times the peak memory beyond weights and tokens")  # fmt: skip
    after = accumulation(1_600, len(weights["b_enc"])) * 1e3
    print(f"after the encoder, 1,600 random images: {np.median(after[50:100]):.2f} ms per image from 400 to 800, "
          f"{np.median(after[-50:]):.2f} ms over the last 400")  # fmt: skip


def show_density(one: SparsePass, tokens: Tokens, batch_size: int) -> None:
    """Print how densely the latents fire."""
    run_pass(one, tokens, batch_size)
    n_active = one.statistics.n_active
    l0 = np.mean([one.encoder.l0(of_image) for of_image in tokens[:4]])
    n_candidates = np.mean([one.encoder.n_candidates(of_image) for of_image in tokens[:4]])
    print(f"L0 {l0:.0f} per token; {n_candidates:,.0f} latents per image computed in floats; "
          f"{n_active.sum() / len(tokens):,.0f} of them active; "
          f"{(n_active > len(tokens) / 2).sum():,} in more than half of the images")  # fmt: skip


def inputs(config: Config) -> tuple[dict[str, Tensor], Tokens]:
    """The SAE and the tokens that are asked for."""
    if config.sae is None:
        return constructed(config)
    if config.tokens is None:
        raise ConfigError("a trained SAE needs its tokens; give --tokens too")
    store = TokenStore.open(config.tokens)
    found = store.read(range(min(config.n_images, store.n_images)))
    return dict(read_checkpoint(config.sae).weights), found


if __name__ == "__main__":
    run(main, Config)
