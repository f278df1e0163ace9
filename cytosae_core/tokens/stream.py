"""Images to tokens as they are needed, with no store on disk: what a machine without 16 GB to spare trains from."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from cytosae_core.backbone.decode import DecodedBatch, UnreadableImage, decoded_batches
from cytosae_core.backbone.residual import FLOAT16_MAX, Precision, check_blocks, normalise_batch, resolve_precision
from cytosae_core.backbone.runtime import Forward, Runtime, make_forward, resolve_runtime
from cytosae_core.backbone.vit import Backbone
from cytosae_core.errors import BackboneError, ConfigError
from cytosae_core.images.simulated import holds_simulated
from cytosae_core.images.table import ImageTable
from cytosae_core.tokens.shuffle import Chunk, Tokens
from cytosae_core.tokens.source import (
    BATCH_IMAGES,
    CHUNK_IMAGES,
    Rows,
    TokenBatch,
    cut,
    refuse_skipped,
    shuffled_pieces,
)
from cytosae_core.tokens.store import INDEX_COLUMNS


@dataclass(frozen=True)
class StreamConfig:
    """How images become tokens."""

    blocks: tuple[int, ...] = (11,)
    """Blocks whose output is wanted, counted from 1; several cost one pass."""
    batch_size: int = 32
    """Images in a forward pass."""
    n_workers: int | None = None
    """Threads that decode; None: one per core."""
    runtime: Runtime = "auto"
    """What runs the forward pass; auto: OpenVINO on a CPU that has it, else PyTorch."""
    precision: Precision = "auto"
    """Number format of the matrix products; auto: float16 on CUDA, float32 elsewhere."""

    def __post_init__(self) -> None:
        if self.batch_size < 1 or (self.n_workers is not None and self.n_workers < 1):
            raise ConfigError(f"batch_size {self.batch_size}, n_workers {self.n_workers}: both must be at least 1")


_DEFAULTS = StreamConfig()


class ForwardBatch(NamedTuple):
    """The tokens of the readable images of one batch, at all blocks that are wanted."""

    positions: list[int]
    """Rows of the images in their table."""
    tokens: dict[int, Tokens]
    """Block -> (n_images, n_tokens, d_model), float16; empty where no image is readable."""
    skipped: list[UnreadableImage]
    """Images of the batch that could not be read."""


class StreamedTokens:
    """The tokens of a list of images, made by a backbone whenever they are asked for."""

    def __init__(self, backbone: Backbone, table: ImageTable, block: int, config: StreamConfig = _DEFAULTS) -> None:
        """The table lists the images of one data set; `config.blocks` is not looked at."""
        self._backbone, self._table, self._block = backbone, table, block
        precision = resolve_precision(config.precision, backbone.device)
        runtime = resolve_runtime(config.runtime, backbone.device, precision)
        self._config = replace(config, blocks=(block,), precision=precision, runtime=runtime)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(n_images, n_tokens, d_in)."""
        return self._table.n_images, self._backbone.n_tokens, self._backbone.d_model

    @cached_property
    def index(self) -> pd.DataFrame:
        """One row per image."""
        return self._table.frame[INDEX_COLUMNS]

    @cached_property
    def identity(self) -> Mapping[str, Any]:
        """What decides the tokens, and whether the images were simulated."""
        return {
            "kind": "stream",
            "shape": list(self.shape),
            "datasets": sorted(set(self.index["dataset"])),
            "fingerprint": self._table.fingerprint,
            "block": self._block,
            "backbone": self._backbone.name,
            "backbone_id": self._backbone.backbone_id,
            "run": self.origin["run"],
            "simulated": holds_simulated(self._table),
        }

    @cached_property
    def origin(self) -> Mapping[str, Any]:
        """Identity of the list of images, of the backbone, and what can change the last digits of a token."""
        backbone = self._backbone
        return {
            "backbone": {
                "name": backbone.name,
                "architecture": backbone.architecture,
                "backbone_id": backbone.backbone_id,
                "n_blocks": backbone.n_blocks,
            },
            "block": self._block,
            "fingerprint": self._table.fingerprint,
            "run": {
                "batch_size": self._config.batch_size,
                "runtime": self._config.runtime,
                "precision": self._config.precision,
            },
        }

    @property
    def skipped(self) -> list[tuple[str, str]]:
        """Files that were left out when the images were listed."""
        dataset = self.index["dataset"].iat[0]
        return [(f"{dataset}/{image.relative_path}", image.reason) for image in self._table.skipped]

    def take(self, rows: Rows) -> Tokens:
        """The tokens of these images, (n, n_tokens, d_in) float16; ImageTableError where one is unreadable."""
        batches = list(self.read(np.asarray(rows, np.int64).tolist(), self._config.batch_size))
        for batch in batches:
            refuse_skipped(self, batch)
        return np.concatenate([batch.tokens for batch in batches])

    def read(self, rows: Sequence[int], batch_images: int = BATCH_IMAGES) -> Iterator[TokenBatch]:
        """The tokens of these images, at most `batch_images` at a time; unreadable ones are named beside them.

        The backbone sees `config.batch_size` of them at a time, whatever is handed out: last digits depend on that.
        """
        batches = cut(rows, self._config.batch_size)
        for batch in forward_batches(self._backbone, self._table, self._config, batches, self._forward):
            tokens = batch.tokens.get(self._block, np.empty((0, *self.shape[1:]), np.float16))
            skipped = [(row, reason) for row, reason in batch.skipped]
            for part in cut(range(len(tokens)), batch_images):
                yield TokenBatch(batch.positions[part[0] : part[-1] + 1], tokens[part[0] : part[-1] + 1])
            if skipped:
                yield TokenBatch([], tokens[:0], skipped)

    def shuffled(self, seed: int, epoch: int, start: int) -> Iterator[Tokens]:
        """All tokens of an epoch from token `start` on, in the order of a store that holds them in one shard.

        Raises ImageTableError where an image cannot be read.
        """
        parts = list(cut(range(self.shape[0]), CHUNK_IMAGES))
        chunks = [Chunk(number, 0, len(part)) for number, part in enumerate(parts)]
        return shuffled_pieces(chunks, lambda number: self.take(parts[number]), self.shape[1:], seed, epoch, start)

    @cached_property
    def _forward(self) -> Forward:  # made once, since compiling takes long
        return make_forward(self._backbone, self._config.blocks, self._config.runtime, self._config.precision)


def forward_batches(
    backbone: Backbone, table: ImageTable, config: StreamConfig, batches: Iterable[Sequence[int]],
    forward: Forward | None = None,
) -> Iterator[ForwardBatch]:  # fmt: skip
    """Tokens of these batches of table rows, in their order; decoding, model and copying overlap.

    `forward` stands in for the one that the config asks for, where it was made before.
    """
    blocks = check_blocks(config.blocks, backbone.n_blocks)
    forward = forward or make_forward(backbone, blocks, config.runtime, config.precision)
    decoded = decoded_batches(batches, table.path_of, backbone.image_size, config.n_workers)
    previous: _Launched | None = None
    for batch in decoded:  # one batch is in flight on the device while the one before it is checked and used
        launched = _launch(backbone, forward, batch)
        if previous is not None:
            yield _finish(table, blocks, previous)
        previous = launched
    if previous is not None:
        yield _finish(table, blocks, previous)


class _Launched(NamedTuple):
    batch: DecodedBatch
    tokens: list[Tensor]
    peaks: list[Tensor]
    is_copied: torch.cuda.Event | None


def _launch(backbone: Backbone, forward: Forward, batch: DecodedBatch) -> _Launched:
    if not batch.positions:
        return _Launched(batch, [], [], None)
    outputs = forward(normalise_batch(batch.pixels, backbone))
    tokens = [_to_host(output.half()) for output in outputs]
    peaks = [_to_host(output.abs().amax(dim=(1, 2))) for output in outputs]  # NaN where there is a NaN
    is_copied = torch.cuda.Event() if outputs[0].is_cuda else None  # type: ignore[no-untyped-call]
    if is_copied is not None:
        is_copied.record()
    return _Launched(batch, tokens, peaks, is_copied)


def _to_host(tensor: Tensor) -> Tensor:
    """Start a copy to pinned memory that does not hold up the GPU; on the CPU there is nothing to copy."""
    if not tensor.is_cuda:
        return tensor
    host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
    return host.copy_(tensor, non_blocking=True)


def _finish(table: ImageTable, blocks: Sequence[int], launched: _Launched) -> ForwardBatch:
    if launched.is_copied is not None:
        launched.is_copied.synchronize()
    batch = launched.batch
    for block, peaks in zip(blocks, launched.peaks, strict=False):
        _refuse_overflow(table, batch.positions, block, peaks)
    tokens = {block: array.numpy() for block, array in zip(blocks, launched.tokens, strict=False)}
    return ForwardBatch(batch.positions, tokens, batch.skipped)


def _refuse_overflow(table: ImageTable, positions: list[int], block: int, peaks: Tensor) -> None:
    # Clamping would store a direction that the model never had, and infinity would ruin every later mean.
    bad = (~(peaks <= FLOAT16_MAX)).nonzero()  # NaN compares false
    if len(bad):
        index = int(bad[0])
        raise BackboneError(
            f"{table.frame['image_id'].iat[positions[index]]}: a token of block {block} reaches"
            f" {float(peaks[index]):g}, and float16 ends at {FLOAT16_MAX:g}; use --precision float32, another block,"
            " or remove the image"
        )
