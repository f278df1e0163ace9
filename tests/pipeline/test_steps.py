"""Stages are skipped when their result is there, go on where they stopped, and say in a sentence what is wrong."""

import errno

import pytest

from cytosae_core.errors import ArtifactError
from cytosae_core.pipeline.steps import PipelineStep, needed_steps, refuse_small_disk, run_steps
from cytosae_core.progress import no_progress

READS = {
    "cells": (),
    "tokens": ("cells",),
    "sae": ("tokens",),
    "atlas": ("cells", "tokens", "sae"),
    "table": ("atlas",),
}
WANTED = {"atlas", "table"}


class Work:
    """A chain of steps in a folder, and what was made of it."""

    def __init__(self, folder, *, stops_at=None, error=KeyboardInterrupt):
        self.made = []
        self.told = []
        self.stops_at, self.error = stops_at, error
        self.steps = [
            PipelineStep(name, folder / name, lambda _, name=name: self.make(folder / name),
                         lambda name=name: f"the {name}", reads, is_wanted=name in WANTED)
            for name, reads in READS.items()
        ]  # fmt: skip

    def make(self, path):
        if path.name == self.stops_at:
            raise self.error
        self.made.append(path.name)
        path.touch()

    def run(self):
        times = iter(range(100))
        run_steps(self.steps, lambda _: no_progress, self.told.append, clock=lambda: next(times))
        return self


def test_all_steps_are_made_once_in_their_order(tmp_path):
    first = Work(tmp_path).run()
    assert first.made == list(READS)
    assert [(report.name, report.line, report.seconds) for report in first.told][:2] == [
        ("cells", "the cells", 1), ("tokens", "the tokens", 1),
    ]  # fmt: skip
    second = Work(tmp_path).run()
    assert second.made == []
    assert [report.seconds for report in second.told] == [None] * len(READS)


@pytest.mark.parametrize("stopped", READS)
def test_a_run_that_was_stopped_in_any_step_goes_on_there(tmp_path, stopped):
    with pytest.raises(KeyboardInterrupt):
        Work(tmp_path, stops_at=stopped).run()
    place = list(READS).index(stopped)
    assert Work(tmp_path).run().made == list(READS)[place:]


def test_what_only_served_other_steps_may_be_deleted_when_they_are_made(tmp_path):
    Work(tmp_path).run()
    for name in ("cells", "tokens"):
        (tmp_path / name).unlink()
    later = Work(tmp_path).run()
    assert later.made == []
    assert later.told[1].line == "not there any more, and not needed"


def test_a_result_that_is_gone_is_made_again_with_what_it_reads(tmp_path):
    Work(tmp_path).run()
    for name in ("cells", "tokens", "atlas"):
        (tmp_path / name).unlink()
    assert needed_steps(Work(tmp_path).steps) == {"cells", "tokens", "atlas"}
    (tmp_path / "sae").unlink()
    (tmp_path / "atlas").touch()
    (tmp_path / "table").unlink()
    assert needed_steps(Work(tmp_path).steps) == {"table"}


def test_a_full_disk_is_one_sentence_with_the_remedy(tmp_path):
    with pytest.raises(ArtifactError, match=r"the disk is full \(tokens: .*free some space on .* goes on where"):
        Work(tmp_path, stops_at="tokens", error=OSError(errno.ENOSPC, "No space left on device")).run()
    with pytest.raises(PermissionError):
        Work(tmp_path, stops_at="tokens", error=PermissionError(errno.EACCES, "no")).run()


def test_too_small_a_disk_is_refused_before_any_work(tmp_path):
    refuse_small_disk(tmp_path / "not" / "there", 1)
    with pytest.raises(ArtifactError, match=r"GB free, and about 1000000.0 GB are needed; free some space"):
        refuse_small_disk(tmp_path / "not" / "there", 10**15)
