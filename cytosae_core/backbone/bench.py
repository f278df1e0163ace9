"""How fast cells become tokens, and what holds it up: medians over interleaved rounds, in images a second.

Every round measures every variant once, so that whatever else loads the machine falls on all of them alike; shares
are computed round by round.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image

from cytosae_core.backbone.decode import decoded_batches
from cytosae_core.backbone.extract import extract
from cytosae_core.backbone.plan import ExtractConfig
from cytosae_core.backbone.runtime import Runtime, make_forward
from cytosae_core.backbone.shards import write_shard
from cytosae_core.backbone.stream import forward_batches
from cytosae_core.backbone.tokens import Precision, resolve_precision
from cytosae_core.backbone.vit import Backbone
from cytosae_core.errors import ConfigError
from cytosae_core.images.sources import folder_source
from cytosae_core.images.table import ImageTable, scan
from cytosae_core.progress import Progress, silent

Measure = Callable[[], float]
"""Runs once and gives images a second."""


@dataclass(frozen=True)
class BenchConfig:
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


def bench(backbone: Backbone, table: ImageTable, config: BenchConfig, progress: Progress = silent) -> pd.DataFrame:
    """One row a variant: `images_per_s` (median), `share_of_bare` (median over rounds) and what it is.

    `table` holds at least `config.n_images` images. Bare variants are the forward pass alone; extractions decode,
    compute, write and publish; the last rows are the other stages alone, which show the bottleneck.
    """
    first = table.where(np.arange(table.n_images) < config.n_images)
    with tempfile.TemporaryDirectory() as folder:
        measures = _measures(backbone, first, config, Path(folder))
        for measure in measures.values():
            measure()  # warm up: caches, compilers, allocators
        rounds: list[dict[str, float]] = []
        for n_done in range(config.n_rounds):
            progress(n_done, config.n_rounds)
            rounds.append({name: measure() for name, measure in measures.items()})
        progress(config.n_rounds, config.n_rounds)
    return pd.DataFrame([_summary(name, rounds, _baseline(backbone)) for name in measures]).set_index("variant")


def _summary(name: str, rounds: list[dict[str, float]], baseline: str) -> dict[str, str | float]:
    return {
        "variant": name,
        "images_per_s": statistics.median(rates[name] for rates in rounds),
        "share_of_bare": statistics.median(rates[name] / rates[baseline] for rates in rounds),
    }


def _baseline(backbone: Backbone) -> str:
    return f"bare, torch, {resolve_precision('auto', backbone.device)}"


def _measures(backbone: Backbone, table: ImageTable, config: BenchConfig, folder: Path) -> dict[str, Measure]:
    default = resolve_precision("auto", backbone.device)
    precisions: list[Precision] = (
        ["float32", "bfloat16"] if default == "float32" else ["float16", "bfloat16", "float32"]
    )
    measures = {f"bare, torch, {p}": _bare(backbone, config, "torch", p) for p in precisions}
    if config.with_compiled:
        measures[f"bare, compile, {default}"] = _bare(backbone, config, "compile", default)
    tiff = as_tiff(table, folder / "tiff")
    kinds = {"JPEG": table, "TIFF": tiff} if str(table.frame["path"].iat[0]).endswith(".jpg") else {"as it is": table}
    for kind, images in kinds.items():
        measures[f"extraction from {kind}, torch, {default}"] = _extraction(backbone, images, config, folder)
    if backbone.device.type == "cpu" and find_spec("openvino") is not None:
        measures["bare, openvino, float32"] = _bare(backbone, config, "openvino", "float32")
        measures["stream, openvino, float32"] = _stream(backbone, table, config, "openvino")
    for kind, images in kinds.items():
        measures[f"decoding {kind} alone"] = _decoding(backbone, images, config)
    return measures | {"writing shards alone": _writing(backbone, config, folder)}


def _bare(backbone: Backbone, config: BenchConfig, runtime: Runtime, precision: Precision) -> Measure:
    forward = make_forward(backbone, [config.block], runtime, precision)
    size = backbone.image_size
    images = torch.randn(config.batch_size, 3, size, size, device=backbone.device)

    def measure() -> float:
        _wait(backbone)
        start = time.perf_counter()
        for _ in range(config.n_images // config.batch_size):
            forward(images)
        _wait(backbone)
        return config.n_images / (time.perf_counter() - start)

    return measure


def _wait(backbone: Backbone) -> None:
    if backbone.device.type == "cuda":
        torch.cuda.synchronize(backbone.device)


def _config(config: BenchConfig, runtime: Runtime) -> ExtractConfig:
    return ExtractConfig((config.block,), config.batch_size, runtime=runtime, shard_images=4 * config.batch_size)


def _extraction(backbone: Backbone, table: ImageTable, config: BenchConfig, folder: Path) -> Measure:
    def measure() -> float:
        with tempfile.TemporaryDirectory(dir=folder) as output:
            start = time.perf_counter()
            extract(backbone, table, Path(output) / "tokens", _config(config, "torch"))
            return table.n_images / (time.perf_counter() - start)

    return measure


def _stream(backbone: Backbone, table: ImageTable, config: BenchConfig, runtime: Runtime) -> Measure:
    """From the first batch out of the stream to the last but one in: converting the model is not part of it."""
    rows = [range(start, start + config.batch_size) for start in range(0, config.n_images, config.batch_size)]

    def measure() -> float:
        stream = forward_batches(backbone, table, _config(config, runtime), rows)
        next(stream)
        start = time.perf_counter()
        n_images = sum(len(batch.positions) for batch in stream) - config.batch_size
        return n_images / (time.perf_counter() - start)

    return measure


def _decoding(backbone: Backbone, table: ImageTable, config: BenchConfig) -> Measure:
    rows = [range(start, start + config.batch_size) for start in range(0, config.n_images, config.batch_size)]

    def measure() -> float:
        start = time.perf_counter()
        batches = decoded_batches(rows, lambda row: Path(str(table.frame["path"].iat[row])), backbone.image_size)
        n_images = sum(len(batch.positions) for batch in batches)
        return n_images / (time.perf_counter() - start)

    return measure


def _writing(backbone: Backbone, config: BenchConfig, folder: Path) -> Measure:
    tokens = np.ones((config.n_images, backbone.n_tokens, backbone.d_model), np.float16)

    def measure() -> float:
        start = time.perf_counter()
        write_shard(folder, folder, 0, {config.block: tokens}, list(range(config.n_images)), [])
        return config.n_images / (time.perf_counter() - start)

    return measure
