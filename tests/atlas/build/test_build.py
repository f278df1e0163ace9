"""A built atlas against the dense twin, and the same atlas from any parts, batches, processes and interruptions."""

import dataclasses
import threading

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cytosae_core import method
from cytosae_core.atlas import tables
from cytosae_core.atlas.atlas import LatentAtlas
from cytosae_core.atlas.build.build import build_atlas
from cytosae_core.atlas.build.options import BuildConfig
from cytosae_core.atlas.build.plan import DatasetInput
from cytosae_core.atlas.definitions import Definitions
from cytosae_core.backbone.team import Team
from cytosae_core.errors import ArtifactError, ConfigError
from cytosae_core.patients.levels import disease_level, patient_level
from tests.atlas import dense_twin
from tests.atlas.array_tokens import random_checkpoint, random_tokens
from tests.atlas.image_barcodes import image_barcode

PATIENTS = [("P1", "NPM1"), ("P2", "NPM1"), ("P3", "control"), (None, None)]


def _build(out, sources, config=None, checkpoint=None, **options):
    checkpoint = checkpoint or random_checkpoint()
    inputs = [DatasetInput(source, simulated=source.dataset == "rendered") for source in sources]
    manifest = build_atlas(checkpoint, inputs, out, config or BuildConfig(), **options)
    return None if manifest is None else LatentAtlas.open(out)


def _twin(source, checkpoint=None, **choices):
    weights = {name: w.numpy() for name, w in (checkpoint or random_checkpoint()).weights.items()}
    return dense_twin.dense_image_numbers(dense_twin.dense_activations(source.tokens, weights), **choices)


@settings(max_examples=8)
@given(
    n_images=st.integers(1, 30),
    part_images=st.integers(1, 31),
    batch_size=st.integers(1, 9),
    definitions=st.builds(
        Definitions,
        activation=st.sampled_from(["mean", "count"]),
        cls_in_mean=st.booleans(),
        cls_in_counts=st.booleans(),
        tau=st.sampled_from([0.0, 0.2]),
        n_references=st.integers(1, 12),
        n_patient_references=st.integers(0, 3),
    ),
)
def test_an_atlas_says_what_the_dense_twin_says(tmp_path_factory, n_images, part_images, batch_size, definitions):
    source = random_tokens("cohort", n_images, seed=n_images, patients=PATIENTS, batch_size=batch_size)
    config = BuildConfig(definitions, part_images=part_images, image_barcodes=True)
    atlas = _build(tmp_path_factory.mktemp("build") / "atlas", [source], config)
    choices = {"activation": definitions.activation, "cls_in_mean": definitions.cls_in_mean}
    numbers, counts = _twin(source, **choices, cls_in_counts=definitions.cls_in_counts, tau=definitions.tau)
    _same_statistics(atlas, source, numbers, definitions.n_references)
    _same_barcodes(atlas, source, numbers, counts, definitions.n_patient_references)


def _same_statistics(atlas, source, numbers, k):
    expected = dense_twin.dense_statistics(numbers)
    found = atlas.statistics(source.dataset)
    assert found["n_active"].tolist() == [n for n, _ in expected]
    assert found["n_images"].eq(len(numbers)).all()
    means = method.mean_activation(numbers.sum(axis=0), (numbers > 0).sum(axis=0))
    np.testing.assert_allclose(found["mean_activation"], means, rtol=1e-6)
    references = dense_twin.dense_references(numbers, source.images["image_id"], k)
    for latent, rows in enumerate(references):
        assert atlas.references(latent)["image_id"].tolist() == [name for name, _ in rows]
    label_of = dict(zip(source.images["image_id"], _patients(source), strict=True))
    without_unknown = [[row for row in rows if label_of[row[0]] is not None] for rows in references]
    entropy = [np.nan if e is None else e for e in dense_twin.dense_entropy(without_unknown, label_of)]
    np.testing.assert_allclose(found["label_entropy"], entropy, atol=1e-6)


def _patients(source):
    patients = source.images["patient"]
    return patients.astype(object).where(patients.notna(), None).tolist()


def _same_barcodes(atlas, source, numbers, counts, k):
    expected = dense_twin.dense_barcodes(counts, _patients(source))
    barcodes = atlas.barcodes()
    if barcodes is None:
        assert not expected
        return
    assert barcodes.groups["patient"].tolist() == sorted(expected)
    for row, (n_images, of_patient) in enumerate(expected[name] for name in sorted(expected)):
        assert barcodes.groups["n_images"].iloc[row] == n_images
        np.testing.assert_array_equal(barcodes.counts[row], of_patient)
    ids = source.images["image_id"].tolist()
    for latent in range(0, atlas.n_latents, 7):
        found = atlas.patient_references(latent)
        for patient in expected:
            rows = np.flatnonzero(source.images["patient"] == patient)
            top = dense_twin.dense_references(numbers[rows][:, [latent]], [ids[row] for row in rows], k)[0]
            assert found.loc[found["patient"] == patient, "image_id"].tolist() == [name for name, _ in top]
    for row, image_id in enumerate(ids):
        np.testing.assert_array_equal(image_barcode(atlas, image_id), counts[row])


def _two():
    return [random_tokens("mll23", 23, seed=5), random_tokens("cohort", 17, seed=6, patients=PATIENTS)]


@pytest.fixture
def whole(tmp_path):
    return _build(tmp_path / "whole", _two())


@pytest.mark.parametrize(("part_images", "batch_size"), [(1, 1), (4, 3), (5, 8), (22, 2)])
def test_parts_and_batches_leave_no_trace_in_the_atlas(tmp_path, whole, part_images, batch_size):
    sources = [dataclasses.replace(source, batch_size=batch_size) for source in _two()]
    other = _build(tmp_path / "other", sources, BuildConfig(part_images=part_images))
    assert other.atlas_id == whole.atlas_id


def test_several_processes_make_the_same_atlas(tmp_path, whole):
    barrier, found = threading.Barrier(3), {}

    def work(rank):
        team = Team(rank, 3, rank, barrier.wait)
        found[rank] = _build(tmp_path / "team", _two(), BuildConfig(part_images=4), team=team)

    threads = [threading.Thread(target=work, args=(rank,)) for rank in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {rank: atlas.atlas_id for rank, atlas in found.items()} == dict.fromkeys(range(3), whole.atlas_id)


def test_machines_without_a_common_disk_make_the_same_atlas(tmp_path, whole):
    for machine in range(2):
        config = BuildConfig(part_images=4, machine=machine, n_machines=2)
        assert _build(tmp_path / f"machine {machine}" / "atlas", _two(), config) is None
    for path in (tmp_path / "machine 1" / ".atlas.parts").glob("*.npz"):
        path.rename(tmp_path / "machine 0" / ".atlas.parts" / path.name)
    atlas = _build(tmp_path / "machine 0" / "atlas", _two(), BuildConfig(part_images=4))
    assert atlas.atlas_id == whole.atlas_id


class _KilledError(Exception):
    pass


@pytest.mark.parametrize("at", [1, 9, 30, 45])
def test_an_interrupted_build_goes_on_and_computes_no_finished_part_again(tmp_path, whole, at):
    sources = _two()
    calls = []

    def steps(label):
        def progress(n_done, n_all):
            calls.append(label)
            if len(calls) == at:
                raise _KilledError

        return progress

    with pytest.raises(_KilledError):
        _build(tmp_path / "other", sources, BuildConfig(part_images=4), progress_of=steps)
    assert not (tmp_path / "other").exists()
    atlas = _build(tmp_path / "other", sources, BuildConfig(part_images=4))
    assert atlas.atlas_id == whole.atlas_id
    assert not list(tmp_path.glob(".*"))
    n_looks = 2 * 40  # every image is looked at, and every one is a reference here
    assert sum(source.n_read for source in sources) <= n_looks + 4


def test_image_barcodes_are_sorted_whatever_the_order_of_the_data_sets(tmp_path):
    sources = [random_tokens(name, 5) for name in ("b", "a", "a-b")]
    atlas = _build(tmp_path / "atlas", sources, BuildConfig(part_images=2, image_barcodes=True))
    ids = pq.read_table(atlas.path / tables.IMAGE_BARCODES_NAME)["image_id"].to_pylist()
    assert ids == sorted(ids)
    assert {image_id.split("/")[0] for image_id in ids} == {"b", "a", "a-b"}


def test_other_settings_do_not_continue_a_run(tmp_path):
    config = BuildConfig(part_images=4, n_machines=2)
    _build(tmp_path / "atlas", _two(), config)
    with pytest.raises(ArtifactError, match=r"definitions.tau was 0.2 and is 0.3"):
        _build(tmp_path / "atlas", _two(), BuildConfig(Definitions(tau=0.3), part_images=4))


def test_duplicating_the_images_of_a_patient_changes_no_barcode(tmp_path):
    once = random_tokens("cohort", 12, seed=2, patients=PATIENTS[:3])
    again = once.images["patient"] == "P2"
    copies = once.images[again].assign(image_id=lambda frame: frame["image_id"] + "-copy")
    images = pd.concat([once.images, copies], ignore_index=True)
    order = np.argsort(images["image_id"].to_numpy())
    tokens = np.concatenate([once.tokens, once.tokens[again.to_numpy()]])
    twice = dataclasses.replace(once, images=images.iloc[order].reset_index(drop=True), tokens=tokens[order])
    one, two = (_build(tmp_path / str(len(s.images)), [s]).barcodes() for s in (once, twice))
    np.testing.assert_array_equal(one.per_image(), two.per_image())
    np.testing.assert_array_equal(*(disease_level(patient_level(each)).barcodes for each in (one, two)))
    assert (two.groups["n_images"] - one.groups["n_images"]).tolist() == [0, 4, 0]


def test_relabelling_patients_changes_no_statistic(tmp_path):
    source = random_tokens("cohort", 20, seed=3, patients=PATIENTS)
    images = source.images.assign(label="cell")
    renamed = images.assign(patient=images["patient"].map({"P1": "Z", "P2": "A", "P3": "A"}), diagnosis="NPM1")
    one, two = (
        _build(tmp_path / name, [dataclasses.replace(source, images=frame)])
        for name, frame in (("one", images), ("two", renamed))
    )
    pd.testing.assert_frame_equal(one.statistics("cohort"), two.statistics("cohort"))
    assert one.barcodes().counts.sum() == two.barcodes().counts.sum()


def test_images_that_cannot_be_read_are_counted_nowhere_and_named(tmp_path):
    source = random_tokens("cohort", 12, patients=PATIENTS[:3], unreadable=frozenset({0, 7}))
    atlas = _build(tmp_path / "atlas", [source], BuildConfig(part_images=5))
    good = [row for row in range(12) if row not in source.unreadable]
    numbers, _ = dense_twin.dense_image_numbers(
        dense_twin.dense_activations(
            source.tokens[good], {n: w.numpy() for n, w in random_checkpoint().weights.items()}
        )
    )
    assert atlas.statistics("cohort")["n_active"].tolist() == (numbers > 0).sum(axis=0).tolist()
    assert atlas.datasets[0].n_images == 10 == atlas.barcodes().groups["n_images"].sum()
    assert [one.image_id for one in atlas.manifest.skipped] == source.images["image_id"].iloc[[0, 7]].tolist()


def test_what_was_chosen_stands_in_the_manifest(tmp_path):
    source = random_tokens("rendered", 6, patients=PATIENTS)
    config = BuildConfig(Definitions(activation="count", cls_in_counts=True, tau=0.5))
    atlas = _build(tmp_path / "atlas", [source], config)
    assert atlas.manifest.image_activation == "number of tokens above 0.5"
    assert (atlas.barcodes().tokens, atlas.barcodes().tau) == ("patches+cls", 0.5)
    assert atlas.simulated
    assert atlas.sae_id == random_checkpoint().sae_id
    assert atlas.manifest.config["definitions"]["activation"] == "count"
    assert atlas.manifest.config["noise_of"] == "rendered"


def test_barcodes_of_two_cohorts_need_a_choice(tmp_path):
    cohorts = [random_tokens(name, 8, patients=PATIENTS) for name in ("one", "two")]
    with pytest.raises(ConfigError, match=r"'one', 'two'.*name one in barcodes_of"):
        _build(tmp_path / "atlas", cohorts)
    assert _build(tmp_path / "atlas", cohorts, BuildConfig(barcodes_of="two")).barcodes().dataset == "two"
    with pytest.raises(ConfigError, match="barcodes of 'three'"):
        _build(tmp_path / "other", cohorts, BuildConfig(barcodes_of="three"))
