"""SIGTERM and Ctrl-C as a wish that long work reads between two steps."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType


@dataclass
class StopRequest:
    """Whether somebody asked the work to stop."""

    asked: bool = False
    """Set by the signal; the work saves and ends when it sees this."""


@contextmanager
def stop_on_signal() -> Iterator[StopRequest]:
    """Within the block SIGTERM and Ctrl-C set the request; a second Ctrl-C does what it did before the block.

    Signals reach the main thread only: in any other the request is never set.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return

    def ask(number: int, frame: FrameType | None) -> None:
        request.asked = True
        signal.signal(signal.SIGINT, before[signal.SIGINT])

    before = {number: signal.getsignal(number) or signal.SIG_DFL for number in (signal.SIGTERM, signal.SIGINT)}
    for number in before:
        signal.signal(number, ask)
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
