"""The published patient counts, which were divided by the wrong number."""

import dataclasses
import importlib
import json

import numpy as np
import pandas as pd
import pytest

from cytosae_core.atlas.atlas import LatentAtlas
from cytosae_core.atlas.release.import_release import import_release
from cytosae_core.atlas.release.options import ReleaseImport
from cytosae_core.errors import ArtifactError, ConfigError, ReleaseError
from tests.atlas.published import make_release, write_tables
from tests.conftest import REPOSITORY


def _import(release, tmp_path, **changes):
    import_release(dataclasses.replace(ReleaseImport(release.tables, tmp_path / "atlas", n_workers=1), **changes))
    return LatentAtlas.open(tmp_path / "atlas")


@pytest.fixture
def hehr(tmp_path):
    """Miniature tables of hehr with patients for labels, their images' names, and their counts."""
    release = make_release(tmp_path / "release", dataset="hehr")
    rng = np.random.default_rng(5)
    counts = rng.integers(0, 20 * 257, (3, 50))
    np.save(tmp_path / "counts.npy", counts / 50)
    (tmp_path / "hehr_classnames.txt").write_text("PAA\nPAB\nPAC\n")
    pd.DataFrame({"patient": ["PAC", "PAA", "PAB"], "diagnosis": ["x", "y", "y"], "n_images": [20, 20, 20]}).to_csv(
        tmp_path / "patients.csv", index=False
    )
    (release.tables.parent / "counts.json").write_text(json.dumps(counts.tolist()))
    return release


def _hehr_options(tmp_path, **changes):
    options = {
        "images": {},
        "classnames": tmp_path,
        "patient_counts": tmp_path / "counts.npy",
        "patients": tmp_path / "patients.csv",
        "file_lists": {"hehr": tmp_path / "list.txt"},
    }
    diagnosis = {"PAA": "NPM1", "PAB": "NPM1", "PAC": "control"}
    (tmp_path / "list.txt").write_text(
        "".join(f"{diagnosis[p]}/{p}/image_{i}.tif\n" for p in diagnosis for i in range(20))
    )
    return options | changes


def _hehr_release(release):
    """Arrange the miniature as hehr: the labels are patients, the images sorted by patient and name."""
    names = sorted(f"{p}/image_{i}.tif" for p in ("PAA", "PAB", "PAC") for i in range(20))
    shuffled = [names[i] for i in np.random.default_rng(1).permutation(60)]
    write_tables(release.tables / "hehr", release.activations, [name.split("/")[0] for name in shuffled])
    (release.tables / "hehr" / "top_entropy.pt").unlink()


def test_patient_counts_are_multiplied_back_and_follow_the_order_of_the_names(hehr, tmp_path):
    _hehr_release(hehr)
    atlas = _import(hehr, tmp_path, **_hehr_options(tmp_path))
    barcodes = atlas.barcodes()
    assert barcodes.counts.tolist() == json.loads((hehr.tables.parent / "counts.json").read_text())
    assert barcodes.groups["patient"].tolist() == ["PAA", "PAB", "PAC"]
    assert barcodes.groups["diagnosis"].tolist() == ["y", "y", "x"]
    assert barcodes.tokens == "patches+cls"
    assert atlas.datasets[0].label_kind == "patient"
    assert set(atlas.references(2)["label"]) <= {"PAA", "PAB", "PAC"}


def test_diagnoses_and_numbers_of_images_can_come_from_the_list_or_from_metadata(hehr, tmp_path):
    _hehr_release(hehr)
    options = _hehr_options(tmp_path, patients=None)
    groups = _import(hehr, tmp_path, **options).barcodes().groups
    assert groups.to_dict("list") == {
        "patient": ["PAA", "PAB", "PAC"],
        "diagnosis": ["NPM1", "NPM1", "control"],
        "n_images": [20, 20, 20],
    }
    (tmp_path / "atlas").rename(tmp_path / "first")
    metadata = tmp_path / "metadata.csv"
    metadata.write_text("patient_id,bag_label,age\nPAA,PML_RARA,1\nPAB,NPM1,2\nPAC,control,3\n")
    groups = _import(hehr, tmp_path, **options | {"patients": metadata}).barcodes().groups
    assert groups["diagnosis"].tolist() == ["PML::RARA", "NPM1", "control"]


def test_counts_whose_file_says_simulated_make_a_simulated_data_set(hehr, tmp_path):
    _hehr_release(hehr)
    simulated = (tmp_path / "counts.npy").rename(tmp_path / "SIMULATED_cls_sae_cnt.npy")
    options = _hehr_options(tmp_path, datasets=("hehr",), patient_counts=simulated)
    assert _import(hehr, tmp_path, **options).simulated
    (tmp_path / "atlas").rename(tmp_path / "first")
    photographed = _hehr_options(tmp_path, patient_counts=simulated.rename(tmp_path / "counts.npy"))
    assert not _import(hehr, tmp_path, **photographed).simulated
    (tmp_path / "atlas").rename(tmp_path / "second")
    assert _import(hehr, tmp_path, **photographed, simulated=("hehr",)).datasets[0].simulated
    with pytest.raises(ConfigError, match="'bmc' is called simulated and is not imported"):
        _import(hehr, tmp_path / "third", **photographed, simulated=("bmc",))


def test_an_import_says_whose_barcodes_it_holds(hehr, tmp_path, monkeypatch, capsys):
    _hehr_release(hehr)
    monkeypatch.syspath_prepend(REPOSITORY / "scripts")
    script = importlib.import_module("import_release")
    options = _hehr_options(tmp_path, datasets=("hehr",), simulated=("hehr",))
    script.main(ReleaseImport(hehr.tables, tmp_path / "atlas", n_workers=1, **options))
    said = capsys.readouterr().out
    assert "atlas (SIMULATED): " in said
    assert "barcodes of 3 patients (x 1, y 2) with 60 images" in said


def test_wrong_patient_counts_are_refused_with_the_first_bad_row(hehr, tmp_path):
    _hehr_release(hehr)
    counts = np.load(tmp_path / "counts.npy")
    cases = [
        (counts + np.array([[0], [0.003], [0]]), r"row 1 \(patient 'PAB'\), latent 0: .* is no count"),
        (counts * np.array([[1], [1], [20]]), r"row 2 \(patient 'PAC'\), latent \d+: \d+ activating tokens"),
        (-counts, r"row 0 \(patient 'PAA'\)"),
        (counts[:2], r"shape \(2, 50\), 3 patients and 50 latents demand"),
        (counts.astype(int), "holds int64"),
    ]
    for array, message in cases:
        np.save(tmp_path / "counts.npy", array)
        with pytest.raises(ReleaseError, match=message):
            _import(hehr, tmp_path, **_hehr_options(tmp_path))
    (tmp_path / "counts.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(ArtifactError, match=r"counts\.npy is damaged"):
        _import(hehr, tmp_path, **_hehr_options(tmp_path))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("patient,diagnosis,n_images\nPAA,x,20\nPAB,x,20\n", "row 2 of the patient counts is patient 'PAC'"),
        ("patient,diagnosis,n_images\nPAA,x,0\n", "patient 'PAA' has '0' images"),
        ("patient,diagnosis,n_images\nPAA,x,many\n", "patient 'PAA' has 'many' images"),
        ("patient,diagnosis,n_images\nPAA,x,1\nPAA,x,1\n", "patient 'PAA' has two rows"),
        ("a,b\n1,2\n", r"has columns \['a', 'b'\]; it needs"),
        ("", "cannot be read as a table"),
    ],
)
def test_a_table_of_patients_that_does_not_fit_is_refused(hehr, tmp_path, table, message):
    _hehr_release(hehr)
    (tmp_path / "patients.csv").write_text(table)
    with pytest.raises(ReleaseError, match=message):
        _import(hehr, tmp_path, **_hehr_options(tmp_path))


def test_patient_counts_without_what_they_need_are_refused(hehr, tmp_path):
    _hehr_release(hehr)
    lonely = _hehr_options(tmp_path, file_lists={}, datasets=("hehr",))
    with pytest.raises(ReleaseError, match="published data set has 81,214"):
        _import(hehr, tmp_path, **lonely)
    make_release(tmp_path / "release", dataset="mine")
    with pytest.raises(ConfigError, match="patient counts belong to the data set hehr"):
        _import(hehr, tmp_path, **_hehr_options(tmp_path, file_lists={}, datasets=("mine",)))
