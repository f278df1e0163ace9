"""What a training run tells those who watch it: a record of each step, and the figures of each evaluation."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol


class StepRecord(NamedTuple):
    """One training step, as plain numbers."""

    step: int
    """Steps done, this one included: the first record of a fresh run has 1."""
    n_images: int
    """Images seen since the start of the run."""
    n_tokens: int
    """Tokens seen since the start of the run."""
    seconds: float
    """Seconds of training since the start of the run, those of earlier, interrupted processes included."""
    loss: float
    """mse + l1 + ghost."""
    mse: float
    """Reconstruction term, in the form that the configuration names."""
    l1: float
    """Sparsity term, coefficient included."""
    ghost: float
    """Ghost-gradient term; 0 where no latent is dead or ghost gradients are off."""
    learning_rate: float
    """Learning rate of this step."""
    l0: float
    """Mean number of active latents per token."""
    n_dead: int
    """Latents that had not fired for longer than the window when this step began."""


class Observer(Protocol):
    """Watches a run; an observer never changes it."""

    def on_start(self, step: int) -> None:
        """Begin, or go on after `step` steps; drop what was taken after that step, for those steps come again."""

    def on_step(self, record: StepRecord) -> None:
        """Take the record of a step; called after every step, so it must be cheap."""

    def on_evaluation(self, step: int, values: Mapping[str, float]) -> None:
        """Take the figures on the held-out images after `step` steps."""

    def on_checkpoint(self, step: int) -> None:
        """Write what was taken so far: if the run is interrupted after this, it goes on from `step`."""

    def on_end(self) -> None:
        """Write the rest and let go: the run is finished, or was interrupted and may go on another time."""
