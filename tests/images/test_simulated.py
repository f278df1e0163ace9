"""Rendered images are known by what their own files say, wherever they were put."""

import shutil

from cytosae_core.images.csv_list import scan_csv
from cytosae_core.images.simulated import holds_simulated, says_simulated
from cytosae_core.images.sources import folder_source
from cytosae_core.images.table import scan
from cytosae_core.simulated.cells.files import picture_bytes
from cytosae_core.simulated.cells.noise import stream
from cytosae_core.simulated.synthetic import render_cell, sample_parameters
from tests.images._trees import write_image, write_tree


def write_rendered(path, suffix):
    cell = render_cell(sample_parameters("lymphocyte", stream(1, "test")), "mll23", 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(picture_bytes(cell, (60, 60), suffix))
    return path


def test_every_kind_of_rendered_file_says_so_and_photographs_and_damaged_files_do_not(tmp_path):
    for suffix in (".tif", ".jpg", ".png"):
        assert says_simulated(write_rendered(tmp_path / f"cell{suffix}", suffix))
        assert not says_simulated(write_image(tmp_path / f"photograph{suffix}"))
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    assert not says_simulated(tmp_path / "broken.png")
    assert not says_simulated(tmp_path / "missing.png")


def test_one_folder_of_rendered_cells_among_photographs_is_found_in_a_scan_and_in_a_list(tmp_path):
    root = write_tree(tmp_path / "cells", "a/1.png", "a/2.png", "z/1.png")
    assert not holds_simulated(scan(folder_source("mine"), root))
    write_rendered(root / "m" / "1.tif", ".tif")
    shutil.copy(root / "m" / "1.tif", root / "m" / "2.tif")
    assert holds_simulated(scan(folder_source("mine"), root))
    (tmp_path / "list.csv").write_text("path\ncells/a/1.png\ncells/m/2.tif\n")
    assert holds_simulated(scan_csv(tmp_path / "list.csv", "mine"))
