"""One process at a time: locks that the system releases when their process ends, however it ends."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from cytosae_core.errors import ArtifactError


@contextlib.contextmanager
def held(lock_path: Path, refusal: str, *, is_removed: bool = False) -> Iterator[None]:
    """Hold the lock file at `lock_path`, and remove it afterwards with `is_removed`.

    Raises ArtifactError with the text `refusal` where another process holds it.
    """
    try:
        import fcntl
    except ImportError:  # Windows has no such lock; there a second run is the user's to avoid
        yield
        return
    while True:
        with lock_path.open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise ArtifactError(refusal) from error
            if not _is_still_there(lock.fileno(), lock_path):
                continue  # the last holder removed the file after it was opened here: this lock binds nobody
            try:
                yield
            finally:
                if is_removed:
                    lock_path.unlink(missing_ok=True)
            return


def _is_still_there(descriptor: int, lock_path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), lock_path.stat())
    except FileNotFoundError:
        return False
