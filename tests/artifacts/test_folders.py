import errno
from pathlib import Path

import pytest

from cytosae_core.artifacts.folders import workspace
from cytosae_core.errors import ArtifactError, ConfigError


def _fill(path: Path, error: BaseException | None = None, key: str | None = None) -> list[str]:
    """Write one file and stop with `error`; returns what was there before."""
    with workspace(path, key) as folder:
        found = [child.name for child in folder.iterdir() if not child.name.startswith(".")]
        (folder / "a").write_text("a")
        if error is not None:
            raise error
    return found


def test_a_folder_appears_only_when_it_is_complete(tmp_path):
    path = tmp_path / "deep" / "artifact"
    with workspace(path) as folder:
        (folder / "a").write_text("a")
        assert not path.exists()
    assert (path / "a").read_text() == "a"
    assert [p.name for p in path.parent.iterdir()] == ["artifact"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_nothing_behind(tmp_path, error):
    with pytest.raises(error):
        _fill(tmp_path / "artifact", error())
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_never_overwritten(tmp_path):
    (tmp_path / "artifact").mkdir()
    with pytest.raises(ConfigError, match="exists, and artifacts are never overwritten"):
        _fill(tmp_path / "artifact")


def test_a_folder_that_appears_meanwhile_is_not_overwritten(tmp_path):
    path = tmp_path / "artifact"
    with pytest.raises(ConfigError, match="exists"), workspace(path):
        path.mkdir()
    assert list(path.iterdir()) == []


def test_interrupted_work_is_found_again_with_the_same_key_only(tmp_path):
    path = tmp_path / "artifact"
    for key in ("k", "other"):
        with pytest.raises(KeyboardInterrupt):
            _fill(path, KeyboardInterrupt(), key)
        with pytest.raises(ConfigError, match="stop"):
            _fill(path, ConfigError("stop"), key)
    with workspace(path, "other") as folder:
        assert (folder / "a").read_text() == "a"
    assert [p.name for p in path.iterdir()] == ["a"]
    assert [p.name for p in tmp_path.iterdir()] == ["artifact"]


def test_another_key_starts_afresh(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        _fill(tmp_path / "artifact", KeyboardInterrupt(), "k")
    assert _fill(tmp_path / "artifact", key="other") == []


def test_two_processes_cannot_fill_the_same_folder(tmp_path):
    path = tmp_path / "artifact"
    with workspace(path, "k"), pytest.raises(ArtifactError, match="another process is filling"):
        _fill(path, key="k")


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left"), OSError("500 requested and 13 written")])
@pytest.mark.parametrize(("key", "says"), [(None, "same command again"), ("k", "it continues")])
def test_a_full_disk_is_told_with_what_to_do(tmp_path, error, key, says):
    with pytest.raises(ArtifactError, match=f"the disk is full.*{says}"):
        _fill(tmp_path / "artifact", error, key)
    assert not (tmp_path / "artifact").exists()


def test_other_disk_errors_are_not_hidden(tmp_path):
    with pytest.raises(PermissionError):
        _fill(tmp_path / "artifact", PermissionError(errno.EACCES, "Permission denied"))
