"""Train the small backbone that ships with the workbench; run it again to go on where it was interrupted."""

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from _cli import bar, run

from cytosae_core.progress import Progress, no_progress
from cytosae_core.small_backbone.batches import Corpus
from cytosae_core.small_backbone.config import SmallBackboneConfig
from cytosae_core.small_backbone.corpus import decode, list_real, rendered_cells
from cytosae_core.small_backbone.publish import publish_weights
from cytosae_core.small_backbone.train import train
from cytosae_core.small_backbone.workers import Worker, workers


@dataclass(frozen=True)
class Config:
    """What to learn from, and where the work lies."""

    acevedo: Path = Path("../shared/data/acevedo")
    """Folder of the Acevedo data set."""
    show_only: Path = Path("../shared/data/acevedo/show_only.txt")
    """Images that may be shown but not trained on, one relative path per line."""
    wbcatt: Path = Path("../shared/data/wbcatt")
    """Folder of WBCAtt's tables."""
    output: Path = Path("artifacts/small_backbone")
    """Folder of the images as arrays, the training state and the curve."""
    training: SmallBackboneConfig = field(default_factory=SmallBackboneConfig)


def open_corpus(config: Config, of_real: Progress = no_progress, of_rendered: Progress = no_progress) -> Corpus:
    """Lists, and the arrays that are made once."""
    real = list_real(config.acevedo, config.show_only, config.wbcatt, config.training)
    config.output.mkdir(parents=True, exist_ok=True)
    images = decode([Path(p) for p in real.frame["path"]], config.output / "real.npy", of_real)
    return Corpus(real, images, rendered_cells(config.output, config.training, of_rendered), config.training)


def work(config: Config, me: Worker) -> None:
    """One of the other processes."""
    train(open_corpus(config), config.output, me)


def main(config: Config) -> None:
    """Train to the end of the last phase, and write the transformer's weights."""
    corpus = open_corpus(config, bar("real cells"), bar("SIMULATED cells"))
    with workers(config.training.n_workers, partial(work, config)) as me:
        networks = train(corpus, config.output, me, bar("training steps"))
    print(f"weights: {publish_weights(networks.student, config.training, config.output)}")
    print(f"curve: {config.output / 'curve.jsonl'}; probes: scripts/probe_backbone.py")


if __name__ == "__main__":
    run(main, Config)
