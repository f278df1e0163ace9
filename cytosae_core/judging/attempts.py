"""Whether somebody may try to sign in: the one place that decides.

Attempts are counted in the database under the code that was typed, so that restarting the app, or asking from many
browsers, changes nothing. An attempt is written down as failed before the access code is looked at: attempts made at
the same time cannot slip past the count. Unknown codes are counted and locked like known ones, so that nobody can find
out which codes exist.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import uuid4

from sqlalchemy import Connection, delete, insert, select, update

from cytosae_core.errors import SignInError
from cytosae_core.judging.models import SignInAttemptRow
from cytosae_core.judging.store import Store

MAX_FAILURES = 5
"""Failures of one code within WINDOW that lock it."""
MAX_FAILURES_OF_ALL = 100
"""Failures of all codes together within WINDOW that lock signing in for everybody."""
WINDOW = timedelta(minutes=15)
_KEEP_ATTEMPTS = timedelta(days=1)


class Attempts:
    """Attempts to sign in, counted."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def begin(self, connection: Connection, key: str) -> str:
        """Write down an attempt under the code `key`, as failed until it succeeds; returns its id.

        Raises SignInError when there were 5 failures for this code since it last succeeded, or 100 in all, within 15
        minutes; the message says until when.
        """
        self._refuse_if_locked(connection, key)
        now, attempt_id = self._store.now(), uuid4().hex
        connection.execute(delete(SignInAttemptRow).where(SignInAttemptRow.attempted_at < now - _KEEP_ATTEMPTS))
        row = {"attempt_id": attempt_id, "code_key": key, "attempted_at": now, "succeeded": False}
        connection.execute(insert(SignInAttemptRow), row)
        return attempt_id

    def succeed(self, connection: Connection, attempt_id: str) -> None:
        """The access code was right: earlier failures of its rater code no longer count."""
        attempt = SignInAttemptRow.attempt_id == attempt_id
        connection.execute(update(SignInAttemptRow).where(attempt).values(succeeded=True))

    def _refuse_if_locked(self, connection: Connection, key: str) -> None:
        attempts = select(SignInAttemptRow.attempted_at).order_by(SignInAttemptRow.attempted_at.desc())
        failures = attempts.where(
            SignInAttemptRow.attempted_at > self._store.now() - WINDOW, SignInAttemptRow.succeeded.is_(False)
        )
        mine = SignInAttemptRow.code_key == key
        last_success = connection.scalar(attempts.where(mine, SignInAttemptRow.succeeded.is_(True)).limit(1))
        mine_failed = failures.where(mine)
        if last_success is not None:
            mine_failed = mine_failed.where(SignInAttemptRow.attempted_at > last_success)
        _refuse(connection.scalars(mine_failed.limit(MAX_FAILURES)).all(), MAX_FAILURES)
        _refuse(connection.scalars(failures.limit(MAX_FAILURES_OF_ALL)).all(), MAX_FAILURES_OF_ALL)


def _refuse(failures_newest_first: Sequence[datetime], limit: int) -> None:
    if len(failures_newest_first) >= limit:
        until = failures_newest_first[-1] + WINDOW
        raise SignInError(
            f"too many failed attempts to sign in; wait until {until:%H:%M:%S} UTC, then try again. "
            "If the access code is lost, the coordinator can give a new one"
        )
