"""Files are written whole or not at all, and recorded as a second reading finds them."""

import errno
import hashlib
import os
from pathlib import Path

import pytest

from cytosae_core.artifacts import files
from cytosae_core.artifacts.files import FileRecord, check_digest, check_sizes, describe, drop_unfinished, whole_file
from cytosae_core.errors import ArtifactError, ChecksumError

CONTENT = b"one" + bytes(range(256)) * 5000


def test_a_file_has_the_size_and_digest_that_its_record_says_and_a_second_reading_finds(tmp_path):
    record = files.write_whole(tmp_path, "a.bin", CONTENT[:7], memoryview(CONTENT)[7:])
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    assert record == FileRecord("a.bin", len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
    assert describe(tmp_path, ["a.bin"]) == {"a.bin": record}
    assert files.listed([record]) == {"a.bin": {"size": record.size, "sha256": record.sha256}}


def _write_half(path: Path, error: BaseException) -> None:
    with whole_file(path) as file:
        file.write(CONTENT)
        raise error


@pytest.mark.parametrize("error", [ValueError("stop"), KeyboardInterrupt()])
def test_an_error_while_writing_leaves_the_file_of_before_and_nothing_else(tmp_path, error):
    path = tmp_path / "a.bin"
    path.write_bytes(b"before")
    with pytest.raises(type(error)):
        _write_half(path, error)
    assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [("a.bin", b"before")]


def test_a_full_disk_is_told_with_what_to_do(tmp_path):
    with (
        pytest.raises(ArtifactError, match=r"a.bin cannot be written \(No space left on device\); make room"),
        whole_file(tmp_path / "a.bin"),
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_was_writing_is_dropped_and_nothing_else(tmp_path):
    for name in (".a.bin.4711.tmp", "deep/er/.b.bin.12.tmp", "deep/a.tmp", ".lock"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    drop_unfinished(tmp_path)
    left = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file())
    assert left == [".lock", "deep/a.tmp"]


def test_changed_files_are_named_with_what_to_do(tmp_path):
    record = files.write_whole(tmp_path, "a.bin", b"abc")
    check_sizes(tmp_path, [record], "copy it")
    check_digest(tmp_path, "a.bin", record.sha256, "copy it")
    (tmp_path / "a.bin").write_bytes(b"abd")
    check_sizes(tmp_path, [record], "copy it")
    with pytest.raises(ChecksumError, match=r"a\.bin was changed since it was written: sha256 \w+ instead .*; copy it"):
        check_digest(tmp_path, "a.bin", record.sha256, "copy it")
    (tmp_path / "a.bin").write_bytes(b"ab")
    with pytest.raises(ChecksumError, match=r"a\.bin has 2 bytes, the manifest says 3; copy it"):
        check_sizes(tmp_path, [record], "copy it")
    (tmp_path / "a.bin").unlink()
    for check in (
        lambda: check_sizes(tmp_path, [record], "copy it"),
        lambda: check_digest(tmp_path, "a.bin", "", "copy it"),
    ):
        with pytest.raises(ChecksumError, match=r"a\.bin is missing, .*; copy it"):
            check()


@pytest.mark.parametrize("name", ["../a", "/a", "", "b/../../a", "c:a", "b\\a", "link/a"])
def test_no_name_leads_out_of_the_folder(tmp_path, name):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path)
    with pytest.raises(ArtifactError, match="do not trust this folder"):
        check_sizes(folder, [FileRecord(name, 0, "")], "copy it")


def test_a_place_that_cannot_be_written_is_told_with_what_to_do(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ArtifactError, match=r"file/a\.bin cannot be written \(.*\); make room or check the rights"):
        files.write_whole(tmp_path / "file", "a.bin", b"")


def test_a_file_has_the_rights_that_were_asked_for(tmp_path):
    with files.whole_path(tmp_path / "code", mode=0o600) as unfinished:
        assert unfinished.stat().st_mode & 0o777 == 0o600
        unfinished.write_text("secret")
    assert (tmp_path / "code").stat().st_mode & 0o777 == 0o600


def test_a_missing_folder_is_made(tmp_path: Path):
    files.write_whole(tmp_path / "new", "a.bin", b"")
    assert (tmp_path / "new" / "a.bin").read_bytes() == b""
