"""What every script shares: one sentence for an error, one bar for progress."""

import os
import sys
from collections.abc import Callable
from typing import TypeVar

import tyro
from tqdm import tqdm

from cytosae_core.errors import CytosaeError
from cytosae_core.progress import Progress

Config = TypeVar("Config")

_FORMER = {
    "--drawn": "--rendered", "--n-drawn-": "--n-rendered-",
    "--recipe.n-drawn-": "--training.n-rendered-", "--recipe.drawn-": "--training.rendered-",
    "--recipe.stages": "--training.phases", "--recipe.": "--training.",
}  # fmt: skip
"""What options of version 1 began with, and what they begin with now: old commands keep working."""


def run(main: Callable[[Config], None], config: type[Config]) -> None:
    """Parse the command line into `config` and call `main`; a known error, and Ctrl-C, become one line."""
    try:
        main(
            tyro.cli(
                config, args=[_renamed(word) for word in sys.argv[1:]], description=sys.modules["__main__"].__doc__
            )
        )
    except CytosaeError as error:
        sys.exit(f"error: {error}")
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        sys.exit("interrupted; nothing is left half-made, and the same command goes on where this one stopped")


def _renamed(word: str) -> str:
    return next((now + word.removeprefix(old) for old, now in _FORMER.items() if word.startswith(old)), word)


def bar(label: str, *, leave: bool = True) -> Progress:
    """A progress bar with time left, as the callback that core functions take; it goes when done, unless `leave`."""
    line = tqdm(desc=label, unit="", dynamic_ncols=True, leave=leave)

    def update(n_done: int, n_all: int) -> None:
        if n_done == 0:  # it begins now, and not when the bar was made
            line.reset()
        line.total = n_all
        line.update(n_done - line.n)
        if n_done >= n_all:
            line.close()

    return update
