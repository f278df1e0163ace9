"""Signing in: codes that cannot be guessed by trying, and sessions that end by themselves.

Attempts are counted in the database under the code that was typed, so that restarting the app, or asking from many
browsers, changes nothing. An attempt is written down as failed before the access code is looked at: attempts made at
the same time cannot slip past the count. Unknown codes are hashed against too, take the same time, are counted and
locked in the same way and get the same message, so that nobody can find out which codes exist.
"""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from uuid import uuid4

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from sqlalchemy import Connection, delete, insert, select, update

from cytosae_core.errors import SignInError
from cytosae_core.judging.models import RaterRow, SessionRow, SignInAttemptRow, StudyRaterRow
from cytosae_core.judging.raters import code_key, new_access_code, plain_access_code
from cytosae_core.judging.records import Session
from cytosae_core.judging.store import Store

MAX_FAILURES = 5
"""Failures of one code within WINDOW that lock it."""
MAX_FAILURES_OF_ALL = 100
"""Failures of all codes together within WINDOW that lock signing in for everybody."""
WINDOW = timedelta(minutes=15)
SESSION_LIFE = timedelta(hours=12)
"""A session ends this long after it was last used."""
_RENEW_AFTER = timedelta(minutes=5)
_KEEP_ATTEMPTS = timedelta(days=1)


class SignIn(Store):
    """Queries about who is signed in."""

    def sign_in(self, rater_code: str, access_code: str) -> Session:
        """A new session, 12 hours from its last use.

        Raises SignInError when the rater code or access code is wrong (the same message for both), or when there were
        5 failures for this code, or 100 in all, within 15 minutes (the message says until when).
        """
        key, attempt_id = code_key(rater_code), uuid4().hex
        with self._writing() as connection:
            self._refuse_if_locked(connection, key)
            self._write_down(connection, key, attempt_id)
            rater = connection.execute(
                select(RaterRow.rater_id, RaterRow.rater_code, RaterRow.access_hash).where(RaterRow.code_key == key)
            ).one_or_none()
        # Outside the transaction: hashing is slow on purpose and must not hold up other people's saves.
        is_right = _verify(rater.access_hash if rater else _nobodys_hash(), access_code)
        if rater is None or not is_right:
            raise SignInError("this rater code and access code do not belong together; check both and try again")
        return self._open_session(rater.rater_id, rater.rater_code, attempt_id)

    def resume(self, token: str) -> Session | None:
        """The session of a token, which now lives 12 more hours; None when it ended or never was."""
        digest, now = _digest(token), self._clock()
        query = (
            select(RaterRow.rater_id, RaterRow.rater_code, SessionRow.expires_at, StudyRaterRow.study_id)
            .join(SessionRow, SessionRow.rater_id == RaterRow.rater_id)
            .outerjoin(StudyRaterRow, StudyRaterRow.rater_id == RaterRow.rater_id)
            .where(SessionRow.token_digest == digest, SessionRow.expires_at > now)
        )
        with self._reading() as connection:
            rows = connection.execute(query).all()
        if not rows:
            return None
        found = rows[0]
        if found.expires_at < now + SESSION_LIFE - _RENEW_AFTER:
            with self._writing() as connection:
                mine = SessionRow.token_digest == digest
                connection.execute(update(SessionRow).where(mine).values(expires_at=now + SESSION_LIFE))
        return Session(found.rater_id, found.rater_code, token, frozenset(row.study_id for row in rows if row.study_id))

    def sign_out(self, token: str) -> None:
        """End the session of a token; nothing happens when it ended already."""
        with self._writing() as connection:
            connection.execute(delete(SessionRow).where(SessionRow.token_digest == _digest(token)))

    def _refuse_if_locked(self, connection: Connection, key: str) -> None:
        attempts = select(SignInAttemptRow.attempted_at).order_by(SignInAttemptRow.attempted_at.desc())
        failures = attempts.where(
            SignInAttemptRow.attempted_at > self._clock() - WINDOW, SignInAttemptRow.succeeded.is_(False)
        )
        mine = SignInAttemptRow.code_key == key
        last_success = connection.scalar(attempts.where(mine, SignInAttemptRow.succeeded.is_(True)).limit(1))
        mine_failed = failures.where(mine)
        if last_success is not None:
            mine_failed = mine_failed.where(SignInAttemptRow.attempted_at > last_success)
        _refuse(connection.scalars(mine_failed.limit(MAX_FAILURES)).all(), MAX_FAILURES)
        _refuse(connection.scalars(failures.limit(MAX_FAILURES_OF_ALL)).all(), MAX_FAILURES_OF_ALL)

    def _write_down(self, connection: Connection, key: str, attempt_id: str) -> None:
        now = self._clock()
        connection.execute(delete(SignInAttemptRow).where(SignInAttemptRow.attempted_at < now - _KEEP_ATTEMPTS))
        connection.execute(
            insert(SignInAttemptRow),
            {"attempt_id": attempt_id, "code_key": key, "attempted_at": now, "succeeded": False},
        )

    def _open_session(self, rater_id: str, rater_code: str, attempt_id: str) -> Session:
        token, now = secrets.token_urlsafe(32), self._clock()
        row = {"token_digest": _digest(token), "rater_id": rater_id, "created_at": now}
        with self._writing() as connection:
            attempt = SignInAttemptRow.attempt_id == attempt_id
            connection.execute(update(SignInAttemptRow).where(attempt).values(succeeded=True))
            connection.execute(delete(SessionRow).where(SessionRow.expires_at <= now))
            connection.execute(insert(SessionRow), {**row, "expires_at": now + SESSION_LIFE})
            study_ids = connection.scalars(select(StudyRaterRow.study_id).where(StudyRaterRow.rater_id == rater_id))
            return Session(rater_id, rater_code, token, frozenset(study_ids))


def _refuse(failures_newest_first: Sequence[datetime], limit: int) -> None:
    if len(failures_newest_first) >= limit:
        until = failures_newest_first[-1] + WINDOW
        raise SignInError(
            f"too many failed attempts to sign in; wait until {until:%H:%M:%S} UTC, then try again. "
            "If the access code is lost, the coordinator can give a new one"
        )


def _verify(hashed: str, access_code: str) -> bool:
    try:
        return PasswordHasher().verify(hashed, plain_access_code(access_code)[:1000])
    except VerifyMismatchError:
        return False


@cache
def _nobodys_hash() -> str:
    return PasswordHasher().hash(new_access_code())


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "backslashreplace")).hexdigest()
