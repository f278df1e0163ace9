"""A toy backbone's shape, a toy SAE that fits it, and a folder of seven images of two classes."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from cytosae_core.sae.checkpoint import Checkpoint

TOY = {"img_size": 28, "embed_dim": 32, "depth": 4, "num_heads": 2}
"""What `random_backbone` is given."""


def write_toy_cells(folder: Path) -> Path:
    """Seven images of noise below `folder`, in `class_0` and `class_1`; returns their folder."""
    rng = np.random.default_rng(0)
    for index in range(7):
        path = folder / "cells" / f"class_{index % 2}" / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (40, 44, 3), dtype=np.uint8)).save(path)
    return folder / "cells"


def toy_checkpoint() -> Checkpoint:
    """An SAE of 40 latents for tokens of width 32."""
    generator = torch.Generator().manual_seed(0)
    shapes = {"W_enc": (32, 40), "b_enc": (40,), "W_dec": (40, 32), "b_dec": (32,)}
    return Checkpoint({name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}, {})
