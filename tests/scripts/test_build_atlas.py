"""The command line of the build and of its benchmark."""

import numpy as np
import pytest
import torch
from PIL import Image

from cytosae_core.atlas.atlas import LatentAtlas
from cytosae_core.sae.checkpoint import Checkpoint, save

D_IN, D_SAE = 192, 300
BACKBONE = ["--backbone", "vit_tiny_patch16_224", "--random-seed", 0, "--device", "cpu", "--block", 6]


@pytest.fixture
def job(tmp_path):
    rng = np.random.default_rng(0)
    for index in range(4):
        path = tmp_path / "cells" / f"class_{index % 2}" / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(path)
    generator = torch.Generator().manual_seed(0)
    shapes = {"W_enc": (D_IN, D_SAE), "b_enc": (D_SAE,), "W_dec": (D_SAE, D_IN), "b_dec": (D_IN,)}
    save(Checkpoint({n: torch.randn(s, generator=generator) for n, s in shapes.items()}, {}), tmp_path / "sae")
    return ["--sae", tmp_path / "sae", "--out", tmp_path / "atlas", *BACKBONE]


@pytest.mark.slow
def test_a_folder_of_images_and_an_sae_become_an_atlas_that_opens(forks, tmp_path, job):
    done = forks.run("build_atlas.py", *job, "--images", "cells", tmp_path / "cells", "--definitions.tau", 0.5)
    assert done.returncode == 0, done.stderr
    assert "cells: 4 images, 4 pictures" in done.stdout
    assert "all images: 100%" in done.stderr
    atlas = LatentAtlas.open(tmp_path / "atlas")
    assert atlas.manifest.config["definitions"]["tau"] == 0.5
    assert atlas.map(0).shape == (14, 14)


@pytest.mark.slow
def test_the_benchmark_prints_both_ratios(forks):
    small = ["--n-images", 4, "--batch-size", 2, "--n-rounds", 1, "--d-in", 16, "--d-sae", 400, "--n-tokens", 10]
    done = forks.run("bench_atlas.py", *small)
    assert done.returncode == 0, done.stderr
    assert "constructed SAE, random tokens (SIMULATED): 4 images" in done.stdout
    assert "released / ours" in done.stdout
    assert "encoder only / ours" in done.stdout
