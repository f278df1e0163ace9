"""What an extraction is about to do, written down before it starts: a run resumes only where this is the same."""

from dataclasses import dataclass
from typing import Any

from cytosae_core.artifacts.manifest import library_versions
from cytosae_core.backbone.residual import check_blocks, resolve_precision
from cytosae_core.backbone.runtime import resolve_runtime
from cytosae_core.backbone.vit import Backbone
from cytosae_core.errors import ConfigError
from cytosae_core.images.table import ImageTable
from cytosae_core.tokens.store import FORMAT, FORMAT_VERSION
from cytosae_core.tokens.stream import StreamConfig

LIBRARIES = ("python", "torch", "timm", "numpy", "pillow")
"""What can change a token with its version."""


@dataclass(frozen=True)
class ExtractConfig(StreamConfig):
    """How tokens are extracted to disk."""

    shard_images: int = 256
    """Images in a shard: the work that a killed run loses at most (ViT-B: 100 MB)."""
    max_unreadable_share: float = 0.01
    """Share of unreadable images above which the extraction is refused."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.shard_images < 1 or not 0 <= self.max_unreadable_share <= 1:
            raise ConfigError(
                f"shard_images {self.shard_images} must be at least 1, and max_unreadable_share"
                f" {self.max_unreadable_share} between 0 and 1"
            )


def make_plan(backbone: Backbone, table: ImageTable, config: ExtractConfig) -> dict[str, Any]:
    """Everything that decides the bytes of the shards, as a JSON document; ConfigError where there is no image."""
    if table.n_images == 0:
        raise ConfigError("the table holds no images; choose others, or check the filter that left none")
    runtime = resolve_runtime(config.runtime, backbone.device, config.precision)
    libraries = (*LIBRARIES, "openvino") if runtime == "openvino" else LIBRARIES
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "backbone": {
            "name": backbone.name,
            "architecture": backbone.architecture,
            "backbone_id": backbone.backbone_id,
            "n_blocks": backbone.n_blocks,
        },
        "blocks": list(check_blocks(config.blocks, backbone.n_blocks)),
        "n_tokens": backbone.n_tokens,
        "d_model": backbone.d_model,
        "dtype": "float16",
        "preprocessing": {
            "resize": "bilinear, antialias, to a square",
            "image_size": backbone.image_size,
            "mean": list(backbone.mean),
            "std": list(backbone.std),
        },
        "dataset": {
            "names": sorted(table.frame["dataset"].unique()),
            "fingerprint": table.fingerprint,
            "n_images": table.n_images,
        },
        "run": {
            "batch_size": config.batch_size,
            "shard_images": config.shard_images,
            "runtime": runtime,
            "precision": resolve_precision(config.precision, backbone.device),
            "device": backbone.device.type,
        },
        "libraries": library_versions(*libraries),
    }


def n_shards_of(plan: dict[str, Any]) -> int:
    """Shards that the images of a plan are cut into."""
    return -(-int(plan["dataset"]["n_images"]) // int(plan["run"]["shard_images"]))


def shard_batches(plan: dict[str, Any], shard_index: int) -> list[range]:
    """The table rows of a shard, batch by batch; no batch crosses a shard, so that a resumed run makes equal ones."""
    size, step = plan["run"]["shard_images"], plan["run"]["batch_size"]
    first, end = shard_index * size, min((shard_index + 1) * size, plan["dataset"]["n_images"])
    return [range(start, min(start + step, end)) for start in range(first, end, step)]
