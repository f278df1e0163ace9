"""Figure 3 from an atlas that keeps patches, and from a file that the user brings: both say the same of an image."""

import numpy as np
import pytest

from cytosae_core.atlas.atlas import LatentAtlas
from cytosae_core.atlas.build.build import build_atlas
from cytosae_core.atlas.build.inputs import InputChoice, dataset_inputs
from cytosae_core.atlas.build.options import BuildConfig
from cytosae_core.atlas.noise import NoiseFilter
from cytosae_core.backbone.vit import random_backbone
from cytosae_core.errors import ConfigError
from cytosae_core.figures import own_image as module
from cytosae_core.figures.attribution import attribution_sheets, reference_image
from cytosae_core.figures.config import FigureConfig
from cytosae_core.figures.make import make_figures
from tests.atlas.toy import TOY, toy_checkpoint, write_toy_cells

FILE = "class_1/3.png"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """An atlas of a toy backbone and SAE on seven images; the images, the backbone, the SAE."""
    folder = tmp_path_factory.mktemp("own")
    write_toy_cells(folder)
    backbone = random_backbone("dinobloom-s", seed=0, **TOY)
    checkpoint = toy_checkpoint()
    inputs = dataset_inputs(InputChoice(images={"toy": folder / "cells"}, block=3), lambda: backbone)
    build_atlas(checkpoint, inputs, folder / "atlas", BuildConfig(noise=NoiseFilter(max_mean_activation=1e9)))
    return LatentAtlas.open(folder / "atlas"), folder / "cells", backbone, checkpoint


@pytest.fixture
def toy_models(built, monkeypatch):
    """What is read by name and path is the toy backbone and SAE."""
    _, _, backbone, checkpoint = built
    monkeypatch.setattr(module, "choose_backbone", lambda choice: backbone)
    monkeypatch.setattr(module, "read_checkpoint", lambda path: checkpoint)


def test_an_own_image_is_explained_as_the_atlas_explains_it(built, toy_models, tmp_path):
    atlas, cells, *_ = built
    own = module.own_image(atlas, cells / FILE, tmp_path, backbone="toy", weights=None, block=3)
    kept = reference_image(atlas, f"toy/{FILE}")
    assert own.grid == kept.grid == 2
    assert own.strongest(3) == kept.strongest(3)
    for mine, theirs in zip(*(attribution_sheets(atlas, one, [(1, 0)])[1].rows for one in (own, kept)), strict=True):
        assert mine.heading.split(" · ")[0] == theirs.heading.split(" · ")[0]
        np.testing.assert_allclose(mine.cells[0].map, theirs.cells[0].map, rtol=5e-3)


def test_the_noise_is_what_the_atlas_called_noise(built):
    from cytosae_core.figures.inputs import noise_filter

    assert noise_filter(built[0]) == NoiseFilter("toy", 1e9)


def test_figure_3_is_made_from_the_atlas_and_from_a_file(built, toy_models, tmp_path):
    atlas, cells, *_ = built
    for name, options in (("kept", {}), ("own", {"own_image": cells / FILE, "sae": tmp_path, "block": 3})):
        config = FigureConfig(atlas=atlas.path, static=False, n_latents=1, patches=((0, 1),), **options)
        figures, _, _ = make_figures(config, tmp_path / name)
        assert "3_patches_explained" in [one.name for one in figures]
        page = (tmp_path / name / "3_patches_explained.html").read_text(encoding="utf-8")
        assert "row 0, column 1" in page
        assert "class=map" in page


def test_a_patch_outside_of_the_image_is_left_out_with_the_reason(built, tmp_path):
    config = FigureConfig(atlas=built[0].path, static=False, patches=((7, 0),))
    _, left_out, _ = make_figures(config, tmp_path / "out")
    assert "no patch in row 7" in {one.title: one.reason for one in left_out}["3 patches explained"]
    with pytest.raises(ConfigError, match="n_latents is 0"):
        FigureConfig(atlas=built[0].path, n_latents=0)
