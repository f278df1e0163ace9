"""Signing in: codes that cannot be guessed by trying, and sessions that end by themselves.

Unknown rater codes are hashed against too, take the same time and get the same message as wrong access codes, so that
nobody can find out which codes exist; `attempts` decides how often somebody may try.
"""

import hashlib
import logging
import secrets
from datetime import timedelta
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from sqlalchemy import delete, insert, select, update

from cytosae_core.errors import SignInError
from cytosae_core.judging.attempts import Attempts, Caller
from cytosae_core.judging.models import RaterRow, SessionRow, StudyRaterRow
from cytosae_core.judging.raters import code_key, new_access_code, plain_access_code
from cytosae_core.judging.records import Session
from cytosae_core.judging.store import Store

SESSION_LIFE = timedelta(hours=12)
"""A session ends this long after it was last used."""
_RENEW_AFTER = timedelta(minutes=5)

_logger = logging.getLogger(__name__)


class Sessions:
    """Who is signed in."""

    def __init__(self, store: Store, attempts: Attempts) -> None:
        self._store, self._attempts = store, attempts

    def sign_in(self, rater_code: str, access_code: str, caller: Caller = Caller()) -> Session:  # noqa: B008 - frozen
        """A new session, 12 hours from its last use; the caller's device is known to be the rater's from then on.

        Raises SignInError when the rater code or access code is wrong (the same message for both), or when `attempts`
        refuses another try.
        """
        key = code_key(rater_code)
        with self._store.writing() as connection:
            attempt_id = self._attempts.begin(connection, key, caller)
            rater = connection.execute(
                select(RaterRow.rater_id, RaterRow.rater_code, RaterRow.access_hash).where(RaterRow.code_key == key)
            ).one_or_none()
        # Outside the transaction: hashing is slow on purpose and must not hold up other people's saves.
        is_right = _verify(rater.access_hash if rater else _nobodys_hash(), access_code)
        if rater is None or not is_right:
            _logger.warning("sign-in refused, rater %s: wrong access code", rater.rater_id if rater else "unknown")
            raise SignInError("this rater code and access code do not belong together; check both and try again")
        return self._open_session(rater.rater_id, rater.rater_code, attempt_id, key, caller.device)

    def resume(self, token: str) -> Session | None:
        """The session of a token, which now lives 12 more hours; None when it ended or never was."""
        digest, now = _digest(token), self._store.now()
        query = (
            select(RaterRow.rater_id, RaterRow.rater_code, SessionRow.expires_at, StudyRaterRow.study_id)
            .join(SessionRow, SessionRow.rater_id == RaterRow.rater_id)
            .outerjoin(StudyRaterRow, StudyRaterRow.rater_id == RaterRow.rater_id)
            .where(SessionRow.token_digest == digest, SessionRow.expires_at > now)
        )
        with self._store.reading() as connection:
            rows = connection.execute(query).all()
        if not rows:
            return None
        found = rows[0]
        if found.expires_at < now + SESSION_LIFE - _RENEW_AFTER:
            with self._store.writing() as connection:
                mine = SessionRow.token_digest == digest
                connection.execute(update(SessionRow).where(mine).values(expires_at=now + SESSION_LIFE))
        return Session(found.rater_id, found.rater_code, token, frozenset(row.study_id for row in rows if row.study_id))

    def sign_out(self, token: str) -> None:
        """End the session of a token; nothing happens when it ended already."""
        with self._store.writing() as connection:
            connection.execute(delete(SessionRow).where(SessionRow.token_digest == _digest(token)))

    def _open_session(self, rater_id: str, rater_code: str, attempt_id: str, key: str, device: str) -> Session:
        token, now = secrets.token_urlsafe(32), self._store.now()
        row = {"token_digest": _digest(token), "rater_id": rater_id, "created_at": now}
        with self._store.writing() as connection:
            self._attempts.succeed(connection, attempt_id, key, device)
            connection.execute(delete(SessionRow).where(SessionRow.expires_at <= now))
            connection.execute(insert(SessionRow), {**row, "expires_at": now + SESSION_LIFE})
            study_ids = connection.scalars(select(StudyRaterRow.study_id).where(StudyRaterRow.rater_id == rater_id))
            session = Session(rater_id, rater_code, token, frozenset(study_ids))
        _logger.info("signed in, rater %s", rater_id)
        return session


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
