"""What a database says when it cannot, in the words of the error tree, with the remedy."""

from sqlalchemy import Engine, event
from sqlalchemy.engine import ExceptionContext

from cytosae_core.errors import CytosaeError, DatabaseBusyError, DatabaseError, StorageFullError

_FULL = "the disk is full, so nothing of this step was stored. Free some space, then save again"
_BUSY = "another program held the database for too long, so nothing of this step was stored. Save again in a moment"
_READ_ONLY = "the database cannot be written. Give this program the right to write the file and its folder"
_RESTORE = "Stop the app, keep the file as it is, and restore the last backup (scripts/backup_database.py makes them)"

_BY_TEXT: tuple[tuple[str, type[DatabaseError], str], ...] = (
    ("database or disk is full", StorageFullError, _FULL),
    ("is locked", DatabaseBusyError, _BUSY),
    ("readonly database", DatabaseError, _READ_ONLY),
    (
        "unable to open database file",
        DatabaseError,
        "the file cannot be opened or made. Check that its folder exists and that this program may write there",
    ),
    (
        "file is not a database",
        DatabaseError,
        "the file is something else than an annotation database. Name another file, or restore a backup",
    ),
    ("malformed", DatabaseError, f"the file is damaged. {_RESTORE}"),
    ("disk i/o error", DatabaseError, f"the disk could not be read or written. Check the disk. {_RESTORE}"),
    (
        "locking protocol",
        DatabaseError,
        "this file system cannot lock files. Put the database on a local disk, not on a network drive",
    ),
)
_BY_SQLSTATE: dict[str, tuple[type[DatabaseError], str]] = {
    "53100": (StorageFullError, _FULL),
    "40001": (DatabaseBusyError, _BUSY),
    "40P01": (DatabaseBusyError, _BUSY),
    "55P03": (DatabaseBusyError, _BUSY),
    "25006": (DatabaseError, _READ_ONLY),
}


def translate_errors(engine: Engine) -> None:
    """Let what fails in this engine raise DatabaseError and its kinds; broken constraints stay IntegrityError."""
    event.listen(engine, "handle_error", _raise_translated)


def _raise_translated(context: ExceptionContext) -> None:
    error = context.original_exception
    if isinstance(error, CytosaeError):
        raise error
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if "IntegrityError" in kinds or not kinds & {"DatabaseError", "InterfaceError"}:
        return
    where = context.engine.url.database if context.engine is not None else context.dialect.name
    raise _translated(error, str(where)) from error


def _translated(error: BaseException, where: str) -> DatabaseError:
    state = getattr(error, "sqlstate", None)
    if state in _BY_SQLSTATE:
        kind, remedy = _BY_SQLSTATE[state]
        return kind(f"{where}: {remedy} ({error})")
    for text, kind, remedy in _BY_TEXT:
        if text in str(error).lower():
            return kind(f"{where}: {remedy} ({error})")
    return DatabaseError(f"{where}: {error}. If it happens again, restore the last backup and report this message")
