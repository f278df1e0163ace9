"""The learning rate over the steps: a proportional warm-up, then constant."""

from cytosae_core.sae.config import SaeConfig


def learning_rate(config: SaeConfig, n_done: int) -> float:
    """Rate of the step that follows `n_done` steps; the first of a warm-up of w steps has 1/w of the full rate."""
    return config.learning_rate * min(1.0, (n_done + 1) / config.warm_up_steps)
