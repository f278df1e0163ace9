"""One training step, in the order of the published trainer."""

import torch
from torch import Tensor

from cytosae_core.sae.config import SaeConfig
from cytosae_core.sae.losses import total_loss
from cytosae_core.sae.model import project_gradient, renormalise_rows
from cytosae_core.sae.observe import StepRecord
from cytosae_core.sae.state import TrainingState


def training_step(state: TrainingState, x: Tensor, config: SaeConfig) -> StepRecord:
    """Train on one batch of tokens (..., d_in); changes `state`."""
    sae, rate = state.sae, learning_rate(config, state.step)
    sae.zero_grad()
    renormalise_rows(sae.W_dec)
    dead = state.since_fired > config.dead_window  # (d_sae,)
    n_dead = int(dead.sum())
    output = sae(x)
    ghosts = dead if config.ghost_gradients and n_dead else None
    losses = total_loss(x, output, sae.W_dec, ghosts, config.mse, config.l1_coefficient)
    torch.autograd.backward(losses.loss)
    project_gradient(sae.W_dec)
    state.adam.step(rate, n_done=state.step)
    count_passes(state.since_fired, output.z)
    state.step += 1
    n_images, n_tokens = state.step * config.batch_images, x.shape[:-1].numel()
    loss, mse, l1, ghost, l0 = torch.stack([*losses, mean_active(output.z)]).tolist()  # one wait for the device
    return StepRecord(
        state.step, n_images, state.step * n_tokens, state.seconds, loss, mse, l1, ghost, rate, l0, n_dead
    )


def learning_rate(config: SaeConfig, n_done: int) -> float:
    """Rate of the step that follows `n_done` steps; the first of a warm-up of w steps has 1/w of the full rate."""
    return config.learning_rate * min(1.0, (n_done + 1) / config.warm_up_steps)


@torch.no_grad()
def count_passes(since_fired: Tensor, z: Tensor) -> None:
    """Count one forward pass more for every latent (d_sae,), from 0 again for those active on a token of z."""
    fired = z.flatten(0, -2).amax(dim=0) > 0  # (d_sae,)
    since_fired.add_(1).masked_fill_(fired, 0)


@torch.no_grad()
def mean_active(z: Tensor) -> Tensor:
    """Mean number of active latents per token, from activations (..., d_sae), none of them negative."""
    return z.sign().sum(dim=-1).mean()  # in the type of z: torch counts what is not zero at half the speed
