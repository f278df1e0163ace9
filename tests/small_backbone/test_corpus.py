"""Nothing that may not be learned from is ever learned from."""

import csv

import numpy as np
import pytest
from PIL import Image

from cytosae_core.errors import ImageTableError
from cytosae_core.small_backbone.config import SmallBackboneConfig
from cytosae_core.small_backbone.corpus import ATTRIBUTES, PARTS, decode, list_real, render_one

FOLDERS = {"basophil": "BA", "monocyte": "MO", "platelet": "PLATELET"}
N_EACH = 30


@pytest.fixture
def acevedo(tmp_path):
    """Thirty cells of each of three types, some of them listed as show-only, as WBCAtt's train or its val split."""
    root = tmp_path / "acevedo"
    names = [f"{folder}/{prefix}_{i}.jpg" for folder, prefix in FOLDERS.items() for i in range(N_EACH)]
    for index, name in enumerate(names):
        path = root / "PBC_dataset_normal_DIB" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (24, 24), (index, 90, 200)).save(path)
    show_only, train, val = names[::5], names[1::5], names[2::5]
    (root / "show_only.txt").write_text("\n".join(show_only))
    for split, listed in (("train", train), ("val", val)):
        with (tmp_path / f"pbc_attr_v1_{split}.csv").open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow((*ATTRIBUTES, "path"))
            rows.writerows((*(["a", "b"][i % 2] for _ in ATTRIBUTES), f"PBC_dataset_normal_DIB/{name}")
                           for i, name in enumerate(listed))  # fmt: skip
    return root, show_only, val


def listed(root):
    return list_real(root, root / "show_only.txt", root.parent, SmallBackboneConfig())


def test_show_only_images_are_in_no_split_and_validation_images_are_never_trained_on(acevedo):
    root, show_only, val = acevedo
    frame = listed(root).frame
    names = frame["image_id"].str.removeprefix("acevedo/")
    assert not set(names) & set(show_only)
    assert len(frame) == len(FOLDERS) * N_EACH - len(show_only)
    assert not set(names[frame["split"] == "train"]) & set(val)
    assert set(frame["split"]) == {"train", "held_out", "unused"}


def test_a_tenth_of_each_type_is_held_out_whatever_order_the_disk_gives(acevedo):
    frame = listed(acevedo[0]).frame
    held_out = frame[frame["split"] == "held_out"].groupby("cell_type").size()
    assert held_out.tolist() == [round(0.1 * len(group)) for _, group in frame.groupby("cell_type")]
    assert frame.equals(listed(acevedo[0]).frame)


def test_only_the_train_split_of_the_attributes_is_known(acevedo):
    root, _, val = acevedo
    frame = listed(root).frame
    of_val = frame[frame["image_id"].str.removeprefix("acevedo/").isin(val)]
    assert (of_val[list(ATTRIBUTES)] == -1).all(axis=None)
    assert (frame[list(ATTRIBUTES)] >= 0).any(axis=None)


def test_without_the_list_of_what_may_not_be_used_nothing_is_trained(acevedo):
    (acevedo[0] / "show_only.txt").unlink()
    with pytest.raises(ImageTableError, match="without the list of what may not be used"):
        listed(acevedo[0])


def test_decoded_images_are_made_once_and_whole(acevedo, tmp_path):
    paths = sorted((acevedo[0] / "PBC_dataset_normal_DIB" / "basophil").iterdir())[:2]
    images = decode(paths, tmp_path / "real.npy")
    assert images.shape == (2, 224, 224, 3)
    for path in paths:
        path.unlink()
    assert np.array_equal(images, decode(paths, tmp_path / "real.npy"))


def test_a_rendered_cell_comes_with_the_coverage_of_each_part():
    picture, masks = render_one("eosinophil", "mll23", (3, 1))
    again, _ = render_one("eosinophil", "mll23", (3, 1))
    assert picture.shape == (224, 224, 3)
    assert np.array_equal(picture, again)
    assert masks.shape == (len(PARTS), 56, 56)
    assert masks[PARTS.index("eosinophilic_granules")].max() > 0
    assert masks[PARTS.index("auer_rods")].max() == 0
