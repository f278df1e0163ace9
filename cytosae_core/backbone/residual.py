"""Images (n, 3, size, size) to tokens (n, n_tokens, d) at chosen blocks: the residual stream, before the final norm.

Blocks are counted as in the paper: 1 is the first, `n_blocks` the last; "layer 11" of DinoBloom-B is the stream after
the eleventh of its twelve blocks (index 10), of which the twelfth is never computed.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from cytosae_core.backbone.vit import Backbone
from cytosae_core.errors import ConfigError

Precision = Literal["auto", "float32", "bfloat16", "float16"]
"""Number format of the matrix products; the residual stream itself stays in float32."""

FLOAT16_MAX = 65504.0
"""Largest number that float16 holds."""


class ResidualStream(nn.Module):
    """images (n, 3, size, size), float32 and normalised -> one (n, n_tokens, d) per block, ascending, CLS first."""

    def __init__(self, backbone: Backbone, blocks: Sequence[int]) -> None:
        super().__init__()
        self.model: Any = backbone.model  # timm's models share this method, and no type
        self.indices = [block - 1 for block in check_blocks(blocks, backbone.n_blocks)]

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """The stream after each chosen block; registers are dropped, so that patches follow CLS in every model."""
        pairs = self.model.forward_intermediates(
            images, indices=self.indices, return_prefix_tokens=True, norm=False, output_fmt="NLC",
            intermediates_only=True, stop_early=True,
        )  # fmt: skip
        return tuple(torch.cat((prefix[:, :1], patches), dim=1) for patches, prefix in pairs)  # (n, n_tokens, d)


def check_blocks(blocks: Sequence[int], n_blocks: int) -> tuple[int, ...]:
    """The blocks in ascending order, each once; ConfigError where one does not exist."""
    wrong = [block for block in blocks if not 1 <= block <= n_blocks]
    if wrong or not blocks:
        raise ConfigError(f"blocks {list(blocks)}: choose from 1 (the first) to {n_blocks} (the last)")
    return tuple(sorted(set(blocks)))


def resolve_precision(precision: Precision, device: torch.device) -> Precision:
    """What "auto" means here: float16 on CUDA, as DINOv2 was trained; float32 elsewhere, which is faster on CPUs."""
    if precision == "auto":
        return "float16" if device.type == "cuda" else "float32"
    return precision


def autocast(precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    """The context in which matrix products run in `precision`."""
    resolved = resolve_precision(precision, device)
    if resolved == "float32":
        return nullcontext()
    return torch.autocast(device.type, dtype=getattr(torch, resolved))


def normalise_batch(rgb: npt.NDArray[np.uint8], backbone: Backbone) -> Tensor:
    """RGB values (n, size, size, 3) to what the backbone takes, (n, 3, size, size) float32, on its device."""
    pixels = torch.from_numpy(rgb)
    if backbone.device.type == "cuda":
        pixels = pixels.pin_memory()
    # planes first, while a value is one byte: all that follows runs over contiguous memory, in place
    planes = pixels.to(backbone.device, non_blocking=True).permute(0, 3, 1, 2).contiguous()  # (n, 3, size, size)
    mean = torch.tensor(backbone.mean, device=backbone.device).view(1, 3, 1, 1)
    std = torch.tensor(backbone.std, device=backbone.device).view(1, 3, 1, 1)
    return planes.float().div_(255).sub_(mean).div_(std)


@torch.inference_mode()
def tokens_at(
    backbone: Backbone, images: Tensor, blocks: Sequence[int], precision: Precision = "auto"
) -> dict[int, Tensor]:
    """Tokens (n, n_tokens, d) in float32 by block, for normalised images (n, 3, size, size), in one pass.

    No block after the last chosen one is computed. ConfigError for images of another shape.
    """
    expected = (3, backbone.image_size, backbone.image_size)
    if images.ndim != 4 or tuple(images.shape[1:]) != expected:
        raise ConfigError(
            f"images of shape {tuple(images.shape)}: {backbone.name} takes (n, 3, {backbone.image_size},"
            f" {backbone.image_size}), normalised"
        )
    stream = ResidualStream(backbone, blocks)
    with autocast(precision, backbone.device):
        outputs = stream(images.to(backbone.device))
    return dict(zip(check_blocks(blocks, backbone.n_blocks), (tokens.float() for tokens in outputs), strict=True))
