"""What only shows in processes of their own: kills, torchrun, memory, imports."""

import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from cytosae_core.backbone.store import TokenStore
from tests.conftest import REPOSITORY


def run(*arguments, timeout=900):
    done = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning:cytosae_core", *arguments],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=timeout, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def digests(path):
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(path.iterdir())}


@pytest.mark.slow
def test_ten_kills_at_random_moments_leave_no_trace_in_the_finished_store(make_table, tmp_path):
    table = make_table(60, damaged=(7, 8, 31))
    output = tmp_path / "runs"
    output.mkdir()
    told = json.loads(run("-m", "tests.backbone.runs", "kill", tmp_path / "cells", output, "10", "20261"))
    assert told["status"] == 0
    assert len(told["left"]) == 10
    assert sum(not left["published"] for left in told["left"]) >= 3  # so many kills hit a run that was under way
    whole = digests(output / "whole")
    for index in range(10):
        assert digests(output / f"killed_{index}") == whole
    ids = list(TokenStore.open(output / "killed_3", 2).index["image_id"])
    assert ids == [image for row, image in enumerate(table.frame["image_id"]) if row not in (7, 8, 31)]
    assert sorted(path.name for path in output.iterdir()) == sorted(["whole", *(f"killed_{i}" for i in range(10))])


@pytest.mark.slow
def test_two_processes_under_torchrun_give_what_one_gives(make_table, tmp_path):
    make_table(23, damaged=(4,))
    job = ["tests/backbone/runs.py", "extract", tmp_path / "cells"]
    run("-m", "tests.backbone.runs", *job[1:], tmp_path / "one")
    run(
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc_per_node=2",
        "-m",
        "tests.backbone.runs",
        *job[1:],
        tmp_path / "two",
    )
    for block in (2, 4):
        one, two = TokenStore.open(tmp_path / "one", block), TokenStore.open(tmp_path / "two", block)
        assert list(one.index["image_id"]) == list(two.index["image_id"])
        assert one.manifest["skipped"] == two.manifest["skipped"]
        for position in range(one.n_images):
            a, b = one.image(position), two.image(position)
            step = np.spacing(np.maximum(np.abs(a), np.abs(b)))
            assert (np.abs(a.astype(np.float64) - b) <= step).all()


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_images(tmp_path):
    Image.new("RGB", (4, 4), (1, 2, 3)).save(tmp_path / "cell.bmp")
    peaks = {}
    for n_images in (1_000, 100_000):
        output = tmp_path / f"tokens_{n_images}"
        told = json.loads(run("-m", "tests.backbone.runs", "weigh", tmp_path / "cell.bmp", str(n_images), output))
        assert told["n_images"] == n_images
        peaks[n_images] = told["peak_mb"]
    print(f"peak memory in MB: {peaks}")
    assert peaks[100_000] - peaks[1_000] < 50


@pytest.mark.slow
def test_extraction_imports_neither_the_app_nor_the_database():
    names = run(
        "-c",
        "import sys, cytosae_core.backbone.extract, cytosae_core.backbone.choose;"
        "print(' '.join(n for n in ('streamlit', 'sqlalchemy', 'app', 'sklearn', 'openvino') if n in sys.modules))",
    )
    assert names.split() == []
