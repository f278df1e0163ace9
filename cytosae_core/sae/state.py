"""What a run is at one moment: weights, Adam's moments, counters, random state, and how far it has come."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from cytosae_core.sae.batches import token_batches
from cytosae_core.sae.config import ADAM_BETAS, SaeConfig
from cytosae_core.sae.initial import initial_sae
from cytosae_core.sae.model import SparseAutoencoder
from cytosae_core.sae.tokens import Tokens, TokenSource

MOMENTS = ("exp_avg", "exp_avg_sq")
"""Adam's running means of a gradient and of its square, as torch calls them."""


@dataclass
class TrainingState:
    """Everything that changes from step to step; the position in the data follows from `step`."""

    sae: SparseAutoencoder
    """The autoencoder."""
    optimizer: torch.optim.Adam
    """Adam over its four weights."""
    since_fired: Tensor
    """Forward passes since each latent fired last, (d_sae,) int64."""
    generator: torch.Generator
    """Source of randomness, as the initial weights left it."""
    step: int = 0
    """Steps done."""
    evaluation: Mapping[str, float] = field(default_factory=dict)
    """Figures of the last evaluation; empty before the first."""
    began: float = field(default_factory=time.monotonic)
    """When the run would have begun, had it never been interrupted; on the clock of `time.monotonic`."""

    @property
    def seconds(self) -> float:
        """Seconds of training, without those between interruption and resumption."""
        return time.monotonic() - self.began

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.sae.W_enc.device


def empty_state(sae: SparseAutoencoder, config: SaeConfig) -> TrainingState:
    """The state of a run that has made no step with this autoencoder."""
    optimizer = torch.optim.Adam(sae.parameters(), lr=config.learning_rate, betas=ADAM_BETAS, fused=True)
    since_fired = torch.zeros(sae.d_sae, dtype=torch.int64, device=sae.W_enc.device)
    return TrainingState(sae, optimizer, since_fired, torch.Generator().manual_seed(config.seed))


def fresh_state(config: SaeConfig, tokens: TokenSource, device: torch.device) -> TrainingState:
    """The state before the first step; the first batch of all places b_dec, and training begins with the second."""
    generator = torch.Generator().manual_seed(config.seed)
    first_batch = as_tensor(next(token_batches(tokens, config)), config, torch.device("cpu"))
    state = empty_state(initial_sae(config, first_batch, generator).to(device), config)
    state.generator = generator
    return state


def as_tensor(batch: Tokens, config: SaeConfig, device: torch.device) -> Tensor:
    """A batch on the device, in the precision of the weights; always a copy in torch's own memory.

    Memory of another origin may lie differently from run to run, and the last bit of a product depends on that.
    """
    return torch.from_numpy(np.ascontiguousarray(batch)).to(device).to(config.torch_dtype, copy=True)


def to_tensors(state: TrainingState) -> dict[str, Tensor]:
    """All tensors of a state by name, on the CPU."""
    tensors = {"since_fired": state.since_fired, "random_state": state.generator.get_state()}
    for name, weight in state.sae.named_parameters():
        tensors[name] = weight.detach()
        tensors |= {f"{name}.{key}": state.optimizer.state[weight][key] for key in MOMENTS if state.step}
    return {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}


def put_tensors(state: TrainingState, tensors: Mapping[str, Tensor], step: int) -> None:
    """Give an empty state the tensors that `to_tensors` took after `step` steps."""
    state.step = step
    state.since_fired.copy_(tensors["since_fired"])
    state.generator.set_state(tensors["random_state"])
    moments = {}
    with torch.no_grad():
        for index, (name, weight) in enumerate(state.sae.named_parameters()):
            weight.copy_(tensors[name])
            moments[index] = {"step": torch.tensor(float(step))} | {
                key: tensors[f"{name}.{key}"] for key in MOMENTS if step
            }
    if step:
        state.optimizer.load_state_dict({**state.optimizer.state_dict(), "state": moments})
