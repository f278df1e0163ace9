"""Whether somebody may try to sign in: the one place that decides.

Failures are counted in the database, so that restarting the app, or asking from many browsers, changes nothing. An
attempt is written down as failed before the access code is looked at: attempts made at the same time cannot slip past
the count. Unknown codes are counted like known ones, so that nobody can find out which codes exist.

Whoever fails waits, longer each time, and no longer than `longest`; nobody is locked out, and nobody locks others out:

    a device on which this rater has signed in before    its own failures count, and nobody else's
    any other                                            failures of its address, and those of the code from strangers

So a stranger who guesses makes strangers wait, while raters at their own desks go on signing in.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

from sqlalchemy import ColumnElement, Connection, delete, func, insert, or_, select, update

from cytosae_core.artifacts.manifest import digest_of
from cytosae_core.errors import SignInError
from cytosae_core.judging.models import KnownDeviceRow, SignInAttemptRow
from cytosae_core.judging.store import Store

WINDOW = timedelta(minutes=15)
"""Failures older than this do not count."""
_KEEP_ATTEMPTS = timedelta(days=1)

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limit:
    """Some failures are free, and each further one doubles the wait."""

    n_free: int
    longest: timedelta

    def wait(self, n_failures: int) -> timedelta:
        """How long to wait after the last of so many failures."""
        if n_failures < self.n_free:
            return timedelta(0)
        return min(timedelta(seconds=2.0 ** min(n_failures - self.n_free, 30)), self.longest)


OF_DEVICE = Limit(n_free=5, longest=timedelta(minutes=1))
"""Failures for one code on a device on which its rater has signed in before."""
OF_CODE = Limit(n_free=5, longest=timedelta(minutes=5))
"""Failures for one code from strangers, wherever they are."""
OF_ADDRESS = Limit(n_free=20, longest=timedelta(minutes=5))
"""Failures from one address for any codes: a hospital may have one address for all of its raters."""


@dataclass(frozen=True)
class Caller:
    """Where an attempt comes from."""

    address: str = ""
    """Network address; behind a proxy, the one that it forwards."""
    device: str = ""
    """Secret that this browser was given when somebody signed in with it; empty: none."""


class Attempts:
    """Attempts to sign in, counted."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def begin(self, connection: Connection, key: str, caller: Caller) -> str:
        """Write down an attempt under the code `key`, as failed until it succeeds; returns its id.

        Raises SignInError when it comes too early; the message says when the next may come. Trying earlier does not
        make the wait longer.
        """
        now, attempt_id = self._store.now(), uuid4().hex
        is_known = _is_known(connection, key, caller.device)
        source = _digest("device" if is_known else "address", caller.device if is_known else caller.address)
        if is_known:
            self._refuse_if_early(connection, OF_DEVICE, key, SignInAttemptRow.source == source)
        else:
            self._refuse_if_early(connection, OF_CODE, key, SignInAttemptRow.is_known_device.is_(False))
            self._refuse_if_early(connection, OF_ADDRESS, None, SignInAttemptRow.source == source)
        connection.execute(delete(SignInAttemptRow).where(SignInAttemptRow.attempted_at < now - _KEEP_ATTEMPTS))
        row = {"attempt_id": attempt_id, "code_key": key, "attempted_at": now, "succeeded": False}
        connection.execute(insert(SignInAttemptRow), {**row, "source": source, "is_known_device": is_known})
        return attempt_id

    def succeed(self, connection: Connection, attempt_id: str, key: str, device: str) -> None:
        """The access code was right: the device is the rater's from now on, and its failures no longer count."""
        attempt = SignInAttemptRow.attempt_id == attempt_id
        connection.execute(update(SignInAttemptRow).where(attempt).values(succeeded=True))
        if device and not _is_known(connection, key, device):
            row = {"code_key": key, "device_digest": _digest("device", device), "known_since": self._store.now()}
            connection.execute(insert(KnownDeviceRow), row)

    def _refuse_if_early(
        self, connection: Connection, limit: Limit, key: str | None, *of_whom: ColumnElement[bool]
    ) -> None:
        now = self._store.now()
        mine = [*of_whom, SignInAttemptRow.attempted_at > now - WINDOW]
        if key is not None:
            mine.append(SignInAttemptRow.code_key == key)
            mine.append(_since_success(key, of_whom))
        failures = select(SignInAttemptRow.attempted_at).where(*mine, SignInAttemptRow.succeeded.is_(False))
        moments = connection.scalars(failures.order_by(SignInAttemptRow.attempted_at.desc()).limit(50)).all()
        _refuse_before(moments, limit, now)


def clear(connection: Connection, key: str) -> None:
    """Forget the failures under the code `key`: the rater has a new access code, or was unlocked."""
    connection.execute(delete(SignInAttemptRow).where(SignInAttemptRow.code_key == key))


def _since_success(key: str, of_whom: Sequence[ColumnElement[bool]]) -> ColumnElement[bool]:
    """After the last success of the code from the same place."""
    success = select(func.max(SignInAttemptRow.attempted_at)).where(
        *of_whom, SignInAttemptRow.code_key == key, SignInAttemptRow.succeeded.is_(True)
    )
    last = success.scalar_subquery()
    return or_(last.is_(None), SignInAttemptRow.attempted_at > last)


def _refuse_before(failures_newest_first: Sequence[datetime], limit: Limit, now: datetime) -> None:
    wait = limit.wait(len(failures_newest_first))
    if wait and failures_newest_first[0] + wait > now:
        until = failures_newest_first[0] + wait
        n_failures = len(failures_newest_first)
        _logger.warning("sign-in refused: %d failed attempts, wait until %s UTC", n_failures, f"{until:%H:%M:%S}")
        raise SignInError(
            f"too many failed attempts to sign in; wait until {until:%H:%M:%S} UTC, then try again. "
            "If the access code is lost, the coordinator can give a new one, which works at once"
        )


def _is_known(connection: Connection, key: str, device: str) -> bool:
    if not device:
        return False
    mine = select(KnownDeviceRow.code_key).filter_by(code_key=key, device_digest=_digest("device", device))
    return connection.scalar(mine) is not None


def _digest(kind: str, value: str) -> str:
    """What is stored of an address or a device: enough to know it again, and not what it is."""
    return digest_of([kind, value.encode("utf-8", "backslashreplace").decode()])
