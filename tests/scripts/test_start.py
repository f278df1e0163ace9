"""start.py, as a newcomer meets it."""

import importlib
import socket
from pathlib import Path

import pytest
import tyro

from cytosae_core.errors import ConfigError, CytosaeError, ImageTableError

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--tables", "X"), ("--images acevedo FOLDER", "check_dataset.py")),
        (("--labelling-only", "--images", "X"), ("--labelling-only", "--atlas")),
        (("--atlas", "X", "--images", "X"), ("--atlas is finished",)),
        (("--groups", "A", "B"), ("beside --images",)),
        (("--images", "X", "--file-lists", "acevedo", "F"), ("--csv FILE",)),
    ],
)
def test_options_that_contradict_each_other_are_one_sentence(monkeypatch, options, words):
    monkeypatch.syspath_prepend(ROOT / "scripts")
    module = importlib.import_module("_start_options")
    with pytest.raises(ConfigError) as caught:
        tyro.cli(module.StartOptions, args=list(options))
    for word in words:
        assert word in str(caught.value)


@pytest.fixture
def script(monkeypatch):
    """start.py as a module: what it would make is far from here, and it never becomes a server."""
    monkeypatch.syspath_prepend(ROOT / "scripts")
    return importlib.import_module("start")


def asked(**options):
    return importlib.import_module("_start_options").StartOptions(port=free_port(), **options)


@pytest.mark.parametrize(("name", "reason"), [("empty", "no image file"), ("missing", "no such folder")])
def test_a_folder_that_is_not_there_or_holds_no_image_is_refused(script, tmp_path, name, reason):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ImageTableError, match=reason):
        script.main(asked(images=(str(tmp_path / name),)))


def test_too_many_folders_and_names_without_folders_are_refused(script, tmp_path):
    with pytest.raises(ConfigError, match=r"--images a b c: give FOLDER or NAME FOLDER"):
        script.main(asked(images=("a", "b", "c")))
    with pytest.raises(ConfigError, match=r"name the data set of each: acevedo FOLDER"):
        script.main(asked(images=("a",), tables=tmp_path))


def test_labelling_alone_needs_a_database_or_an_atlas(script, tmp_path, monkeypatch):
    monkeypatch.setenv("CYTOSAE_DATABASE", str(tmp_path / "none.db"))
    with pytest.raises(ConfigError, match="there is no database"):
        script.main(asked(labelling_only=True))


def test_a_folder_without_tables_is_refused(script, tmp_path):
    with pytest.raises(CytosaeError, match=str(tmp_path)):
        script.main(asked(tables=tmp_path, images=("acevedo", str(tmp_path))))


@pytest.mark.slow
def test_a_port_in_use_is_refused_in_one_sentence_before_any_work(forks):
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        done = forks.run("start.py", "--port", port)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: port {port} cannot be used")
    assert "--port" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
