"""Score the small backbone by linear probes, beside the same on random weights and on raw pixels; prints Markdown."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _cli import bar, run
from train_backbone import Config as Training
from train_backbone import open_corpus

from cytosae_core.backbone.vit import load_backbone, random_backbone
from cytosae_core.small_backbone import probe


@dataclass(frozen=True)
class Config(Training):
    """What to probe, on what."""

    weights: Path | None = None
    """Weights to probe; without it, those that ship with the package."""
    random_seed: int = 0
    """Seed of the random weights beside it."""
    n_rendered_per_type: int = 15
    """Rendered cells of each type for the patch probe; two thirds to fit, one third to score."""


def main(config: Config) -> None:
    """Both probes, each on the trained weights, random weights and raw pixels."""
    trained = probe.patches_of(load_backbone("cytosae-small", config.weights))
    random = probe.patches_of(random_backbone("cytosae-small", config.random_seed))
    _types(config, {"trained": trained, "random weights": random, "raw pixels (32 x 32)": probe.small_picture})
    _parts(config, {"trained": trained, "random weights": random, "raw pixels of the patch": probe.raw_pixels})


def _types(config: Config, sources: dict[str, probe.Describe]) -> None:
    corpus = open_corpus(config, bar("real cells"), bar("SIMULATED cells"))
    for name, describe in sources.items():
        score = probe.probe_types(corpus.real_images, corpus.real, describe, bar(name))
        per_type = ", ".join(f"{kind} {share:.3f}" for kind, share in score.per_type.items())
        print(f"| {name} | {score.accuracy:.4f} | {score.n_train} | {score.n_held_out} | {per_type} |", flush=True)


def _parts(config: Config, sources: dict[str, probe.Describe]) -> None:
    cells = probe.render_probe_cells(config.n_rendered_per_type, bar("SIMULATED cells"))
    scores = {name: probe.probe_parts(cells, describe, bar(name)) for name, describe in sources.items()}
    for row in zip(*scores.values(), strict=True):
        figures = " | ".join(f"{score.auroc:.3f} | {score.average_precision:.3f}" for score in row)
        print(f"| {row[0].part} | {row[0].prevalence:.4f} | {figures} |")
    print(f"mean AUROC: { {name: round(float(np.mean([s.auroc for s in v])), 4) for name, v in scores.items()} }")


if __name__ == "__main__":
    run(main, Config)
