"""Patients' own images and barcodes of images in merged atlases, against the atlas of the whole."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cytosae_core.atlas import manifest, tables
from cytosae_core.atlas.atlas import LatentAtlas
from cytosae_core.atlas.definitions import Definitions
from cytosae_core.atlas.merge.merge import merge_atlases
from cytosae_core.errors import ArtifactError, ConfigError
from tests.atlas.array_tokens import random_tokens
from tests.atlas.image_barcodes import image_barcode
from tests.atlas.splits import build, merge, plain, plain_checkpoint, split, table, with_patients

PATIENTS = [("P1", "NPM1"), ("P2", "control"), ("P10", "control"), (None, None)]
N_IMAGES = 14
FAST = {"maps": False, "n_patch_latents": 0}
PATIENTS_FILE, IMAGES_FILE = tables.PATIENT_REFERENCES_NAME, tables.IMAGE_BARCODES_NAME


@settings(max_examples=6)
@given(
    owner=st.lists(st.integers(0, 2), min_size=N_IMAGES, max_size=N_IMAGES),
    patients=st.lists(st.sampled_from(PATIENTS), min_size=N_IMAGES, max_size=N_IMAGES),
    k=st.integers(0, 3),
)
def test_patients_images_and_image_barcodes_of_parts_are_those_of_the_whole(tmp_path_factory, owner, patients, k):
    folder = tmp_path_factory.mktemp("merge")
    options = {"definitions": Definitions(n_patient_references=k), "image_barcodes": True, "part_images": 5, **FAST}
    cohort, other = (
        with_patients(random_tokens("cohort", N_IMAGES, seed=4), patients),
        random_tokens("acevedo", 5, seed=5),
    )
    whole = build(folder / "whole", [cohort, other], **options)
    parts = [build(folder / f"{i}", [part], **options) for i, part in enumerate(split(cohort, owner))]
    merged = merge(folder / "merged", [*parts, build(folder / "other", [other], **options)])
    for name in (PATIENTS_FILE, IMAGES_FILE):
        assert table(merged, name) == table(whole, name)
    assert merged.manifest.config["left_out"] == {}
    assert (merged.barcodes() is None) == (table(merged, PATIENTS_FILE) is None)
    for image_id in [*cohort.images["image_id"], *other.images["image_id"]]:
        np.testing.assert_array_equal(image_barcode(merged, image_id), image_barcode(whole, image_id))


def test_more_latents_and_images_than_are_read_at_once_are_merged_alike(tmp_path, monkeypatch):
    monkeypatch.setattr("cytosae_core.atlas.merge.barcodes._LATENTS_AT_ONCE", 5)
    monkeypatch.setattr("cytosae_core.atlas.merge.barcodes._IMAGES_AT_ONCE", 3)
    cohort = random_tokens("cohort", N_IMAGES, seed=4, patients=PATIENTS[:3])
    whole = build(tmp_path / "whole", [cohort], image_barcodes=True, **FAST)
    halves = split(cohort, [i % 2 for i in range(N_IMAGES)])
    parts = [build(tmp_path / f"{i}", [part], image_barcodes=True, **FAST) for i, part in enumerate(halves)]
    merged = merge(tmp_path / "merged", parts)
    assert table(merged, PATIENTS_FILE) == table(whole, PATIENTS_FILE)
    assert table(merged, IMAGES_FILE) == table(whole, IMAGES_FILE)
    again = merge(tmp_path / "again", [merged, build(tmp_path / "b", [random_tokens("b", 4)], **FAST)])
    for latent in range(whole.n_latents):
        pd.testing.assert_frame_equal(again.patient_references(latent), whole.patient_references(latent))


def test_image_barcodes_that_one_atlas_lacks_are_left_out_since_a_missing_image_would_read_as_silent(tmp_path):
    one = build(tmp_path / "one", [random_tokens("one", 4)], image_barcodes=True, **FAST)
    two = build(tmp_path / "two", [random_tokens("two", 4)], **FAST)
    merged = merge(tmp_path / "merged", [one, two])
    assert merged.manifest.config["left_out"] == {IMAGES_FILE: f"{two.atlas_id} lacks it; build it with image_barcodes"}
    assert IMAGES_FILE not in merged.manifest.files
    with pytest.raises(ArtifactError, match=r"images\.parquet"):
        image_barcode(merged, "one/blast/0000.png")


def test_patients_images_are_left_out_where_an_atlas_with_patients_lacks_them(tmp_path):
    cohort = random_tokens("cohort", 6, patients=PATIENTS[:3])
    parts = [build(tmp_path / f"{i}", [part], **FAST) for i, part in enumerate(split(cohort, [0, 0, 0, 1, 1, 1]))]
    older = _without_file(parts[0], PATIENTS_FILE)
    merged = merge(tmp_path / "merged", [older, parts[1]])
    assert merged.manifest.config["left_out"] == {
        PATIENTS_FILE: f"{older.atlas_id} with barcodes of patients lacks it; build it anew"
    }
    assert merged.barcodes().groups["n_images"].sum() == 6
    with pytest.raises(ArtifactError, match="has no cells of patients"):
        merged.patient_references(0)


def _without_file(atlas, name):
    """The same folder as an atlas that never had this file."""
    files = {known: entry for known, entry in atlas.manifest.files.items() if known != name}
    sealed = manifest.seal(dataclasses.replace(atlas.manifest, files=files))
    manifest.write_manifest(atlas.path, sealed)
    return LatentAtlas.open(atlas.path)


def test_patients_of_a_part_without_any_diagnosis_are_not_forgotten_but_refused(tmp_path):
    known = [("P1", "NPM1"), ("P2", None), ("P2", None), ("P1", "NPM1")]
    cohort = with_patients(random_tokens("cohort", 4, patients=PATIENTS[:1]), known)
    parts = [build(tmp_path / f"{i}", [part], **FAST) for i, part in enumerate(split(cohort, [0, 1, 1, 0]))]
    with pytest.raises(ConfigError, match="has patients of 'cohort' and no barcodes: none has a diagnosis"):
        merge_atlases([part.path for part in parts], tmp_path / "merged")


@pytest.mark.parametrize("other", ["control", None])
def test_a_patient_with_two_diagnoses_is_refused_as_in_a_build_of_the_whole(tmp_path, other):
    known = [("P1", "NPM1"), ("P2", "NPM1"), ("P1", other), ("P2", "NPM1")]
    cohort = with_patients(random_tokens("cohort", 4), known)
    with pytest.raises(ConfigError, match="'P1' has two diagnoses"):
        build(tmp_path / "whole", [cohort], **FAST)
    parts = [build(tmp_path / f"{i}", [part], **FAST) for i, part in enumerate(split(cohort, [0, 0, 1, 1]))]
    with pytest.raises(ConfigError, match="'P1' has two diagnoses"):
        merge_atlases([part.path for part in parts], tmp_path / "merged")


def test_an_image_of_two_parts_is_found_even_if_it_is_a_reference_of_different_latents(tmp_path):
    one = {"shared": [1, 2, 0, 0], "a": [2, 1, 0, 0]}
    two = {"shared": [1, 2, 0, 0], "b": [0, 3, 0, 0]}
    definitions = Definitions(n_references=1)
    parts = [
        build(tmp_path / str(i), [plain("cells", rows)], plain_checkpoint(), definitions=definitions, **FAST)
        for i, rows in enumerate([one, two])
    ]
    with pytest.raises(ConfigError, match="'cells/shared' is in two of the atlases"):
        merge_atlases([part.path for part in parts], tmp_path / "merged")
