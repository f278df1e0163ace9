"""Styles differ as the data sets differ, and those that could be measured are near the real images."""

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from cytosae_core.simulated.synthetic import STYLES


def background(rgb):
    """Median colour of the brightest fifth of a picture."""
    bright = rgb.sum(axis=2) >= np.percentile(rgb.sum(axis=2), 80)
    return np.median(rgb[bright], axis=0)


def sharpness(rgb):
    return np.percentile(ndimage.gaussian_gradient_magnitude(rgb.mean(axis=2), 1.0), 99.5)


def medians(measure, rendered, style):
    return np.median([measure(rendered("neutrophil_segmented", seed, style).rgb) for seed in range(7)], axis=0)


def real_background(paths):
    colours = []
    for path in paths:
        with Image.open(path) as image:
            colours.append(background(np.asarray(image.convert("RGB"))))
    return np.median(colours, axis=0)


def test_backgrounds_differ_between_styles(rendered):
    found = {style: medians(background, rendered, style) for style in STYLES}
    assert found["acevedo"][0] - found["acevedo"][2] > 35, "cream"
    assert abs(found["mll23"][0] - found["mll23"][2]) < 12, "grey"
    assert found["matek"][0] - found["matek"][2] > 8, "warm"


def test_hehr_is_the_softest_and_acevedo_the_sharpest_style(rendered):
    found = {style: medians(sharpness, rendered, style) for style in ("mll23", "acevedo", "hehr")}
    assert found["acevedo"] > found["mll23"] > found["hehr"]


def test_cells_appear_smaller_where_the_field_is_wider(rendered):
    def pixels(style):
        return np.mean([rendered("neutrophil_segmented", seed, style).masks["cell"].sum() for seed in range(7)])

    assert pixels("acevedo") < pixels("matek") < pixels("mll23")


def test_marrow_pictures_are_crowded_with_other_white_cells(rendered):
    n_crowded = sum(rendered("neutrophil_segmented", seed, "bmc").masks["neighbours"].any() for seed in range(7))
    assert n_crowded >= 4


@pytest.mark.shared_data
def test_the_acevedo_background_is_near_the_real_one(rendered, acevedo):
    shown = set((acevedo / "show_only.txt").read_text().split())
    paths = sorted((acevedo / "PBC_dataset_normal_DIB" / "neutrophil").glob("SNE_*.jpg"))
    paths = [path for path in paths if path.name not in {name.rpartition("/")[2] for name in shown}][:40]
    assert np.abs(medians(background, rendered, "acevedo") - real_background(paths)).max() < 8


@pytest.mark.shared_data
def test_the_mll_background_is_near_the_real_one(rendered, mll23_example):
    real = real_background(mll23_example.glob("*.tif"))
    assert np.abs(medians(background, rendered, "mll23") - real).max() < 12
