"""The start of a run: bounds of the weights, unit rows, and the three middles of a batch."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cytosae_core.sae.initial import geometric_median, initial_sae, mean_token, median_image, median_token
from tests.sae.toys import toy


def plain_median(points):
    """Weiszfeld's iteration in numpy, one point at a time, for as long as the published trainer does."""
    median = points.mean(axis=0)
    for _ in range(100):
        weights = [1 / max(np.sqrt(((point - median) ** 2).sum()), 1e-6) for point in points]
        median = sum(weight * point for weight, point in zip(weights, points, strict=True)) / sum(weights)
    return median


def batch(shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).gamma(1.0, size=shape))


def test_the_matrices_are_kaiming_uniform_of_their_stored_shapes_and_decoder_rows_have_unit_length():
    settings = toy(d_in=32, expansion=16)
    sae = initial_sae(settings, batch((4, 5, 32)), torch.Generator().manual_seed(0))
    bound = np.sqrt(6 / 512)
    assert bound * 0.99 < sae.W_enc.abs().max().item() <= bound
    assert sae.W_enc.std().item() == pytest.approx(bound / np.sqrt(3), rel=0.02)
    assert torch.allclose(sae.W_dec.norm(dim=1), torch.ones(512))
    assert not sae.b_enc.any()


def test_the_released_bias_is_the_median_over_images_averaged_over_their_tokens():
    tokens = batch((7, 5, 3))
    expected = plain_median(tokens.numpy().reshape(7, 15)).reshape(5, 3).mean(axis=0)
    np.testing.assert_allclose(median_image(tokens).numpy(), expected, atol=1e-12)


def test_the_bias_of_the_paper_is_the_median_over_tokens():
    tokens = batch((7, 5, 3))
    np.testing.assert_allclose(median_token(tokens).numpy(), plain_median(tokens.numpy().reshape(35, 3)), atol=1e-12)


def test_without_images_the_released_bias_is_the_median_over_tokens():
    tokens = batch((20, 3))
    assert torch.equal(median_image(tokens), median_token(tokens))


def test_the_mean_is_over_images_and_tokens():
    tokens = batch((7, 5, 3))
    np.testing.assert_allclose(mean_token(tokens).numpy(), tokens.numpy().mean(axis=(0, 1)), atol=1e-15)


@given(st.integers(3, 12), st.integers(1, 4), st.integers(0, 1000))
def test_no_place_nearby_has_a_smaller_mean_distance_than_the_median(n_points, width, seed):
    points = batch((n_points, width), seed)
    median = geometric_median(points)
    shifts = 1e-2 * torch.cat([torch.eye(width), -torch.eye(width)]).double()

    def mean_distance(place):
        return (points - place).norm(dim=1).mean().item()

    assert all(mean_distance(median) <= mean_distance(median + shift) + 1e-5 for shift in shifts)


def test_a_median_that_falls_on_a_point_is_finite():
    points = torch.tensor([[0.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    assert torch.equal(geometric_median(points), torch.zeros(2))
