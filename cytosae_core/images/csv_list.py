"""Images that a CSV names: column `path`, and optionally `label`, `patient` and `diagnosis`."""

import ntpath
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pandas as pd

from cytosae_core.errors import ImageTableError
from cytosae_core.images.columns import N_PACKED, SkippedImage, TableRow
from cytosae_core.images.sources import ImageRow, is_hidden
from cytosae_core.images.table import ImageTable, build_table
from cytosae_core.images.walk import RealFolder, find_image


def scan_csv(csv_path: Path, dataset: str, root: Path | None = None, um_per_px: float | None = None) -> ImageTable:
    """The images that a CSV names; no image is opened.

    Without `root`, paths start at the CSV's folder, and absolute ones and ones with `..` are refused. With `root`,
    paths start there, and any path is taken that stays inside. Backslashes are read as slashes. Cells are text as
    they stand (`NA` is a name); an empty cell is missing. Other columns are ignored; files that are missing, empty,
    hidden or links out of the folder are in `skipped`.

    Raises ImageTableError where the CSV cannot be read, has no column `path`, has an empty path or one that leaves
    the folder, or names an image twice.
    """
    base = Path(os.path.abspath(csv_path.parent if root is None else root))  # noqa: PTH100 - links stay as they are
    if not base.is_dir():
        raise ImageTableError(f"{base}: no such folder; give the folder that the paths in {csv_path.name} start from")
    return build_table(dataset, _judged(csv_path, base, root is not None), um_per_px=um_per_px)


def _judged(csv_path: Path, base: Path, has_root: bool) -> Iterator[TableRow | SkippedImage]:
    folder = RealFolder(base)
    for line, (path, row) in enumerate(_lines(csv_path), start=2):
        relative_path = _inside(path, base, has_root, f"{csv_path.name}, line {line}")
        found = find_image(base / relative_path, relative_path.as_posix(), folder)
        reason = "hidden file" if is_hidden(relative_path) else found.reason
        yield TableRow(found, row) if reason is None else SkippedImage(found.relative_path, reason)


def _lines(csv_path: Path) -> Iterator[tuple[str, ImageRow]]:
    """The cells of each line, read some thousand lines at a time."""
    try:
        with pd.read_csv(
            csv_path, dtype=str, keep_default_na=False, encoding="utf-8-sig", skipinitialspace=True, chunksize=N_PACKED
        ) as pieces:
            for piece in pieces:
                yield from _cells(csv_path, piece)
    except (OSError, ValueError) as error:
        raise ImageTableError(f"{csv_path}: cannot be read as a CSV in UTF-8 ({error})") from error


def _cells(csv_path: Path, listed: pd.DataFrame) -> Iterator[tuple[str, ImageRow]]:
    if "path" not in listed.columns:
        names = ", ".join(map(str, listed.columns))
        raise ImageTableError(f"{csv_path}: no column 'path' among the columns {names}; name the column of files so")
    texts = listed.reindex(columns=["path", *ImageRow._fields]).astype("str").fillna("")
    for path, *about in zip(*(texts[name].tolist() for name in texts.columns), strict=True):
        yield path, ImageRow(*(cell or None for cell in about))


def _inside(text: str, base: Path, has_root: bool, where: str) -> PurePosixPath:
    """A path of the list relative to `base`, or ImageTableError where it is empty or leaves `base`."""
    given = text.replace("\\", "/")
    is_free = given.startswith("/") or ntpath.splitdrive(text)[0] != "" or ".." in given.split("/")
    if is_free and not has_root:
        raise ImageTableError(
            f"{where}: '{text}' is not a plain path inside the folder of the CSV; "
            "give the folder that the images lie in as root"
        )
    # normpath keeps two slashes in front, to which POSIX gives no meaning
    path = os.path.normpath(given if given.startswith("/") else f"{base}/{given}").replace("//", "/")
    below = f"{base}/".replace("//", "/")
    if path == str(base) or "\0" in text:
        raise ImageTableError(f"{where}: the path {text!r} names no file; fill it in or remove the line")
    if not path.startswith(below):
        raise ImageTableError(f"{where}: '{text}' leaves the folder {base}; give the folder that holds it as root")
    return PurePosixPath(path.removeprefix(below))
