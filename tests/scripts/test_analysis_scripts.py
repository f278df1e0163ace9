"""The scripts of the analysis, run inside the test's own process on a tiny SIMULATED atlas."""

import importlib
import json
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from cytosae_core.errors import ConfigError
from tests.atlas.tiny import make_tiny_atlas

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def script(monkeypatch):
    """A script as a module."""
    monkeypatch.syspath_prepend(ROOT / "scripts")
    return importlib.import_module


@pytest.fixture(scope="module")
def atlas(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("atlas") / "atlas"
    make_tiny_atlas(path, with_barcodes=True, simulated=True)
    return path


def test_two_groups_are_compared_into_a_marked_table(script, atlas, tmp_path, capsys):
    compare = script("compare_groups")
    groups = ("CBFB::MYH11", "PML::RARA")
    compare.main(compare.Config(atlas=atlas, groups=groups, out=tmp_path / "out", n=5, n_bootstrap=20))
    table = pd.read_csv(tmp_path / "out" / "differential_SIMULATED.csv")
    assert len(table) == 10
    assert {"provenance", "latent", "difference", "hedges_g", "auroc", "q_value", "top_share"} <= set(table.columns)
    assert "(SIMULATED)" in capsys.readouterr().out


def test_barcodes_of_patients_and_diseases_become_files_for_scanpy(script, atlas, tmp_path):
    export = script("export_barcodes")
    for level, n_rows in (("patient", 24), ("disease", 4)):
        export.main(export.Config(atlas=atlas, out=tmp_path / level, level=level))
        data = anndata.read_h5ad(tmp_path / level / "barcodes_SIMULATED.h5ad")
        assert data.shape == (n_rows, 120)
        assert "mean_activation_mll23" in data.var
    assert (tmp_path / "patient" / "group_similarity_SIMULATED.csv").is_file()
    with pytest.raises(ConfigError, match="counted anew; give --tokens and --sae"):
        export.main(export.Config(atlas=atlas, out=tmp_path / "images", level="image"))


def test_patients_are_classified_into_tables_that_say_how(script, atlas, tmp_path, capsys):
    classify = script("classify_patients")
    options = {"n_folds": 2, "n_seeds": 1, "thresholds": (-3.0,), "n_permutations": 3}
    classify.main(classify.Config(atlas=atlas, out=tmp_path / "out", **options))
    scores = pd.read_csv(tmp_path / "out" / "scores_SIMULATED.csv").set_index("method")
    assert scores.loc["barcode probe, C by samples", "weighted_f1"] > scores.loc["majority class", "weighted_f1"]
    settings = json.loads((tmp_path / "out" / "settings_SIMULATED.json").read_text())
    assert settings["settings"]["n_folds"] == 2
    assert settings["settings"]["sae_id"] == "sae-tiny-0"
    assert "(SIMULATED patients)" in capsys.readouterr().out


def test_an_atlas_without_patients_is_refused(script, tmp_path):
    make_tiny_atlas(tmp_path / "atlas", n_latents=20)
    compare = script("compare_groups")
    with pytest.raises(ConfigError, match="has no barcodes; build an atlas of images with patients"):
        compare.main(compare.Config(atlas=tmp_path / "atlas", groups=("a", "b"), out=tmp_path / "out"))


@pytest.mark.slow
def test_rendered_cells_are_scored_from_tokens_and_sae_to_tables(script, tmp_path, capsys):
    import torch

    from cytosae_core.backbone.team import torchrun_team
    from cytosae_core.backbone.vit import random_backbone
    from cytosae_core.images.sources import SOURCES
    from cytosae_core.images.table import scan
    from cytosae_core.sae.checkpoint import Checkpoint, save
    from cytosae_core.simulated.synthetic import write_dataset
    from cytosae_core.tokens.extract import extract
    from cytosae_core.tokens.plan import ExtractConfig

    rendered = write_dataset(tmp_path, "mll23", n_per_type=12, seed=1, cell_types=["eosinophil", "lymphocyte"])
    backbone = random_backbone("dinobloom-s", 0, embed_dim=32, depth=1, num_heads=2)
    config = ExtractConfig(blocks=(1,), batch_size=8, shard_images=16, n_workers=1, runtime="torch")
    with torchrun_team() as team:
        extract(backbone, scan(SOURCES["mll23"], rendered), tmp_path / "tokens", config, team=team)
    rng = np.random.default_rng(0)
    shapes = {"W_enc": (32, 40), "b_enc": (40,), "W_dec": (40, 32), "b_dec": (32,)}
    weights = {name: torch.tensor(rng.normal(size=shape).astype(np.float32)) for name, shape in shapes.items()}
    save(Checkpoint(weights, {}), tmp_path / "sae")
    score = script("score_attributes")
    options = {"tokens": tmp_path / "tokens", "sae": tmp_path / "sae", "out": tmp_path / "out", "rendered": rendered}
    score.main(score.Config(**options, n_bootstrap=20, n_random=8, n_shuffles=9))
    summary = pd.read_csv(tmp_path / "out" / "summary_SIMULATED.csv").set_index("attribute")
    assert summary.loc["eosinophilic_granules", "prevalence"] == 0.5
    assert (tmp_path / "out" / "maps_on_masks_SIMULATED.csv").is_file()
    assert "list_digest" in (tmp_path / "out" / "settings_SIMULATED.json").read_text()
    assert "(SIMULATED cells)" in capsys.readouterr().out
