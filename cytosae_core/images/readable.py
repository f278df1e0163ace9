"""Decoding every image once, in parallel, before hours of work depend on it."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from cytosae_core.errors import ConfigError, ImageError
from cytosae_core.images.columns import SkippedImage
from cytosae_core.images.table import ImageTable, fingerprint_of
from cytosae_core.images.transforms import read_rgb
from cytosae_core.progress import Progress, no_progress

_N_PER_ROUND = 1024
"""Images handed to the workers at a time: bounds what waits in memory."""


def check_readable(table: ImageTable, workers: int = 4, progress: Progress = no_progress) -> ImageTable:
    """The table without the images that `read_rgb` refuses, which are in `skipped` with the reason.

    Threads are enough: Pillow decodes outside the interpreter lock. The fingerprint is that of the images left.
    """
    if workers < 1:
        raise ConfigError(f"workers is {workers}; at least one is needed to read images")
    reasons: list[str | None] = []
    with ThreadPoolExecutor(workers) as executor:
        for start in range(0, table.n_images, _N_PER_ROUND):
            for reason in executor.map(_why_not, map(Path, table.frame["path"].iloc[start : start + _N_PER_ROUND])):
                reasons.append(reason)
                progress(len(reasons), table.n_images)
    bad = [
        SkippedImage(relative_path, reason)
        for relative_path, reason in zip(table.frame["relative_path"], reasons, strict=True)
        if reason is not None
    ]
    frame = table.where(np.array([reason is None for reason in reasons], dtype=bool)).frame
    return ImageTable(frame, tuple(sorted((*table.skipped, *bad))), fingerprint_of(frame))


def _why_not(path: Path) -> str | None:
    """Why an image cannot be read, without the path of this machine; None where it can."""
    try:
        read_rgb(path)
    except ImageError as error:
        return str(error).removeprefix(f"{path}: ")
    return None
