"""The committed list, and what is read from rendered cells."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cytosae_core.concepts.attribute_list import CELL_ATTRIBUTES, CellAttribute, Condition, list_digest
from cytosae_core.concepts.rendered_labels import attribute_labels, patch_coverage, read_rendered_truth
from cytosae_core.errors import AnalysisError
from cytosae_core.simulated.cells.files import read_masks
from cytosae_core.simulated.cells.scene import MASK_NAMES
from cytosae_core.simulated.synthetic import write_dataset


@pytest.fixture(scope="module")
def rendered(tmp_path_factory) -> Path:
    types = ["eosinophil", "lymphocyte"]
    return write_dataset(tmp_path_factory.mktemp("rendered"), "mll23", n_per_type=2, seed=5, cell_types=types)


def slow_coverage(mask: np.ndarray, factor: int) -> np.ndarray:
    """Coverage by counting pixels of a picture blown up until patches end between pixels."""
    big = np.repeat(np.repeat(mask, factor, axis=0), factor, axis=1)
    height, width = (side // 16 for side in big.shape)
    return np.array(
        [[big[r * height : (r + 1) * height, c * width : (c + 1) * width].mean() for c in range(16)] for r in range(16)]
    )


@settings(max_examples=12)
@given(height=st.integers(16, 40), width=st.integers(16, 40), seed=st.integers(0, 99))
def test_patch_coverage_is_the_share_of_pixels_even_where_patches_end_between_them(height, width, seed):
    mask = np.random.default_rng(seed).random((height, width)) < 0.3
    assert patch_coverage(mask) == pytest.approx(slow_coverage(mask, 16), abs=1e-12)


def test_the_list_has_at_least_twelve_attributes_and_five_of_them_inside_the_cell():
    names = [one.name for one in CELL_ATTRIBUTES]
    assert len(set(names)) == len(names) >= 12
    assert sum(one.region == "inside" for one in CELL_ATTRIBUTES) >= 5
    assert {one.mask for one in CELL_ATTRIBUTES} <= set(MASK_NAMES)


def test_the_digest_tells_any_change_of_the_list():
    assert list_digest() == "0c518ba961d50375"
    assert list_digest(CELL_ATTRIBUTES[1:]) != list_digest()


def test_labels_are_those_of_the_rendering(rendered):
    paths = pd.Series(sorted(path.relative_to(rendered).as_posix() for path in rendered.rglob("*.TIF")))
    truth = read_rendered_truth(rendered, paths)
    labels = attribute_labels(truth.attributes)
    assert list(labels["eosinophilic_granules"]) == [path.startswith("eosinophil") for path in paths]
    assert truth.coverage.shape == (4, len(MASK_NAMES), 16, 16)
    masks = read_masks((rendered / "masks" / paths[2]).with_suffix(".npz"))
    assert truth.coverage[2, MASK_NAMES.index("nucleus")] == pytest.approx(slow_coverage(masks["nucleus"], 1))
    assert truth.attributes["share_cell"][2] == pytest.approx(masks["cell"].mean())


def test_all_conditions_of_an_attribute_must_hold():
    frame = pd.DataFrame({"shape": ["cup", "cup", "round"], "depth": [0.1, 0.3, 0.3]})
    is_cup, is_deep = Condition("shape", "in", ("cup",)), Condition("depth", ">", 0.2)
    notch = CellAttribute("notch", "inside", (is_cup, is_deep), "nucleus")
    low = CellAttribute("low", "inside", (Condition("depth", "<", 0.2),), "nucleus")
    assert attribute_labels(frame, (notch, low)).to_numpy().tolist() == [[False, True], [True, False], [False, False]]


def test_an_image_that_was_not_rendered_is_named(rendered):
    with pytest.raises(AnalysisError, match=r"'basophil/other\.TIF' is not among the rendered cells"):
        read_rendered_truth(rendered, pd.Series(["basophil/other.TIF"]))


def test_a_folder_without_rendered_cells_is_refused(tmp_path):
    with pytest.raises(AnalysisError, match=r"no attributes\.parquet and masks; render cells"):
        read_rendered_truth(tmp_path, pd.Series(["a.png"]))


def test_an_unknown_attribute_is_named():
    with pytest.raises(AnalysisError, match="no attribute 'colour'"):
        attribute_labels(
            pd.DataFrame({"a": [1]}), (CellAttribute("x", "cell", (Condition("colour", ">", 1),), "cell"),)
        )
