"""The strongest latents of patches in merged atlases: those of the whole, or none, and told how many."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cytosae_core.atlas import tables
from cytosae_core.atlas.definitions import Definitions
from cytosae_core.atlas.noise import NoiseFilter, filter_of_whole
from cytosae_core.errors import ArtifactError
from tests.atlas.array_tokens import N_TOKENS, random_tokens
from tests.atlas.splits import build, merge, plain, plain_checkpoint, split, table

N_IMAGES = 12
FILES = (tables.PATCH_IMAGES_NAME, tables.PATCH_LATENTS_NAME, tables.PATCH_VALUES_NAME)


def _images(atlas):
    found = table(atlas, tables.PATCH_IMAGES_NAME)
    return [] if found is None else found["image_id"].to_pylist()


def _carried(atlas):
    """How many images the manifest says have lists, of how many."""
    told = re.match(r"of (\d+) reference images, (\d+) have", atlas.manifest.config["left_out"].get("patches", ""))
    return None if told is None else (int(told[2]), int(told[1]))


def _check_lists(merged, whole):
    """What is there is the whole's, in its order; what is not is counted."""
    wanted, there = _images(whole), _images(merged)
    assert there == [image_id for image_id in wanted if image_id in set(there)]
    assert _carried(merged) == (None if len(there) == len(wanted) else (len(there), len(wanted)))
    for image_id in there:
        for found, expected in zip(merged.patch_latents(image_id), whole.patch_latents(image_id), strict=True):
            np.testing.assert_array_equal(found, expected)


@settings(max_examples=8)
@given(
    owner=st.lists(st.integers(0, 2), min_size=N_IMAGES, max_size=N_IMAGES),
    lengths=st.lists(st.integers(1, 6), min_size=4, max_size=4),
    limit=st.sampled_from([0.05, 0.1, 0.2, 0.3, 1e9]),
    n_references=st.integers(1, 12),
    activation=st.sampled_from(["mean", "count"]),
)
def test_lists_of_a_merged_atlas_are_those_of_the_whole_whatever_is_noise_where(
    tmp_path_factory, owner, lengths, limit, n_references, activation
):
    folder = tmp_path_factory.mktemp("merge")
    options = {"noise": NoiseFilter(max_mean_activation=limit), "maps": False}
    options["definitions"] = Definitions(n_references=n_references, activation=activation)
    cohort, mll23 = random_tokens("cohort", N_IMAGES, seed=4), random_tokens("mll23", 5, seed=5)
    sources = [[part] for part in split(cohort, owner)]
    sources[0] += [mll23]  # noise is judged on it in the whole, and in this part only
    parts = [build(folder / f"{i}", of, n_patch_latents=lengths[i], **options) for i, of in enumerate(sources)]
    n = min(lengths[: len(parts)])
    whole = build(folder / "whole", [cohort, mll23], n_patch_latents=n, **options)
    merged = merge(folder / "merged", parts)
    _check_lists(merged, whole)
    for name in ("noise_of", "max_noise", "n_patch_latents", "all_pictures"):
        assert merged.manifest.config[name] == whole.manifest.config[name]
    if limit > 100:
        assert merged.manifest.config["left_out"] == {}
        assert [merged.manifest.files[name] for name in FILES] == [whole.manifest.files[name] for name in FILES]


@settings(max_examples=3)
@given(owner=st.lists(st.integers(0, 2), min_size=N_IMAGES, max_size=N_IMAGES), limit=st.sampled_from([0.1, 0.2]))
def test_merging_in_two_steps_never_makes_a_list_that_the_whole_has_not(tmp_path_factory, owner, limit):
    folder = tmp_path_factory.mktemp("merge")
    options = {"noise": NoiseFilter(max_mean_activation=limit), "maps": False}
    source = random_tokens("mll23", N_IMAGES, seed=6)
    parts = [build(folder / f"{i}", [part], **options) for i, part in enumerate(split(source, owner))]
    merged = merge(folder / "two", [parts[0], merge(folder / "one", parts[1:])] if len(parts) > 1 else parts)
    _check_lists(merged, build(folder / "whole", [source], **options))


def _plain(folder, parts, limit=0.5, **definitions):
    """Merged and whole atlas of parts as `plain` takes them."""
    options = {"definitions": Definitions(**definitions), "maps": False, "n_patch_latents": 2}
    options["noise"] = NoiseFilter(max_mean_activation=limit)
    every = {name: values for rows in parts for name, values in rows.items()}
    whole = build(folder / "whole", [plain("cells", every)], plain_checkpoint(), **options)
    built = [
        build(folder / f"{i}", [plain("cells", rows)], plain_checkpoint(), **options) for i, rows in enumerate(parts)
    ]
    merged = merge(folder / "merged", built)
    _check_lists(merged, whole)
    return merged


def test_noise_of_the_whole_leaves_a_list_where_all_that_is_active_was_in_it(tmp_path):
    """Latent 0 is noise in the whole only: a full list may hide what would move up, a short one hides nothing."""
    weak = {"full": [0.4, 0.3, 0.2, 0], "short": [0.4, 0, 0, 0], "other": [0, 0.4, 0.3, 0.2]}
    merged = _plain(tmp_path, [weak, {"strong": [4, 0.1, 0, 0]}])
    assert _images(merged) == ["cells/other", "cells/short", "cells/strong"]
    assert merged.patch_latents("cells/short")[0].tolist() == [[-1, -1]] * 4
    with pytest.raises(ArtifactError, match=r"the patches of 'cells/full' are not in the atlas"):
        merged.patch_latents("cells/full")
    assert "the lists of 1 are not those of the whole" in merged.manifest.config["left_out"]["patches"]


WEAK = {f"weak {i:02d}": [0, 0.1, 0, 0] for i in range(20)}


def test_a_latent_that_only_a_part_took_for_noise_spoils_the_lists_of_the_images_that_have_it(tmp_path):
    """All of them are known where the latent has fewer images than it may have references."""
    merged = _plain(tmp_path, [{"strong": [0, 4, 0.1, 0], "other": [0, 0, 0.2, 0]}, WEAK])
    assert "cells/other" in _images(merged)
    assert "cells/strong" not in _images(merged)


def test_an_image_that_is_no_reference_of_a_latent_with_more_images_may_still_have_it(tmp_path):
    strong = {"a": [0, 4, 0.1, 0], "b": [0, 3, 0.2, 0], "other": [0, 0, 0.3, 0]}
    (tmp_path / "1").mkdir()
    (tmp_path / "2").mkdir()
    assert "cells/other" not in _images(_plain(tmp_path / "1", [strong, WEAK], n_references=1))
    assert "cells/other" in _images(_plain(tmp_path / "2", [strong, WEAK], n_references=2))


def test_a_latent_that_is_counted_nowhere_in_an_image_may_be_active_there_all_the_same(tmp_path):
    once = np.zeros((N_TOKENS, 4))
    once[1] = [0, 1, 0, 0]
    strong, weak = {"strong": [0, 4, 0.1, 0], "other": [0, 0.1, 0.3, 0]}, {f"weak {i:02d}": once for i in range(20)}
    merged = _plain(tmp_path, [strong, weak], limit=3.5, activation="count", tau=0.2)
    assert "cells/other" not in _images(merged)


def test_images_whose_latent_is_of_interest_in_the_whole_only_are_counted(tmp_path):
    faint, strong = {"faint": [1e-4, 0, 0, 0]}, {"x": [1, 0, 0, 0]}
    parts = [
        build(tmp_path / name, [plain(name, rows)], plain_checkpoint(), noise=NoiseFilter(max_mean_activation=9))
        for name, rows in (("one", faint), ("two", strong))
    ]
    merged = merge(tmp_path / "merged", parts)
    assert _images(merged) == ["two/x"]
    assert _carried(merged) == (1, 2)
    assert "1 have none in their atlas" in merged.manifest.config["left_out"]["patches"]


@pytest.mark.parametrize(
    "noise", [NoiseFilter("b"), NoiseFilter(max_mean_activation=0.2)], ids=["another data set", "another limit"]
)
def test_no_list_is_carried_where_the_atlases_disagree_on_noise(tmp_path, noise):
    sources = [random_tokens("a", 4), random_tokens("b", 4)]
    one = build(tmp_path / "one", sources, noise=noise, maps=False)
    two = build(tmp_path / "two", [random_tokens("c", 4), random_tokens("d", 4)], noise=NoiseFilter("d"), maps=False)
    merged = merge(tmp_path / "merged", [one, two])
    assert (
        "take noise from different data sets, or with different limits" in merged.manifest.config["left_out"]["patches"]
    )
    assert _images(merged) == []
    assert "noise_of" not in merged.manifest.config


@pytest.mark.parametrize(
    ("parts", "names", "expected"),
    [
        ([(None, ["a"]), (None, ["mll23"])], ["a", "mll23"], "mll23"),
        ([(None, ["b"]), (None, ["a"])], ["b", "a"], "b"),
        ([(None, ["a", "b"]), (None, ["b"])], ["a", "b"], "a"),
        ([("b", ["a", "b"]), (None, ["c"])], ["a", "b", "c"], "b"),
        ([("b", ["mll23", "b"]), ("b", ["b"])], ["mll23", "b"], "b"),
        ([("b", ["mll23", "b"]), (None, ["mll23", "b"])], ["mll23", "b"], None),
        ([("b", ["a", "b"]), ("d", ["c", "d"])], ["a", "b", "c", "d"], None),
    ],
)
def test_the_whole_takes_noise_from_where_anybody_chose_or_from_its_own_default(parts, names, expected):
    resolved = [(NoiseFilter(NoiseFilter(chosen).dataset_among(had)), had) for chosen, had in parts]
    found = filter_of_whole(resolved, names)
    assert found == (None if expected is None else NoiseFilter(expected))
