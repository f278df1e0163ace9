"""What version 1 of the workbench (commit 4c6c5ac) wrote: opened, gone on with, and made anew from each other.

fixtures/version_1/README.md says how each artifact was made; expected.json what version 1 itself read in them.
"""

import json
import os
import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from cytosae_core.artifacts.tables import read_result
from cytosae_core.atlas.atlas import LatentAtlas
from cytosae_core.atlas.build.build import build_atlas
from cytosae_core.atlas.build.options import BuildConfig
from cytosae_core.atlas.build.plan import DatasetInput
from cytosae_core.atlas.definitions import Definitions
from cytosae_core.atlas.merge.merge import merge_atlases
from cytosae_core.atlas.noise import NoiseFilter
from cytosae_core.atlas.release.import_release import import_release
from cytosae_core.atlas.release.options import ReleaseImport
from cytosae_core.backbone.vit import load_backbone
from cytosae_core.evaluation.export import export_study
from cytosae_core.images.select import list_images
from cytosae_core.judging.database import examine, open_engine, writing
from cytosae_core.judging.repository import Repository
from cytosae_core.method import GROUPS
from cytosae_core.patients.classification import ClassificationConfig, classify_patients
from cytosae_core.patients.comparison import compare_groups
from cytosae_core.patients.inputs import open_barcodes
from cytosae_core.pipeline.cells import rendered_cells
from cytosae_core.pipeline.paths import RunPaths
from cytosae_core.pipeline.plan import steps_of
from cytosae_core.pipeline.settings import DEMO
from cytosae_core.pipeline.steps import run_steps
from cytosae_core.progress import no_progress
from cytosae_core.sae.checkpoint import read_checkpoint, read_published
from cytosae_core.sae.config import SaeConfig
from cytosae_core.sae.grid import Grid
from cytosae_core.sae.logs import MetricsTable, read_metrics
from cytosae_core.sae.run_folder import read_run
from cytosae_core.sae.sweep import open_splits, run_sweep
from cytosae_core.sae.train import train
from cytosae_core.simulated.synthetic import write_dataset
from cytosae_core.study.files import read_study
from cytosae_core.tokens.extract import extract
from cytosae_core.tokens.plan import ExtractConfig, make_plan
from cytosae_core.tokens.source import StoreTokens
from cytosae_core.tokens.store import TokenStore
from tests.older_version import (
    EXPECTED,
    EXPORT,
    IS_ALIKE,
    OLD,
    STUDY,
    Clock,
    facts_of,
    judged,
    old_training,
    tokens_of,
    total,
    without_id,
)


@pytest.fixture
def one_thread():
    """The weights of a run depend, in their last bits, on the number of threads."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


@pytest.fixture
def repository(tmp_path):
    """The old database, migrated, a minute after the last judgement."""
    shutil.copy(OLD / "annotations.sqlite", tmp_path / "annotations.db")
    engine = open_engine(tmp_path / "annotations.db")
    yield Repository(engine, clock=Clock())
    engine.dispose()


@pytest.mark.parametrize("name", ["drawn", "drawn_unfinished"])
def test_a_rendered_data_set_of_version_1_is_finished_and_has_the_same_files(tmp_path, name):
    shutil.copytree(OLD / name, tmp_path / "rendered")
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.rglob("LYT*")}
    goal = write_dataset(tmp_path / "rendered", "bmc", n_per_type=1, seed=3, cell_types=("lymphocyte", "monocyte"))
    manifest = json.loads((goal / "manifest.json").read_text())
    assert manifest["digest"] == EXPECTED["drawn"]["digest"]
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.rglob("LYT*")} == before  # not rendered again
    assert [file["path"] for file in manifest["files"]] == [file["path"] for file in EXPECTED["drawn"]["files"]]
    assert manifest["files"] == EXPECTED["drawn"]["files"] or not IS_ALIKE


@pytest.mark.parametrize("key", ["tokens_first/4", "tokens_first/5", "tokens_second/5"])
def test_a_token_store_of_version_1_opens_with_the_same_tokens(key):
    name, block = key.split("/")
    store, expected = TokenStore.open(OLD / name, int(block)), EXPECTED["stores"][key]
    store.verify()
    tokens = tokens_of(store)
    assert (store.store_id, store.backbone_id, list(tokens.shape), store.simulated) == tuple(
        expected[what] for what in ("store_id", "backbone_id", "shape", "simulated")
    )
    assert store.index["image_id"].tolist() == expected["images"]
    assert store.index["diagnosis"].tolist() == expected["diagnoses"]
    assert [total(image) for image in tokens] == expected["sums"]


def test_an_unfinished_extraction_of_version_1_goes_on_to_the_same_store(tmp_path):
    shutil.copytree(OLD / "extraction", tmp_path / "run")
    unfinished, expected = tmp_path / "run" / ".tokens.partial", EXPECTED["stores"]["tokens_shipped/11"]
    config = ExtractConfig(blocks=(11,), batch_size=1, shard_images=1, runtime="torch")
    backbone, table = load_backbone("cytosae-small"), list_images("hehr", csv=OLD / "cells" / "two.csv")
    plan = json.loads((unfinished / "plan.json").read_text())
    # An extraction goes on with the same libraries alone, which is no question of the workbench's version.
    here, there = make_plan(backbone, table, config)["libraries"], plan["libraries"]
    (unfinished / "plan.json").write_text(json.dumps(plan | {"libraries": here}))
    finished = (unfinished / "store" / "shard-00000-block-11.npy").stat().st_mtime_ns
    store = extract(backbone, table, tmp_path / "run" / "tokens", config)
    store.verify()
    assert (store.path / "shard-00000-block-11.npy").stat().st_mtime_ns == finished
    assert (store.backbone_id, store.index["image_id"].tolist()) == (expected["backbone_id"], expected["images"])
    assert tokens_of(store).sum(axis=(1, 2), dtype=float).tolist() == pytest.approx(expected["sums"], rel=1e-2)
    assert store.store_id == expected["store_id"] or not (IS_ALIKE and here == there)


def test_an_autoencoder_of_version_1_opens_with_the_same_weights():
    expected, checkpoint = EXPECTED["sae"], read_checkpoint(OLD / "sae")
    assert checkpoint.sae_id == read_run(OLD / "sae")["sae_id"] == expected["sae_id"]
    assert {name: list(weight.shape) for name, weight in checkpoint.weights.items()} == expected["shapes"]
    assert {name: total(weight) for name, weight in checkpoint.weights.items()} == expected["sums"]
    assert read_metrics(OLD / "sae")["loss"].iloc[-1] == pytest.approx(expected["last_loss"])


@pytest.mark.parametrize("name", ["sae", "sae_unfinished"])
def test_a_training_run_of_version_1_is_finished_or_goes_on_to_the_same_weights(tmp_path, one_thread, name):
    folder, expected, steps = tmp_path / "sae", EXPECTED["sae"], []
    shutil.copytree(OLD / name, folder)
    config, tokens, held_out = old_training()
    result = train(
        config, tokens, folder, held_out=held_out, observers=[MetricsTable(folder)],
        progress=lambda n_done, n_all: steps.append(n_done),
    )  # fmt: skip
    assert (result.is_finished, result.step) == (True, expected["n_steps"])
    assert steps == ([] if name == "sae" else list(range(61, 121)))
    assert result.sae_id == expected["sae_id"] or not IS_ALIKE
    assert result.evaluation == pytest.approx(expected["evaluation"], rel=1e-2)
    assert read_metrics(folder)["step"].tolist() == list(range(1, 121))


def test_a_sweep_of_version_1_is_found_finished(tmp_path):
    shutil.copytree(OLD / "sweep", tmp_path / "sweep")
    chosen = SaeConfig(d_in=64, expansion=1, batch_images=1, n_images=10, warm_up_steps=2)
    grid = Grid(chosen, 5, {"l1_coefficient": (0.001,)}, (0,))
    told = []
    result = run_sweep(
        grid, open_splits(OLD / "tokens_first", grid, 0.25, 0), tmp_path / "sweep", progress=lambda *n: told.append(n)
    )
    assert (result.is_finished, result.failures, told) == (True, {}, [])
    assert result.runs[list(EXPECTED["sweep"][0])].to_dict("records") == EXPECTED["sweep"]


def test_a_published_checkpoint_and_its_conversion_by_version_1_are_the_same_autoencoder():
    expected = EXPECTED["published"]
    for found in (read_published(OLD / "published" / "sae.pt"), read_checkpoint(OLD / "published" / "converted")):
        assert (found.sae_id, dict(found.provenance)) == (expected["sae_id"], expected["provenance"])
        assert {name: total(weight) for name, weight in found.weights.items()} == expected["sums"]


@pytest.mark.parametrize("name", ["atlas_first", "atlas_second", "atlas", "atlas_imported"])
def test_an_atlas_of_version_1_opens_with_the_same_numbers(name):
    atlas = LatentAtlas.open(OLD / name)
    atlas.verify()
    assert facts_of(atlas, atlas.datasets[0].name) == EXPECTED["atlases"][name]


def test_two_atlases_of_version_1_are_merged_to_the_one_that_version_1_made(tmp_path):
    merge_atlases([OLD / "atlas_first", OLD / "atlas_second"], tmp_path / "atlas")
    facts, expected = facts_of(LatentAtlas.open(tmp_path / "atlas"), "hehr"), EXPECTED["atlases"]["atlas"]
    assert without_id(facts) == without_id(expected)
    assert facts["atlas_id"] == expected["atlas_id"] or not IS_ALIKE


def test_a_build_that_version_1_began_is_finished_to_the_same_numbers(tmp_path):
    shutil.copytree(OLD / "build_unfinished", tmp_path / "build")
    config = BuildConfig(
        definitions=Definitions(tau=0.02, n_references=4), noise=NoiseFilter(max_mean_activation=1), part_images=2,
        image_barcodes=True, n_patch_latents=2, all_pictures=True, n_workers=1,
    )  # fmt: skip
    dataset = DatasetInput(StoreTokens.by_id(TokenStore.open(OLD / "tokens_first", 5)), OLD / "cells", simulated=True)
    told = []
    build_atlas(
        read_checkpoint(OLD / "sae").latents_first(), [dataset], tmp_path / "build" / "atlas", config,
        progress_of=lambda name: lambda *counts: told.append((name, *counts)),
    )  # fmt: skip
    assert ("all images", 0, 2) in told  # of four images, two were left
    facts = facts_of(LatentAtlas.open(tmp_path / "build" / "atlas"), "hehr")
    assert without_id(facts) == without_id(EXPECTED["atlases"]["atlas_first"])


def test_an_import_that_version_1_began_is_finished_to_the_same_atlas(tmp_path):
    shutil.copytree(OLD / "release", tmp_path / "release")
    shutil.copytree(OLD / "import_unfinished", tmp_path / "import")
    for path in (tmp_path / "release" / "images").rglob("*.png"):
        os.utime(path, (EXPECTED["mtime"],) * 2)  # an import goes on with the same images alone, told by their time
    made = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "import").rglob("*.webp")}
    options = ReleaseImport(
        tmp_path / "release" / "tables", tmp_path / "import" / "atlas", all_pictures=True, n_workers=1,
        images={"acevedo": tmp_path / "release" / "images" / "acevedo"},
    )  # fmt: skip
    import_release(options)
    atlas, expected = LatentAtlas.open(options.out), EXPECTED["atlases"]["atlas_imported"]
    assert {path.name: path.stat().st_mtime_ns for path in options.out.rglob("*.webp")} == made
    assert without_id(facts_of(atlas, "acevedo")) == without_id(expected)
    assert atlas.atlas_id == expected["atlas_id"] or not IS_ALIKE


def test_results_of_version_1_are_read_and_come_out_the_same_again():
    for name, expected in EXPECTED["results"]["tables"].items():
        table, is_simulated = read_result(OLD / Path(name).parent, Path(name).name)
        assert (is_simulated, len(table), list(table.columns)) == (True, expected["rows"], expected["columns"])
    atlas, barcodes = open_barcodes(OLD / "atlas")
    mean = atlas.statistics("hehr")["mean_activation"].to_numpy(dtype="float64", na_value=float("nan"))
    config = ClassificationConfig(n_folds=3, n_seeds=1, thresholds=(-6, -3), n_permutations=3)
    scores = classify_patients(barcodes, mean, config=config)["scores"]
    found = dict(zip(scores["method"], scores["weighted_f1"], strict=True))
    assert found == pytest.approx(EXPECTED["results"]["weighted_f1"], abs=1e-5)
    compared = compare_groups(barcodes, *GROUPS, seed=0, n=5, n_bootstrap=20, min_images=1)
    assert compared[["latent", "direction", "rank"]].to_dict("records") == EXPECTED["results"]["differential"]


def test_results_of_the_demo_of_version_1_are_found_and_not_made_again(tmp_path):
    assert DEMO.digest("drawn") == EXPECTED["pipeline"]["demo"]
    assert DEMO.digest("0" * 64) == EXPECTED["pipeline"]["own"]
    paths, reports = RunPaths(tmp_path / f"SIMULATED-demo-{EXPECTED['pipeline']['demo']}"), []
    for name, path in {"atlas": paths.atlas, "patients": paths.patients, "differential": paths.differential}.items():
        shutil.copytree(OLD / name, path)
    run_steps(steps_of(DEMO, rendered_cells(paths.rendered), GROUPS, paths), lambda _: no_progress, reports.append)
    assert [report.name for report in reports] == ["cells", "tokens", "autoencoder", "atlas", "patients", "groups"]
    assert all(report.seconds is None for report in reports)


def test_a_study_of_version_1_opens_and_its_pictures_lie_in_its_atlas(repository):
    study, atlas = read_study(OLD / "studies" / STUDY["study_id"]), LatentAtlas.open(OLD / "atlas")
    assert study == repository.studies.load(STUDY["study_id"])
    assert repository.studies.atlas_path(study.study_id) == STUDY["atlas_path"]
    assert (study.atlas_id, study.sae_id) == (atlas.atlas_id, atlas.sae_id)
    assert [[item.task_id, item.role] for item in study.items] == STUDY["roles"]
    assert all(atlas.picture_path(picture.sha256) for item in study.items for picture in item.pictures)


@pytest.mark.parametrize("name", ["annotations.sqlite", "backup.sqlite"])
def test_a_database_and_a_backup_of_version_1_open_with_the_same_judgements(tmp_path, name):
    shutil.copy(OLD / name, tmp_path / "annotations.db")
    engine = open_engine(tmp_path / "annotations.db")
    assert judged(Repository(engine).results.judgement_table(STUDY["study_id"])) == STUDY["judgements"]
    with pytest.raises(IntegrityError, match="never changed or deleted"), writing(engine) as connection:
        connection.execute(text("UPDATE judgements SET answers = '{}'"))
    engine.dispose()
    found = examine(tmp_path / "annotations.db")
    assert (found.is_current, found.integrity, found.n_judgements) == (True, "ok", len(STUDY["judgements"]))
    found.engine.dispose()


def test_a_rater_of_version_1_is_still_signed_in_and_judges_on(repository):
    session = repository.sessions.resume(STUDY["tokens"]["R01"])
    assert (
        repository.sessions.sign_in("R01", STUDY["access_code"]).rater_id == session.rater_id == STUDY["raters"]["R01"]
    )
    item_id, stage_id, draft = STUDY["draft"]
    turn = repository.desk.current(session.rater_id, STUDY["study_id"], "disease")
    assert (turn.item_id, turn.stage_id) == (item_id, stage_id)
    assert repository.desk.show_next(session.rater_id, STUDY["study_id"], "disease", "now").draft == draft
    digest = repository.studies.load(STUDY["study_id"]).item(item_id).pictures_digest
    shown = repository.desk.present(session.rater_id, STUDY["study_id"], item_id, stage_id, digest, "now")
    assert repository.judgements.submit(session.rater_id, shown.nonce, {**draft, "confidence": "1"}).is_new
    table = repository.results.judgement_table(STUDY["study_id"])
    assert judged(table)[:-1] == STUDY["judgements"]
    assert table.iloc[-1][["item_id", "overlay_used"]].tolist() == [item_id, True]  # the draft said so


def test_an_export_of_the_database_of_version_1_has_the_tables_that_version_1_exported(repository, tmp_path):
    path = export_study(repository, STUDY["study_id"], tmp_path, n_resamples=STUDY["n_resamples"])
    names = {file.name for file in EXPORT.glob("*.parquet")}
    assert names <= {file.name for file in path.glob("*.parquet")}  # later versions add tables
    # Words may be put better; what else changed, version 1 had wrong, and is compared below.
    for name in names - {
        f"{name}_SIMULATED.parquet" for name in ("codebook", "agreement", "shares", "consensus", "disease")
    }:
        exported = pd.read_parquet(EXPORT / name)
        # Later versions add columns; those that version 1 knew stay as they were.
        pd.testing.assert_frame_equal(pd.read_parquet(path / name)[list(exported)], exported)
    compare_what_changed(path)
    agreement = json.loads((path / "agreement_SIMULATED.json").read_text(encoding="utf-8"))["rows"]
    for before, now in same_rows(STUDY["agreement"], agreement):
        # The intervals of version 1 were too narrow; its weights took some from clusters with missing answers.
        kept = ["n_raters", "n_items", "n_resamples", *(["value"] if before["weighting"] == "plain" else [])]
        assert [now[name] for name in kept] == pytest.approx([before[name] for name in kept])


def compare_what_changed(path):
    """One rater makes no consensus; the ratio estimator; intervals of their own."""
    before, now = (
        {name: pd.read_parquet(folder / f"{name}_SIMULATED.parquet") for name in ("shares", "consensus", "disease")}
        for folder in (EXPORT, path)
    )
    alone = before["consensus"]["n_raters"] == 1
    assert now["consensus"].loc[alone, "consensus"].isna().all()
    pd.testing.assert_frame_equal(now["consensus"][~alone][list(before["consensus"])], before["consensus"][~alone])
    of_raters = [table[table["rater_code"] != "(consensus)"] for table in (before["disease"], now["disease"])]
    pd.testing.assert_frame_equal(of_raters[1][list(of_raters[0])], of_raters[0])
    keys = ["rater_code", "denominator", "weighting"]
    counted, counted_now = (
        {tuple(row[key] for key in keys): row for row in table.to_dict("records")}
        for table in (before["shares"], now["shares"])
    )
    for key, row in counted.items():
        if key[0] != "(consensus)":
            assert (counted_now[key]["n_yes"], counted_now[key]["n"]) == (row["n_yes"], row["n"])
            assert key[1:] == ("yes_or_no", "cluster_weighted") or counted_now[key]["share"] == pytest.approx(
                row["share"]
            )


def same_rows(before, now):
    """Each row of agreement that version 1 exported, beside the one of today."""
    keys = ("task_id", "stage_id", "question_id", "raters", "statistic", "weighting")
    by_key = {tuple(row[key] for key in keys): row for row in now}
    return [(row, by_key[tuple(row[key] for key in keys)]) for row in before]
