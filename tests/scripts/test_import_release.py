"""The scripts as a user runs them: from another folder, with one sentence for what is wrong."""

import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from cytosae_core.atlas.atlas import LatentAtlas
from tests.atlas.published import make_release
from tests.conftest import REPOSITORY


def _command(script, *arguments):
    return [sys.executable, str(REPOSITORY / "scripts" / script), *map(str, arguments)]


def _finding_first(folder):
    """An environment in which modules of this folder come before all others."""
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), os.environ["PYTHONPATH"]])}


def test_an_import_says_what_it_found_and_what_is_missing(forks, tmp_path):
    release = make_release(tmp_path / "release")
    (release.images / release.names[0]).write_bytes(b"broken")
    arguments = ("--tables", release.tables, "--out", "atlas", "--images", "acevedo", release.images)
    done = forks.run("import_release.py", *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "acevedo: 60 images" in done.stdout
    assert "every label checked" in done.stdout
    assert "1 images cannot be shown" in done.stdout
    assert f"acevedo/{release.names[0]}: " in done.stdout
    LatentAtlas.open(tmp_path / "atlas").verify()
    again = forks.run("import_release.py", *arguments, cwd=tmp_path)
    assert again.returncode == 1
    assert again.stderr.splitlines()[-1].startswith("error: atlas exists, and artifacts are never overwritten")
    assert "Traceback" not in again.stderr


STANDS_STILL = """
import signal
import time
from pathlib import Path

from PIL import Image

hold, journal, open_image = Path({hold!r}), Path({journal!r}), Image.open


def wait_and_open(*arguments, **options):
    while hold.exists() and journal.exists() and journal.stat().st_size:
        time.sleep(0.01)
    return open_image(*arguments, **options)


Image.open = wait_and_open
signal.signal(signal.SIGINT, signal.default_int_handler)
"""
"""Loaded by every Python at its start: once some pictures are made, no image is opened before `hold` is gone. Ctrl-C is
heard even where the tests run in the background of a shell, which has its children ignore it."""


@pytest.mark.slow
def test_an_import_stopped_by_ctrl_c_leaves_nothing_and_continues(forks, tmp_path):
    n_images = 600
    release = make_release(tmp_path / "release", n_images=n_images, n_latents=300)
    command = (
        "import_release.py", "--tables", release.tables, "--out", "atlas", "--images", "acevedo", release.images,
        "--all-pictures", "--n-workers", 2,
    )  # fmt: skip
    journal, hold = tmp_path / ".atlas.partial" / ".pictures.jsonl", tmp_path / "hold"
    hold.touch()
    (tmp_path / "sitecustomize.py").write_text(STANDS_STILL.format(hold=str(hold), journal=str(journal)))
    with subprocess.Popen(
        _command(*command), cwd=tmp_path, env=_finding_first(tmp_path),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    ) as process:  # fmt: skip
        while process.poll() is None and not (journal.exists() and journal.stat().st_size):
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGINT)
        hold.unlink()
        _, stderr = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "interrupted: nothing lies at atlas yet; the same command continues" in stderr
    assert "Traceback" not in stderr
    assert not (tmp_path / "atlas").exists()
    made = len(journal.read_text().splitlines())
    assert 0 < made < n_images
    done = forks.run(*command, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    LatentAtlas.open(tmp_path / "atlas").verify()
    assert not list(tmp_path.glob(".*"))


def test_a_checkpoint_is_converted_and_its_identity_told(forks, tmp_path):
    weights = {"W_enc": torch.ones(4, 8), "b_enc": torch.zeros(8), "W_dec": torch.ones(8, 4), "b_dec": torch.zeros(4)}
    torch.save({"cfg": {"d_in": 4}, "state_dict": weights}, tmp_path / "sae.pt")
    done = forks.run("convert_checkpoint.py", "--checkpoint", "sae.pt", "--out", "sae", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "4 -> 8 latents" in done.stdout
    assert (tmp_path / "sae" / "sae.safetensors").is_file()


IMPORT = ("import_release.py", "--tables", ".", "--out", "x")
CONVERSION = ("convert_checkpoint.py", "--checkpoint", "y", "--out", "x")


@pytest.mark.parametrize("command", [IMPORT, CONVERSION])
def test_without_torch_a_script_says_what_to_install(tmp_path, command):
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')")
    done = subprocess.run(
        _command(*command), capture_output=True, text=True, check=False, cwd=tmp_path, env=_finding_first(tmp_path)
    )
    assert done.returncode == 1
    assert done.stderr.strip() == "error: torch is not installed; run: pip install -r requirements.txt"
