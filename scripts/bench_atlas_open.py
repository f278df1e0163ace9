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
    tables: Path
    """The tables that it was made from: loading all of them with torch is the named alternative."""


def main(options: Benchmark) -> None:
    """Measure and print."""
    told("open the atlas", [seconds(lambda: LatentAtlas.open(options.atlas)) for _ in range(20)])
    atlas = LatentAtlas.open(options.atlas)
    drawn = np.random.default_rng(0).integers(0, atlas.n_latents, 200).tolist()
    asking = [seconds(lambda latent=latent: (atlas.latent(latent), atlas.references(latent))) for latent in drawn]
    told("statistics and references of one latent, the first", asking[:1])
    told("statistics and references of one latent, 199 others", asking[1:])
    print(f"peak memory of the process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")
    ours, theirs = (
        [seconds(lambda code=code, path=path: in_a_process(code, path)) for _ in range(5)]
        for code, path in ((OURS, options.atlas), (THEIRS, options.tables))
    )
    told("fresh process: import, open, one latent", ours)
    told("fresh process: import torch, torch.load of all published tables", theirs)
    print(f"ratio: {np.median(theirs) / np.median(ours):.1f}")


def in_a_process(code: str, path: Path) -> None:
    """Run `code` on `path` in a fresh Python process."""
    command = [sys.executable, "-c", f"import sys; from pathlib import Path; {code}", str(path.resolve())]
    subprocess.run(command, check=True, cwd=_root.ROOT)


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
