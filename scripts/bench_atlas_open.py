"""Measure how fast an atlas opens and answers, against loading the published tables with torch."""

import resource
import subprocess
import sys
import timeit
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from _cli import run
from _root import ROOT

from cytosae_core.atlas.atlas import LatentAtlas

OURS = "from cytosae_core.atlas.atlas import *; a = LatentAtlas.open(Path(sys.argv[1])); a.latent(7); a.references(7)"
THEIRS = "import torch; [torch.load(p, 'cpu', weights_only=True) for p in Path(sys.argv[1]).glob('*/*.pt')]"


@dataclass(frozen=True)
class Benchmark:
    """What is measured."""

    atlas: Path
    """A published atlas."""
    tables: Path
    """The tables that it was made from: loading all of them with torch is the named alternative."""


def main(options: Benchmark) -> None:
    """Measure and print."""
    measure("open the atlas", [partial(LatentAtlas.open, options.atlas)] * 20)
    atlas = LatentAtlas.open(options.atlas)
    atlas.references(0)
    sampled = np.random.default_rng(0).integers(0, atlas.n_latents, 200).tolist()
    measure("statistics of one latent", [partial(atlas.latent, latent) for latent in sampled])
    measure("references of one latent", [partial(atlas.references, latent) for latent in sampled])
    print(f"peak memory of the process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")
    our_time = measure("fresh process: import, open, one latent", [partial(process, OURS, options.atlas)] * 5)
    their_time = measure("fresh process: torch.load of all tables", [partial(process, THEIRS, options.tables)] * 5)
    print(f"ratio: {their_time / our_time:.1f}")


def process(code: str, path: Path) -> None:
    """Run `code` on `path` in a fresh Python process."""
    command = [sys.executable, "-c", f"import sys; from pathlib import Path; {code}", str(path.resolve())]
    subprocess.run(command, check=True, cwd=ROOT)


def measure(what: str, calls: list[Callable[[], object]]) -> float:
    """Median seconds of the calls; prints it with the 95th percentile."""
    times = [timeit.timeit(call, number=1) for call in calls]
    print(f"{what}: median {np.median(times) * 1e3:.1f} ms, p95 {np.quantile(times, 0.95) * 1e3:.1f} ms")
    return float(np.median(times))


if __name__ == "__main__":
    run(main, Benchmark)
