"""What every group of queries stands on: the engine, the clock, and the studies, which never change."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime

from argon2 import PasswordHasher
from sqlalchemy import Connection, Engine, select

from cytosae_core.artifacts.manifest import digest_of
from cytosae_core.errors import AnnotationError, StudyError
from cytosae_core.judging import database
from cytosae_core.judging.models import RaterRow, StudyRow
from cytosae_core.study.protocol import Study, from_document

Clock = Callable[[], datetime]


def utcnow() -> datetime:
    """This moment, aware, in UTC."""
    return datetime.now(UTC)


class Store:
    """Transactions, time and studies; safe to share between threads."""

    def __init__(self, engine: Engine, clock: Clock = utcnow, hasher: PasswordHasher | None = None) -> None:
        """`hasher` decides how much work it is to guess an access code; None: argon2's recommended parameters."""
        self._engine = engine
        self._clock = clock
        self._hasher = hasher
        # A study is sealed by its digest, so what was read once stays true.
        self._loaded: dict[str, Study] = {}

    def load_study(self, study_id: str) -> Study:
        """The study; raises StudyError when it is not registered, or was changed in the database."""
        if study_id not in self._loaded:
            self._loaded[study_id] = self._read_study(study_id)
        return self._loaded[study_id]

    def _read_study(self, study_id: str) -> Study:
        with self._reading() as connection:
            query = select(StudyRow.document, StudyRow.digest).where(StudyRow.study_id == study_id)
            row = connection.execute(query).one_or_none()
        if row is None:
            raise StudyError(f"there is no study {study_id!r} in this database; register it with create_study.py")
        study = from_document(row.document)
        if study.study_id != study_id or digest_of(row.document) != row.digest:
            raise StudyError(
                f"study {study_id!r} was changed in the database after it was registered; restore a backup"
            )
        return study

    def _reading(self) -> AbstractContextManager[Connection]:
        return database.reading(self._engine)

    def _writing(self) -> AbstractContextManager[Connection]:
        return database.writing(self._engine)


def hold_rater(connection: Connection, rater_id: str) -> str:
    """Let nobody else write for this rater until the transaction ends; returns the rater's code.

    SQLite has one writer at a time anyway; PostgreSQL locks the rater's row. Raises AnnotationError when there is no
    such rater.
    """
    code = connection.scalar(select(RaterRow.rater_code).where(RaterRow.rater_id == rater_id).with_for_update())
    if code is None:
        raise AnnotationError(f"there is no rater {rater_id!r} in this database; sign in again")
    return code
