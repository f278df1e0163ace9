"""What is asked of the guide and of the transformer while they learn; thrown away afterwards."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cytosae_core.geometry import GRID
from cytosae_core.simulated.synthetic import CELL_TYPES
from cytosae_core.small_backbone.batches import Batch
from cytosae_core.small_backbone.corpus import PARTS, UNKNOWN
from cytosae_core.small_backbone.guide import WIDTHS, GuideMaps
from cytosae_core.small_backbone.student import StudentTokens

ATTRIBUTE_WEIGHT = 0.5
"""Weight of WBCAtt's attributes beside the cell type."""
RENDERED_WEIGHT = 0.3
"""Weight of the type of rendered cells."""
PARTS_WEIGHT = 4.0
"""Weight of the parts under the patches of rendered cells."""
IMITATION_WEIGHT = 1.0
"""Weight of imitating each of the guide's maps, whose channels are normalised."""


class Answers(NamedTuple):
    """Logits for a batch."""

    types: Tensor
    """(n, n_types)."""
    attributes: tuple[Tensor, ...]
    """One (n, n_values) per attribute."""
    rendered_types: Tensor
    """(n, n_rendered_types)."""


class Questions(nn.Module):
    """Linear questions to one vector per image."""

    def __init__(self, d_in: int, n_types: int, n_values: tuple[int, ...]) -> None:
        super().__init__()
        self.types = nn.Linear(d_in, n_types)
        self.attributes = nn.ModuleList(nn.Linear(d_in, n) for n in n_values)
        self.drawn_types = nn.Linear(d_in, len(CELL_TYPES))  # of rendered cells; states on disk have this name

    def forward(self, x: Tensor) -> Answers:
        """(n, d_in) -> logits."""
        return Answers(self.types(x), tuple(ask(x) for ask in self.attributes), self.drawn_types(x))


class GuideHeads(nn.Module):
    """Questions to the mean of the deep map, and parts at each place."""

    def __init__(self, n_types: int, n_values: tuple[int, ...]) -> None:
        super().__init__()
        self.questions = Questions(WIDTHS[3], n_types, n_values)
        self.parts = nn.Conv2d(WIDTHS[2] + WIDTHS[3], len(PARTS), 1)

    def answer(self, maps: GuideMaps) -> Answers:
        """Logits from the mean over places."""
        return self.questions(maps.deep.mean((2, 3)))  # type: ignore[no-any-return]

    def find_parts(self, maps: GuideMaps) -> Tensor:
        """Logits (n, 16, 16, n_parts)."""
        joined = torch.cat((maps.local, enlarged(maps)), 1)
        return self.parts(joined).permute(0, 2, 3, 1)  # type: ignore[no-any-return]


class StudentHeads(nn.Module):
    """Questions to the mean patch at block 11 and to the last CLS; parts and the guide's maps at each patch."""

    def __init__(self, d_model: int, n_types: int, n_values: tuple[int, ...]) -> None:
        super().__init__()
        self.local_norm, self.deep_norm = nn.LayerNorm(d_model), nn.LayerNorm(d_model)
        self.to_local, self.to_deep = nn.Linear(d_model, WIDTHS[2]), nn.Linear(d_model, WIDTHS[3])
        self.parts = nn.Linear(d_model, len(PARTS))
        self.of_patches = Questions(d_model, n_types, n_values)
        self.of_cls = Questions(d_model, n_types, n_values)

    def answers(self, tokens: StudentTokens) -> tuple[Answers, Answers]:
        """Logits from the patches, and from CLS."""
        patches = self.deep_norm(tokens.deep[:, 1:]).mean(1)
        return self.of_patches(patches), self.of_cls(tokens.final[:, 0])

    def imitation(self, tokens: StudentTokens) -> tuple[Tensor, Tensor]:
        """What the patches make of the guide's local (n, patches, 96) and deep map (n, patches, 192)."""
        local, deep = self.local_norm(tokens.local[:, 1:]), self.deep_norm(tokens.deep[:, 1:])
        return self.to_local(local), self.to_deep(deep)

    def find_parts(self, tokens: StudentTokens) -> Tensor:
        """Logits (n, patches, n_parts)."""
        return self.parts(self.deep_norm(tokens.deep[:, 1:]))  # type: ignore[no-any-return]


def enlarged(maps: GuideMaps) -> Tensor:
    """The deep map at the transformer's places (n, 192, 16, 16)."""
    return F.interpolate(maps.deep, (GRID, GRID), mode="bilinear", align_corners=False)


def label_loss(answers: Answers, batch: Batch, smoothing: float) -> Tensor:
    """Cross entropy of cell types, attributes and rendered types, each over the images that have the label."""
    attributes = [_cross_entropy(ask, batch.attributes[:, i]) for i, ask in enumerate(answers.attributes)]
    types = _cross_entropy(answers.types, batch.types, smoothing)
    rendered = _cross_entropy(answers.rendered_types, batch.rendered_types)
    return types + ATTRIBUTE_WEIGHT * sum(attributes) / len(attributes) + RENDERED_WEIGHT * rendered


def _cross_entropy(logits: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
    total = F.cross_entropy(logits.float(), labels, ignore_index=UNKNOWN, label_smoothing=smoothing, reduction="sum")
    return total / (labels != UNKNOWN).sum().clamp(min=1)


def parts_loss(logits: Tensor, covered: Tensor) -> Tensor:
    """Binary cross entropy of the share of each place that each part covers; shapes (n, places, n_parts)."""
    return PARTS_WEIGHT * F.binary_cross_entropy_with_logits(logits.float(), covered)


def imitation_loss(guessed: tuple[Tensor, Tensor], shown: tuple[Tensor, Tensor]) -> Tensor:
    """Mean squared distance to the guide's maps (n, places, channels), normalised over channels."""
    pairs = zip(guessed, shown, strict=True)
    losses = [F.mse_loss(guess.float(), F.layer_norm(target.float(), target.shape[-1:])) for guess, target in pairs]
    return IMITATION_WEIGHT * sum(losses[1:], losses[0])


def imitate_types(answers: Answers, guide: Answers, n_real: int) -> Tensor:
    """Kullback-Leibler distance of the cell types from the guide's, over the real images."""
    own, shown = answers.types[:n_real].float(), guide.types[:n_real].float()
    return F.kl_div(own.log_softmax(1), shown.log_softmax(1), reduction="batchmean", log_target=True)
