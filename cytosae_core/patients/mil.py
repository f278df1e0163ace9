"""Attention multiple-instance model on backbone tokens: the baseline of Hehr et al. (2023), small and seeded.

A patient is a bag of cells. With x_i a cell's vector, h_i = ReLU(E x_i), the attention for group k is
a_ik = softmax over i of (w_k tanh(V h_i)) (Ilse et al. 2018; one attention per group, as in Hehr et al. 2023), and the
logit of group k is u_k (sum_i a_ik h_i) + b_k. Training stops when the cross entropy of held-out training patients no
longer falls. Hehr et al. train a convolutional network below it and add a loss on cells; here the backbone is fixed.

torch is imported by the functions that need it: analysis loads without it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedShuffleSplit

from cytosae_core.errors import AnalysisError, ConfigError
from cytosae_core.patients.probing import IntArray, Method, Prediction, n_groups

if TYPE_CHECKING:
    from torch import Tensor, nn

Bags = Sequence[NDArray[np.float32]]


@dataclass(frozen=True)
class MilConfig:
    """How the model is made and trained."""

    d_hidden: int = 256
    """Width of h."""
    d_attention: int = 128
    """Rows of V."""
    learning_rate: float = 3e-4
    """Of Adam."""
    weight_decay: float = 1e-3
    """Half of it times the sum of all squared weights is added to the loss."""
    max_epochs: int = 80
    """Passes over the training patients at most."""
    patience: int = 12
    """Passes without a better validation loss after which training stops."""
    validation_share: float = 0.2
    """Share of the training patients that are held out to stop on; no test patient is ever among them."""

    def __post_init__(self) -> None:
        for name in ("d_hidden", "d_attention", "max_epochs", "patience", "learning_rate"):
            if getattr(self, name) <= 0:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be above 0")
        if not 0 < self.validation_share < 1:
            raise ConfigError(f"validation_share is {self.validation_share}; choose a share between 0 and 1")


def attention_mil(bags: Bags, config: MilConfig | None = None) -> Method:
    """The model as a method; `bags` are all patients' cells, one array (n_cells, d_in) a patient."""
    config = config or MilConfig()

    def predict(codes: IntArray, train: IntArray, test: IntArray, seed: int) -> Prediction:
        mean, spread = _moments([bags[position] for position in train])
        scaled = {int(position): (bags[position] - mean) / spread for position in np.concatenate([train, test])}
        model, n_epochs = fit(scaled, codes, train, config, seed)
        named = [int(bag_logits(model, _tensor(scaled[int(position)])).argmax()) for position in test]
        return Prediction(np.array(named, dtype=np.int64), f"epoch {n_epochs}")

    return predict


def build_model(d_in: int, n_classes: int, config: MilConfig) -> "nn.ModuleDict":
    """E, V and w, u and b, freshly sampled from torch's random state."""
    from torch import nn

    attend = nn.Sequential(
        nn.Linear(config.d_hidden, config.d_attention), nn.Tanh(), nn.Linear(config.d_attention, n_classes, bias=False)
    )
    return nn.ModuleDict(
        {
            "embed": nn.Sequential(nn.Linear(d_in, config.d_hidden), nn.ReLU()),
            "attend": attend,
            "score": nn.Linear(config.d_hidden, n_classes),
        }
    )


def bag_logits(model: "nn.ModuleDict", bag: "Tensor") -> "Tensor":
    """Logits (n_classes,) of a bag (n_cells, d_in)."""
    hidden = model["embed"](bag)
    attention = model["attend"](hidden).softmax(dim=0)  # (n_cells, n_classes)
    seen = attention.T @ hidden  # (n_classes, d_hidden)
    logits: Tensor = (model["score"].weight * seen).sum(dim=1) + model["score"].bias
    return logits


def fit(
    bags: dict[int, NDArray[np.float32]], codes: IntArray, train: IntArray, config: MilConfig, seed: int
) -> "tuple[nn.ModuleDict, int]":
    """The model of the epoch with the lowest validation loss, and that epoch; torch's random state is left alone."""
    import torch

    from cytosae_core.sae.adam import Adam

    learn, validate = _hold_out(codes, train, config.validation_share, seed)
    tensors = {position: _tensor(bag) for position, bag in bags.items()}
    order = np.random.default_rng(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = build_model(next(iter(bags.values())).shape[1], n_groups(codes), config)
    adam, n_steps = Adam.of(model), 0
    best, best_loss, best_epoch = model.state_dict(), np.inf, 0
    for epoch in range(1, config.max_epochs + 1):
        for position in order.permutation(learn):
            model.zero_grad()
            penalty = config.weight_decay / 2 * sum((weight**2).sum() for weight in model.parameters())
            (_loss(model, tensors, codes, [int(position)]) + penalty).backward()  # type: ignore[no-untyped-call]
            adam.step(config.learning_rate, n_steps)
            n_steps += 1
        with torch.no_grad():
            loss = float(_loss(model, tensors, codes, validate.tolist()))
        if loss < best_loss:
            best, best_loss, best_epoch = {k: v.clone() for k, v in model.state_dict().items()}, loss, epoch
        if epoch - best_epoch >= config.patience:
            break
    model.load_state_dict(best)
    return model, best_epoch


def _loss(model: "nn.ModuleDict", tensors: "dict[int, Tensor]", codes: IntArray, positions: list[int]) -> "Tensor":
    """Mean cross entropy over the bags at `positions`."""
    import torch

    logits = torch.stack([bag_logits(model, tensors[position]) for position in positions])
    return torch.nn.functional.cross_entropy(logits, torch.as_tensor(codes[positions]))


def _hold_out(codes: IntArray, train: IntArray, share: float, seed: int) -> tuple[IntArray, IntArray]:
    """Training patients to learn from, and to stop on: of every group where there are enough."""
    own = codes[train]
    smallest = int(np.bincount(own)[np.unique(own)].min())
    if smallest < 2:
        raise AnalysisError(
            f"a group has {smallest} training patient, and one more is needed to stop on; "
            "use fewer folds or leave the group out"
        )
    n_out = max(round(share * len(train)), len(np.unique(own)))
    split = StratifiedShuffleSplit(1, test_size=n_out, random_state=seed)
    learn, validate = next(split.split(train, own))
    return train[learn], train[validate]


def _moments(bags: Bags) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and standard deviation of the training cells, column by column; 1 where a column never varies."""
    cells = np.concatenate(list(bags))
    spread = cells.std(axis=0)
    return cells.mean(axis=0), np.where(spread > 0, spread, np.float32(1.0))


def _tensor(bag: NDArray[np.float32]) -> "Tensor":
    import torch

    return torch.from_numpy(np.ascontiguousarray(bag, dtype=np.float32))
