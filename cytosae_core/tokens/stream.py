"""Images to tokens as they are needed, with no store on disk: what a machine without 16 GB to spare trains from."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cytosae_core.backbone.decode import DecodedBatch, Skipped, decoded_batches
from cytosae_core.backbone.residual import FLOAT16_MAX, Precision, check_blocks, normalise_batch
from cytosae_core.backbone.runtime import Forward, Runtime, make_forward
from cytosae_core.backbone.vit import Backbone
from cytosae_core.errors import BackboneError, ConfigError
from cytosae_core.images.table import ImageTable
from cytosae_core.progress import Progress, no_progress

Tokens = npt.NDArray[np.float16]


@dataclass(frozen=True)
class StreamConfig:
    """How images become tokens."""

    blocks: tuple[int, ...] = (11,)
    """Blocks whose output is wanted, counted from 1; several cost one pass."""
    batch_size: int = 32
    """Images in a forward pass."""
    n_workers: int | None = None
    """Threads that decode; None: one a core."""
    runtime: Runtime = "auto"
    """What runs the forward pass; auto: OpenVINO on a CPU that has it, else PyTorch."""
    precision: Precision = "auto"
    """Number format of the matrix products; auto: float16 on CUDA, float32 elsewhere."""

    def __post_init__(self) -> None:
        if self.batch_size < 1 or (self.n_workers is not None and self.n_workers < 1):
            raise ConfigError(f"batch_size {self.batch_size}, n_workers {self.n_workers}: both must be at least 1")


_DEFAULTS = StreamConfig()


class TokenBatch(NamedTuple):
    """The tokens of the readable images of one batch."""

    batch_index: int
    """Which of the batches, from 0."""
    positions: list[int]
    """Rows of the images in their table."""
    tokens: dict[int, Tokens]
    """Block -> (n_images, n_tokens, d_model), float16."""
    skipped: list[Skipped]
    """Images of the batch that could not be read."""


def stream_tokens(
    backbone: Backbone, table: ImageTable, config: StreamConfig = _DEFAULTS, *,
    seed: int | None = None, epoch: int = 0, reader: int = 0, n_readers: int = 1, progress: Progress = no_progress,
) -> Iterator[TokenBatch]:  # fmt: skip
    """Every image of this reader's part once, in the order of the table, or shuffled by (seed, epoch).

    Readers 0 ... n_readers - 1 get disjoint parts that make up the whole. Raises BackboneError where a token does not
    fit into float16. Unreadable images are in `skipped`; how many are too many is for the caller to say.
    """
    order = _order(len(table.frame), seed, epoch)[reader::n_readers]
    batches = [order[start : start + config.batch_size].tolist() for start in range(0, len(order), config.batch_size)]
    n_done = 0
    for batch in forward_batches(backbone, table, config, batches):
        n_done += len(batch.positions) + len(batch.skipped)
        progress(n_done, len(order))
        yield batch


def _order(n_images: int, seed: int | None, epoch: int) -> npt.NDArray[np.int64]:
    if seed is None:
        return np.arange(n_images)
    return np.random.default_rng([seed, epoch]).permutation(n_images)


def forward_batches(
    backbone: Backbone, table: ImageTable, config: StreamConfig, batches: Iterable[Sequence[int]],
    forward: Forward | None = None,
) -> Iterator[TokenBatch]:  # fmt: skip
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


def _finish(table: ImageTable, blocks: Sequence[int], launched: _Launched) -> TokenBatch:
    if launched.is_copied is not None:
        launched.is_copied.synchronize()
    batch = launched.batch
    for block, peaks in zip(blocks, launched.peaks, strict=False):
        _refuse_overflow(table, batch.positions, block, peaks)
    tokens = {block: array.numpy() for block, array in zip(blocks, launched.tokens, strict=False)}
    return TokenBatch(batch.batch_index, batch.positions, tokens, batch.skipped)


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
