"""create_study.py and export_study.py, run as a coordinator runs them."""

import json

import pandas as pd
import pytest

from cytosae_core.judging.database import open_engine
from cytosae_core.judging.repository import Repository
from cytosae_core.study.builder import read_study
from tests.atlas.tiny import make_tiny_atlas

SMALL = ("--n-clusters", 4, "--n-per-cluster", 3, "--min-pictures", 3, "--seed", 3)


def create(forks, tmp_path, *more):
    arguments = ("--atlas", tmp_path / "atlas", "--title", "Pilot", "--dataset", "mll23", *SMALL)
    return forks.run(
        "create_study.py", *arguments, "--out", tmp_path / "studies", "--database", tmp_path / "annotations.db", *more
    )


@pytest.mark.slow
def test_a_study_is_made_registered_and_exported(forks, tmp_path):
    make_tiny_atlas(tmp_path / "atlas", with_barcodes=True, simulated=True)
    groups = ("--groups", "CBFB::MYH11", "PML::RARA", "--n-differential", 10, "--n-repeats", 2, "--n-decoys", 1)
    made = create(forks, tmp_path, *groups)
    assert made.returncode == 0, made.stderr
    (folder,) = (tmp_path / "studies").iterdir()
    study = read_study(folder)
    assert made.stdout.startswith(f"{study.study_id} (SIMULATED)\n{folder / 'study.json'}\n")
    assert "Concepts: 12 main, 2 repeat, 1 decoy" in made.stdout
    assert "cluster  latents  eligible  sampled" in made.stdout
    repository = Repository(open_engine(tmp_path / "annotations.db"))
    assert repository.studies.load(study.study_id) == study
    assert repository.studies.atlas_path(study.study_id) == str((tmp_path / "atlas").resolve())

    exported = forks.run(
        "export_study.py",
        *("--study", study.study_id, "--database", tmp_path / "annotations.db", "--out", tmp_path / "exports"),
    )
    assert exported.returncode == 0, exported.stderr
    (export,) = (tmp_path / "exports").iterdir()
    assert exported.stdout.splitlines()[0] == str(export)
    assert json.loads((export / "manifest_SIMULATED.json").read_text(encoding="utf-8"))["n_judgements"] == 0
    items = pd.read_csv(export / "items_SIMULATED.csv")
    assert len(items) == len(study.items)
    report = (export / "report_SIMULATED.md").read_text(encoding="utf-8")
    assert f"seed {study.seed}" in report
    assert "counts of activating patches (threshold 0.2) of each patient over the patient's number of images" in report


@pytest.mark.slow
def test_what_cannot_be_made_is_one_sentence_and_leaves_nothing(forks, tmp_path):
    make_tiny_atlas(tmp_path / "atlas")
    failed = create(forks, tmp_path, "--groups", "CBFB::MYH11", "PML::RARA")
    assert failed.returncode == 1
    assert failed.stderr.startswith("error: the disease task needs barcodes, and this atlas has none")
    assert failed.stderr.count("\n") == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["atlas"]


@pytest.mark.slow
def test_an_unknown_study_or_database_is_one_sentence(forks, tmp_path):
    missing = forks.run(
        "export_study.py", "--study", "none", "--database", tmp_path / "no.db", "--out", tmp_path / "out"
    )
    assert missing.returncode == 1
    assert missing.stderr.startswith("error: there is no database")
    open_engine(tmp_path / "empty.db").dispose()
    unknown = forks.run(
        "export_study.py", "--study", "none", "--database", tmp_path / "empty.db", "--out", tmp_path / "out"
    )
    assert unknown.returncode == 1
    assert unknown.stderr.startswith("error: there is no study 'none'")
    assert not (tmp_path / "out").exists()
