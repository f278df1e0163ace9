"""The command line of the extraction and of its benchmark."""

import importlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from cytosae_core.backbone.download import Weights
from cytosae_core.tokens.store import TokenStore
from tests.backbone.reference import Shape, dinobloom_file, make_weights
from tests.conftest import REPOSITORY


@pytest.fixture
def script(monkeypatch):
    """The script as a module, for what needs no process of its own."""
    monkeypatch.syspath_prepend(REPOSITORY / "scripts")
    return importlib.import_module("extract_tokens")


@pytest.fixture
def cells(tmp_path):
    rng = np.random.default_rng(0)
    for index in range(3):
        path = tmp_path / "cells" / "blast" / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(path)
    return tmp_path / "cells"


@pytest.mark.slow
def test_a_checkpoint_and_a_folder_become_a_token_store(forks, tmp_path, cells):
    torch.save(dinobloom_file(make_weights(Shape(384, 12, 6), seed=0)), tmp_path / "DinoBloom-S.pth")
    job = ["--root", cells, "--output", tmp_path / "tokens", "--backbone", "dinobloom-s", "--blocks", 2, 11]
    done = forks.run("extract_tokens.py", *job, "--weights", tmp_path / "DinoBloom-S.pth")
    assert done.returncode == 0, done.stderr
    assert "3 images of 257 tokens of width 384" in done.stdout
    assert "images to tokens: 100%" in done.stderr
    assert "Warning" not in done.stderr
    assert "SIMULATED" not in done.stdout
    store = TokenStore.open(tmp_path / "tokens", 11)
    assert (store.n_images, store.blocks) == (3, (2, 11))


@pytest.mark.slow
def test_an_error_is_one_sentence_and_an_exit_status(forks, tmp_path, cells):
    done = forks.run(
        "extract_tokens.py", "--root", cells, "--weights", tmp_path / "none.pth", "--output", tmp_path / "tokens"
    )
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith(f"error: {tmp_path / 'none.pth'}: no such file; give")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("is_compared", "said"), [(True, "compared with the published one"), (False, "NOT compared: none that is known")]
)
def test_the_checksum_of_fetched_weights_is_said_with_whether_it_was_compared(script, capsys, is_compared, said):
    script.notify(Weights(Path("b.bin"), "ab" * 32, is_compared))
    assert f"b.bin: sha256 {'ab' * 32}, {said}" in capsys.readouterr().out


def test_a_store_of_rendered_cells_is_announced_as_simulated(script, tmp_path, capsys, monkeypatch):
    store = SimpleNamespace(
        simulated=True, path=tmp_path, n_images=1, n_tokens=2, d_model=3, blocks=(1,), manifest={"skipped": []}
    )
    monkeypatch.setattr(script, "list_images", lambda *a, **k: None)
    monkeypatch.setattr(script, "choose_backbone", lambda *a, **k: SimpleNamespace(name="toy", backbone_id="0"))
    monkeypatch.setattr(script, "extract", lambda *a, **k: store)
    script.main(script.Config(random_seed=0))
    assert capsys.readouterr().out.startswith("SIMULATED, rendered by a program: ")
