"""Measure how fast an atlas opens and answers, against loading the published tables with torch.

python scripts/bench_atlas_open.py --atlas artifacts/atlas --tables DIR
"""

import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import _root  # noqa: F401
import numpy as np
from _cli import run

from cytosae_core.atlas.atlas import LatentAtlas


@dataclass(frozen=True)
class Benchmark:
    """What is measured."""

    atlas: Path
    """A published atlas."""
    tables: Path | None = None
    """The tables that it was made from: loading all of them is the named alternative."""
    n_repeats: int = 20
    """Times that the atlas is opened."""
    n_latents: int = 200
    """Latents that are asked for, drawn with `seed`."""
    seed: int = 0
    """Seed of that draw."""


def main(options: Benchmark) -> None:
    """Measure and print."""
    opening = [seconds(lambda: LatentAtlas.open(options.atlas)) for _ in range(options.n_repeats)]
    atlas = LatentAtlas.open(options.atlas)
    drawn = np.random.default_rng(options.seed).integers(0, atlas.n_latents, options.n_latents)
    asking = [seconds(lambda k=int(k): (atlas.latent(k), atlas.references(k))) for k in drawn]
    print(f"{len(atlas.datasets)} data sets x {atlas.n_latents:,} latents")
    told("open the atlas", opening)
    told("statistics and references of one latent (first)", asking[:1])
    told("statistics and references of one latent (others)", asking[1:])
    print(f"peak memory of the process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")
    if "torch" in sys.modules:
        sys.exit("error: opening an atlas imported torch")
    if options.tables is not None:
        loading = load_times(options)
        told("torch.load of all published tables", loading)
        print(f"ratio to opening the atlas: {np.median(loading) / np.median(opening):.1f}")


def load_times(options: Benchmark) -> list[float]:
    """Seconds of loading all tables of the atlas's data sets, which a viewer of the release does at its start."""
    import torch

    names = [path for path in sorted(options.tables.glob("*/*.pt"))] if options.tables is not None else []

    def load() -> list[object]:
        return [torch.load(path, map_location="cpu", weights_only=True) for path in names]

    return [seconds(load) for _ in range(5)]


def seconds(work: Callable[[], object]) -> float:
    """Wall-clock time of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def told(what: str, times: list[float]) -> None:
    """Print median and 95th percentile in milliseconds."""
    print(f"{what}: median {np.median(times) * 1e3:.1f} ms, p95 {np.quantile(times, 0.95) * 1e3:.1f} ms")


if __name__ == "__main__":
    run(main, Benchmark)
