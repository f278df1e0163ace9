"""The transformer's weights as the file that ships: float16, without heads, nothing that could be executed."""

import json
import os
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors.torch import save

from cytosae_core.small_backbone.recipe import Recipe
from cytosae_core.small_backbone.student import Student

WEIGHTS_NAME = "cytosae-small.safetensors"
"""Name of the file."""


def publish_weights(student: Student, recipe: Recipe, folder: Path) -> Path:
    """Write the weights into `folder` by rename, with the recipe as metadata, and return the file's path."""
    tensors = {name: tensor.to(torch.float16).contiguous() for name, tensor in student.vit.state_dict().items()}
    target, partial = folder / WEIGHTS_NAME, folder / f".{WEIGHTS_NAME}.partial"
    with partial.open("wb") as file:
        file.write(save(tensors, {"recipe": json.dumps(asdict(recipe))}))
        file.flush()
        os.fsync(file.fileno())
    partial.rename(target)
    return target
