"""Image files to batches of pixels, ahead of the model and in parallel with it.

Pillow releases the interpreter lock while it decodes and resizes, so threads are enough, and their memory is bounded
by the few batches that are decoded ahead.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cytosae_core.errors import ImageError
from cytosae_core.images.transforms import read_rgb, resize_rgb

N_AHEAD = 3
"""Batches that are decoded ahead of the one in the model."""

Pixels = npt.NDArray[np.uint8]


class UnreadableImage(NamedTuple):
    """An image that could not be read."""

    position: int
    """Row of the image in its table."""
    reason: str
    """Why, in words, without any path of this machine."""


class DecodedBatch(NamedTuple):
    """The readable images of one batch."""

    positions: list[int]
    """Rows of the readable images in their table."""
    pixels: Pixels
    """(n_readable, size, size, 3)."""
    skipped: list[UnreadableImage]
    """The others."""


def n_cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def decoded_batches(
    batches: Iterable[Sequence[int]], path_of: Callable[[int], Path], size: int, n_workers: int | None = None
) -> Iterator[DecodedBatch]:
    """Decode the images at these rows, batch after batch in the given order, `N_AHEAD` batches ahead of the caller."""
    remaining = iter(batches)
    waiting: deque[tuple[Sequence[int], list[Future[Pixels | str]]]] = deque()
    pool = ThreadPoolExecutor(n_workers or n_cores(), thread_name_prefix="decode")
    try:
        while True:
            for rows in remaining:
                waiting.append((rows, [pool.submit(_decode, path_of(row), size) for row in rows]))
                if len(waiting) > N_AHEAD:
                    break
            if not waiting:
                return
            yield _gather(*waiting.popleft(), size)
    finally:
        pool.shutdown(cancel_futures=True)


def _decode(path: Path, size: int) -> Pixels | str:
    try:
        return resize_rgb(read_rgb(path), size)
    except ImageError as error:
        return str(error).removeprefix(f"{path}: ")


def _gather(rows: Sequence[int], futures: list["Future[Pixels | str]"], size: int) -> DecodedBatch:
    results = [(row, future.result()) for row, future in zip(rows, futures, strict=True)]
    readable = [(row, pixels) for row, pixels in results if not isinstance(pixels, str)]
    skipped = [UnreadableImage(row, reason) for row, reason in results if isinstance(reason, str)]
    pixels = np.stack([pixels for _, pixels in readable]) if readable else np.empty((0, size, size, 3), np.uint8)
    return DecodedBatch([row for row, _ in readable], pixels, skipped)
