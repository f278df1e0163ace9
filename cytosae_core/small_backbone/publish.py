"""The transformer's weights as the file that ships: float16, without heads, nothing that could be executed."""

from pathlib import Path

import torch
from safetensors.torch import save

from cytosae_core.artifacts.files import write_whole
from cytosae_core.small_backbone.config import SmallBackboneConfig, recorded
from cytosae_core.small_backbone.student import Student

WEIGHTS_NAME = "cytosae-small.safetensors"
"""Name of the file."""


def publish_weights(student: Student, config: SmallBackboneConfig, folder: Path) -> Path:
    """Write the weights into `folder`, whole or not at all, with the configuration as metadata; returns their path."""
    tensors = {name: tensor.to(torch.float16).contiguous() for name, tensor in student.vit.state_dict().items()}
    target = folder / WEIGHTS_NAME
    write_whole(folder, WEIGHTS_NAME, save(tensors, {"recipe": recorded(config)}))
    return target
