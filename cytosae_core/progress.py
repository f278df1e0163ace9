"""How long work tells its caller where it is: the core counts, the script draws the bar."""

from collections.abc import Callable

Progress = Callable[[int, int], None]
"""Called with (items done, items in all); must be cheap."""


def no_progress(n_done: int, n_all: int) -> None:
    """Ignore progress: the default where nobody watches."""
