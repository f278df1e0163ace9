import dataclasses

import numpy as np
import pandas as pd
import pytest

from cytosae_core.artifacts.folders import workspace
from cytosae_core.atlas.atlas import LatentAtlas
from cytosae_core.atlas.barcodes import Barcodes
from cytosae_core.atlas.manifest import DatasetInfo
from cytosae_core.atlas.writer import AtlasContents, AtlasPart, fill
from cytosae_core.errors import ArtifactError
from tests.atlas.tiny import make_tiny_atlas


def _part(**changes):
    statistics = pd.DataFrame({"n_active": [3, 0, 1], "sum_activation": [1.5, 0.0, 0.25], "label_entropy": np.nan})
    references = pd.DataFrame(
        {
            "latent": [0, 0, 0, 2],
            "rank": [0, 1, 2, 0],
            "image_id": ["d/a", "d/b", "d/c", "d/a"],
            "activation": np.array([0.8, 0.4, 0.3, 0.25], np.float32),
            "label": ["x", "y", None, "x"],
        }
    )
    part = AtlasPart(DatasetInfo("d", 5), statistics, references)
    return dataclasses.replace(part, **changes)


def _write(path, part, **contents):
    with workspace(path) as folder:
        fill(folder, AtlasContents("sae-x", 3, [part], **contents))
    return LatentAtlas.open(path)


def test_what_was_written_is_what_is_read(tmp_path):
    atlas = _write(tmp_path / "atlas", _part())
    assert atlas.references(0)["image_id"].tolist() == ["d/a", "d/b", "d/c"]
    assert atlas.references(1).empty
    assert atlas.statistics("d")["mean_activation"].tolist()[::2] == [0.5, 0.25]
    assert pd.isna(atlas.references(0)["label"].iloc[2])


def test_the_same_contents_make_the_same_atlas_id_and_others_another(tmp_path):
    one = make_tiny_atlas(tmp_path / "one", n_latents=20, seed=3)
    two = make_tiny_atlas(tmp_path / "two", n_latents=20, seed=3)
    other = make_tiny_atlas(tmp_path / "other", n_latents=20, seed=4)
    assert one.atlas_id == two.atlas_id != other.atlas_id


def _statistics(column, values):
    return {"statistics": _part().statistics.assign(**{column: values})}


def _references(column, values):
    return {"references": _part().references.assign(**{column: values})}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (_statistics("n_active", [6, 0, 1]), r"d, latent 0: n_active is not in 0 .. 5"),
        (_statistics("n_active", [3, 1, 1]), "d, latent 1: n_active and sum_activation contradict"),
        (_statistics("sum_activation", [np.nan, 0, 1]), "d, latent 0: sum_activation is no finite sum"),
        (_statistics("n_active", [2, 0, 1]), "d, latent 0: has more references than images that activate it"),
        (_references("rank", [0, 1, 3, 0]), "d, latent 0: ranks are not 0, 1, 2"),
        (_references("latent", [0, 0, 0, 3]), "references of latent 3, the SAE has 3 latents"),
        (_references("activation", [0.8, 0.9, 0.3, 0.2]), "d, latent 0: activations do not fall"),
        (_references("activation", [0.8, 0.4, 0.0, 0.2]), "d, latent 0: a reference has no positive activation"),
        (_references("image_id", ["d/a", "d/a", "d/c", "d/a"]), "d, latent 0: an image is a reference twice"),
        (_references("map_index", [0, 1, 2, 3]), "a reference has map 3, and there are 0 maps"),
    ],
)
def test_contents_that_contradict_themselves_are_refused_and_nothing_is_left(tmp_path, changes, message):
    with pytest.raises(ArtifactError, match=message):
        _write(tmp_path / "atlas", _part(**changes))
    assert list(tmp_path.iterdir()) == []


def test_statistics_must_have_every_latent(tmp_path):
    with pytest.raises(ArtifactError, match="one row for each of the 3 latents"):
        _write(tmp_path / "atlas", _part(statistics=_part().statistics.iloc[:2]))


@pytest.mark.parametrize("name", ["../x", "", "a/b", ".hidden", "x" * 65])
def test_a_data_set_name_that_is_not_safe_in_paths_is_refused(tmp_path, name):
    with pytest.raises(ArtifactError, match="cannot name a data set"):
        _write(tmp_path / "atlas", _part(info=DatasetInfo(name, 5)))


def test_maps_that_do_not_fit_float16_are_refused(tmp_path):
    part = _part(**_references("map_index", [0, 1, 2, 3]))
    with pytest.raises(ArtifactError, match="not finite as float16"):
        _write(tmp_path / "atlas", part, map_values=np.full((4, 16, 16), 1e6, np.float32))
    with pytest.raises(ArtifactError, match=r"maps have shape \(4, 16\)"):
        _write(tmp_path / "atlas", part, map_values=np.zeros((4, 16), np.float32))


def _barcodes(**changes):
    groups = pd.DataFrame({"patient": ["p", "q"], "diagnosis": ["a", "b"], "n_images": [2, 3]})
    barcodes = Barcodes("d", np.arange(6, dtype=np.int32).reshape(2, 3), groups, "patches", 0.2)
    return dataclasses.replace(barcodes, **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"counts": np.zeros((2, 3))}, "counts are integers"),
        ({"counts": np.zeros((3, 3), int)}, r"shape \(3, 3\), 2 groups and 3 latents demand \(2, 3\)"),
        ({"tokens": "cls"}, "barcodes count 'cls'"),
        ({"groups": _barcodes().groups.assign(n_images=[2, 0])}, "patient 'q' has no images"),
        ({"groups": _barcodes().groups.assign(patient=["p", "p"])}, "patient 'p' has two barcodes"),
    ],
)
def test_barcodes_that_cannot_be_true_are_refused(tmp_path, changes, message):
    with pytest.raises(ArtifactError, match=message):
        _write(tmp_path / "atlas", _part(), barcodes=_barcodes(**changes))


def test_duplicating_every_image_of_a_patient_leaves_the_barcode_unchanged():
    once, twice = _barcodes(), _barcodes()
    twice = dataclasses.replace(
        twice, counts=twice.counts * [[2], [1]], groups=twice.groups.assign(n_images=twice.groups["n_images"] * [2, 1])
    )
    assert np.array_equal(once.per_image(), twice.per_image())
