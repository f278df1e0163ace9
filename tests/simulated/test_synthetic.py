"""Rendered data sets: the same bytes for the same seed, readable by the real readers, SIMULATED everywhere."""

import hashlib
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cytosae_core.errors import ConfigError, ImageError
from cytosae_core.images.hehr import published_quality, scan_hehr
from cytosae_core.images.sources import SOURCES
from cytosae_core.images.table import scan
from cytosae_core.images.transforms import read_rgb
from cytosae_core.simulated.cells import writing
from cytosae_core.simulated.cells.noise import stream
from cytosae_core.simulated.synthetic import (
    CELL_TYPES,
    LAYOUTS,
    STYLES,
    read_masks,
    render_cell,
    sample_parameters,
    write_cohort,
    write_dataset,
)

ROOT = Path(__file__).resolve().parents[2]


def digest(style="mll23", seed=21, cell_type="eosinophil"):
    cell = render_cell(sample_parameters(cell_type, stream(seed, "test")), style, seed)
    masks = b"".join(cell.masks[name].tobytes() for name in sorted(cell.masks))
    text = json.dumps(cell.attributes, sort_keys=True).encode()
    return hashlib.sha256(cell.rgb.tobytes() + masks + text).hexdigest()


def tree(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return write_cohort(tmp_path_factory.mktemp("cohort"), n_patients=1, cells_per_patient=3, seed=4)


@pytest.mark.parametrize("style", STYLES)
def test_the_same_seed_gives_the_same_bytes_whatever_was_rendered_before(style):
    first = digest(style)
    digest(style, seed=22, cell_type="monocyte")
    assert digest(style) == first
    assert digest(style, seed=23) != first


def test_another_process_renders_the_same_bytes():
    code = "from tests.simulated.test_synthetic import digest; print(digest())"
    environment = {"OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "77", "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == digest()


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_real_source_reads_every_rendered_picture_with_its_class(name, tmp_path):
    types = list(LAYOUTS[name].codes)[:4]
    folder = write_dataset(tmp_path, name, n_per_type=1, seed=3, cell_types=types)
    table = scan(SOURCES[name], folder)
    assert len(table.frame) == 4
    assert not table.skipped
    assert table.frame["label"].nunique() == 4
    for path in map(Path, table.frame["path"]):
        assert read_rgb(path).size == STYLES[name].file_size


def test_the_real_reader_finds_groups_and_patients_of_a_cohort(cohort):
    table = scan_hehr(cohort)
    assert len(table.frame) == 15
    assert table.frame["patient"].nunique() == 5
    assert set(table.frame["diagnosis"]) == {"CBFB::MYH11", "NPM1", "PML::RARA", "RUNX1::RUNX1T1", "control"}
    assert len(published_quality(table, cohort).table.frame) > 0


def test_percentages_in_the_metadata_are_those_of_the_rendered_cells(cohort):
    metadata = pd.read_csv(cohort / "metadata.csv").set_index("patient_id")
    attributes = pd.read_parquet(cohort / "attributes.parquet")
    assert metadata["simulated"].all()
    for patient, cells in attributes.groupby("patient"):
        percent = metadata.loc[patient].filter(like="pb_").astype(float)
        assert percent.sum() == pytest.approx(100)
        segmented = (cells["cell_type"] == "neutrophil_segmented").mean() * 100
        assert percent["pb_neutrophil_segmented"] == pytest.approx(segmented)


def test_every_file_of_a_cohort_says_simulated(cohort):
    manifest = json.loads((cohort / "manifest.json").read_text())
    assert manifest["simulated"] is True
    assert "SIMULATED" in cohort.name
    assert "SIMULATED" in (cohort / "README.md").read_text()
    pictures = list((cohort / "data").rglob("*.tif"))
    assert len(pictures) == manifest["n_images"] == 15
    for path in pictures:
        with Image.open(path) as image:
            assert image.tag_v2[270].startswith("SIMULATED")
        assert "SIMULATED" in path.parent.name


def test_jpeg_files_say_simulated_in_their_comment(tmp_path):
    folder = write_dataset(tmp_path, "acevedo", n_per_type=1, seed=3, cell_types=["basophil"])
    picture = next(folder.rglob("*.jpg"))
    with Image.open(picture) as image:
        assert image.info["comment"].startswith(b"SIMULATED")


def test_the_manifest_holds_size_and_checksum_of_every_other_file(cohort):
    files = {entry["path"]: entry for entry in json.loads((cohort / "manifest.json").read_text())["files"]}
    content = tree(cohort)
    assert set(files) == set(content) - {"manifest.json"}
    for path, entry in files.items():
        assert entry["size"] == len(content[path])
        assert entry["sha256"] == hashlib.sha256(content[path]).hexdigest()


def test_masks_on_disk_are_the_masks_of_the_rendering(cohort):
    row = pd.read_parquet(cohort / "attributes.parquet").iloc[0]
    masks = read_masks(cohort / "masks" / Path(row["relative_path"]).with_suffix(".npz"))
    area = masks["nucleus"].sum() * row["um_per_px"] ** 2
    assert area == pytest.approx(row["nucleus_area_um2"])
    assert np.array_equal(masks["cytoplasm"], masks["cell"] & ~masks["nucleus"])


def test_a_file_that_holds_no_masks_is_refused(tmp_path):
    (tmp_path / "no.npz").write_bytes(b"nothing")
    with pytest.raises(ImageError, match=r"is not a masks file .* render the data set again"):
        read_masks(tmp_path / "no.npz")


def test_an_interrupted_run_resumes_and_publishes_the_same_bytes(tmp_path):
    def stop(n_done, n_all):
        if n_done == 2:
            raise KeyboardInterrupt

    wish = {"n_per_type": 2, "seed": 9, "cell_types": ["normoblast", "lymphocyte"]}
    straight = write_dataset(tmp_path / "a", "mll23", **wish)
    with pytest.raises(KeyboardInterrupt):
        write_dataset(tmp_path / "b", "mll23", **wish, progress=stop)
    assert not (tmp_path / "b" / "SIMULATED_mll23").exists()
    seen = []
    resumed = write_dataset(tmp_path / "b", "mll23", **wish, progress=lambda n_done, _: seen.append(n_done))
    assert seen == [2, 3, 4]
    assert tree(resumed) == tree(straight)
    assert [path.name for path in (tmp_path / "b").iterdir()] == ["SIMULATED_mll23"]


@pytest.mark.slow
def test_several_processes_render_the_same_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "_BATCH", 2)
    monkeypatch.setattr(writing, "_FEW_BATCHES", 1)
    wish = {"n_per_type": 8, "seed": 9, "cell_types": ["normoblast"], "with_masks": False}
    assert tree(write_dataset(tmp_path / "a", "mll23", **wish, n_workers=2)) == tree(
        write_dataset(tmp_path / "b", "mll23", **wish)
    )


def test_a_record_that_was_cut_off_or_lost_its_picture_is_rendered_again(tmp_path):
    def stop(n_done, n_all):
        if n_done == 3:
            raise KeyboardInterrupt

    wish = {"n_per_type": 4, "seed": 9, "cell_types": ["normoblast"], "with_masks": False}
    straight = write_dataset(tmp_path / "a", "mll23", **wish)
    with pytest.raises(KeyboardInterrupt):
        write_dataset(tmp_path / "b", "mll23", **wish, progress=stop)
    work = next((tmp_path / "b").iterdir())
    log = work / ".drawn.jsonl"
    log.write_text(log.read_text()[:-20])
    next(work.rglob("*_00001.TIF")).unlink()
    seen = []
    resumed = write_dataset(tmp_path / "b", "mll23", **wish, progress=lambda n_done, _: seen.append(n_done))
    assert seen == [1, 2, 3, 4]
    assert tree(resumed) == tree(straight)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ConfigError, match=r"cannot hold the cells .* choose another folder"):
        write_dataset(tmp_path / "file", "mll23", n_per_type=1, seed=0, cell_types=["normoblast"])


@pytest.mark.slow
def test_a_thousand_cells_take_about_a_minute_of_one_core():
    n_cells = 54
    start = time.process_time()
    for index in range(n_cells):
        cell_type = CELL_TYPES[index % 18]
        render_cell(sample_parameters(cell_type, stream(index, "test")), "mll23", index)
    # measured 43 ms per cell; twice that leaves room for slower and busy machines
    assert (time.process_time() - start) / n_cells < 0.1


def test_a_published_folder_is_returned_as_it_is_and_never_replaced(tmp_path):
    wish = {"n_per_type": 1, "cell_types": ["normoblast"]}
    folder = write_dataset(tmp_path, "mll23", seed=1, **wish)
    before = tree(folder)
    assert write_dataset(tmp_path, "mll23", seed=1, **wish) == folder
    with pytest.raises(ConfigError, match="already holds something else: choose another folder"):
        write_dataset(tmp_path, "mll23", seed=2, **wish)
    assert tree(folder) == before


def test_wishes_that_a_layout_cannot_hold_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"acevedo has no class for \['hairy_cell'\]: choose from basophil"):
        write_dataset(tmp_path, "acevedo", n_per_type=1, seed=0, cell_types=["hairy_cell"])
    with pytest.raises(ConfigError, match="no labelled layout 'hehr'"):
        write_dataset(tmp_path, "hehr", n_per_type=1, seed=0)
    with pytest.raises(ConfigError, match="cells_per_patient must be at least 1, got 0"):
        write_cohort(tmp_path, n_patients=1, cells_per_patient=0, seed=0)
    assert list(tmp_path.iterdir()) == []


def test_the_script_renders_and_says_where(tmp_path):
    arguments = ["--styles", "hehr", "--n-patients", "1", "--cells-per-patient", "1", "--no-masks"]
    done = subprocess.run(
        [sys.executable, "scripts/render_cohort.py", "--out", str(tmp_path), *arguments],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert f"SIMULATED cells in {tmp_path / 'SIMULATED_hehr_cohort'}" in done.stdout
    assert not (tmp_path / "SIMULATED_hehr_cohort" / "masks").exists()
