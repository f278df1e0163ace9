"""The script trains from a store, says when it is finished, and refuses in a sentence."""

import json

import numpy as np
import pytest

from tests.sae.toys import write_store


@pytest.mark.slow
def test_a_store_becomes_a_run_and_other_settings_are_refused_there(forks, tmp_path):
    array = np.random.default_rng(0).standard_normal((20, 5, 8))
    write_store(tmp_path / "tokens", array, simulated=True)
    small = ["--config.expansion", "4", "--config.n-images", "60", "--config.batch-images", "3"]
    job = ["train_sae.py", "--tokens", tmp_path / "tokens", "--out", tmp_path / "run", *small]
    first = forks.run(*job, "--held-out-share", "0.2")
    assert first.returncode == 0, first.stderr
    assert "finished after 20 steps; sae-" in first.stdout
    assert "SIMULATED" in first.stdout
    assert "tokens/s" in first.stderr
    assert "loss" in first.stderr
    assert "explained_variance" in first.stderr + first.stdout
    names = {"sae.safetensors", "config.json", "manifest.json", "metrics.parquet", "curves.html"}
    assert {path.name for path in (tmp_path / "run").iterdir()} == names
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert set(manifest["files"]) == names - {"manifest.json"}
    refused = forks.run(*job, "--held-out-share", "0.1")
    assert refused.returncode == 1
    assert refused.stderr.startswith("error: ")
    assert "tokens.held_out.share was 0.2 and is 0.1" in refused.stderr
    assert "Traceback" not in refused.stderr
