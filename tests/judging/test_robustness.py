"""Nothing is lost and nothing is twice: threads, processes, sudden death and a disk that fills up."""

import contextlib
import os
import random
import shutil
import subprocess
import threading
import time

import pytest

from cytosae_core.errors import StorageFullError, SubmitRefusedError
from cytosae_core.judging.database import backup, open_engine
from cytosae_core.judging.repository import Repository
from tests.judging.conftest import seat
from tests.judging.judging_process import HurryingClock, judge_all
from tests.study.tiny_study import good_answers, tiny_study


def at_once(*calls):
    """Call all at the same moment, each in a thread; returns what came back or was raised."""
    start, outcomes = threading.Barrier(len(calls)), []

    def run(call):
        start.wait()
        try:
            outcomes.append(call())
        except SubmitRefusedError as error:
            outcomes.append(error)

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert len(outcomes) == len(calls)
    return outcomes


def test_a_nonce_submitted_twice_at_once_is_stored_once_and_both_get_the_receipt(desk):
    for _ in range(10):
        shown = desk.show_current()
        desk.clock.wait(seconds=1)
        save = lambda: desk.repository.judgements.submit(desk.rater_id, shown.nonce, good_answers("concept"))  # noqa: B023, E731
        one, other = at_once(save, save)
        assert {one.is_new, other.is_new} == {True, False}
        assert (one.judgement_id, one.saved_at) == (other.judgement_id, other.saved_at)
    assert len(desk.repository.results.judgement_table(desk.study.study_id)) == 10


def test_two_windows_that_save_the_same_item_at_once_store_it_once(desk):
    for _ in range(10):
        nonces = [desk.show_current().nonce for _ in range(3)]
        desk.clock.wait(seconds=1)
        outcomes = at_once(
            *(
                lambda nonce=nonce: desk.repository.judgements.submit(desk.rater_id, nonce, good_answers("concept"))
                for nonce in nonces
            )
        )
        refusals = [outcome for outcome in outcomes if isinstance(outcome, SubmitRefusedError)]
        assert len(refusals) == 2
        assert all("already saved at" in str(refusal) for refusal in refusals)
    assert len(desk.repository.results.judgement_table(desk.study.study_id)) == 10


def test_threads_of_several_raters_lose_nothing(repository, study, clock):
    desks = [seat(repository, study, clock, f"R{k:02d}") for k in range(6)]
    shared, receipts = Repository(repository.store.engine, HurryingClock()), []
    at_once(*(lambda d=d: judge_all(shared, study.study_id, d.rater_id, receipts.append) for d in desks))
    table = shared.results.judgement_table(study.study_id)
    assert len(table) == 6 * len(study.items_of("concept"))
    assert set(table["judgement_id"]) == set(receipts)
    assert not table.duplicated(["rater_code", "item_id", "stage_id", "revision"]).any()


def start(forks, database_path, study, rater_id):
    """A rater as a process, and what it says."""
    heard, said = os.pipe()
    with os.fdopen(said, "w") as output:
        arguments = (database_path, study.study_id, rater_id)
        return forks.start("tests.judging.judging_process", *arguments, output=output), os.fdopen(heard)


@pytest.mark.slow
def test_processes_of_the_same_and_of_other_raters_store_everything_once(
    repository, study, clock, database_path, forks
):
    desks = [seat(repository, study, clock, code) for code in ("R01", "R02")]
    started = [start(forks, database_path, study, desk.rater_id) for desk in (desks[0], desks[0], desks[1])]
    receipts = []
    for process, said in started:
        with said:
            assert said.readline() == "ready\n"
            receipts += said.read().split()
        assert process.wait() == 0
    table = repository.results.judgement_table(study.study_id)
    assert len(table) == 2 * len(study.items_of("concept"))
    assert sorted(table["judgement_id"]) == sorted(receipts)
    assert not table.duplicated(["rater_code", "item_id"]).any()


@pytest.mark.slow
def test_a_writer_that_is_killed_loses_nothing_that_it_acknowledged(engine, clock, database_path, forks):
    study = tiny_study(n_blocks=40, n_per_block=10, n_repeats=0, n_disease=0)
    repository, moments, acknowledged = Repository(engine, clock), random.Random(5), []
    repository.studies.register(study, "x")
    rater_id = seat(repository, study, clock, "R01").rater_id
    for n_kills in range(1, 6):
        process, said = start(forks, database_path, study, rater_id)
        with said:
            assert said.readline() == "ready\n"
            acknowledged.append(said.readline().strip())
            time.sleep(moments.uniform(0, 0.15))
            process.kill()
            acknowledged += said.read().split()
        stored = list(repository.results.judgement_table(study.study_id)["judgement_id"])
        assert len(stored) == len(set(stored))
        assert set(acknowledged) <= set(stored)
        assert len(stored) <= len(acknowledged) + n_kills
        assert process.wait() == -9
    assert len(acknowledged) > 10


@pytest.mark.slow
def test_a_backup_made_while_others_save_holds_all_that_was_acknowledged_before(
    engine, clock, database_path, forks, tmp_path
):
    study = tiny_study(n_blocks=40, n_per_block=10, n_repeats=0, n_disease=0)
    repository = Repository(engine, clock)
    repository.studies.register(study, "x")
    process, said = start(forks, database_path, study, seat(repository, study, clock, "R01").rater_id)
    with said:
        try:
            acknowledged = {said.readline().strip() for _ in range(12)} - {"ready"}
            n_copied = backup(engine, tmp_path / "copy.db")
            assert process.is_running()
        finally:
            process.kill()
            process.wait()
    copied = Repository(open_engine(tmp_path / "copy.db")).results.judgement_table(study.study_id)
    assert len(copied) == n_copied
    assert acknowledged <= set(copied["judgement_id"])


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 600 kB."""
    mount, umount = shutil.which("mount"), shutil.which("umount")
    if os.geteuid() != 0 or mount is None or umount is None:
        pytest.skip("only root can mount a small file system")
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run([mount, "-t", "tmpfs", "-o", "size=600k", "tmpfs", folder], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"a small file system cannot be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run([umount, "-l", folder], check=True)


def test_a_file_system_that_fills_up_loses_no_receipt_and_goes_on_when_space_is_made(small_disk, study, clock):
    engine = open_engine(small_disk / "a.db")
    repository = Repository(engine, clock)
    repository.studies.register(study, "x")
    desk, receipts = seat(repository, study, clock, "R01"), []
    for _ in range(3):
        receipts.append(desk.judge_current())
    ballast = small_disk / "ballast"
    fill_up(ballast)
    with pytest.raises(StorageFullError, match="Free some space, then save again"):
        judge_until_full(desk, receipts)
    stored = repository.results.judgement_table(study.study_id)
    assert list(stored["judgement_id"]) == [receipt.judgement_id for receipt in receipts]
    ballast.unlink()
    assert desk.judge_current().is_new
    engine.dispose()


def fill_up(path):
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)


def judge_until_full(desk, receipts):
    while True:
        receipts.append(desk.judge_current())
