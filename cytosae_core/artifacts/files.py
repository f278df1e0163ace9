"""Files of an artifact: their sizes and digests, and no way out of the folder."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from cytosae_core.errors import ArtifactError, ChecksumError

_CHUNK = 1 << 20


@dataclass(frozen=True)
class FileEntry:
    """What a manifest records of one file."""

    size: int
    """Bytes."""
    sha256: str


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def describe(folder: Path, names: Iterable[str]) -> dict[str, FileEntry]:
    """Size and digest of the named files of `folder`."""
    return {name: FileEntry((folder / name).stat().st_size, sha256_of(folder / name)) for name in names}


def inside(folder: Path, name: str) -> Path:
    """The path of `name` within `folder`; raises ArtifactError when it would lead anywhere else."""
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or "\\" in name or ":" in name or ".." in parts:
        raise ArtifactError(f"{folder}: the file name {name!r} leads out of the folder; do not trust this folder")
    path = folder.joinpath(*parts)
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ArtifactError(f"{path} links to a place outside of {folder}; do not trust this folder")
    return path


def check_sizes(folder: Path, files: Mapping[str, FileEntry]) -> None:
    """Raise ChecksumError for the first file that is missing or has another size than recorded."""
    for name, entry in files.items():
        path = inside(folder, name)
        if not path.is_file():
            raise ChecksumError(f"{path} is missing, the manifest lists it with {entry.size} bytes; {_REMEDY}")
        if path.stat().st_size != entry.size:
            raise ChecksumError(f"{path} has {path.stat().st_size} bytes, the manifest says {entry.size}; {_REMEDY}")


def check_digest(folder: Path, name: str, sha256: str) -> None:
    """Raise ChecksumError unless the bytes of `name` have the digest `sha256`."""
    path = inside(folder, name)
    if not path.is_file():
        raise ChecksumError(f"{path} is missing, the atlas needs it; {_REMEDY}")
    found = sha256_of(path)
    if found != sha256:
        raise ChecksumError(f"{path} has sha256 {found}, it should be {sha256}; {_REMEDY}")


_REMEDY = "copy the whole folder again from where it was made, or make the atlas anew"
