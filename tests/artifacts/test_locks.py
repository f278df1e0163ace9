"""A lock lets one at a time in, says who is refused, and is gone with its process."""

import subprocess
import sys

import pytest

from cytosae_core.artifacts.locks import held
from cytosae_core.errors import ArtifactError
from tests.conftest import REPOSITORY

HOLDER = """
import sys, time
from pathlib import Path
from cytosae_core.artifacts.locks import held
with held(Path(sys.argv[1]), "taken"):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_second_holder_is_refused_with_the_given_sentence_and_a_later_one_is_not(tmp_path):
    first, second = (held(tmp_path / ".lock", "somebody is at it; wait") for _ in range(2))
    with first, pytest.raises(ArtifactError, match="somebody is at it; wait"), second:
        pytest.fail("two at once")
    with held(tmp_path / ".lock", "", is_removed=True):
        assert (tmp_path / ".lock").is_file()
    assert list(tmp_path.iterdir()) == []


def test_a_killed_process_leaves_no_lock(tmp_path):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, tmp_path / ".lock"], stdout=subprocess.PIPE, text=True, cwd=REPOSITORY
    )
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(ArtifactError, match="busy"), held(tmp_path / ".lock", "busy"):
            pytest.fail("two at once")
    finally:
        holder.kill()
        holder.communicate()
    with held(tmp_path / ".lock", "busy"):
        pass


def test_a_lock_on_a_file_that_its_last_holder_removed_does_not_count(tmp_path, monkeypatch):
    """Opened before the removal and locked after it: another process could already hold the new file."""
    from cytosae_core import locks

    plain, looked = locks._is_still_there, []

    def removed_once(descriptor, path):
        if not looked:
            path.unlink()
        looked.append(plain(descriptor, path))
        return looked[-1]

    monkeypatch.setattr(locks, "_is_still_there", removed_once)
    with held(tmp_path / ".lock", ""):
        assert looked == [False, True]
        assert (tmp_path / ".lock").is_file()
