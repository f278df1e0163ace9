"""How fast cells become tokens, and what holds it up: medians over interleaved rounds, in images per second.

Every round measures every variant once, each right after the bare pass, so that whatever else loads the machine falls
on both alike; shares are computed pair by pair.
"""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from PIL import Image

from cytosae_core.backbone.decode import decoded_batches
from cytosae_core.backbone.residual import Precision, resolve_precision
from cytosae_core.backbone.runtime import Runtime, make_forward
from cytosae_core.backbone.vit import Backbone
from cytosae_core.errors import ConfigError
from cytosae_core.images.sources import folder_source
from cytosae_core.images.table import ImageTable, scan
from cytosae_core.progress import Progress, no_progress
from cytosae_core.tokens.extract import extract
from cytosae_core.tokens.plan import ExtractConfig
from cytosae_core.tokens.shards import write_shard
from cytosae_core.tokens.stream import forward_batches

Work = Callable[[], object]
"""Takes `n_images` images through what is measured, once."""


_OTHER_PRECISIONS: dict[Precision, tuple[Precision, ...]] = {
    "float32": ("bfloat16",),
    "float16": ("bfloat16", "float32"),
}


class _Rate(NamedTuple):
    per_second: float
    per_cpu_second: float


@dataclass(frozen=True)
class TokensBenchConfig:
    """What is measured."""

    n_images: int = 24
    """Images in a measurement; at least three batches."""
    batch_size: int = 8
    """Images in a forward pass."""
    n_rounds: int = 5
    """Times that every variant is measured."""
    block: int = 11
    """Block whose output is taken, counted from 1."""
    with_compiled: bool = True
    """Measure torch.compile too, which first takes a minute."""

    def __post_init__(self) -> None:
        if self.n_images < 3 * self.batch_size or self.n_rounds < 1 or self.n_images % self.batch_size:
            raise ConfigError(
                f"n_images {self.n_images}, batch_size {self.batch_size}, n_rounds {self.n_rounds}: take at least three"
                " whole batches and one round"
            )


def as_tiff(table: ImageTable, folder: Path) -> ImageTable:
    """The same images as LZW-compressed TIFF files, the slowest of the usual kinds to decode, in `folder`."""
    for index, path in enumerate(table.frame["path"]):
        target = folder / "cells" / f"{index:05d}.tif"
        target.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(path) as image:
            image.convert("RGB").save(target, compression="tiff_lzw")
    return scan(folder_source("tiff"), folder)


def bench(
    backbone: Backbone, table: ImageTable, config: TokensBenchConfig, progress: Progress = no_progress
) -> pd.DataFrame:
    """One row per variant, medians over rounds; the bare pass is measured again right before each of the others.

    `images_per_s` by the clock, `images_per_cpu_s` by the processor time of this process, which other people's load
    does not slow, and both as shares of the bare pass. `table` holds at least `config.n_images` images. Bare variants
    are the forward pass alone; extractions decode, compute, write and publish; the rows named "alone" are the other
    stages.
    """
    first = table.where(np.arange(table.n_images) < config.n_images)
    with tempfile.TemporaryDirectory() as folder:
        works = _works(backbone, first, config, Path(folder))
        baseline = next(iter(works))
        for work in works.values():
            work()  # caches, compilers, allocators
        rows: list[dict[str, str | float]] = []
        for n_done in range(config.n_rounds):
            progress(n_done, config.n_rounds)
            rows += [_row(name, work, works[baseline], config.n_images) for name, work in works.items()]
        progress(config.n_rounds, config.n_rounds)
    return pd.DataFrame(rows).groupby("variant", sort=False).median()


def _row(name: str, work: Work, bare: Work, n_images: int) -> dict[str, str | float]:
    reference, rate = _measured(bare, n_images), _measured(work, n_images)
    return {
        "variant": name,
        "images_per_s": rate.per_second,
        "share": rate.per_second / reference.per_second,
        "images_per_cpu_s": rate.per_cpu_second,
        "cpu_share": rate.per_cpu_second / reference.per_cpu_second,
    }


def _measured(work: Work, n_images: int) -> _Rate:
    start, cpu_start = time.perf_counter(), time.process_time()
    work()
    return _Rate(n_images / (time.perf_counter() - start), n_images / max(time.process_time() - cpu_start, 1e-9))


def _works(backbone: Backbone, table: ImageTable, config: TokensBenchConfig, folder: Path) -> dict[str, Work]:
    """What is measured, by name; the first one is the bare pass that the others are compared with."""
    default = resolve_precision("auto", backbone.device)
    kinds = {"images": table}
    if table.path_of(0).suffix == ".jpg":
        kinds = {"JPEG": table, "TIFF": as_tiff(table, folder / "tiff")}
    works: dict[str, Work] = {f"bare, torch, {default}": _bare(backbone, config, "torch", default)}
    for kind, images in kinds.items():
        works[f"extraction from {kind}, torch, {default}"] = _extraction(backbone, images, config, folder)
    for other in _OTHER_PRECISIONS[default]:
        works[f"bare, torch, {other}"] = _bare(backbone, config, "torch", other)
    if config.with_compiled:
        works[f"bare, compile, {default}"] = _bare(backbone, config, "compile", default)
    if backbone.device.type == "cpu" and find_spec("openvino") is not None:
        works["bare, openvino, float32"] = _bare(backbone, config, "openvino", "float32")
        works["stream, openvino, float32"] = _stream(backbone, table, config, "openvino")
    for kind, images in kinds.items():
        works[f"decoding {kind} alone"] = _decoding(backbone, images, config)
    return works | {"writing shards alone": _writing(backbone, config, folder)}


def _bare(backbone: Backbone, config: TokensBenchConfig, runtime: Runtime, precision: Precision) -> Work:
    forward = make_forward(backbone, [config.block], runtime, precision)
    size = backbone.image_size
    images = torch.randn(config.batch_size, 3, size, size, device=backbone.device)

    def work() -> None:
        for _ in range(config.n_images // config.batch_size):
            forward(images)
        if backbone.device.type == "cuda":
            torch.cuda.synchronize(backbone.device)

    return work


def _extract_config(config: TokensBenchConfig, runtime: Runtime) -> ExtractConfig:
    return ExtractConfig((config.block,), config.batch_size, runtime=runtime, shard_images=4 * config.batch_size)


def _extraction(backbone: Backbone, table: ImageTable, config: TokensBenchConfig, folder: Path) -> Work:
    def work() -> None:
        with tempfile.TemporaryDirectory(dir=folder) as output:
            extract(backbone, table, Path(output) / "tokens", _extract_config(config, "torch"))

    return work


def _rows(config: TokensBenchConfig) -> list[range]:
    return [range(start, start + config.batch_size) for start in range(0, config.n_images, config.batch_size)]


def _stream(backbone: Backbone, table: ImageTable, config: TokensBenchConfig, runtime: Runtime) -> Work:
    """Decoding and forward pass together; converting the model, which happens once per run, is not part of it."""
    forward = make_forward(backbone, [config.block], runtime)
    settings = _extract_config(config, runtime)
    return lambda: [None for _ in forward_batches(backbone, table, settings, _rows(config), forward)]


def _decoding(backbone: Backbone, table: ImageTable, config: TokensBenchConfig) -> Work:
    return lambda: [None for _ in decoded_batches(_rows(config), table.path_of, backbone.image_size)]


def _writing(backbone: Backbone, config: TokensBenchConfig, folder: Path) -> Work:
    tokens = np.ones((config.n_images, backbone.n_tokens, backbone.d_model), np.float16)
    return lambda: write_shard(folder, folder, 0, {config.block: tokens}, list(range(config.n_images)), [])
