"""Every number that decides the weights of the small backbone."""

import json
from dataclasses import asdict, dataclass, field

from cytosae_core.errors import ConfigError
from cytosae_core.geometry import GRID

PROBED_BLOCK = 11
"""Block, counted from 1, whose tokens are trained to carry everything: the paper's layer."""
LOCAL_BLOCK = 6
"""Block whose tokens imitate the guide's local map."""


@dataclass(frozen=True)
class TrainingPhase:
    """Some training steps at one number of patches."""

    n_steps: int
    """Optimiser steps."""
    window: int
    """Patches per side that the transformer sees: a square near the middle, where the cell is; 16 is all of it."""
    batch: int
    """Images per step, over all workers."""
    learning_rate: float
    """Highest learning rate; it rises over `warm_up` steps and falls to `last_rate` of it."""
    last_rate: float = 0.0
    """Share of the learning rate at the last step."""
    warm_up: int = 50
    """Steps over which the learning rate rises from zero."""

    def __post_init__(self) -> None:
        if not 2 <= self.window <= GRID:
            raise ConfigError(f"window is {self.window} patches; give 2 to {GRID}")
        if min(self.n_steps, self.batch) < 1 or self.learning_rate <= 0:
            raise ConfigError(f"{self}: steps, batch and learning rate must be positive")


@dataclass(frozen=True)
class SmallBackboneConfig:
    """How the backbone is trained; recorded in the model card."""

    seed: int = 0
    """Decides the split, the rendered cells, the first weights, the order of images and every augmentation."""
    n_rendered_per_type: int = 24
    """Rendered cells of each of the types in each of the styles."""
    rendered_share: float = 0.25
    """Share of each batch that is rendered."""
    guide: TrainingPhase = field(
        default_factory=lambda: TrainingPhase(n_steps=700, window=GRID, batch=96, learning_rate=3e-3)
    )
    """Training of the guide, a small convolutional network on images of 128 px."""
    phases: tuple[TrainingPhase, ...] = (
        TrainingPhase(n_steps=1300, window=9, batch=64, learning_rate=2e-3, last_rate=0.25, warm_up=100),
        TrainingPhase(n_steps=220, window=GRID, batch=64, learning_rate=5e-4, warm_up=10),
    )
    """Training of the transformer: first on the window around the cell, then on whole images."""
    weight_decay: float = 0.05
    """Decoupled weight decay of matrices."""
    smoothing: float = 0.1
    """Label smoothing of cell types."""
    n_workers: int = 2
    """Processes, one core each: they share every batch, so the number changes the weights."""
    checkpoint_every: int = 50
    """Steps between two states on disk."""
    held_out_share: float = 0.1
    """Share of each cell type that no training sees."""


_RECORDED_AS = {"n_rendered_per_type": "n_drawn_per_type", "rendered_share": "drawn_share", "phases": "stages"}
"""Fields that version 1 wrote under another name: files keep it, so that old and new ones can be compared."""


def recorded(config: SmallBackboneConfig) -> str:
    """The configuration as JSON, the way it stands in the weights' metadata and in the state of a run."""
    return json.dumps({_RECORDED_AS.get(name, name): value for name, value in asdict(config).items()})
