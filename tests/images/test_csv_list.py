from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cytosae_core.errors import ImageTableError
from cytosae_core.images.csv_list import scan_csv
from tests.images._trees import write_image, write_tree


@pytest.fixture
def listed(tmp_path):
    write_tree(tmp_path, "a/1.png", "a/2.png", "a/.hidden.png")

    def scan(text, root=None):
        path = tmp_path / "list.csv"
        path.write_text(text, encoding="utf-8")
        return scan_csv(path, "mine", root)

    return scan


def test_a_csv_gives_label_patient_and_diagnosis(listed):
    table = listed("path,label,patient,diagnosis,other\na/2.png,NA,P1,AML,9\na\\1.png,,P2,,\n")
    assert table.frame["image_id"].tolist() == ["mine/a/1.png", "mine/a/2.png"]
    assert table.frame["label"].tolist()[1] == "NA"
    assert table.frame["label"].isna().tolist() == [True, False]
    assert table.frame["patient"].tolist() == ["P2", "P1"]
    assert table.frame["diagnosis"].isna().tolist() == [True, False]


def test_the_column_path_is_enough(listed):
    assert listed("\ufeffpath\na/1.png\n").n_images == 1


def test_missing_empty_and_hidden_files_are_listed_with_the_reason(listed, tmp_path):
    (tmp_path / "empty.png").touch()
    table = listed("path\na/1.png\na/3.png\nempty.png\na/.hidden.png\na\n")
    assert {image.relative_path: image.reason for image in table.skipped} == {
        "a": "not a regular file",
        "a/.hidden.png": "hidden file",
        "a/3.png": "no such file",
        "empty.png": "the file is empty (0 bytes)",
    }


@pytest.mark.parametrize("path", ["/etc/passwd", "../a/1.png", "a/../a/1.png", "C:\\cells\\1.png", "\\\\host\\a.png"])
def test_absolute_paths_and_parent_folders_are_refused_without_a_root(listed, path):
    with pytest.raises(ImageTableError, match=r"list.csv, line 3: .* not a plain path inside the folder of the CSV"):
        listed(f"path\na/1.png\n{path}\n")


def test_with_a_root_any_path_inside_it_is_taken_and_ids_start_there(tmp_path):
    root = tmp_path / "cells"
    inside = write_image(root / "a" / "1.png")
    lists = tmp_path / "lists"
    lists.mkdir()
    (lists / "list.csv").write_text(f"path\n{inside}\n")
    by_name = tmp_path / "by_name.csv"
    by_name.write_text("path\nb/../a/1.png\n")
    ids = [scan_csv(path, "mine", root).frame["image_id"].item() for path in (lists / "list.csv", by_name)]
    assert ids == ["mine/a/1.png", "mine/a/1.png"]


@pytest.mark.parametrize("path", ["../secret.png", "/etc/passwd", "a/../../secret.png"])
def test_a_path_that_leaves_the_root_is_refused(listed, tmp_path, path):
    with pytest.raises(ImageTableError, match=r"leaves the folder .*; give the folder that holds it as root"):
        listed(f"path\n{path}\n", root=tmp_path / "a")


def test_a_link_that_leaves_the_folder_is_not_followed(listed, tmp_path):
    outside = write_image(tmp_path.parent / "outside.png")
    (tmp_path / "a" / "out.png").symlink_to(outside)
    table = listed("path\na/1.png\na/out.png\n")
    assert table.skipped[0].reason == "a link that leaves the folder, which is not followed"


@given(st.lists(st.sampled_from(["..", "a", ".", "", "/", "b\\..\\..", "~"]), max_size=6).map("/".join))
def test_no_path_of_a_csv_ever_leaves_its_folder(tmp_path_factory, text):
    folder = tmp_path_factory.mktemp("csv") / "inside"
    write_image(folder / "a" / "1.png")
    (folder / "list.csv").write_text(f'path\na/1.png\n"{text}"\n')
    for root in (None, folder):
        try:
            table = scan_csv(folder / "list.csv", "mine", root)
        except ImageTableError:
            continue
        assert all(".." not in image.relative_path for image in table.skipped)
        assert all(Path(path).resolve().is_relative_to(folder) for path in table.frame["path"])


def test_a_csv_that_cannot_be_used_is_an_error(listed, tmp_path):
    with pytest.raises(ImageTableError, match="no column 'path' among the columns file, label"):
        listed("file,label\na,b\n")
    with pytest.raises(ImageTableError, match="cannot be read as a CSV"):
        scan_csv(tmp_path / "none.csv", "mine")
    with pytest.raises(ImageTableError, match="cannot be read as a CSV"):
        listed("")
    with pytest.raises(ImageTableError, match="the path '' names no file"):
        listed("path,label\n,a\n")
    with pytest.raises(ImageTableError, match="occurs more than once"):
        listed("path\na/1.png\na/./1.png\n")
    with pytest.raises(ImageTableError, match="no such folder"):
        listed("path\na/1.png\n", root=tmp_path / "nowhere")
