from pathlib import PurePosixPath

import pytest

from cytosae_core.images.sources import SOURCES, ImageRow, folder_source, patient_source
from cytosae_core.images.table import scan
from tests.images._trees import write_tree

PUBLISHED = [
    ("mll23", "hairy_cell/1234.TIF", ImageRow("hairy_cell")),
    ("acevedo", "ig/MMY_12.jpg", ImageRow("metamyelocyte")),
    ("acevedo", "ig/IG_12.jpg", ImageRow("ig")),
    ("acevedo", "neutrophil/NEUTROPHIL_539412.jpg", ImageRow("neutrophil")),
    ("acevedo", "neutrophil/BNE_1.jpg", ImageRow("neutrophil_band")),
    ("matek", "LYA/LYA_0001.tiff", ImageRow("LYA")),
    ("bmc", "BLA/0001-1000/BLA_00339.jpg", ImageRow("BLA")),
    ("bmc", "ABE/ABE_00001.jpg", ImageRow("ABE")),
    ("hehr", "CBFB_MYH11/ABC/image_0.tif", ImageRow(patient="ABC", diagnosis="CBFB::MYH11")),
    ("hehr", "PML_RARA/AAA/image_0.tif", ImageRow(patient="AAA", diagnosis="PML::RARA")),
    ("hehr", "RUNX1_RUNX1T1/AAA/image_0.tif", ImageRow(patient="AAA", diagnosis="RUNX1::RUNX1T1")),
    ("hehr", "NPM1/AAA/image_0.tif", ImageRow(patient="AAA", diagnosis="NPM1")),
    ("hehr", "control/XYZ/image_0.tif", ImageRow(patient="XYZ", diagnosis="control")),
]
NOT_OF_THE_LAYOUT = [
    ("acevedo", "neutrophil/.DS_169665.jpg"),
    ("acevedo", "neutrophil/BA_1.jpg"),
    ("acevedo", "neutrophil/XX_1.jpg"),
    ("acevedo", "BA_1.jpg"),
    ("mll23", "no_such_class/1.TIF"),
    ("mll23", "basophil/deeper/1.TIF"),
    ("matek", "LYA/notes.txt"),
    ("bmc", "BLA/0001-1000/deeper/BLA_00339.jpg"),
    ("hehr", "control/image_0.tif"),
    ("hehr", "healthy/AAA/image_0.tif"),
    ("hehr", ".control/AAA/image_0.tif"),
]


@pytest.mark.parametrize(("key", "path", "row"), PUBLISHED)
def test_a_published_path_says_label_patient_and_diagnosis(key, path, row):
    assert SOURCES[key].describe(PurePosixPath(path)) == row


@pytest.mark.parametrize(("key", "path"), NOT_OF_THE_LAYOUT)
def test_hidden_files_and_other_layouts_say_nothing(key, path):
    assert SOURCES[key].describe(PurePosixPath(path)) is None


def test_the_keys_are_those_of_the_published_tables():
    assert list(SOURCES) == ["mll23", "acevedo", "matek", "bmc", "hehr"]


def test_any_folder_gives_its_class_and_any_patient_folder_its_patient():
    assert folder_source("mine").describe(PurePosixPath("my class/a.PNG")) == ImageRow(label="my class")
    row = patient_source("mine").describe(PurePosixPath("MDS/P 1/a.webp"))
    assert row == ImageRow(patient="P 1", diagnosis="MDS")


@pytest.mark.parametrize("key", [key for key, source in SOURCES.items() if source.top])
def test_the_published_top_folder_may_be_named_or_left_out(tmp_path, key):
    path = next(path for name, path, _ in PUBLISHED if name == key)
    top = SOURCES[key].top
    write_tree(tmp_path / top, path)
    from_above, from_inside = scan(SOURCES[key], tmp_path), scan(SOURCES[key], tmp_path / top)
    assert from_above.frame["image_id"].tolist() == from_inside.frame["image_id"].tolist() == [f"{key}/{path}"]
    assert from_above.fingerprint == from_inside.fingerprint


@pytest.mark.shared_data
def test_real_acevedo_cells_are_found_with_the_thirteen_classes(acevedo):
    table = scan(SOURCES["acevedo"], acevedo)
    listed = (acevedo / "file_list.txt").read_text().split()
    assert set(table.frame["relative_path"]) <= set(listed)
    assert table.frame["label"].nunique() == 13
    assert table.frame["relative_path"].is_monotonic_increasing
    assert table.skipped == ()


@pytest.mark.shared_data
def test_real_bone_marrow_cells_are_found_below_their_range_folders(bmc):
    table = scan(SOURCES["bmc"], bmc)
    assert table.n_images == 420
    assert table.frame["label"].value_counts().unique().tolist() == [60]
    assert table.frame["image_id"].str.fullmatch(r"bmc/[A-Z]{3}/\d+-\d+/[A-Z]{3}_\d{5}\.jpg").all()
