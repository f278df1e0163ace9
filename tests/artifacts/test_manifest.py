"""Documents: what is damaged, of another kind or of another version is refused; settings that differ are named."""

import hashlib
import json
import platform
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from cytosae_core.artifacts import manifest
from cytosae_core.artifacts.manifest import (
    Kind,
    check_plan,
    check_same_settings,
    digest_of,
    json_bytes,
    library_versions,
    plain_document,
    read_json,
    read_manifest,
    write_plan,
)
from cytosae_core.concepts.attribute_list import list_digest
from cytosae_core.errors import ArtifactError, ChecksumError, FormatVersionError
from cytosae_core.pipeline.settings import DEMO

KIND = Kind("cytosae-thing", 3, "a thing", "make it anew")

BEGUN = {"config": {"rate": 0.1, "seed": 1}, "shape": [2, 3], "old": True}


def test_equal_settings_pass():
    check_same_settings(BEGUN, {"old": True, "shape": [2, 3], "config": {"seed": 1, "rate": 0.1}}, Path("run"))


def test_every_difference_is_named_also_what_is_only_on_one_side():
    now = {"config": {"rate": 0.2, "seed": 1}, "shape": [2, 4], "new": None, "device": "cpu"}
    with pytest.raises(ArtifactError) as caught:
        check_same_settings(BEGUN, now, Path("run"))
    assert str(caught.value) == (
        "run was made with other settings: config.rate was 0.1 and is 0.2; shape was [2, 3] and is [2, 4];"
        " old was True and is None; device was None and is 'cpu'. Use those, choose another output folder, or delete it"
        " to start again"
    )


def test_a_long_list_of_differences_is_cut():
    with pytest.raises(ArtifactError) as caught:
        check_same_settings({f"name_{index}": 0 for index in range(99)}, {}, Path("run"))
    assert str(caught.value).count(" was 0 ") == 12


def written(folder: Path, content: bytes | str) -> Path:
    path = folder / "manifest.json"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_a_document_comes_back_as_it_was_written(tmp_path):
    document = {"format": "cytosae-thing", "format_version": 3, "name": "ä", "rows": [1, 2.5, None, {"a": True}]}
    assert read_manifest(written(tmp_path, json_bytes(document)), KIND) == document


@pytest.mark.parametrize(
    "content",
    [
        b"", b'{"format": "cyto', b"\xff\xfe", b"[1, 2]", b"3", b"[" * 100_000, b'{"a": ' * 65 + b"1" + b"}" * 65,
        b'{"a": ' + b"[" * 64 + b"]" * 64 + b"}",
    ],
)  # fmt: skip
def test_a_damaged_document_is_refused_with_what_to_do(tmp_path, content):
    with pytest.raises(ChecksumError, match=r"manifest\.json is damaged \(.*; make it anew"):
        read_manifest(written(tmp_path, content), KIND)


def test_the_deepest_document_that_is_read_is_read(tmp_path):
    assert read_json(written(tmp_path, b'{"a": ' * 64 + b"1" + b"}" * 64), "")


def test_a_document_that_is_too_long_is_refused_before_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(manifest, "MAX_BYTES", 10)
    with pytest.raises(ChecksumError, match=r"has 20 bytes, and a document has at most 10; make it anew"):
        read_json(written(tmp_path, b"x" * 20), "make it anew")


def test_a_missing_document_is_named(tmp_path):
    with pytest.raises(ArtifactError, match=r"cannot be read \(No such file or directory\); make it anew"):
        read_manifest(tmp_path / "manifest.json", KIND)


def test_another_kind_and_another_version_are_told_apart(tmp_path):
    with pytest.raises(ArtifactError, match="does not describe a thing: its format is 'other' and not 'cytosae-thing'"):
        read_manifest(written(tmp_path, '{"format": "other", "format_version": 3}'), KIND)
    with pytest.raises(FormatVersionError, match=r"has format version 4 of a thing, .* reads 3: update the workbench,"):
        read_manifest(written(tmp_path, '{"format": "cytosae-thing", "format_version": 4}'), KIND)


@dataclass(frozen=True)
class Inner:
    values: tuple[int, ...]


@dataclass(frozen=True)
class Outer:
    inner: tuple[Inner, ...]
    name: str


def test_a_dataclass_becomes_what_json_gives_back_and_nan_is_refused():
    assert plain_document(Outer((Inner((1, 2)),), "x")) == {"inner": [{"values": [1, 2]}], "name": "x"}
    with pytest.raises(ValueError, match="JSON"):
        plain_document({"a": float("nan")})
    with pytest.raises(ValueError, match="JSON"):
        json_bytes({"a": np.inf})


def test_ids_are_those_of_earlier_versions():
    """Both forms against plain code, and two ids that folders made before carry."""
    value = {"b": ["é", 1.5], "a": None}
    assert digest_of(value) == hashlib.sha256('{"a":null,"b":["é",1.5]}'.encode()).hexdigest()
    assert digest_of(value, is_spaced=True) == hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
    assert list_digest() == "0c518ba961d50375"
    assert DEMO.digest("drawn") == "1d26b584c7b0"


def test_versions_are_of_what_was_asked_for():
    found = library_versions("python", "numpy", "no-such-library")
    assert found == {"python": platform.python_version(), "numpy": np.__version__, "no-such-library": "not installed"}
    assert set(library_versions()) == set(manifest.LIBRARIES)


def test_a_plan_is_written_once_and_compared_with_what_is_done_now(tmp_path):
    write_plan(tmp_path, {"rate": 0.1})
    write_plan(tmp_path, {"rate": 0.2})
    check_plan(tmp_path, {"rate": 0.1})
    with pytest.raises(ArtifactError, match=r"rate was 0\.1 and is 0\.2"):
        check_plan(tmp_path, {"rate": 0.2})
    (tmp_path / "plan.json").write_text("{")
    with pytest.raises(ChecksumError, match=r"plan\.json is damaged .*; delete the folder to start again"):
        check_plan(tmp_path, {"rate": 0.1})
