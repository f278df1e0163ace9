"""Raters: who takes part in which study, and in which order they see its items."""

import re
import secrets
from collections.abc import Mapping
from uuid import uuid4

import pandas as pd
from argon2 import PasswordHasher
from sqlalchemy import Connection, delete, insert, select, update

from cytosae_core.errors import AnnotationError, ConfigError
from cytosae_core.judging import attempts
from cytosae_core.judging.models import OrderRow, RaterRow, SessionRow, StudyRaterRow, StudyRow
from cytosae_core.judging.records import StudySummary
from cytosae_core.judging.store import Store
from cytosae_core.judging.studies import Studies
from cytosae_core.study.order import sampled_order
from cytosae_core.study.protocol import Study

_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}")
_ALPHABET = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"
_MIN_ACCESS_CODE = 8
_MAX_ACCESS_CODE = 200


class Raters:
    """Who takes part in which study."""

    def __init__(self, store: Store, studies: Studies, hasher: PasswordHasher | None = None) -> None:
        """`hasher` decides how much work it is to guess an access code; None: argon2's recommended parameters."""
        self._store, self._studies, self._hasher = store, studies, hasher

    def add(
        self,
        rater_code: str,
        study_id: str,
        *,
        access_code: str | None = None,
        role: str = "",
        years: float | None = None,
        name: str = "",
    ) -> str:
        """Let a rater take part in a study; returns the access code, which is shown once and never stored.

        A new rater without `access_code` gets a generated one. A rater who exists keeps the access code, and "" comes
        back, unless `access_code` sets a new one, which also signs the rater out everywhere. `years` are years of
        experience. `role`, `years` and `name` of an existing rater change only where given. Raises ConfigError for
        a code that cannot work, StudyError when there is no such study.
        """
        study = self._studies.load(study_id)
        if not _CODE.fullmatch(rater_code):
            raise ConfigError(f"{rater_code!r} is no rater code; use 1 to 32 letters, digits, '_', '-' or '.'")
        about = {"role": role, "years": years, "name": name}
        with self._store.writing() as connection:
            found = connection.execute(
                select(RaterRow.rater_id, RaterRow.rater_code).where(RaterRow.code_key == code_key(rater_code))
            ).one_or_none()
            if found is None:
                access_code = access_code if access_code is not None else new_access_code()
                rater_id = self._create(connection, rater_code, access_code, about)
            else:
                rater_id, rater_code = found
                _change(connection, rater_id, access_code, about, self._hasher)
            self._join(connection, rater_id, rater_code, study)
        return access_code or ""

    def unlock(self, rater_code: str) -> None:
        """Let a rater who failed to sign in too often try again at once; AnnotationError where there is none."""
        key = code_key(rater_code)
        with self._store.writing() as connection:
            if connection.scalar(select(RaterRow.rater_id).where(RaterRow.code_key == key)) is None:
                raise AnnotationError(f"there is no rater {rater_code!r} in this database; check the code")
            attempts.clear(connection, key)

    def studies_of(self, rater_id: str) -> list[StudySummary]:
        """The studies that the rater takes part in, the newest first."""
        query = (
            select(StudyRow.study_id, StudyRow.title, StudyRow.created_at, StudyRow.simulated)
            .join(StudyRaterRow, StudyRaterRow.study_id == StudyRow.study_id)
            .where(StudyRaterRow.rater_id == rater_id)
            .order_by(StudyRow.created_at.desc(), StudyRow.study_id)
        )
        with self._store.reading() as connection:
            return [StudySummary(*row) for row in connection.execute(query)]

    def table(self, study_id: str, with_names: bool = False) -> pd.DataFrame:
        """One row per rater of the study: rater_code, role, years (missing where unknown); `name` only on request."""
        columns = [RaterRow.rater_code, RaterRow.role, RaterRow.years]
        query = (
            select(*columns, *([RaterRow.name] if with_names else []))
            .join(StudyRaterRow, StudyRaterRow.rater_id == RaterRow.rater_id)
            .where(StudyRaterRow.study_id == study_id)
            .order_by(RaterRow.rater_code)
        )
        self._studies.load(study_id)
        names = ["rater_code", "role", "years", *(["name"] if with_names else [])]
        with self._store.reading() as connection:
            table = pd.DataFrame([tuple(row) for row in connection.execute(query)], columns=names)
        return table.astype({"years": "float64"})

    def _create(self, connection: Connection, rater_code: str, access_code: str, about: Mapping[str, object]) -> str:
        rater_id = uuid4().hex
        row = {
            "rater_id": rater_id,
            "rater_code": rater_code,
            "code_key": code_key(rater_code),
            "access_hash": access_hash(access_code, self._hasher),
            "created_at": self._store.now(),
        }
        connection.execute(insert(RaterRow), {**row, **about})
        return rater_id

    def _join(self, connection: Connection, rater_id: str, rater_code: str, study: Study) -> None:
        member = {"rater_id": rater_id, "study_id": study.study_id}
        known = select(StudyRaterRow.rater_id).filter_by(**member)
        if connection.scalar(known) is not None:
            return
        connection.execute(insert(StudyRaterRow), {**member, "added_at": self._store.now()})
        rows = [
            {**member, "task_id": task.task_id, "position": position, "item_id": item_id}
            for task in study.tasks
            for position, item_id in enumerate(sampled_order(study, task.task_id, rater_code), start=1)
        ]
        connection.execute(insert(OrderRow), rows)


def new_access_code() -> str:
    """A fresh access code of 12 unmistakable characters in groups of four (59 bits)."""
    groups = ["".join(secrets.choice(_ALPHABET) for _ in range(4)) for _ in range(3)]
    return "-".join(groups)


def code_key(rater_code: str) -> str:
    """The rater code as it is looked up: upper and lower case are the same; any text is cut to what fits a column."""
    return rater_code.strip().casefold().encode("ascii", "backslashreplace").decode()[:200]


def plain_access_code(access_code: str) -> bytes:
    """The access code as it is hashed: without spaces and hyphens, in upper case, so that typing it is forgiving."""
    return re.sub(r"[\s-]", "", access_code).upper().encode("utf-8", "backslashreplace")


def access_hash(access_code: str, hasher: PasswordHasher | None = None) -> str:
    """The argon2id hash of an access code; raises ConfigError when it is too short or too long.

    Without `hasher`, argon2's recommended parameters decide how much work a guess is.
    """
    plain = plain_access_code(access_code)
    if not _MIN_ACCESS_CODE <= len(plain) <= _MAX_ACCESS_CODE:
        raise ConfigError(
            f"an access code needs {_MIN_ACCESS_CODE} to {_MAX_ACCESS_CODE} characters besides spaces and hyphens, "
            f"this one has {len(plain)}; leave it out to get a generated one"
        )
    return (hasher or PasswordHasher()).hash(plain)


def _change(
    connection: Connection, rater_id: str, access_code: str | None, about: Mapping[str, object],
    hasher: PasswordHasher | None,
) -> None:  # fmt: skip
    values: dict[str, object] = {name: value for name, value in about.items() if value not in ("", None)}
    if access_code is not None:
        values["access_hash"] = access_hash(access_code, hasher)
        connection.execute(delete(SessionRow).where(SessionRow.rater_id == rater_id))
        key = connection.scalars(select(RaterRow.code_key).where(RaterRow.rater_id == rater_id)).one()
        attempts.clear(connection, key)
    if values:
        connection.execute(update(RaterRow).where(RaterRow.rater_id == rater_id).values(**values))
