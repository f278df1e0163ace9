"""Stages that leave results on disk: one whose result is there is skipped, and so is one that nobody needs any more."""

import errno
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from cytosae_core.errors import ArtifactError
from cytosae_core.progress import Progress

Steps = Callable[[str], Progress]
"""A progress for each named step."""


@dataclass(frozen=True)
class Stage:
    """One result and how it is made."""

    name: str
    """One word, for people."""
    marker: Path
    """File that is there exactly when the result is finished: stages write it last, or publish by rename."""
    make: Callable[[Steps], object]
    """Make the result, or go on with what an interrupted call left."""
    describe: Callable[[], str]
    """What the result is, in a line; opening it for that also finds out whether it is whole."""
    reads: tuple[str, ...] = ()
    """Stages whose results are read to make this one."""
    is_wanted: bool = False
    """Whether the result is for people, and not only for other stages."""


class Report(NamedTuple):
    """What became of a stage."""

    name: str
    line: str
    """What the result is."""
    seconds: float | None
    """What making it took; None where it was there."""


def run_stages(
    stages: Sequence[Stage], steps: Steps, tell: Callable[[Report], object], clock: Callable[[], float] = time.monotonic
) -> None:
    """Make what is wanted and not there, with what it reads, in the order given, and tell of every stage.

    Raises ArtifactError when the disk is full, and what the stages raise.
    """
    needed = needed_stages(stages)
    for stage in stages:
        start = clock()
        is_there = stage.marker.is_file()
        if not is_there and stage.name in needed:
            with_room(stage, steps)
        if stage.marker.is_file():
            tell(Report(stage.name, stage.describe(), None if is_there else clock() - start))
        else:
            tell(Report(stage.name, "not there any more, and not needed", None))


def needed_stages(stages: Sequence[Stage]) -> set[str]:
    """Names of the stages that have to be made: wanted, or read by one that has to be made, and not there."""
    needed: set[str] = set()
    read: set[str] = set()
    for stage in reversed(stages):
        if (stage.is_wanted or stage.name in read) and not stage.marker.is_file():
            needed.add(stage.name)
            read.update(stage.reads)
    return needed


def with_room(stage: Stage, steps: Steps) -> None:
    """Make the stage; a full disk becomes ArtifactError with the remedy."""
    try:
        stage.make(steps)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise ArtifactError(
            f"the disk is full ({stage.name}: {error}); free some space on {stage.marker.parents[1]} and run the same "
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
