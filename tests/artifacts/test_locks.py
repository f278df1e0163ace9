"""A lock lets one at a time in, says who is refused, and is gone with its process."""

import contextlib
import subprocess
import sys
import threading
import time

import pytest

from cytosae_core.artifacts.folders import file_lock
from cytosae_core.errors import ArtifactError
from tests.conftest import REPOSITORY

HOLDER = """
import sys, time
from pathlib import Path
from cytosae_core.artifacts.folders import file_lock
with file_lock(Path(sys.argv[1]), "taken"):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_second_holder_is_refused_with_the_given_sentence_and_a_later_one_is_not(tmp_path):
    first, second = (file_lock(tmp_path / ".lock", "somebody is at it; wait") for _ in range(2))
    with first, pytest.raises(ArtifactError, match="somebody is at it; wait"), second:
        pytest.fail("two at once")
    with file_lock(tmp_path / ".lock", ""):
        assert (tmp_path / ".lock").is_file()
    assert list(tmp_path.iterdir()) == []


def test_a_killed_process_leaves_no_lock(tmp_path):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, tmp_path / ".lock"], stdout=subprocess.PIPE, text=True, cwd=REPOSITORY
    )
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(ArtifactError, match="busy"), file_lock(tmp_path / ".lock", "busy"):
            pytest.fail("two at once")
    finally:
        holder.kill()
        holder.communicate()
    with file_lock(tmp_path / ".lock", "busy"):
        pass


def test_nobody_shares_a_lock_while_its_file_is_removed_and_made_anew(tmp_path):
    """A lock on a file that its last holder removed, after it was opened here, must not count as held."""
    inside, n_together, turns = [], [], []

    def take_turns():
        for _ in range(40):
            with contextlib.suppress(ArtifactError), file_lock(tmp_path / ".lock", "busy"):
                inside.append(1)
                n_together.append(len(inside))
                time.sleep(0.0002)
                inside.pop()
                turns.append(1)

    threads = [threading.Thread(target=take_turns) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(n_together) == {1}
    assert len(turns) > 40
    assert list(tmp_path.iterdir()) == []


def test_a_lock_whose_file_was_removed_in_between_is_taken_anew(tmp_path, monkeypatch):
    """Opened before the removal and locked after it: another process could already hold the new file."""
    from filelock._native import _unix

    plain, looked = _unix.lock_fd_nonblocking, []

    def removed_once(descriptor):
        if not looked:
            (tmp_path / ".lock").unlink()
        looked.append(plain(descriptor))
        return looked[-1]

    monkeypatch.setattr(_unix, "lock_fd_nonblocking", removed_once)
    with file_lock(tmp_path / ".lock", ""):
        assert len(looked) > 1
        assert (tmp_path / ".lock").is_file()
