"""What every group of queries stands on: the transactions of one database, and the clock."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime

from sqlalchemy import Connection, Engine, select

from cytosae_core.errors import AnnotationError
from cytosae_core.judging import database
from cytosae_core.judging.models import RaterRow

Clock = Callable[[], datetime]


def utcnow() -> datetime:
    """This moment, aware, in UTC."""
    return datetime.now(UTC)


class Store:
    """Transactions and time; safe to share between threads."""

    def __init__(self, engine: Engine, clock: Clock = utcnow) -> None:
        self.engine = engine
        self.now = clock

    def reading(self) -> AbstractContextManager[Connection]:
        """A transaction that only reads; on SQLite, one snapshot."""
        return database.reading(self.engine)

    def writing(self) -> AbstractContextManager[Connection]:
        """A transaction that may write: committed at the end, rolled back by any exception."""
        return database.writing(self.engine)


def hold_rater(connection: Connection, rater_id: str) -> str:
    """Let nobody else write for this rater until the transaction ends; returns the rater's code.

    SQLite has one writer at a time anyway; PostgreSQL locks the rater's row. Raises AnnotationError when there is no
    such rater.
    """
    code = connection.scalar(select(RaterRow.rater_code).where(RaterRow.rater_id == rater_id).with_for_update())
    if code is None:
        raise AnnotationError(f"there is no rater {rater_id!r} in this database; sign in again")
    return code
