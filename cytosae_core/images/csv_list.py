"""Images that a CSV names: column `path`, and optionally `label`, `patient` and `diagnosis`."""

import os
from pathlib import Path, PurePosixPath, PureWindowsPath

import pandas as pd

from cytosae_core.errors import ImageTableError
from cytosae_core.images.sources import ImageRow, is_hidden
from cytosae_core.images.table import ImageTable, SkippedImage, TableRow, build_table
from cytosae_core.images.walk import find_image


def scan_csv(csv_path: Path, dataset: str, root: Path | None = None, um_per_px: float | None = None) -> ImageTable:
    """The images that a CSV names; no image is opened.

    Without `root`, paths start at the CSV's folder, and absolute ones and ones with `..` are refused. With `root`,
    paths start there, and any path is taken that stays inside. Backslashes are read as slashes. Cells are text as
    they stand (`NA` is a name); an empty cell is missing. Other columns are ignored; files that are missing, empty,
    hidden or links out of the folder are in `skipped`.

    Raises ImageTableError where the CSV cannot be read, has no column `path`, has an empty path or one that leaves
    the folder, or names an image twice.
    """
    listed = _read(csv_path)
    base = Path(os.path.abspath(csv_path.parent if root is None else root))  # noqa: PTH100 - links stay as they are
    if not base.is_dir():
        raise ImageTableError(f"{base}: no such folder; give the folder that the paths in {csv_path.name} start from")
    rows, skipped = [], []
    for line, cells in enumerate(listed.to_dict("records"), start=2):
        relative_path = _inside(cells["path"], base, root is not None, f"{csv_path.name}, line {line}")
        found = find_image(base / relative_path, relative_path.as_posix(), base)
        reason = "hidden file" if is_hidden(relative_path) else found.reason
        if reason is None:
            rows.append(TableRow(found, ImageRow(*(cells.get(name) or None for name in ImageRow._fields))))
        else:
            skipped.append(SkippedImage(found.relative_path, reason))
    return build_table(dataset, rows, skipped, um_per_px=um_per_px)


def _read(csv_path: Path) -> pd.DataFrame:
    try:
        listed = pd.read_csv(csv_path, dtype=str, keep_default_na=False, encoding="utf-8-sig", skipinitialspace=True)
    except (OSError, ValueError) as error:
        raise ImageTableError(f"{csv_path}: cannot be read as a CSV in UTF-8 ({error})") from error
    if "path" not in listed.columns:
        names = ", ".join(map(str, listed.columns))
        raise ImageTableError(f"{csv_path}: no column 'path' among the columns {names}; name the column of files so")
    return listed


def _inside(text: str, base: Path, has_root: bool, where: str) -> PurePosixPath:
    """A path of the list relative to `base`, or ImageTableError where it is empty or leaves `base`."""
    given = PurePosixPath(text.replace("\\", "/"))
    is_free = given.is_absolute() or PureWindowsPath(text).drive != "" or ".." in given.parts
    if is_free and not has_root:
        raise ImageTableError(
            f"{where}: '{text}' is not a plain path inside the folder of the CSV; "
            "give the folder that the images lie in as root"
        )
    relative_path = PurePosixPath(os.path.relpath(os.path.normpath(base / given), base))
    if not relative_path.parts or "\0" in text:
        raise ImageTableError(f"{where}: the path {text!r} names no file; fill it in or remove the line")
    if relative_path.parts[0] == "..":
        raise ImageTableError(f"{where}: '{text}' leaves the folder {base}; give the folder that holds it as root")
    return relative_path
