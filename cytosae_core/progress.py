"""How long work tells its caller where it is: the core counts, the script shows the bar."""

from collections.abc import Callable

Progress = Callable[[int, int], None]
"""Called with (items done, items in all); must be cheap."""
ProgressOf = Callable[[str], Progress]
"""The progress of each piece of work that is named to it."""


def no_progress(n_done: int, n_all: int) -> None:
    """Ignore progress: the default where nobody watches."""


def no_progress_of(label: str) -> Progress:
    """Ignore the progress of everything."""
    return no_progress
