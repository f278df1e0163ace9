"""A frozen vision transformer and what has to be known about it: DinoBloom S, B, L, G, or any timm ViT by name.

DinoBloom is DINOv2's ViT/14 without register tokens at 224 px (Koch et al. 2024, arXiv:2404.05022).
"""

import hashlib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import timm
import torch
from torch import nn

from cytosae_core.backbone.checkpoint import load_into, read_checkpoint
from cytosae_core.errors import BackboneError
from cytosae_core.geometry import IMAGE_SIZE, PATCH_SIZE, n_tokens_of

DINOBLOOM: Mapping[str, str] = MappingProxyType(
    {
        "dinobloom-s": "vit_small_patch14_dinov2",
        "dinobloom-b": "vit_base_patch14_dinov2",
        "dinobloom-l": "vit_large_patch14_dinov2",
        "dinobloom-g": "vit_giant_patch14_dinov2",
    }
)
"""Our names of the published models, and timm's name of their shape."""

SHIPPED: Mapping[str, Path] = MappingProxyType(
    {"cytosae-small": Path(__file__).parent / "weights" / "cytosae-small.safetensors"}
)
"""Backbones whose weights lie in the package: small, for demonstrations and tests; see the model cards beside them."""
SMALL_ARCHITECTURE = "deit_tiny_patch16_224"
"""timm's name of the shape of what ships: width 192, 12 blocks, 3 heads; with patches of 14 px and LayerScale."""
SMALL_SHAPE: Mapping[str, object] = MappingProxyType(
    {"patch_size": PATCH_SIZE, "img_size": IMAGE_SIZE, "init_values": 1.0}
)
"""What is changed about it, so that its tokens are DinoBloom's: CLS and 16 x 16 patches."""


@dataclass(frozen=True)
class Backbone:
    """A vision transformer in evaluation mode, without gradients, with its measures."""

    name: str
    """Name it was asked for by: `dinobloom-b`, or a timm name."""
    architecture: str
    """Name in timm's registry."""
    backbone_id: str
    """First 16 hex digits of the sha256 of architecture and weights: equal exactly where the tokens are."""
    model: nn.Module
    """The timm model."""
    d_model: int
    """Width of a token."""
    n_blocks: int
    """Transformer blocks; the last one is number `n_blocks`."""
    n_prefix: int
    """Tokens before the patches inside the model: CLS and registers; only CLS leaves it."""
    image_size: int
    """Side, in pixels, of the images it takes."""
    n_tokens: int
    """Tokens that leave it for an image: CLS and the patches."""
    mean: tuple[float, float, float]
    """Mean that R, G, B are normalised by, on the scale 0 to 1."""
    std: tuple[float, float, float]
    """Standard deviation that R, G, B are normalised by."""

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        return next(self.model.parameters()).device


def load_backbone(name: str, weights: Path | None = None, *, device: str = "cpu", **shape: object) -> Backbone:
    """The backbone `name` with the weights of a local file, or without one with the shipped or timm's own weights.

    `shape` overrides timm's arguments (`depth`, `embed_dim`, ...) for models that were made smaller. For published
    DinoBloom weights by name see `download.fetch_weights`. Raises BackboneError for unknown names and checkpoints
    that do not fit, naming the keys.
    """
    if weights is None and name in DINOBLOOM:
        raise BackboneError(f"{name} needs a checkpoint: pass its path as `weights`, or fetch it by name first")
    weights = SHIPPED.get(name) if weights is None else weights
    model = _create(name, pretrained=weights is None, **shape)
    if weights is not None:
        load_into(model, read_checkpoint(weights), str(weights))
    return describe(name, model, device)


def random_backbone(name: str, seed: int, *, device: str = "cpu", **shape: object) -> Backbone:
    """The shape of `name` with random weights and LayerScale at 1: for benchmarks and tests, never for science."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = _create(name, pretrained=False, **shape)
    for parameter_name, parameter in model.named_parameters():
        if parameter_name.endswith(".gamma"):
            nn.init.ones_(parameter)
    return describe(f"random:{name}:{seed}", model, device)


def best_device(local_rank: int = 0) -> str:
    """The GPU of this process where there is one, else the CPU."""
    return f"cuda:{local_rank}" if torch.cuda.is_available() else "cpu"


def describe(name: str, model: nn.Module, device: str = "cpu") -> Backbone:
    """Freeze a timm ViT, move it to `device` and measure it; BackboneError where it has no CLS token or square grid."""
    blocks, embedding = getattr(model, "blocks", None), getattr(model, "patch_embed", None)
    if blocks is None or embedding is None or not hasattr(model, "forward_intermediates"):
        raise BackboneError(f"{name} is no plain vision transformer: it has no blocks of tokens; choose a timm ViT")
    if getattr(model, "cls_token", None) is None:
        raise BackboneError(f"{name} has no CLS token, and the method needs one; choose a timm ViT with a class token")
    rows, cols = embedding.grid_size
    height, width = embedding.img_size
    if rows != cols or height != width:
        raise BackboneError(f"{name} takes images of {width} x {height} px; only square images are supported")
    config = getattr(model, "pretrained_cfg", {})
    frozen = model.eval().requires_grad_(False).to(device)
    return Backbone(
        name=name, architecture=str(config.get("architecture", type(model).__name__)), model=frozen,
        backbone_id=_identify(config.get("architecture", ""), frozen), d_model=int(getattr(model, "embed_dim")),  # noqa: B009
        n_blocks=len(blocks), n_prefix=int(getattr(model, "num_prefix_tokens")), image_size=int(height),  # noqa: B009
        n_tokens=n_tokens_of(rows), mean=tuple(config["mean"]), std=tuple(config["std"]),
    )  # fmt: skip


def _create(name: str, *, pretrained: bool, **shape: object) -> nn.Module:
    architecture = SMALL_ARCHITECTURE if name in SHIPPED else DINOBLOOM.get(name, name)
    size = {"img_size": IMAGE_SIZE} if architecture in DINOBLOOM.values() else {}
    arguments: dict[str, Any] = {**size, **(SMALL_SHAPE if name in SHIPPED else {}), **shape}
    if not architecture.startswith("hf_hub:") and not timm.is_model(architecture):
        raise BackboneError(
            f"there is no backbone {name!r};"
            f" choose one of {', '.join((*DINOBLOOM, *SHIPPED))}, or a ViT that timm lists"
        )
    try:
        with warnings.catch_warnings():
            # timm reaches torch's own deprecated helpers while it initialises; nothing a caller could act on.
            warnings.simplefilter("ignore", DeprecationWarning)
            model: nn.Module = timm.create_model(architecture, pretrained=pretrained, num_classes=0, **arguments)
    except Exception as error:  # timm, the hub's client and the network raise without a common base
        raise BackboneError(f"{name} cannot be made: {error}; with no network, pass a local checkpoint") from error
    return model


def _identify(architecture: str, model: nn.Module) -> str:
    """Hash of everything that decides the tokens: the kind of model by name, its heads, the weights by value."""
    n_heads = [getattr(getattr(block, "attn", None), "num_heads", None) for block in model.blocks]  # type: ignore[union-attr]
    digest = hashlib.sha256(f"{architecture}{n_heads}".encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().data)
    return digest.hexdigest()[:16]
