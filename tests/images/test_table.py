import hashlib
import os
import random
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cytosae_core.errors import ImageTableError
from cytosae_core.images.columns import TableRow
from cytosae_core.images.sources import SOURCES, ImageRow, folder_source, patient_source
from cytosae_core.images.table import COLUMNS, build_table, refuse_past, scan
from cytosae_core.images.walk import FoundImage
from tests.images._trees import write_image, write_tree

FILES = st.dictionaries(
    st.text("ab/ é.", min_size=1, max_size=6).map(lambda text: unicodedata.normalize("NFC", text)),
    st.integers(1, 10**9),
    min_size=1,
    max_size=8,
)


def _table(files, order=None):
    rows = [TableRow(FoundImage(name, Path(name), size), ImageRow("x")) for name, size in files.items()]
    (order or random.Random(0)).shuffle(rows)
    return build_table("mine", rows)


@given(FILES, st.randoms(use_true_random=False))
def test_the_fingerprint_does_not_depend_on_the_order_of_the_files(files, order):
    table = _table(files, order)
    text = "".join(f"mine/{name}\0{files[name]}\0" for name in sorted(files))
    assert table.fingerprint == hashlib.sha256(text.encode()).hexdigest()
    assert table.frame["relative_path"].tolist() == sorted(files)


@given(FILES, st.data())
def test_the_fingerprint_changes_when_a_file_is_added_removed_renamed_or_changed_in_size(files, data):
    name = data.draw(st.sampled_from(sorted(files)))
    rest = {other: size for other, size in files.items() if other != name}
    changed = [files | {"new": 7}, files | {name: files[name] + 1}, rest | {f"{name}2": files[name]}]
    changed += [rest] if rest else []
    assert _table(files).fingerprint not in {_table(other).fingerprint for other in changed}


def test_the_fingerprint_of_a_scan_is_the_same_for_a_copy_made_in_another_order(tmp_path):
    names = ["b/2.png", "a/1.png", "a/3.png"]
    first = scan(folder_source("mine"), write_tree(tmp_path / "one", *names))
    second = scan(folder_source("mine"), write_tree(tmp_path / "two", *reversed(names)))
    assert first.fingerprint == second.fingerprint
    assert list(first.frame.columns) == list(COLUMNS)


def test_a_scan_opens_no_file(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.png").write_bytes(b"no image at all")
    table = scan(folder_source("mine"), tmp_path)
    assert table.frame["n_bytes"].tolist() == [15]


def test_hidden_files_are_no_part_of_a_data_set(tmp_path):
    root = write_tree(tmp_path, "neutrophil/BNE_1.jpg", "neutrophil/.DS_169665.jpg", ".hidden/BNE_2.jpg")
    table = scan(SOURCES["acevedo"], root)
    assert table.frame["image_id"].tolist() == ["acevedo/neutrophil/BNE_1.jpg"]
    assert table.skipped == ()


def test_images_that_do_not_fit_are_listed_with_the_reason(tmp_path):
    write_tree(tmp_path, "basophil/1.TIF", "elsewhere/2.TIF")
    (tmp_path / "basophil" / "empty.TIF").touch()
    (tmp_path / "basophil" / "readme.txt").write_text("not an image")
    table = scan(SOURCES["mll23"], tmp_path)
    assert table.n_images == 1
    assert table.frame["um_per_px"].tolist() == [pytest.approx(1 / 11.52)]
    assert [tuple(image) for image in table.skipped] == [
        ("basophil/empty.TIF", "the file is empty (0 bytes)"),
        ("elsewhere/2.TIF", "its path is not <class>/<file>.TIF"),
    ]


def test_links_are_followed_to_files_inside_the_folder_only(tmp_path):
    root = write_tree(tmp_path / "root", "a/1.png")
    outside = write_image(tmp_path / "outside" / "secret.png")
    (root / "a" / "in.png").symlink_to(root / "a" / "1.png")
    (root / "a" / "out.png").symlink_to(outside)
    (root / "a" / "gone.png").symlink_to(root / "a" / "nothing.png")
    (root / "a" / "circle.png").symlink_to(root / "a" / "circle.png")
    (root / "b").symlink_to(outside.parent, target_is_directory=True)
    (root / "c").symlink_to(root / "a", target_is_directory=True)
    table = scan(folder_source("mine"), root)
    assert table.frame["relative_path"].tolist() == ["a/1.png", "a/in.png"]
    reasons = {image.relative_path: image.reason for image in table.skipped}
    assert reasons["a/out.png"] == "a link that leaves the folder, which is not followed"
    assert reasons["b"] == reasons["c"] == "a link to a folder, which is not followed"
    assert reasons["a/gone.png"] == "no such file"
    assert "cannot be looked at" in reasons["a/circle.png"]


def test_pipes_and_names_that_are_no_unicode_are_listed(tmp_path):
    root = write_tree(tmp_path, "a/1.png")
    os.mkfifo(root / "a" / "pipe.png")
    (root / "a" / os.fsdecode(b"\xff.png")).write_bytes(b"x")
    reasons = sorted(image.reason for image in scan(folder_source("mine"), root).skipped)
    assert reasons == ["not a regular file", "the file name is not valid Unicode"]


def test_ids_are_the_same_for_both_unicode_forms_of_a_name(tmp_path):
    name = "é.png"
    ids = set()
    for form in ("NFC", "NFD"):
        root = write_tree(tmp_path / form, "a/" + unicodedata.normalize(form, name))
        ids.add(scan(folder_source("mine"), root).frame["image_id"].item())
    assert ids == {"mine/a/" + unicodedata.normalize("NFC", name)}


def test_unknown_labels_patients_and_scales_are_missing_and_not_words(tmp_path):
    table = scan(patient_source("mine"), write_tree(tmp_path, "AML/P1/1.png"))
    row = table.frame.iloc[0]
    assert (row["patient"], row["diagnosis"], row["path"]) == ("P1", "AML", str(tmp_path / "AML/P1/1.png"))
    assert table.frame[["label", "um_per_px"]].isna().all(axis=None)


def test_a_missing_or_empty_folder_is_an_error(tmp_path):
    with pytest.raises(ImageTableError, match=r"nowhere: no such folder; give the folder of data set 'bmc'"):
        scan(SOURCES["bmc"], tmp_path / "nowhere")
    with pytest.raises(ImageTableError, match=r"no image file \(.*\.tiff.*\) lies in this folder"):
        scan(SOURCES["bmc"], tmp_path)


def test_a_folder_of_another_layout_is_an_error_that_shows_an_example(tmp_path):
    with pytest.raises(ImageTableError, match=r"no image .* is left: 1 files .* a/1.png: its path is not <CODE>"):
        scan(SOURCES["matek"], write_tree(tmp_path, "a/1.png"))


def test_a_patient_with_two_diagnoses_is_an_error(tmp_path):
    with pytest.raises(ImageTableError, match="patient 'P1' has the diagnoses 'AML' and 'MDS'"):
        scan(patient_source("mine"), write_tree(tmp_path, "AML/P1/1.png", "MDS/P1/1.png"))


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "with space"])
def test_a_name_that_cannot_be_part_of_ids_is_an_error(tmp_path, name):
    with pytest.raises(ImageTableError, match="cannot name a data set"):
        scan(folder_source(name), write_tree(tmp_path, "a/1.png"))


def test_an_id_that_occurs_twice_is_an_error():
    row = TableRow(FoundImage("a.png", Path("a.png"), 1), ImageRow())
    with pytest.raises(ImageTableError, match=r"image id 'mine/a.png' occurs more than once"):
        build_table("mine", [row, row])


def test_a_run_is_refused_past_the_limit_of_skipped_files(tmp_path):
    write_tree(tmp_path, "a/1.png", "b.png", "c.png")
    table = scan(folder_source("mine"), tmp_path)
    refuse_past(table, 2)
    with pytest.raises(ImageTableError, match=r"2 files are left out and at most 1 may be.*b.png: its path is not"):
        refuse_past(table, 1)


def test_part_of_a_table_has_the_fingerprint_of_that_part(tmp_path):
    table = scan(folder_source("mine"), write_tree(tmp_path / "all", "a/1.png", "a/2.png"))
    part = scan(folder_source("mine"), write_tree(tmp_path / "part", "a/2.png"))
    assert table.where(np.array([False, True])).fingerprint == part.fingerprint


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser can read every folder")
def test_a_folder_that_cannot_be_read_is_an_error(tmp_path):
    write_tree(tmp_path, "a/1.png")
    (tmp_path / "a").chmod(0)
    try:
        with pytest.raises(ImageTableError, match="the folder cannot be read"):
            scan(folder_source("mine"), tmp_path)
    finally:
        (tmp_path / "a").chmod(0o755)
