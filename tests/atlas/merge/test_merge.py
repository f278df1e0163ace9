"""Atlases of parts, merged, against the atlas of the whole."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cytosae_core.atlas.atlas import LatentAtlas
from cytosae_core.atlas.definitions import Definitions
from cytosae_core.atlas.merge.merge import merge_atlases
from cytosae_core.errors import ConfigError
from tests.atlas.array_tokens import random_checkpoint, random_tokens
from tests.atlas.splits import build, some

PATIENTS = [("P1", "NPM1"), ("P2", "control"), ("P3", "control")]


def _same(one, other):
    for info in one.datasets:
        pd.testing.assert_frame_equal(one.statistics(info.name), other.statistics(info.name))
    for latent in range(one.n_latents):
        ours, whole = one.references(latent), other.references(latent)
        pd.testing.assert_frame_equal(ours.drop(columns="map_index"), whole.drop(columns="map_index"))
        for mine, its in zip(ours["map_index"], whole["map_index"], strict=True):
            np.testing.assert_array_equal(one.map(mine), other.map(its))
    np.testing.assert_array_equal(one.barcodes().counts, other.barcodes().counts)
    pd.testing.assert_frame_equal(one.barcodes().groups, other.barcodes().groups)


@settings(max_examples=5)
@given(owner=st.lists(st.integers(0, 2), min_size=18, max_size=18))
def test_atlases_of_parts_merge_into_the_atlas_of_the_whole(tmp_path_factory, owner):
    folder = tmp_path_factory.mktemp("merge")
    source, other = random_tokens("cohort", 18, seed=4, patients=PATIENTS), random_tokens("mll23", 9, seed=5)
    whole = build(folder / "whole", [source, other])
    used = sorted(set(owner))
    paths = [folder / f"part {part}" for part in used]
    for part, path in zip(used, paths, strict=True):
        build(path, [some(source, [i for i in range(18) if owner[i] == part])])
    build(folder / "mll23", [other])
    merge_atlases([*paths, folder / "mll23"], folder / "merged")
    _same(LatentAtlas.open(folder / "merged"), whole)


def test_merging_parts_of_a_merged_atlas_is_the_same_again(tmp_path):
    source = random_tokens("cohort", 15, seed=4, patients=PATIENTS)
    paths = [tmp_path / str(part) for part in range(3)]
    for part, path in enumerate(paths):
        build(path, [some(source, list(range(part, 15, 3)))])
    merge_atlases(paths[1:], tmp_path / "two")
    merge_atlases([tmp_path / "two", paths[0]], tmp_path / "three")
    _same(LatentAtlas.open(tmp_path / "three"), build(tmp_path / "whole", [source]))


def test_atlases_that_do_not_belong_together_are_refused(tmp_path):
    source = random_tokens("cohort", 6, patients=PATIENTS)
    one = build(tmp_path / "one", [source]).path
    other_sae = build(tmp_path / "sae", [source], random_checkpoint(seed=2)).path
    other_tau = build(tmp_path / "tau", [source], definitions=Definitions(tau=0.5)).path
    cohort = build(tmp_path / "cohort", [random_tokens("other", 6, patients=PATIENTS)]).path
    cases = [
        ([one, one], "is in two of the atlases"),
        ([one, other_sae], "differ in SAE"),
        ([one, other_tau], "differ in definitions"),
        ([one, cohort], r"barcodes of \['cohort', 'other'\]"),
        ([], "no atlas is given"),
    ]
    for paths, words in cases:
        with pytest.raises(ConfigError, match=words):
            merge_atlases(paths, tmp_path / "merged")
        assert not (tmp_path / "merged").exists()
