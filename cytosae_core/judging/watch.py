"""Is the file that is written still the file that stands at its path?

A file that was deleted, renamed or replaced while it is open goes on taking writes that nobody will ever read again.
So device and inode of the database are compared with those at its path before and after each transaction, and those
of its write-ahead log with what each connection opened.
"""

from pathlib import Path
from typing import Any

from cytosae_core.errors import DatabaseGoneError

FileIdentity = tuple[int, int]
"""Device and inode."""
_LOG = "write-ahead log"


class FileWatch:
    """The identity of a database file as it was when it was opened."""

    def __init__(self, path: Path) -> None:
        """Raises DatabaseGoneError where there is no file."""
        self._path = path
        self._log_path = path.with_name(f"{path.name}-wal")
        self._opened = self._identity(path)

    def check(self) -> None:
        """Raise DatabaseGoneError unless the file at the path is the one that was opened."""
        if self._identity(self._path) != self._opened:
            raise DatabaseGoneError(
                f"{self._path} was replaced by another file while the app runs, so nothing was saved. Keep this page "
                "open and tell the coordinator: the app must be started again, and what is on this page saved again"
            )

    def check_log(self, info: dict[Any, Any]) -> None:
        """Raise DatabaseGoneError unless the log is the one that this connection opened; `info` is its own memory."""
        found = self._identity(self._log_path)
        if info.setdefault(_LOG, found) != found:
            raise DatabaseGoneError(
                f"{self._log_path} was replaced while the app runs, so nothing was saved. Keep this page open and tell "
                "the coordinator: stop the app, keep the files as they are, and look at them with scripts/doctor.py"
            )

    def _identity(self, path: Path) -> FileIdentity:
        try:
            status = path.stat()
        except OSError as error:
            raise DatabaseGoneError(
                f"{path} is no longer there ({error.strerror}), so nothing was saved. Keep this page open and tell the "
                "coordinator: bring the file back to its place, or restore a backup, and start the app again"
            ) from error
        return status.st_dev, status.st_ino
