"""Small backbones and small image folders."""

import numpy as np
import pytest
import torch
from PIL import Image

from cytosae_core.backbone.vit import random_backbone
from cytosae_core.images.sources import folder_source
from cytosae_core.images.table import scan
from tests.backbone.reference import Shape, dinobloom_file, make_weights

TOY = Shape(d_model=32, n_blocks=4, n_heads=2, grid=2)
TOY_ARGUMENTS = {"img_size": 28, "embed_dim": 32, "depth": 4, "num_heads": 2}


@pytest.fixture(scope="session")
def toy_backbone():
    """4 blocks of width 32 on 28 x 28 px: 5 tokens per image."""
    return random_backbone("dinobloom-s", seed=0, **TOY_ARGUMENTS)


@pytest.fixture(scope="session")
def toy_weights():
    return make_weights(TOY, seed=1)


@pytest.fixture
def toy_checkpoint(tmp_path, toy_weights):
    """A file in the form of DinoBloom's."""
    path = tmp_path / "toy.pth"
    torch.save(dinobloom_file(toy_weights), path)
    return path


@pytest.fixture
def make_table(tmp_path):
    """A folder of small random images as a table; the named indices are damaged."""

    def make(n_images, damaged=(), seed=0, folder="cells"):
        rng = np.random.default_rng(seed)
        root = tmp_path / folder
        for index in range(n_images):
            path = root / f"class_{index % 3}" / f"cell_{index:04d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (20, 24, 3), dtype=np.uint8)).save(path)
        table = scan(folder_source("toy"), root)
        for index in damaged:
            table.path_of(index).write_bytes(b"\x89PNG\r\n\x1a\nbroken")
        return table

    return make
