"""The transformer's weights as the file that ships: float16, without heads, nothing that could be executed."""

import os
from pathlib import Path

import torch
from safetensors.torch import save

from cytosae_core.small_backbone.config import SmallBackboneConfig, recorded
from cytosae_core.small_backbone.student import Student

WEIGHTS_NAME = "cytosae-small.safetensors"
"""Name of the file."""


def publish_weights(student: Student, config: SmallBackboneConfig, folder: Path) -> Path:
    """Write the weights into `folder` by rename, with the configuration as metadata, and return the file's path."""
    tensors = {name: tensor.to(torch.float16).contiguous() for name, tensor in student.vit.state_dict().items()}
    target, partial = folder / WEIGHTS_NAME, folder / f".{WEIGHTS_NAME}.partial"
    with partial.open("wb") as file:
        file.write(save(tensors, {"recipe": recorded(config)}))
        file.flush()
        os.fsync(file.fileno())
    partial.rename(target)
    return target
