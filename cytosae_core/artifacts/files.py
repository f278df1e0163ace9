"""Files of an artifact: written whole or not at all, recorded with size and digest, and no way out of their folder."""

import contextlib
import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, NamedTuple

from cytosae_core.errors import ArtifactError, ChecksumError


class FileRecord(NamedTuple):
    """What a manifest says of a file."""

    path: str
    """Relative to the folder of the manifest, with forward slashes."""
    size: int
    """Bytes."""
    sha256: str
    """64 hex digits."""


@contextlib.contextmanager
def whole_path(path: Path, *, is_synced: bool = True, mode: int = 0o666) -> Iterator[Path]:
    """An empty file to be filled, hidden beside `path`, that takes its name when the block ends without an error.

    So `path` is whole or not there. Folders above it are made where they are missing; `mode` is cut by the umask.
    `is_synced`: survive a power cut as well; many small files that can be made again do without. Raises ArtifactError
    where the system cannot write it.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode))
        yield unfinished
        if is_synced:
            sync(unfinished)
        unfinished.replace(path)
        if is_synced:
            sync(path.parent)
    except OSError as error:
        raise ArtifactError(
            f"{path} cannot be written ({error.strerror or error}); make room or check the rights, and run the same"
            " command again: what is finished is kept"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            unfinished.unlink()


@contextlib.contextmanager
def whole_file(path: Path, *, is_synced: bool = True) -> Iterator[BinaryIO]:
    """`whole_path`, opened to write bytes."""
    with whole_path(path, is_synced=is_synced) as unfinished, unfinished.open("wb") as file:
        yield file


def write_whole(folder: Path, name: str, *parts: bytes | memoryview, is_synced: bool = True) -> FileRecord:
    """Write `parts` one after the other as `whole_file` does; what a manifest says of the file comes back."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    with whole_file(folder / name, is_synced=is_synced) as file:
        file.writelines(parts)
        size = file.tell()
    return FileRecord(name, size, digest.hexdigest())


def drop_unfinished(folder: Path) -> None:
    """Remove what killed processes were writing into `folder`, or below it, through `whole_file`."""
    for path in folder.rglob(".*.tmp"):
        path.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Force the bytes of a file, or the names in a folder, to the disk, so that they survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def describe(folder: Path, names: Iterable[str]) -> dict[str, FileRecord]:
    """Size and digest of the named files of `folder`."""
    return {name: FileRecord(name, (folder / name).stat().st_size, sha256_of(folder / name)) for name in names}


def listed(records: Iterable[FileRecord]) -> dict[str, dict[str, Any]]:
    """Files as a manifest lists them by name: {name: {"size": bytes, "sha256": digest}}."""
    return {record.path: {"size": record.size, "sha256": record.sha256} for record in records}


def inside(folder: Path, name: str) -> Path:
    """The path of `name` within `folder`; raises ArtifactError when it would lead anywhere else."""
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or "\\" in name or ":" in name or ".." in parts:
        raise ArtifactError(f"{folder}: the file name {name!r} leads out of the folder; do not trust this folder")
    path = folder.joinpath(*parts)
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ArtifactError(f"{path} links to a place outside of {folder}; do not trust this folder")
    return path


def check_sizes(folder: Path, records: Iterable[FileRecord], remedy: str) -> None:
    """Raise ChecksumError, ending in `remedy`, for the first file that is missing or has another size than recorded."""
    for record in records:
        path = inside(folder, record.path)
        if not path.is_file():
            raise ChecksumError(f"{path} is missing, the manifest lists it with {record.size} bytes; {remedy}")
        if path.stat().st_size != record.size:
            raise ChecksumError(f"{path} has {path.stat().st_size} bytes, the manifest says {record.size}; {remedy}")


def check_digest(folder: Path, name: str, sha256: str, remedy: str) -> None:
    """Raise ChecksumError, ending in `remedy`, unless the bytes of `name` have the digest `sha256`."""
    path = inside(folder, name)
    if not path.is_file():
        raise ChecksumError(f"{path} is missing, and the manifest lists it; {remedy}")
    found = sha256_of(path)
    if found != sha256:
        raise ChecksumError(f"{path} was changed since it was written: sha256 {found} instead of {sha256}; {remedy}")
