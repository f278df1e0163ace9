"""The transformer while it learns: a window of its patches, and the heads that are thrown away afterwards."""

from typing import NamedTuple

import timm
import torch
from torch import Tensor, nn

from cytosae_core.backbone.vit import SMALL_ARCHITECTURE, SMALL_SHAPE
from cytosae_core.geometry import GRID, PATCH_SIZE
from cytosae_core.small_backbone.config import LOCAL_BLOCK, PROBED_BLOCK


class Window(NamedTuple):
    """A square of patches: `side` of them from `row` and `col` on."""

    row: int
    col: int
    side: int

    def cut(self, pixels: Tensor) -> Tensor:
        """The window's part of a grid or picture (n, 224, 224, ...)."""
        rows = slice(self.row * PATCH_SIZE, (self.row + self.side) * PATCH_SIZE)
        cols = slice(self.col * PATCH_SIZE, (self.col + self.side) * PATCH_SIZE)
        return pixels[:, rows, cols]

    def cut_patches(self, patches: Tensor) -> Tensor:
        """The window's part of a map (n, 16, 16, d) as tokens (n, side * side, d)."""
        rows, cols = slice(self.row, self.row + self.side), slice(self.col, self.col + self.side)
        return patches[:, rows, cols].flatten(1, 2)


class StudentTokens(NamedTuple):
    """Residual stream of a batch, CLS first."""

    local: Tensor
    """After block 6 (n, 1 + side * side, 192)."""
    deep: Tensor
    """After block 11."""
    final: Tensor
    """After block 12 and the last LayerNorm."""


class Student(nn.Module):
    """timm's transformer, which is kept, seen through a window."""

    def __init__(self) -> None:
        super().__init__()
        self.vit: nn.Module = timm.create_model(SMALL_ARCHITECTURE, num_classes=0, **SMALL_SHAPE)  # type: ignore[arg-type]

    def forward(self, images: Tensor, window: Window) -> StudentTokens:
        """Normalised pixels of the window (n, 3, 14 side, 14 side) -> tokens at three depths."""
        vit = self.vit
        patches = vit.patch_embed.proj(images).flatten(2).transpose(1, 2)  # type: ignore[union-attr, operator]
        position: Tensor = vit.pos_embed  # type: ignore[assignment]
        places = window.cut_patches(position[:, 1:].view(1, GRID, GRID, -1))
        cls = (vit.cls_token + position[:, :1]).expand(len(images), -1, -1)  # type: ignore[operator]
        stream, kept = torch.cat((cls, patches + places), 1), []
        for block in vit.blocks:  # type: ignore[union-attr]
            stream = block(stream)
            kept.append(stream)
        return StudentTokens(kept[LOCAL_BLOCK - 1], kept[PROBED_BLOCK - 1], vit.norm(stream))  # type: ignore[operator]


def start_student(student: Student, patches: Tensor) -> None:
    """First weights: patch embedding = whitening of `patches` (n, 3 * 14 * 14), positions = sines and cosines."""
    weight: Tensor = student.vit.patch_embed.proj.weight  # type: ignore[union-attr, assignment]
    bias: Tensor = student.vit.patch_embed.proj.bias  # type: ignore[union-attr, assignment]
    mean = patches.mean(0)
    values, vectors = torch.linalg.eigh(torch.cov((patches - mean).T.double()))
    order = values.argsort(descending=True)[: len(weight)]
    floor = 1e-2 * float(values.mean())
    whitening = (vectors[:, order] / (values[order] + floor).sqrt()).T.float()
    with torch.no_grad():
        weight.copy_(whitening.view_as(weight))
        bias.copy_(-whitening @ mean)
        position: Tensor = student.vit.pos_embed  # type: ignore[assignment]
        position[:, 1:].copy_(0.5 * sines_and_cosines(position.shape[-1]))


def sines_and_cosines(width: int) -> Tensor:
    """Fixed position embedding of a 16 x 16 grid (256, width): half of it for the row, half for the column."""
    frequency = 1 / 100 ** (torch.arange(width // 4) / (width // 4))
    angle = torch.arange(GRID)[:, None] * frequency
    line = torch.cat((angle.sin(), angle.cos()), 1)
    rows = line[:, None].expand(GRID, GRID, -1)
    return torch.cat((rows, rows.transpose(0, 1)), 2).flatten(0, 1)
