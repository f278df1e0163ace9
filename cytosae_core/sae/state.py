"""What a run is at one moment: weights, Adam's moments, counters, random state, and how far it has come."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from cytosae_core.sae.adam import Adam
from cytosae_core.sae.batches import token_batches
from cytosae_core.sae.config import SaeConfig
from cytosae_core.sae.initial import initial_sae
from cytosae_core.sae.model import SparseAutoencoder
from cytosae_core.tokens.source import Tokens, TokenSource


@dataclass
class TrainingState:
    """Everything that changes from step to step; the position in the data follows from `step`."""

    sae: SparseAutoencoder
    """The autoencoder."""
    adam: Adam
    """Its optimiser."""
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
    since_fired = torch.zeros(sae.d_sae, dtype=torch.int64, device=sae.W_enc.device)
    return TrainingState(sae, Adam.of(sae), since_fired, torch.Generator().manual_seed(config.seed))


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
    tensors = {**_on_device(state), "random_state": state.generator.get_state()}
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


@torch.no_grad()
def put_tensors(state: TrainingState, tensors: Mapping[str, Tensor]) -> None:
    """Give a state the tensors that `to_tensors` took; KeyError or RuntimeError where one is missing or misshapen."""
    for name, tensor in _on_device(state).items():
        tensor.copy_(tensors[name])
    state.generator.set_state(tensors["random_state"])


def _on_device(state: TrainingState) -> dict[str, Tensor]:
    adam = state.adam
    return {
        "since_fired": state.since_fired,
        **adam.weights,
        **{f"{name}.mean": tensor for name, tensor in adam.means.items()},
        **{f"{name}.square": tensor for name, tensor in adam.squares.items()},
    }
