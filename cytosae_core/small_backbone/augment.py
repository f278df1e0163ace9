"""The same turn, shift, scale and mirror for a picture, its masks and every resolution; then another stain and lamp."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

IMAGENET_MEAN = (0.485, 0.456, 0.406)
"""Mean that R, G, B are normalised by."""
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Standard deviation that R, G, B are normalised by."""
SCALES = (0.75, 1.1)
"""Side of the picture's part that is shown, lowest and highest; above 1 the border is mirrored."""
SHIFT = 0.08
"""Largest shift along an axis, in sides of the picture."""
LOG_GAIN = 0.1
"""Standard deviation of the logarithm of each channel's gain."""
CONTRAST = 0.15
"""Standard deviation of the logarithm of the contrast."""


class View(NamedTuple):
    """How a batch is looked at."""

    affine: Tensor
    """Affine maps from the view to the picture (n, 2, 3)."""
    gain: Tensor
    """Factor of each channel (n, 3, 1, 1)."""
    contrast: Tensor
    """Factor of the distance from the mean (n, 1, 1, 1)."""


def random_view(n_images: int, generator: torch.Generator) -> View:
    """One random view per image."""

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(shape, generator=generator)

    turn, scale = uniform(0, 2 * torch.pi, n_images), uniform(*SCALES, n_images)
    mirror = torch.where(uniform(0, 1, n_images) < 0.5, -1.0, 1.0)
    shift = uniform(-2 * SHIFT, 2 * SHIFT, n_images, 2)
    cos, sin = scale * torch.cos(turn), scale * torch.sin(turn)
    rows = [torch.stack((cos * mirror, -sin, shift[:, 0]), 1), torch.stack((sin * mirror, cos, shift[:, 1]), 1)]
    gain = torch.exp(LOG_GAIN * torch.randn((n_images, 3, 1, 1), generator=generator))
    contrast = torch.exp(CONTRAST * torch.randn((n_images, 1, 1, 1), generator=generator))
    return View(torch.stack(rows, 1), gain, contrast)


def plain_view(n_images: int) -> View:
    """Pictures as they are."""
    identity = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]).repeat(n_images, 1, 1)
    return View(identity, torch.ones(n_images, 3, 1, 1), torch.ones(n_images, 1, 1, 1))


def grid_of(view: View, side: int) -> Tensor:
    """Where each pixel of a view of `side` pixels lies in the picture (n, side, side, 2)."""
    return F.affine_grid(view.affine, [len(view.affine), 3, side, side], align_corners=False)


def look(pictures: Tensor, grid: Tensor, view: View) -> Tensor:
    """Pictures (n, 3, h, w) on the scale 0 to 1 -> normalised views (n, 3, *grid)."""
    seen = F.grid_sample(pictures, grid, padding_mode="reflection", align_corners=False)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    middle = seen.mean((2, 3), keepdim=True)
    stained = ((seen - middle) * view.contrast + middle) * view.gain
    return (stained.clamp(0, 1) - mean) / std


def coverage(masks: Tensor, view: View, n_patches: int) -> Tensor:
    """Masks (n, parts, h, w) -> share of each patch of the view that a part covers (n, n_patches, n_patches, parts)."""
    seen = F.grid_sample(masks, grid_of(view, 4 * n_patches), padding_mode="reflection", align_corners=False)
    return F.avg_pool2d(seen, 4).permute(0, 2, 3, 1)
