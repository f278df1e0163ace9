"""Overlays and contact sheets: arrays in, arrays out, nothing invented."""

import numpy as np
import pytest

from cytosae_core.errors import ConfigError
from cytosae_core.rendering import GAP, LINE_HEIGHT, SheetLine, contact_sheet, heat, outlined, overlay

CELL = np.full((40, 60, 3), 200, np.uint8)


def test_a_patch_without_activation_is_fully_transparent():
    colours = heat(np.array([[0.0, 1.0], [0.5, 2.0]]), scale=1.0, opacity=1.0)
    assert colours[..., 3].tolist() == [[0, 255], [128, 255]]


def test_one_scale_keeps_weak_cells_weaker_than_strong_ones():
    weak, strong = (heat(np.full((2, 2), value), scale=4.0)[..., 3].max() for value in (1.0, 4.0))
    assert weak < strong


def test_nothing_is_painted_on_a_scale_of_zero_and_the_size_stays():
    np.testing.assert_array_equal(overlay(CELL, np.ones((4, 4)), 0.0), CELL)
    assert overlay(CELL, np.ones((4, 4)), 1.0).shape == CELL.shape


def test_an_outlined_patch_changes_the_picture_around_it_only():
    image = np.full((160, 160, 3), 200, np.uint8)
    painted = outlined(image, [(40.0, 40.0, 50.0, 50.0)], [""])
    assert (painted[45, 45] == 200).all()
    assert (painted[40, 45] != 200).any()
    np.testing.assert_array_equal(painted[100:], image[100:])


def test_a_sheet_has_room_for_every_picture_and_an_empty_frame_for_a_missing_one():
    lines = [SheetLine("mll23", [CELL, None, CELL, CELL, CELL], ["a", "b"], 0.3, "10 um"), SheetLine("", [CELL] * 5)]
    sheet = contact_sheet("latent 1", lines, side=150, footer="notice")
    expected = 2 * LINE_HEIGHT + 2 * (150 + GAP) + 2 * LINE_HEIGHT + LINE_HEIGHT + GAP
    assert sheet.shape == (expected, 2 * GAP + 5 * (150 + GAP), 3)


def test_a_picture_is_fitted_and_never_cut():
    sheet = contact_sheet("t", [SheetLine("h", [CELL])], side=120)
    top = 3 * LINE_HEIGHT
    grey = (sheet[top : top + 120, GAP : GAP + 120] == 200).all(axis=2)
    assert grey.sum() == 120 * 80


def test_a_sheet_without_pictures_is_refused():
    with pytest.raises(ConfigError, match="no pictures for a contact sheet"):
        contact_sheet("latent 1", [SheetLine("mll23", [])])
