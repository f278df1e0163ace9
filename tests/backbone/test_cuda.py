"""What only a GPU can show: the precision that is chosen there gives the tokens of the CPU."""

import dataclasses

import numpy as np
import pytest
import torch

from cytosae_core.backbone.choose import BackboneChoice, choose_backbone
from cytosae_core.tokens.extract import extract
from cytosae_core.tokens.plan import ExtractConfig
from cytosae_core.tokens.store import TokenStore

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU that torch can use; this machine has none"),
]
CONFIG = ExtractConfig(blocks=(2, 4), batch_size=3, shard_images=5, runtime="torch", n_workers=2)
CHOICE = BackboneChoice("vit_tiny_patch16_224", random_seed=0)
MOST_OFF = {"auto": 0.005, "float16": 0.005, "bfloat16": 0.03}
"""Largest difference as a share of the largest number; CPUs measure 0.0005 in float16 and 0.004 in bfloat16."""


@pytest.mark.parametrize("precision", MOST_OFF)
def test_tokens_of_a_gpu_are_those_of_the_cpu_up_to_the_precision(make_table, tmp_path, precision):
    table = make_table(8)
    for device in ("cpu", "cuda"):
        config = dataclasses.replace(CONFIG, precision=precision if device == "cuda" else "float32")
        extract(choose_backbone(dataclasses.replace(CHOICE, device=device)), table, tmp_path / device, config)
    run = TokenStore.open(tmp_path / "cuda", 2).manifest["run"]
    assert (run["device"], run["precision"]) == ("cuda", "float16" if precision == "auto" else precision)
    for block in CONFIG.blocks:
        cpu, gpu = (TokenStore.open(tmp_path / device, block) for device in ("cpu", "cuda"))
        for position in range(8):
            expected, found = (store.read([position]).astype(np.float32) for store in (cpu, gpu))
            assert np.abs(found - expected).max() <= MOST_OFF[precision] * np.abs(expected).max()
