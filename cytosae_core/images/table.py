"""The list of images that a run works on: ids that are the same everywhere, and what is left out and why."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from cytosae_core.errors import ImageTableError
from cytosae_core.images.columns import N_PACKED, SkippedImage, TableRow, packed
from cytosae_core.images.sources import IMAGE_SUFFIXES, Source
from cytosae_core.images.walk import FoundImage, find_images

COLUMNS = ("image_id", "dataset", "relative_path", "path", "label", "patient", "diagnosis", "um_per_px", "n_bytes")
"""Columns of `ImageTable.frame`."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@dataclass(frozen=True)
class ImageTable:
    """Images to work on, in the order of their relative paths (code points)."""

    frame: pd.DataFrame
    """One row per image, with `COLUMNS`: `image_id` (`<dataset>/<relative_path>`), `path` (text; `path_of` opens),
    `label`, `patient` and `diagnosis` (missing where unknown), `um_per_px` (NaN where unknown), `n_bytes`."""
    skipped: tuple[SkippedImage, ...]
    """Files that are left out, and why; hidden files are not counted among them."""
    fingerprint: str
    """`fingerprint_of(frame)`."""

    @property
    def n_images(self) -> int:
        """Number of images to work on."""
        return len(self.frame)

    def path_of(self, row: int) -> Path:
        """Where the image of a row, counted from 0, lies on this machine."""
        return Path(str(self.frame["path"].iat[row]))

    def where(self, keep: npt.NDArray[np.bool_]) -> "ImageTable":
        """The images at which `keep` (n_images,) is true, with the fingerprint of those; `skipped` stays."""
        frame = self.frame.loc[keep].reset_index(drop=True)
        return ImageTable(frame, self.skipped, fingerprint_of(frame))


def fingerprint_of(frame: pd.DataFrame) -> str:
    """Sha256, in hex, over `image_id` NUL `n_bytes` NUL of every row, in UTF-8, sorted by `image_id`.

    It is the same on every machine and for every order of the files, and changes when a file is added, removed,
    renamed or changed in size. Labels, and changes that keep the size, are not part of it.
    """
    digest = hashlib.sha256()
    columns = pa.table({name: pa.array(frame[name]) for name in ("image_id", "n_bytes")})
    for batch in columns.sort_by("image_id").to_batches(max_chunksize=N_PACKED):
        for image_id, n_bytes in zip(batch["image_id"].to_pylist(), batch["n_bytes"].to_pylist(), strict=True):
            digest.update(f"{image_id}\0{n_bytes}\0".encode())
    return digest.hexdigest()


def scan(source: Source, root: Path) -> ImageTable:
    """The images of `source` under `root` (with or without the published top folder); no file is opened.

    Raises ImageTableError where the folder is missing, where nothing in it fits the layout, or where one patient has
    two diagnoses.
    """
    base = source.find_root(root)
    if not base.is_dir():
        raise ImageTableError(f"{base}: no such folder; give the folder of data set '{source.name}'")
    found = find_images(base)
    first = next(found, None)
    if first is None:
        suffixes = ", ".join(sorted(IMAGE_SUFFIXES))
        raise ImageTableError(f"{base}: no image file ({suffixes}) lies in this folder; check the path")
    return build_table(source.name, _judged(source, chain([first], found)), um_per_px=source.um_per_px)


def _judged(source: Source, found: Iterable[FoundImage]) -> Iterator[TableRow | SkippedImage]:
    for image in found:
        row = None if image.reason else source.describe(PurePosixPath(image.relative_path))
        if row is None:
            yield SkippedImage(image.relative_path, image.reason or f"its path is not {source.layout}")
        else:
            yield TableRow(image, row)


def build_table(dataset: str, rows: Iterable[TableRow | SkippedImage], um_per_px: float | None = None) -> ImageTable:
    """Sort, check and fingerprint; raises ImageTableError where ids collide, patients contradict or nothing is left.

    `rows` is read once, and may be longer than memory could hold as objects.
    """
    check_dataset_name(dataset)
    columns, skipped = packed(rows)
    columns["image_id"] = f"{dataset}/" + columns["relative_path"]
    columns["dataset"] = pd.Series(dataset, index=columns["image_id"].index, dtype="str")
    columns["um_per_px"] = pd.Series(np.nan if um_per_px is None else um_per_px, index=columns["image_id"].index)
    frame = pd.DataFrame({name: columns.pop(name) for name in COLUMNS}, copy=False)
    _refuse_empty(dataset, frame, skipped)
    _refuse_twins(frame)
    _refuse_contradictions(frame)
    table = ImageTable(frame, skipped, fingerprint_of(frame))
    pa.default_memory_pool().release_unused()  # hours of work on the images follow, and need what sorting needed
    return table


def check_dataset_name(name: str) -> None:
    """Raise ImageTableError unless `name` can be part of ids and folder names."""
    if not _NAME.fullmatch(name):
        raise ImageTableError(
            f"'{name}' cannot name a data set; use letters, digits, '_', '.' and '-', a letter or digit first"
        )


def refuse_past(table: ImageTable, max_skipped: int) -> None:
    """Raise ImageTableError, with the first reasons, where more than `max_skipped` files are left out."""
    n_skipped = len(table.skipped)
    if n_skipped > max_skipped:
        raise ImageTableError(
            f"{n_skipped} files are left out and at most {max_skipped} may be; repair them or raise the limit. "
            f"{_examples(table.skipped)}"
        )


def _examples(skipped: tuple[SkippedImage, ...], n_shown: int = 3) -> str:
    shown = "; ".join(f"{image.relative_path}: {image.reason}" for image in skipped[:n_shown])
    return f"First of them: {shown}" if shown else ""


def _refuse_empty(dataset: str, frame: pd.DataFrame, skipped: tuple[SkippedImage, ...]) -> None:
    if frame.empty:
        raise ImageTableError(
            f"no image of data set '{dataset}' is left: {len(skipped)} files are left out; "
            f"check the folder and the layout. {_examples(skipped)}".rstrip()
        )


def _refuse_twins(frame: pd.DataFrame) -> None:
    """Twins are neighbours in a sorted table, and looking there needs no set of all ids."""
    ids = pa.array(frame["image_id"])
    twins = ids[1:].filter(pc.equal(ids[1:], ids[:-1]))
    if len(twins):
        raise ImageTableError(f"image id '{twins[0]}' occurs more than once; list or name every image once")


def _refuse_contradictions(frame: pd.DataFrame) -> None:
    """A patient belongs to one group, else counts per patient and splits by patient mean nothing."""
    groups = frame[["patient", "diagnosis"]].dropna().drop_duplicates()
    twice = groups.loc[groups["patient"].duplicated(keep=False)].sort_values(["patient", "diagnosis"])
    if len(twice):
        patient = twice["patient"].iloc[0]
        names = "' and '".join(twice.loc[twice["patient"] == patient, "diagnosis"])
        raise ImageTableError(
            f"patient '{patient}' has the diagnoses '{names}'; a patient belongs to one group: give each its own id"
        )
