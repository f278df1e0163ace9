"""Measure how fast an atlas opens and answers, against loading the published tables with torch.

python scripts/bench_atlas_open.py --atlas artifacts/atlas --tables DIR
"""

import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import _root
import numpy as np
from _cli import run

from cytosae_core.atlas.atlas import LatentAtlas

OURS = "from cytosae_core.atlas.atlas import *; a = LatentAtlas.open(Path(sys.argv[1])); a.latent(7); a.references(7)"
THEIRS = "import torch; [torch.load(p, 'cpu', weights_only=True) for p in Path(sys.argv[1]).glob('*/*.pt')]"


@dataclass(frozen=True)
class Benchmark:
    """What is measured."""

    atlas: Path
    """A published atlas."""
    tables: Path | None = None
    """The tables that it was made from: loading all of them with torch is the named alternative."""
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
    drawn = np.random.default_rng(options.seed).integers(0, atlas.n_latents, options.n_latents).tolist()
    asking = [seconds(lambda latent=latent: (atlas.latent(latent), atlas.references(latent))) for latent in drawn]
    print(f"{len(atlas.datasets)} data sets x {atlas.n_latents:,} latents")
    told("open the atlas", opening)
    told("statistics and references of one latent, first", asking[:1])
    told("statistics and references of one latent, others", asking[1:])
    print(f"peak memory of the process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")
    ours = [process_seconds(OURS, options.atlas) for _ in range(5)]
    told("fresh process: import, open, one latent", ours)
    if options.tables is not None:
        theirs = [process_seconds(THEIRS, options.tables) for _ in range(5)]
        told("fresh process: import torch, torch.load of the published tables", theirs)
        print(f"ratio: {np.median(theirs) / np.median(ours):.1f}")


def process_seconds(code: str, path: Path) -> float:
    """Wall-clock time of a Python process that runs `code` on `path`."""
    command = [sys.executable, "-c", f"import sys; from pathlib import Path; {code}", str(path.resolve())]
    return seconds(lambda: subprocess.run(command, check=True, cwd=_root.ROOT))


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
