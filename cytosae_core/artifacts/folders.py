"""Nothing half-written: a folder is filled under a hidden name beside its place, and renamed when it is complete.

One process at a time: locks that the system releases when their process ends, however it ends.
"""

import contextlib
import errno
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import filelock

from cytosae_core.artifacts.files import sync
from cytosae_core.errors import ArtifactError, ConfigError

_FULL = {errno.ENOSPC, errno.EDQUOT}
_KEY_NAME = ".resume-key"
_EARLIER_LOCK_NAME = ".lock"
"""Where earlier versions locked a folder that they were filling: work that they left may hold one."""
_PATIENCE_S, _POLL_S = 0.2, 0.02
"""Time for a second look: a lock whose file its last holder has just removed binds nobody."""


@contextlib.contextmanager
def workspace(path: Path, resume_key: str | None = None) -> Iterator[Path]:
    """A hidden folder beside `path` to be filled; it becomes `path` when the block ends without an error.

    Without `resume_key` an error removes what was written. With one it stays, and the next call with the same
    path and key gets it again; another key starts afresh. Raises ConfigError when `path` exists, ArtifactError
    when the disk is full or somebody else is filling the same folder.
    """
    refuse_existing(path)
    with _disk_errors(path, resumes=resume_key is not None):
        path.parent.mkdir(parents=True, exist_ok=True)
        with _hidden_folder(path, resume_key) as folder:
            yield folder
            for name in (_KEY_NAME, _EARLIER_LOCK_NAME):
                (folder / name).unlink(missing_ok=True)
            _flush(folder)
            publish_folder(folder, path)


def refuse_existing(path: Path) -> None:
    """Raise ConfigError when something lies at `path`: artifacts are never overwritten."""
    if path.exists() or path.is_symlink():
        raise ConfigError(f"{path} exists, and artifacts are never overwritten: give another name, or move it away")


def publish_folder(folder: Path, path: Path) -> None:
    """Give a complete folder its name, so that it survives a power cut; raises ConfigError when `path` exists."""
    refuse_existing(path)
    folder.rename(path)
    sync(path.parent)


@contextlib.contextmanager
def _hidden_folder(path: Path, resume_key: str | None) -> Iterator[Path]:
    if resume_key is None:
        folder = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.partial")
        folder.mkdir()
        try:
            yield folder
        finally:
            # Renamed by now when all went well; anything that still has this name is half an artifact.
            shutil.rmtree(folder, ignore_errors=True)
        return
    folder = path.with_name(f".{path.name}.partial")
    with file_lock(lock_path(path), f"another process is filling {folder}; wait for it, or give another name"):
        folder.mkdir(exist_ok=True)
        _start_or_resume(folder, resume_key)
        yield folder


def _start_or_resume(folder: Path, key: str) -> None:
    key_path = folder / _KEY_NAME
    if key_path.is_file() and key_path.read_text(encoding="utf-8") == key:
        return
    for child in folder.iterdir():
        if child.is_dir() and not child.is_symlink():
            shutil.rmtree(child)
        else:
            child.unlink()
    key_path.write_text(key, encoding="utf-8")


@contextlib.contextmanager
def file_lock(path: Path, refusal: str) -> Iterator[None]:
    """Hold the lock file `path`, which is removed afterwards; killed processes hold nothing.

    Raises ArtifactError with the text `refusal` where another process holds it.
    """
    lock = filelock.FileLock(path)
    try:
        lock.acquire(timeout=_PATIENCE_S, poll_interval=_POLL_S)
    except filelock.Timeout as error:
        raise ArtifactError(refusal) from error
    try:
        yield
    finally:
        # Removed while it is held, so that whoever opened the same file finds that it is gone, and makes a new one.
        with contextlib.suppress(PermissionError):  # Windows removes it at release
            path.unlink(missing_ok=True)
        lock.release()


def lock_path(path: Path) -> Path:
    """The lock file of an artifact that is being made at `path`: hidden, beside it."""
    return path.with_name(f".{path.name}.lock")


@contextlib.contextmanager
def _disk_errors(path: Path, *, resumes: bool) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if not _says_full(error):
            raise
        kept = "run the same command again: it continues" if resumes else "run the same command again"
        raise ArtifactError(
            f"the disk is full, so {path} could not be written; nothing half-written lies there. "
            f"Free some space on {path.parent} and {kept}"
        ) from error


def _says_full(error: OSError) -> bool:
    """Whether the system, or numpy in its own words and without a number, says that the disk is full."""
    return error.errno in _FULL or (error.errno is None and "requested and" in str(error))


def _flush(folder: Path) -> None:
    """Bring the tables to the disk before the name becomes visible, so that a power cut leaves no empty files."""
    for path in sorted(folder.iterdir()):
        if path.is_file():
            sync(path)
