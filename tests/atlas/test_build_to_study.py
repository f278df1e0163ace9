"""From made-up patients to a study with both tasks, with nothing between the atlas and the study."""

import numpy as np
import pandas as pd
import pytest
import torch

from cytosae_core.atlas.atlas import LatentAtlas
from cytosae_core.atlas.build.build import build_atlas
from cytosae_core.atlas.build.inputs import InputChoice, dataset_inputs
from cytosae_core.atlas.build.options import BuildConfig
from cytosae_core.atlas.definitions import Definitions
from cytosae_core.atlas.release.import_release import import_release
from cytosae_core.atlas.release.options import ReleaseImport
from cytosae_core.backbone.vit import random_backbone
from cytosae_core.images.select import list_images
from cytosae_core.patients.levels import disease_level, patient_level
from cytosae_core.sae.checkpoint import Checkpoint
from cytosae_core.simulated.synthetic import write_cohort
from cytosae_core.study.builder import StudyConfig, build_study
from cytosae_core.tokens.extract import extract
from cytosae_core.tokens.plan import ExtractConfig
from tests.atlas.published import make_release, write_tables

TOY = {"img_size": 28, "embed_dim": 32, "depth": 4, "num_heads": 2}


def _checkpoint(tokens, d_sae=60):
    """Latents that look along random directions from the mean token: about a sixth is active."""
    rng = np.random.default_rng(0)
    flat = tokens.reshape(-1, tokens.shape[-1]).astype(np.float32)
    directions = rng.standard_normal((flat.shape[1], d_sae)).astype(np.float32)
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
    checkpoint = _checkpoint(store.read(range(store.n_images)))
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


def test_every_patient_has_the_images_that_were_made(cohort):
    barcodes = cohort.barcodes()
    assert barcodes.groups["n_images"].eq(3).all()
    assert barcodes.groups["diagnosis"].value_counts().eq(2).all()
    assert len(disease_level(patient_level(barcodes)).barcodes) == 5
    assert cohort.datasets[0].simulated
    assert cohort.datasets[0].label_kind == "patient"
    cells = cohort.patient_references(int(np.argmax(barcodes.counts.sum(axis=0))))
    assert cells.groupby("patient")["rank"].max().le(2).all()


def test_published_patient_counts_become_a_disease_task_without_another_step(tmp_path):
    release = make_release(tmp_path / "release", dataset="hehr")
    patients = {"NPM1/PAA": "PAA", "NPM1/PAB": "PAB", "control/PAC": "PAC"}
    files = [f"{folder}/image_{index}.png" for folder in patients for index in range(20)]
    for source, name in zip(sorted(release.images.rglob("*.png")), files, strict=True):
        target = tmp_path / "cohort" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        source.rename(target)
    in_order = sorted(files, key=lambda name: name.split("/", 1)[1])
    shuffled = [in_order[index] for index in np.random.default_rng(1).permutation(60)]
    write_tables(release.tables / "hehr", release.activations, [name.split("/")[1] for name in shuffled])
    (release.tables / "hehr" / "top_entropy.pt").unlink()
    np.save(tmp_path / "cls_sae_cnt.npy", np.random.default_rng(5).integers(0, 20 * 257, (3, 50)) / 50)
    groups = pd.DataFrame({"patient": ["PAA", "PAB", "PAC"], "diagnosis": ["NPM1", "NPM1", "control"], "n_images": 20})
    groups.to_csv(tmp_path / "groups.csv", index=False)
    options = ReleaseImport(
        release.tables, tmp_path / "atlas", images={"hehr": tmp_path / "cohort"}, n_workers=1,
        patient_counts=tmp_path / "cls_sae_cnt.npy", patients=tmp_path / "groups.csv",
    )  # fmt: skip
    import_release(options)
    config = StudyConfig("Two groups", "hehr", n_clusters=2, n_per_cluster=3, groups=("NPM1", "control"))
    study = build_study(LatentAtlas.open(tmp_path / "atlas"), config)
    assert {item.direction for item in study.items if item.task_id == "disease"} == {"NPM1", "control"}
