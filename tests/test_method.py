"""The method on numbers worked out by hand, its properties, and what is computed fast elsewhere against it."""

import ast
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cytosae_core import method
from cytosae_core.atlas.build.encode import SparseEncoder
from cytosae_core.atlas.build.patients import find_patients, patient_part
from cytosae_core.atlas.build.references import TopImages
from cytosae_core.atlas.build.statistics import LatentStatistics
from cytosae_core.atlas.definitions import Definitions
from cytosae_core.atlas.noise import NoiseFilter
from cytosae_core.geometry import PATCHES
from cytosae_core.sae.accumulators import LatentSums
from cytosae_core.sae.losses import total_loss
from cytosae_core.sae.model import SparseAutoencoder
from cytosae_core.study.config import StudyConfig

CORE = Path(method.__file__).parent
NAN = math.nan

X = np.array([[3.0, 4.0], [1.0, 0.0]])
WEIGHTS = {
    "W_enc": np.array([[1.0, 0.0, -1.0], [0.0, 2.0, 1.0]]),
    "b_enc": np.array([0.0, -1.0, 0.5]),
    "W_dec": np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]),
    "b_dec": np.array([1.0, 0.0]),
}
Z = np.array([[2.0, 7.0, 2.5], [0.0, 0.0, 0.5]])
X_HAT = np.array([[5.5, 9.5], [1.5, 0.5]])


def encoder_of(weights):
    return weights["W_enc"], weights["b_enc"], weights["b_dec"]


def test_the_encoder_and_the_decoder_give_what_a_hand_gives():
    np.testing.assert_array_equal(method.encode(X, *encoder_of(WEIGHTS)), Z)
    np.testing.assert_array_equal(method.decode(Z, WEIGHTS["W_dec"], WEIGHTS["b_dec"]), X_HAT)


def test_the_loss_is_the_papers_sum_or_the_released_mean_over_the_norm():
    paper = ((2.5**2 + 5.5**2 + 0.1 * 11.5) + (0.5**2 + 0.5**2 + 0.1 * 0.5)) / 2
    released = ((2.5**2 + 5.5**2) / (2 * 5) + 0.1 * 11.5 + (0.5**2 + 0.5**2) / (2 * 1) + 0.1 * 0.5) / 2
    assert method.loss(X, X_HAT, Z, 0.1) == pytest.approx(paper, rel=1e-15)
    assert method.loss(X, X_HAT, Z, 0.1, released=True) == pytest.approx(released, rel=1e-15)


H = np.array(
    [
        [[0.9, 0.0], [0.3, 0.2], [0.0, 0.0]],
        [[0.0, 0.0], [0.6, 0.5], [0.3, 0.4]],
        [[0.3, 0.0], [0.0, 0.0], [0.0, 0.0]],
    ]
)
"""Three images, three tokens, two latents."""


def test_a_barcode_counts_tokens_above_tau_and_patients_and_diseases_are_means_of_it():
    of_images = method.image_barcode(H)
    assert of_images.tolist() == [[2, 0], [2, 2], [1, 0]]
    assert method.image_barcode(H, tau=0.5).tolist() == [[1, 0], [1, 0], [0, 0]]
    assert method.image_barcode(H[..., PATCHES, :]).tolist() == [[1, 0], [2, 2], [0, 0]]
    sums = np.stack([of_images[:2].sum(axis=0), of_images[2]])
    of_patients = method.patient_barcode(sums, [2, 1])
    assert of_patients.tolist() == [[2.0, 1.0], [1.0, 0.0]]
    assert method.disease_barcode(of_patients).tolist() == [1.5, 0.5]


def test_activation_frequency_and_mean_are_over_tokens_over_images_and_over_active_images():
    activations = method.image_activation(H)
    np.testing.assert_allclose(activations, [[0.4, 0.2 / 3], [0.3, 0.3], [0.1, 0.0]], rtol=1e-15)
    n_active = (activations > 0).sum(axis=0)
    np.testing.assert_allclose(method.activated_frequency(n_active, 3), [1, 2 / 3], rtol=1e-15)
    means = method.mean_activation(activations.sum(axis=0), n_active)
    np.testing.assert_allclose(means, [0.8 / 3, (0.2 / 3 + 0.3) / 2], rtol=1e-15)


def test_a_latent_that_never_fires_has_no_mean_and_no_references_and_is_not_high():
    activations = np.array([[0.0, 1.0], [0.0, 3.0]])
    n_active = (activations > 0).sum(axis=0)
    means = method.mean_activation(activations.sum(axis=0), n_active)
    np.testing.assert_array_equal(means, [NAN, 2.0])
    assert method.activated_frequency(n_active, 2).tolist() == [0.0, 1.0]
    assert method.activated_frequency([0, 0], 0).tolist() == [0.0, 0.0]
    assert method.high_activation(means).tolist() == [False, True]
    assert [rows.tolist() for rows in method.reference_images(activations)] == [[], [1, 0]]


def test_high_means_above_ten_to_the_threshold_and_not_at_it():
    means = np.array([0.001, 0.00101, 0.0009, NAN, 0.0])
    assert method.high_activation(means).tolist() == [False, True, False, False, False]
    assert method.high_activation(means, -4).tolist() == [True, True, True, False, False]
    single = means.astype(np.float32)  # 0.001 in single precision is a little more than 10^-3
    np.testing.assert_array_equal(method.high_activation(single), single.astype(np.float64) > 1e-3)


def test_a_latent_is_of_interest_that_is_high_on_any_data_set_or_when_all_are_wanted():
    means = np.array([[0.1, NAN, 1e-4], [NAN, 0.01, 1e-4]])
    assert method.of_interest(means).tolist() == [True, True, False]
    assert method.of_interest(means, all_latents=True).tolist() == [True, True, True]


def test_references_are_the_strongest_images_and_of_equals_the_first_and_never_padded():
    activations = np.array([[0.5, 0.0], [0.7, 0.0], [0.5, 0.2], [0.9, 0.0]])
    assert [rows.tolist() for rows in method.reference_images(activations, k=3)] == [[3, 1, 0], [2]]


def test_entropy_of_shares_worked_out_by_hand():
    latents = np.array([0, 0, 0, 1, 1, 2, 3, 3])
    labels = np.array([0, 1, 1, 2, 2, -1, 0, -1])
    values = np.array([2.0, 1.0, 1.0, 5.0, 1.0, 3.0, 1.0, 9.0], np.float32)
    found = method.label_entropy(latents, labels, values, 5)
    # two labels with half of the activation each; one label; only an unknown one; one known beside it; no reference
    np.testing.assert_allclose(found, [math.log(2), 0.0, NAN, 0.0, NAN], atol=1e-15)
    assert not np.signbit(found[1])
    assert np.isnan(method.label_entropy(latents[:0], labels[:0], values[:0], 2)).all()


random_images = st.fixed_dictionaries(
    {"n_images": st.integers(1, 12), "d_sae": st.integers(1, 9), "seed": st.integers(0, 2**16)}
)


@given(st.lists(st.tuples(st.integers(0, 4), st.floats(0.01, 100)), min_size=1, max_size=30))
def test_entropy_lies_between_nothing_and_the_logarithm_of_the_number_of_labels(entries):
    labels, values = (np.array(column) for column in zip(*entries, strict=True))
    (entropy,) = method.label_entropy(np.zeros(len(labels), np.int64), labels, values, 1)
    assert 0 <= entropy <= math.log(len(set(labels.tolist()))) + 1e-12


@given(random_images, st.integers(2, 4))
def test_every_image_of_a_patient_several_times_leaves_the_barcode_unchanged(size, times):
    h = np.random.default_rng(size["seed"]).exponential(0.2, (size["n_images"], 5, size["d_sae"]))
    once, often = (
        method.patient_barcode(method.image_barcode(images).sum(axis=0, keepdims=True), [len(images)])
        for images in (h, np.concatenate([h] * times))
    )
    np.testing.assert_allclose(often, once, rtol=1e-15)


@given(random_images)
def test_the_disease_does_not_ask_how_many_images_a_patient_has(size):
    patients = np.random.default_rng(size["seed"]).random((size["n_images"], size["d_sae"]))
    expected = [math.fsum(column) / len(column) for column in patients.T.tolist()]
    np.testing.assert_allclose(method.disease_barcode(patients), expected, rtol=1e-13)


def random_case(size, n_tokens=5, d_in=4):
    """Tokens and weights in single precision, with latents of every temper."""
    rng = np.random.default_rng(size["seed"])
    weights = {
        "W_enc": rng.normal(0, 1, (d_in, size["d_sae"])),
        "b_enc": rng.normal(-1, 1, size["d_sae"]),
        "W_dec": rng.normal(0, 1, (size["d_sae"], d_in)),
        "b_dec": rng.normal(0, 1, d_in),
    }
    tokens = rng.normal(0, 1, (size["n_images"], n_tokens, d_in))
    return tokens.astype(np.float32), {name: values.astype(np.float32) for name, values in weights.items()}


@given(random_images, st.floats(0, 1))
def test_the_autoencoder_in_torch_and_its_loss_are_those_of_the_method(size, l1_coefficient):
    tokens, weights = random_case(size)
    sae = SparseAutoencoder.of({name: torch.from_numpy(w).double() for name, w in weights.items()})
    x = torch.from_numpy(tokens).double()
    output = sae(x)
    z = method.encode(tokens, *encoder_of(weights))
    x_hat = method.decode(z, weights["W_dec"], weights["b_dec"])
    np.testing.assert_allclose(output.z.detach(), z, rtol=0, atol=1e-12)
    np.testing.assert_allclose(output.x_hat.detach(), x_hat, rtol=0, atol=1e-12)
    for form in ("plain", "released"):
        found = total_loss(x, output, sae.W_dec, None, form, l1_coefficient).loss.item()
        expected = method.loss(tokens.astype(np.float64), x_hat, z, l1_coefficient, released=form == "released")
        assert found == pytest.approx(expected, rel=1e-12)
    sums = LatentSums(size["d_sae"])
    sums.update(output.z.detach())
    activations = method.image_activation(z)
    n_active = (activations > 0).sum(axis=0)
    np.testing.assert_array_equal(sums.n_active_images, n_active)
    expected = method.mean_activation(activations.sum(axis=0), n_active)
    np.testing.assert_allclose(sums.mean_activation, expected, rtol=1e-12)


@given(random_images)
def test_the_sparse_and_streaming_code_of_a_build_finds_what_the_method_finds(size):
    tokens, weights = random_case(size)
    n_images, n_latents = size["n_images"], size["d_sae"]
    found = SparseEncoder({name: torch.from_numpy(w) for name, w in weights.items()}, Definitions()).images(tokens)
    h = method.encode(tokens, *encoder_of(weights))
    counts, activations = method.image_barcode(h[:, PATCHES]), method.image_activation(h)
    dense = np.zeros_like(activations)
    dense[found.image, found.latent] = found.activation
    np.testing.assert_allclose(dense, activations, rtol=0, atol=1e-5)
    is_clear = (np.abs(h[:, PATCHES] - method.TAU) > 1e-5).all(axis=1)  # single precision may fall to either side
    of_image = np.zeros_like(counts)
    of_image[found.image, found.latent] = found.n_above
    np.testing.assert_array_equal(of_image[is_clear], counts[is_clear])

    statistics, top = LatentStatistics.empty(n_latents), TopImages(n_latents, method.N_REFERENCES)
    statistics.update(found)
    active = found.active()
    top.update(active.latent, active.activation, active.image)
    n_active = (dense > 0).sum(axis=0)
    np.testing.assert_array_equal(statistics.n_active, n_active)
    expected = method.mean_activation(dense.sum(axis=0), n_active)
    np.testing.assert_allclose(statistics.mean_activation, expected, rtol=1e-12)
    latents, _, images, _ = top.entries()
    references = method.reference_images(dense)
    assert [images[latents == latent].tolist() for latent in range(n_latents)] == [rows.tolist() for rows in references]

    patients = find_patients(pd.DataFrame({"patient": [f"P{i % 3}" for i in range(n_images)], "diagnosis": "NPM1"}))
    part = patient_part(found, np.arange(n_images), patients, n_latents, 0)
    owners, which, sums = part.counts
    of_patient = np.zeros((len(patients.table), n_latents), np.int64)
    of_patient[owners, which] = sums
    found_barcodes = method.patient_barcode(of_patient, part.n_images)
    expected = [of_image[patients.of_image == patient].mean(axis=0) for patient in range(len(patients.table))]
    np.testing.assert_allclose(found_barcodes, expected, rtol=1e-13)


def test_the_defaults_of_every_room_are_the_papers_constants():
    assert (method.LOG10_THRESHOLD, method.TAU, method.N_REFERENCES) == (-3.0, 0.2, 10)
    assert (method.N_CLUSTERS, method.N_PER_CLUSTER, method.N_DIFFERENTIAL) == (10, 5, 50)
    assert method.GROUPS == ("CBFB::MYH11", "PML::RARA")
    assert (method.TRAINING_DATASET, method.NOISE_LIMIT) == ("mll23", 0.1)
    definitions, study, noise = Definitions(), StudyConfig("T", "mll23"), NoiseFilter()
    assert (definitions.tau, definitions.n_references) == (method.TAU, method.N_REFERENCES)
    assert (study.log10_threshold, study.n_clusters) == (method.LOG10_THRESHOLD, method.N_CLUSTERS)
    assert (study.n_per_cluster, study.n_differential) == (method.N_PER_CLUSTER, method.N_DIFFERENTIAL)
    assert noise.max_mean_activation == method.NOISE_LIMIT
    assert noise.dataset_among(["acevedo", "mll23"]) == method.TRAINING_DATASET


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_each_equation_is_found_by_its_number_once_and_in_the_method(number):
    lines = [
        (path.name, line)
        for path in CORE.rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if f"Eq. {number}" in line or f"equation {number}" in line.lower()
    ]
    assert [name for name, _ in lines] == ["method.py"]


def test_the_method_needs_nothing_but_numpy():
    imported = [
        node
        for node in ast.walk(ast.parse(Path(method.__file__).read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert {ast.unparse(node).split()[1].partition(".")[0] for node in imported} == {"numpy"}
