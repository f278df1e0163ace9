"""Who writes next: one at a time, first come, first served.

SQLite wakes those who wait for its lock in no order, so that under load some wait for seconds while others go first.
Within one process a queue before `BEGIN IMMEDIATE` makes the waits equal, and short.
"""

import contextlib
import threading
from collections import deque
from collections.abc import Iterator

from cytosae_core.errors import DatabaseBusyError


class FairQueue:
    """A lock that is handed on in the order in which it was asked for; not reentrant."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._is_taken = False
        self._waiting: deque[threading.Event] = deque()

    @contextlib.contextmanager
    def turn(self, timeout_s: float) -> Iterator[None]:
        """Hold the lock; raises DatabaseBusyError where the turn does not come within `timeout_s`."""
        self._wait(timeout_s)
        try:
            yield
        finally:
            self._hand_on()

    def _wait(self, timeout_s: float) -> None:
        mine = threading.Event()
        with self._guard:
            if not self._is_taken:
                self._is_taken = True
                return
            self._waiting.append(mine)
        if mine.wait(timeout_s):
            return
        with self._guard:
            if mine.is_set():  # handed over in the very moment of giving up
                return
            self._waiting.remove(mine)
            n_waiting = len(self._waiting)
        raise DatabaseBusyError(
            f"this step waited {timeout_s:g} s for others of this app to be stored, {n_waiting} more are waiting, and "
            "nothing of it was stored. Save again in a moment"
        )

    def _hand_on(self) -> None:
        with self._guard:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._is_taken = False
