"""The guide: a small convolutional network whose maps the transformer imitates.

A transformer learns locality from ten thousand images only with help; imitating the feature maps of a convolutional
network trained on the same images is such help (locality guidance, Li et al. 2022, arXiv:2207.10026).
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SIDE = 128
"""Side of the images that the guide takes, pixels: its local map then has the transformer's 16 x 16 places."""
WIDTHS = (24, 48, 96, 192)
"""Channels at 64, 32, 16 and 8 places per side."""


class GuideMaps(NamedTuple):
    """What the guide says about a batch."""

    local: Tensor
    """(n, 96, 16, 16)."""
    deep: Tensor
    """(n, 192, 8, 8)."""


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut (He et al. 2016)."""

    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.first, self.first_norm = nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False), nn.BatchNorm2d(n_out)
        self.second, self.second_norm = nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False), nn.BatchNorm2d(n_out)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or n_in != n_out:
            self.shortcut = nn.Sequential(nn.Conv2d(n_in, n_out, 1, stride, bias=False), nn.BatchNorm2d(n_out))

    def forward(self, x: Tensor) -> Tensor:
        """(n, n_in, h, w) -> (n, n_out, h / stride, w / stride)."""
        inner = F.relu(self.first_norm(self.first(x)))
        return F.relu(self.shortcut(x) + self.second_norm(self.second(inner)))


class Guide(nn.Module):
    """Convolutions from 128 x 128 pixels to a local and a deep map."""

    def __init__(self) -> None:
        super().__init__()
        a, b, c, d = WIDTHS
        stem = nn.Sequential(nn.Conv2d(3, a, 3, 2, 1, bias=False), nn.BatchNorm2d(a), nn.ReLU())
        self.to_local = nn.Sequential(stem, ResidualBlock(a, b, 2), ResidualBlock(b, c, 2), ResidualBlock(c, c, 1))
        self.to_deep = nn.Sequential(ResidualBlock(c, d, 2), ResidualBlock(d, d, 1))

    def forward(self, images: Tensor) -> GuideMaps:
        """Normalised images (n, 3, 128, 128) -> maps."""
        local = self.to_local(images.contiguous(memory_format=torch.channels_last))
        return GuideMaps(local, self.to_deep(local))
