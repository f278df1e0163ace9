"""What only shows in processes of their own: kills, torchrun, memory."""

import hashlib
import json
import os
import shutil
import sys

import numpy as np
import pytest
from PIL import Image

from cytosae_core.tokens.store import TokenStore
from tests.tokens.runs import one_run


@pytest.fixture
def run(forks):
    """Run a module to its end; what it printed."""

    def to_the_end(module, *arguments):
        done = forks.run(module, *arguments)
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    return to_the_end


def digests(path):
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(path.iterdir())}


@pytest.mark.slow
def test_ten_kills_at_random_moments_leave_no_trace_in_the_finished_store(make_table, run, tmp_path):
    table = make_table(36, damaged=(7, 8, 31))
    output = tmp_path / "runs"
    output.mkdir()
    told = json.loads(run("tests.tokens.runs", "kill", tmp_path / "cells", output, 10, 20261))
    assert told["status"] == 0
    assert len(told["left"]) == 10
    assert [left["published"] for left in told["left"][::2]] == [False] * 5  # these were held before their end
    whole = digests(output / "whole")
    for index in range(10):
        assert digests(output / f"killed_{index}") == whole
    ids = list(TokenStore.open(output / "killed_3", 2).index["image_id"])
    assert ids == [image for row, image in enumerate(table.frame["image_id"]) if row not in (7, 8, 31)]
    assert sorted(path.name for path in output.iterdir()) == sorted(["whole", *(f"killed_{i}" for i in range(10))])


@pytest.mark.slow
def test_two_processes_under_torchrun_give_what_one_gives(make_table, forks, run, tmp_path):
    make_table(23, damaged=(4,))
    one_run(tmp_path / "cells", tmp_path / "one")
    torchrun = ["torch.distributed.run", "--standalone", "--nproc_per_node=2", "--no-python"]
    program = [sys.executable, "-m", "tests.forks", forks.folder, "tests.tokens.runs"]
    run(*torchrun, *program, "extract", tmp_path / "cells", tmp_path / "two")
    for block in (2, 4):
        one, two = TokenStore.open(tmp_path / "one", block), TokenStore.open(tmp_path / "two", block)
        assert list(one.index["image_id"]) == list(two.index["image_id"])
        assert one.manifest["skipped"] == two.manifest["skipped"]
        for position in range(one.n_images):
            a, b = one.read([position]), two.read([position])
            step = np.spacing(np.maximum(np.abs(a), np.abs(b)))
            assert (np.abs(a.astype(np.float64) - b) <= step).all()


@pytest.fixture
def many_images(tmp_path):
    """Folders of 1,000 and of 100,000 images in four classes, with a list: hard links to four small files."""
    folders = []
    for n_images in (1_000, 100_000):
        folders.append(tmp_path / f"images_{n_images}")
        names = [f"class_{index % 4}/cell_{index:06d}.bmp" for index in range(n_images)]
        for index, name in enumerate(names):
            if index < 4:
                (folders[-1] / name).parent.mkdir(parents=True)
                Image.new("RGB", (4, 4), (index, 2, 3)).save(folders[-1] / name)
            else:
                os.link(folders[-1] / names[index % 4], folders[-1] / name)
        lines = [f"{name},{name[:7]},patient_{index % 500}" for index, name in enumerate(names)]
        (folders[-1] / "list.csv").write_text("\n".join(["path,label,patient", *lines]))
    yield folders
    for folder in folders:
        shutil.rmtree(folder)  # pytest would keep them for three sessions


@pytest.mark.slow
def test_memory_from_the_list_to_the_store_does_not_grow_with_the_number_of_images(many_images, run, tmp_path):
    for kind in ("csv", "root"):
        output = tmp_path / kind
        output.mkdir()
        told = run("tests.tokens.runs", "weigh", kind, output, *many_images)
        small, large = (json.loads(line) for line in told.splitlines() if line.startswith("{"))
        assert (small["status"], large["status"]) == (0, 0)
        assert [TokenStore.open(output / name).n_images for name in "01"] == [1_000, 100_000]
        print(f"{kind}: peak memory in MB: {small['peak_mb']:.1f} and {large['peak_mb']:.1f}")
        assert large["peak_mb"] - small["peak_mb"] < 50
