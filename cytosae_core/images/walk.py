"""Which image files lie under a folder: names and sizes only, nothing is opened and nothing outside is reached."""

import os
import stat
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from cytosae_core.errors import ImageTableError
from cytosae_core.images.sources import IMAGE_SUFFIXES


class FoundImage(NamedTuple):
    """One visible image file, or the reason why it must not be used."""

    relative_path: str
    """From the root, with `/`, in Unicode form NFC, so that ids agree between file systems."""
    path: Path
    """Where to open it."""
    n_bytes: int
    """Size of the file; 0 where it must not be used."""
    reason: str | None = None
    """Why the file must not be used; None where it may."""


class RealFolder:
    """A folder, to ask of any file whether it lies below once all links are followed; folders are looked up once."""

    def __init__(self, root: Path) -> None:
        self._root = os.path.realpath(root)
        self._below = f"{self._root}/".replace("//", "/")
        self._folders: dict[str, str] = {}

    def holds(self, path: Path) -> bool:
        """Whether `path`, which need not exist, lies in the folder or below."""
        folder, name = os.path.split(path)
        if name in {"", ".", ".."} or path.is_symlink():
            real = os.path.realpath(path)
        else:
            if folder not in self._folders:
                self._folders[folder] = os.path.realpath(folder)
            real = f"{self._folders[folder]}/{name}"
        return real == self._root or real.startswith(self._below)


def find_images(root: Path) -> Iterator[FoundImage]:
    """All visible image files under `root`, in no order, one at a time: a folder of any size takes little memory.

    Names that start with a dot, and files without one of `IMAGE_SUFFIXES`, are not part of a data set and are not
    reported. Links to files inside `root` are read; links that leave it, links to folders, empty files, files that
    are no regular files and names that are no Unicode come back with a reason.

    Raises ImageTableError where a folder cannot be read.
    """
    inside = RealFolder(root)
    return (_inspect(entry, relative_path, inside) for entry, relative_path in _walk(root))


def find_image(path: Path, relative_path: str, inside: RealFolder) -> FoundImage:
    """The same judgement for one file that a list names; a missing file comes back with a reason."""
    name = unicodedata.normalize("NFC", relative_path)
    try:
        is_outside = not inside.holds(path)
        status = path.stat()
    except FileNotFoundError:
        return FoundImage(name, path, 0, "no such file")
    except OSError as error:
        return FoundImage(name, path, 0, f"cannot be looked at ({type(error).__name__})")
    n_bytes = status.st_size
    return FoundImage(name, path, n_bytes, _reason(name, is_outside, stat.S_ISREG(status.st_mode), n_bytes))


def _walk(root: Path) -> Iterator[tuple[os.DirEntry[str], str]]:
    """Visible image files, and links to folders, with their relative paths."""
    folders = [(os.fspath(root), "")]
    while folders:
        folder, prefix = folders.pop()
        for entry in _entries(folder):
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                folders.append((entry.path, f"{prefix}{entry.name}/"))
            elif PurePosixPath(entry.name).suffix.lower() in IMAGE_SUFFIXES or (
                entry.is_symlink() and Path(entry.path).is_dir()  # unlike the entry, false for links in a circle
            ):
                yield entry, prefix + entry.name


def _entries(folder: str) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from entries
    except OSError as error:
        raise ImageTableError(f"{folder}: the folder cannot be read ({error.strerror}); check its rights") from error


def _inspect(entry: os.DirEntry[str], relative_path: str, inside: RealFolder) -> FoundImage:
    path = Path(entry.path)
    if entry.is_symlink():
        if path.is_dir():
            return FoundImage(relative_path, path, 0, "a link to a folder, which is not followed")
        return find_image(path, relative_path, inside)
    name = unicodedata.normalize("NFC", relative_path)
    n_bytes = entry.stat(follow_symlinks=False).st_size
    return FoundImage(name, path, n_bytes, _reason(name, False, entry.is_file(), n_bytes))


def _reason(name: str, is_outside: bool, is_file: bool, n_bytes: int) -> str | None:
    if is_outside:
        return "a link that leaves the folder, which is not followed"
    if not is_file:
        return "not a regular file"
    if n_bytes == 0:
        return "the file is empty (0 bytes)"
    if any("\ud800" <= character <= "\udfff" for character in name):
        return "the file name is not valid Unicode"
    return None


def find_files(dataset: str, root: Path, image_ids: Sequence[str]) -> tuple[dict[str, Path], dict[str, str]]:
    """Files of these images below `root`, and the images that have none there, with why."""
    files: dict[str, Path] = {}
    without: dict[str, str] = {}
    inside = RealFolder(root)
    for image_id in image_ids:
        relative_path = image_id.removeprefix(f"{dataset}/")
        found = find_image(root / relative_path, relative_path, inside)
        if found.reason is None:
            files[image_id] = found.path
        else:
            without[image_id] = found.reason
    return files, without
