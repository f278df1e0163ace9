"""Stages that leave results on disk: one whose result is there is skipped, and so is one that nobody needs any more."""

import errno
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from cytosae_core.errors import ArtifactError
from cytosae_core.progress import ProgressOf


@dataclass(frozen=True)
class PipelineStep:
    """One result and how it is made."""

    name: str
    """One word, for people."""
    marker: Path
    """File that is there exactly when the result is finished: steps write it last, or publish by rename."""
    make: Callable[[ProgressOf], object]
    """Make the result, or go on with what an interrupted call left."""
    describe: Callable[[], str]
    """What the result is, in a line; opening it for that also finds out whether it is whole."""
    reads: tuple[str, ...] = ()
    """Stages whose results are read to make this one."""
    is_wanted: bool = False
    """Whether the result is for people, and not only for other steps."""


class Report(NamedTuple):
    """What became of a step."""

    name: str
    line: str
    """What the result is."""
    seconds: float | None
    """What making it took; None where it was there."""


def run_steps(
    steps: Sequence[PipelineStep],
    progress_of: ProgressOf,
    notify: Callable[[Report], object],
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Make what is wanted and not there, with what it reads, in the order given, and notify the caller of every step.

    Raises ArtifactError when the disk is full, and what the steps raise.
    """
    needed = needed_steps(steps)
    for step in steps:
        start = clock()
        is_there = step.marker.is_file()
        if not is_there and step.name in needed:
            with_room(step, progress_of)
        if step.marker.is_file():
            notify(Report(step.name, step.describe(), None if is_there else clock() - start))
        else:
            notify(Report(step.name, "not there any more, and not needed", None))


def needed_steps(steps: Sequence[PipelineStep]) -> set[str]:
    """Names of the steps that have to be made: wanted, or read by one that has to be made, and not there."""
    needed: set[str] = set()
    read: set[str] = set()
    for step in reversed(steps):
        if (step.is_wanted or step.name in read) and not step.marker.is_file():
            needed.add(step.name)
            read.update(step.reads)
    return needed


def with_room(step: PipelineStep, progress_of: ProgressOf) -> None:
    """Make the step; a full disk becomes ArtifactError with the remedy."""
    try:
        step.make(progress_of)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise ArtifactError(
            f"the disk is full ({step.name}: {error}); free some space on {step.marker.parents[1]} and run the same "
            "command again: it goes on where it stopped"
        ) from error


def refuse_small_disk(folder: Path, n_bytes: int) -> None:
    """Raise ArtifactError unless `folder`'s file system has that much space left."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(there).free
    if free < n_bytes:
        raise ArtifactError(
            f"{there} has {free / 1e9:.1f} GB free, and about {n_bytes / 1e9:.1f} GB are needed; free some space, or "
            "clone the project onto a larger disk"
        )
