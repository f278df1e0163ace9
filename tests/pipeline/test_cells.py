"""Which cells the steps start from, and which of them can be asked about what."""

from pathlib import Path

import pytest
from PIL import Image

from cytosae_core.errors import ConfigError, ImageTableError
from cytosae_core.pipeline.cells import groups_of, own_cells, rendered_cells
from cytosae_core.pipeline.paths import RunPaths
from cytosae_core.pipeline.plan import paths_of, smallest_group, steps_of
from cytosae_core.pipeline.settings import PipelineSettings

FEW = PipelineSettings(min_images=4)


def write(folder: Path, *names: str) -> Path:
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (number, 0, 0)).save(path)
    return folder


def classes(folder: Path) -> Path:
    return write(folder, "mono/1.png", "mono/2.png", "baso/1.png", "baso/2.png")


def patients(folder: Path, *groups: str) -> Path:
    return write(
        folder, *(f"{group}/{group}{patient}/{cell}.png" for group in groups for patient in "abc" for cell in "12")
    )


def names_of(steps):
    return [step.name for step in steps]


def test_class_folders_become_one_task_and_no_table_of_patients(tmp_path):
    cells = own_cells("images", classes(tmp_path), None, FEW)
    assert cells.describe() == "4 images of 2 classes"
    assert cells.root == tmp_path
    assert groups_of(cells, None) is None
    assert names_of(steps_of(FEW, cells, None, RunPaths(tmp_path))) == ["tokens", "autoencoder", "atlas"]


def test_folders_of_patients_are_recognised_and_two_groups_compared(tmp_path):
    cells = own_cells("images", patients(tmp_path, "AML", "control"), None, FEW)
    assert cells.describe() == "12 images of 6 patients in 2 groups"
    groups = groups_of(cells, None)
    assert groups == ("AML", "control")
    assert smallest_group(cells) == 3
    steps = names_of(steps_of(FEW, cells, groups, RunPaths(tmp_path)))
    assert steps == ["tokens", "autoencoder", "atlas", "patients", "groups"]


def test_groups_of_two_patients_are_compared_and_not_classified(tmp_path):
    names = [f"{group}/{group}{patient}/1.png" for group in "AB" for patient in "ab"]
    cells = own_cells("images", write(tmp_path, *names), None, FEW)
    steps = names_of(steps_of(FEW, cells, groups_of(cells, None), RunPaths(tmp_path)))
    assert steps == ["tokens", "autoencoder", "atlas", "groups"]


def test_of_more_groups_the_papers_are_taken_or_those_that_are_asked_for(tmp_path):
    cells = own_cells("images", patients(tmp_path / "a", "A", "B", "C"), None, FEW)
    assert groups_of(cells, None) is None
    assert groups_of(cells, ("C", "A")) == ("C", "A")
    with pytest.raises(ConfigError, match=r"no patients of group 'D'; the cells have the groups \['A', 'B', 'C'\]"):
        groups_of(cells, ("A", "D"))
    hehr = patients(tmp_path / "b", "CBFB_MYH11", "PML_RARA", "NPM1")
    for path in hehr.rglob("*.png"):
        path.rename(path.with_suffix(".tif"))
    assert groups_of(own_cells("hehr", hehr, None, FEW), None) == ("CBFB::MYH11", "PML::RARA")


def test_a_published_layout_is_read_by_its_name(tmp_path):
    names = ("neutrophil/BNE_1.jpg", "neutrophil/SNE_1.jpg", "ig/MY_1.jpg", "ig/MY_2.jpg")
    write(tmp_path / "PBC_dataset_normal_DIB", *names)
    assert own_cells("acevedo", tmp_path, None, FEW).describe() == "4 images of 3 classes"


def test_a_csv_names_the_images_that_are_taken(tmp_path):
    classes(tmp_path / "cells")
    (tmp_path / "some.csv").write_text("path,label\nmono/1.png,mono\nbaso/2.png,baso\n")
    cells = own_cells("images", tmp_path / "cells", tmp_path / "some.csv", PipelineSettings(min_images=2))
    assert cells.table.n_images == 2


def test_missing_empty_and_too_small_folders_are_refused_with_a_remedy(tmp_path):
    with pytest.raises(ImageTableError, match=r"no such folder; give the folder of data set"):
        own_cells("images", tmp_path / "none", None, FEW)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ImageTableError, match=r"no image file .* check the path"):
        own_cells("images", tmp_path / "empty", None, FEW)
    with pytest.raises(ConfigError, match=r"holds 4 images, and at least 200 are needed .*give more images"):
        own_cells("images", classes(tmp_path / "few"), None, PipelineSettings())


def test_other_images_or_settings_have_another_folder_and_the_same_ones_the_same(tmp_path):
    def place(folder, recipe=FEW):
        return paths_of(tmp_path, recipe, own_cells("images", folder, None, recipe)).folder

    one = classes(tmp_path / "one")
    first = place(one)
    assert place(one) == first
    assert place(classes(tmp_path / "two")) == first, "the same cells in another place"
    assert place(one, PipelineSettings(min_images=4, seed=1)) != first
    write(one, "mono/3.png")
    assert place(one) != first


def test_rendered_cells_are_known_to_be_simulated_before_they_are_rendered(tmp_path):
    cells = rendered_cells(tmp_path / "SIMULATED_hehr_cohort")
    assert cells.simulated
    assert 0.05 < cells.um_per_px < 0.2


def test_more_images_are_seen_twice_up_to_a_limit():
    recipe = PipelineSettings(n_trained_images=6000, max_trained_images=24_000)
    assert [recipe.images_to_see(n) for n in (200, 3000, 5000, 100_000)] == [6000, 6000, 10_000, 24_000]
