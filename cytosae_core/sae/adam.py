"""Adam with the published constants, and its moments where a run can save them.

It calls the function behind `torch.optim.Adam`; the class itself loads torch's compiler, which takes seconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim.adam import adam

BETAS = (0.9, 0.999)
"""Decay of the two moments."""
EPSILON = 1e-8
"""Added to the root of the second moment."""


@dataclass(frozen=True)
class Adam:
    """Weights and the running means of their gradients; make one with `Adam.of`."""

    weights: Mapping[str, nn.Parameter]
    """What is trained, by name."""
    means: Mapping[str, Tensor]
    """Running mean of every gradient, in the shape of the weight."""
    squares: Mapping[str, Tensor]
    """Running mean of its square."""

    @classmethod
    def of(cls, module: nn.Module) -> "Adam":
        """Adam over all weights of a module, before its first step."""
        weights = dict(module.named_parameters())
        means, squares = ({name: torch.zeros_like(weight) for name, weight in weights.items()} for _ in range(2))
        return cls(weights, means, squares)

    @torch.no_grad()
    def step(self, learning_rate: float, n_done: int) -> None:
        """Move the weights by their gradients; `n_done` steps were made before."""
        names = [name for name, weight in self.weights.items() if weight.grad is not None]
        adam(
            [self.weights[name] for name in names],
            [gradient for name in names if (gradient := self.weights[name].grad) is not None],
            [self.means[name] for name in names],
            [self.squares[name] for name in names],
            [],
            [torch.tensor(float(n_done), device=self.weights[name].device) for name in names],
            fused=True, amsgrad=False, beta1=BETAS[0], beta2=BETAS[1], lr=learning_rate, weight_decay=0.0,
            eps=EPSILON, maximize=False,
        )  # fmt: skip
