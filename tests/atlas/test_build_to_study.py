"""From drawn patients to a study with both tasks, with nothing between the atlas and the study."""

import numpy as np
import pytest
import torch

from cytosae_core.annotation.study_builder import StudyConfig, build_study
from cytosae_core.atlas.atlas import LatentAtlas
from cytosae_core.atlas.build import build_atlas
from cytosae_core.atlas.build_options import BuildConfig
from cytosae_core.atlas.definitions import Definitions
from cytosae_core.atlas.inputs import InputChoice, dataset_inputs
from cytosae_core.backbone.extract import extract
from cytosae_core.backbone.plan import ExtractConfig
from cytosae_core.backbone.vit import random_backbone
from cytosae_core.images.select import list_images
from cytosae_core.images.synthetic import write_cohort
from cytosae_core.sae.checkpoint import Checkpoint

TOY = {"img_size": 28, "embed_dim": 32, "depth": 4, "num_heads": 2}


def _checkpoint(tokens, d_sae=60):
    """Latents that look along random directions from the mean token: about a sixth is active."""
    draw = np.random.default_rng(0)
    flat = tokens.reshape(-1, tokens.shape[-1]).astype(np.float32)
    directions = draw.standard_normal((flat.shape[1], d_sae)).astype(np.float32)
    pre = (flat - flat.mean(axis=0)) @ directions
    weights = {
        "W_enc": directions,
        "b_enc": -pre.std(axis=0),
        "W_dec": directions.T.copy(),
        "b_dec": flat.mean(axis=0),
    }
    return Checkpoint({name: torch.from_numpy(value) for name, value in weights.items()}, {})


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cohort")
    root = write_cohort(folder, n_patients=2, cells_per_patient=3, seed=1, with_masks=False)
    backbone = random_backbone("dinobloom-s", seed=0, **TOY)
    store = extract(backbone, list_images("hehr", root), folder / "tokens", ExtractConfig((3,), 8, shard_images=8))
    checkpoint = _checkpoint(np.concatenate([tokens for _, tokens in store.images()]))
    choice = InputChoice(tokens=(folder / "tokens",), images={"hehr": root})
    config = BuildConfig(Definitions(cls_in_counts=True), part_images=7)
    build_atlas(checkpoint, dataset_inputs(choice, lambda: backbone), folder / "atlas", config)
    return LatentAtlas.open(folder / "atlas")


def test_a_cohort_becomes_a_study_with_both_tasks_without_another_step(cohort):
    config = StudyConfig(
        "Two groups", "hehr", n_clusters=2, n_per_cluster=3, groups=("CBFB::MYH11", "PML::RARA"), n_differential=4
    )
    study = build_study(cohort, config)
    tasks = [item.task_id for item in study.items]
    assert tasks.count("concept") == 6
    assert 2 <= tasks.count("disease") <= 8
    assert study.simulated
    assert study.study_id.count("SIMULATED") == 1
    assert all(picture.sha256 for item in study.items for picture in item.pictures)


def test_every_patient_has_the_images_that_were_drawn(cohort):
    barcodes = cohort.barcodes()
    assert barcodes.groups["n_images"].eq(3).all()
    assert barcodes.groups["diagnosis"].value_counts().eq(2).all()
    assert len(barcodes.per_disease()) == 5
    assert cohort.datasets[0].simulated
    assert cohort.datasets[0].label_kind == "patient"
    cells = cohort.patient_references(int(np.argmax(barcodes.counts.sum(axis=0))))
    assert cells.groupby("patient")["rank"].max().le(2).all()
