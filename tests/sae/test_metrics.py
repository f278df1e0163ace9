"""Streaming figures against dense twins, and what they mean at the edges."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cytosae_core.errors import AnalysisError, ConfigError
from cytosae_core.sae.accumulators import LatentSums, SpreadSums
from cytosae_core.sae.metrics import evaluate
from cytosae_core.tokens.source import ArrayTokens
from tests.sae import dense_metrics
from tests.sae.toy_sae import NoTokens, sae_of, toy_tokens, toy_weights


@given(
    n_images=st.integers(1, 9), n_tokens=st.integers(2, 5), d_in=st.integers(1, 4), batch_images=st.integers(1, 10),
    seed=st.integers(0, 10_000), scale=st.sampled_from([1.0, 1e-4]),
)  # fmt: skip
def test_every_figure_is_that_of_the_dense_twin_for_any_batch_size(n_images, n_tokens, d_in, batch_images, seed, scale):
    tokens = toy_tokens(n_images, n_tokens, d_in, seed)
    weights = toy_weights(d_in, 3 * d_in, seed, scale)
    found = evaluate(sae_of(weights), ArrayTokens(tokens), batch_images=batch_images).values()
    expected = dense_metrics.metrics(tokens, weights)
    assert found.keys() == expected.keys()
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_a_latent_that_fires_on_one_token_of_twenty_thousand_is_rare_and_not_dead():
    tokens = np.zeros((20, 1000, 1), np.float32)
    tokens[:] = np.linspace(1, 2, 1000)[:, None]
    tokens[0, 0] = 9
    weights = {"W_enc": np.ones((1, 3)), "b_enc": np.array([0.0, -8.0, -99.0]), "W_dec": np.ones((3, 1)),
               "b_dec": np.zeros(1)}  # fmt: skip
    found = evaluate(sae_of(weights), ArrayTokens(tokens), batch_images=7)
    assert (found.rare_share, found.dead_share, found.always_on_share) == pytest.approx((1 / 3, 1 / 3, 1 / 3))


def test_a_perfect_reconstruction_explains_everything_and_the_mean_alone_explains_nothing():
    tokens = np.abs(toy_tokens(d_in=3)) + 1
    weights = {"W_enc": np.eye(3), "b_enc": np.zeros(3), "W_dec": np.eye(3), "b_dec": np.zeros(3)}
    assert evaluate(sae_of(weights), ArrayTokens(tokens)).explained_variance == pytest.approx(1)
    mean = {**weights, "W_dec": np.zeros((3, 3)), "b_dec": tokens.reshape(-1, 3).mean(0, dtype=np.float64)}
    found = evaluate(sae_of(mean), ArrayTokens(tokens))
    assert found.explained_variance == pytest.approx(0, abs=1e-12)
    assert found.explained_variance_released > 0.5


def test_explained_variance_keeps_its_digits_far_from_zero():
    tokens = (toy_tokens(dtype=np.float64) + 1e6).astype(np.float64)
    sums = SpreadSums(4)
    for part in np.array_split(tokens.reshape(-1, 4), 7):
        sums.update(torch.as_tensor(part))
    flat = tokens.reshape(-1, 4)
    assert sums.total == pytest.approx(((flat - flat.mean(0)) ** 2).sum(), rel=1e-9)


def test_half_precision_tokens_are_summed_in_the_precision_of_the_autoencoder():
    tokens, weights = toy_tokens(dtype=np.float16), toy_weights()
    found = evaluate(sae_of(weights), ArrayTokens(tokens)).values()
    assert found == pytest.approx(dense_metrics.metrics(tokens, weights), rel=1e-9)


def test_an_image_counts_as_active_when_one_of_its_tokens_is():
    sums = LatentSums(2)
    sums.update(torch.tensor([[[0.0, 1.0], [0.5, 0.0]], [[0.0, 0.0], [0.0, 3.0]]]))
    assert sums.n_active_images.tolist() == [1, 2]
    assert sums.mean_activation.tolist() == [0.25, 1.0]


def test_images_are_read_a_batch_at_a_time_and_each_once():
    read = []

    class OnDisk(ArrayTokens):
        def take(self, rows):
            read.append(list(rows))
            return super().take(rows)

    assert evaluate(sae_of(toy_weights()), OnDisk(toy_tokens(10)), batch_images=4).n_images == 10
    assert read == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_tokens_of_another_width_are_refused():
    with pytest.raises(ConfigError, match=r"shape \(12, 5, 4\): the SAE needs \(n_images, n_tokens, 3\)"):
        evaluate(sae_of(toy_weights(d_in=3)), ArrayTokens(toy_tokens()))


def test_a_batch_of_no_images_is_refused():
    with pytest.raises(ConfigError, match="batch_images 0: must be at least 1"):
        evaluate(sae_of(toy_weights()), ArrayTokens(toy_tokens()), batch_images=0)


def test_no_images_at_all_are_refused():
    with pytest.raises(AnalysisError, match="no held-out images; hold out at least one"):
        evaluate(sae_of(toy_weights()), NoTokens())


def test_equal_tokens_have_no_variance_to_explain():
    with pytest.raises(AnalysisError, match="60 held-out tokens are all the same"):
        evaluate(sae_of(toy_weights()), ArrayTokens(np.full((12, 5, 4), 0.1, np.float32)))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_tokens_that_are_not_finite_are_refused(value):
    tokens = toy_tokens()
    tokens[9, 2, 1] = value
    with pytest.raises(AnalysisError, match="images 8 to 11 hold a NaN or infinite value"):
        evaluate(sae_of(toy_weights()), ArrayTokens(tokens))


def test_a_diverged_autoencoder_is_refused():
    weights = toy_weights()
    weights["W_dec"][0, 0] = np.nan
    with pytest.raises(AnalysisError, match="error is nan: a weight is not finite"):
        evaluate(sae_of(weights), ArrayTokens(toy_tokens()))
