"""The weights in the package: they load, stay small, and know cells that a random network does not."""

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open

from cytosae_core.backbone.residual import tokens_at
from cytosae_core.backbone.vit import load_backbone, random_backbone
from cytosae_core.simulated.synthetic import render_cell, sample_parameters
from cytosae_core.small_backbone.config import SmallBackboneConfig, recorded
from tests.conftest import REPOSITORY
from tests.pixels import model_input

WEIGHTS = REPOSITORY / "cytosae_core" / "backbone" / "weights" / "cytosae-small.safetensors"
TYPES = ("eosinophil", "neutrophil_segmented", "lymphocyte", "monocyte", "basophil")
N_EACH = 8


def rendered_cells():
    """Images (n, 3, 224, 224) and their types, of a seed that no training used."""
    cells = []
    for place, cell_type in enumerate(TYPES):
        for number in range(N_EACH):
            seed = 990_000 + 100 * place + number
            cell = render_cell(sample_parameters(cell_type, np.random.default_rng(seed)), "acevedo", seed=seed)
            cells.append(model_input(Image.fromarray(cell.rgb)))
    return torch.from_numpy(np.stack(cells)), np.repeat(np.arange(len(TYPES)), N_EACH)


def share_recognised(backbone, images, types):
    """Share of cells whose nearest other cell, by the mean of standardised patches, is of their own type."""
    with torch.inference_mode():
        means = torch.cat(
            [tokens_at(backbone, some, (11,))[11][:, 1:].mean(dim=1) for some in images.split(20)]
        ).numpy()
    means = (means - means.mean(axis=0)) / means.std(axis=0)
    distance = np.linalg.norm(means[:, None] - means[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    return float(np.mean(types[distance.argmin(axis=1)] == types))


def test_the_weights_are_small_enough_to_ship():
    assert WEIGHTS.stat().st_size <= 12 * 1024**2


def test_the_settings_in_the_shipped_file_are_the_defaults_as_they_are_written_today():
    with safe_open(WEIGHTS, "pt") as file:
        assert file.metadata()["recipe"] == recorded(SmallBackboneConfig())


@pytest.mark.slow
def test_the_shipped_backbone_tells_new_rendered_cells_apart_and_random_weights_do_less():
    images, types = rendered_cells()
    shipped = share_recognised(load_backbone("cytosae-small"), images, types)
    untrained = share_recognised(random_backbone("cytosae-small", 0), images, types)
    print(f"nearest neighbour: shipped {shipped:.3f}, random weights {untrained:.3f}")
    assert shipped > 0.95
    assert shipped > untrained + 0.1
