"""Principal components from streamed sums against a singular value decomposition of everything."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cytosae_core.errors import AnalysisError
from cytosae_core.sae import baselines
from cytosae_core.sae.baselines import CovarianceSums, explained_by_components, n_components_at, principal_components
from cytosae_core.tokens.source import ArrayTokens
from tests.sae import dense_metrics
from tests.sae.toy_sae import NoTokens, toy_tokens


@given(seed=st.integers(0, 10_000), d_in=st.integers(1, 5), n_components=st.integers(0, 5), batch=st.integers(1, 9))
def test_explained_variance_is_that_of_the_dense_twin_for_any_batch_size(seed, d_in, n_components, batch):
    n_components = min(n_components, d_in)
    training, held_out = toy_tokens(8, 6, d_in, seed), toy_tokens(5, 6, d_in, seed + 1) + 0.3
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(baselines, "BATCH_IMAGES", batch)
        found = explained_by_components(principal_components(ArrayTokens(training)), ArrayTokens(held_out))
    expected = dense_metrics.pca_explained_variance(training, held_out, n_components)
    assert found[n_components] == pytest.approx(expected, rel=1e-7, abs=1e-9)


def test_more_components_explain_more_and_all_of_them_everything():
    found = explained_by_components(principal_components(ArrayTokens(toy_tokens())), ArrayTokens(toy_tokens(seed=5)))
    assert len(found) == 5
    assert (np.diff(found) >= 0).all()
    assert found[-1] == pytest.approx(1)


def test_no_components_and_another_mean_explain_less_than_nothing():
    components = principal_components(ArrayTokens(toy_tokens()))
    assert explained_by_components(components, ArrayTokens(toy_tokens(seed=5) + 3))[0] < 0


def test_the_covariance_keeps_its_digits_far_from_zero():
    tokens = toy_tokens(40, dtype=np.float64).reshape(-1, 4) + 1e6
    sums = CovarianceSums(4)
    for part in np.array_split(tokens, 9):
        sums.update(part)
    assert sums.scatter / len(tokens) == pytest.approx(np.cov(tokens.T, bias=True), rel=1e-6, abs=1e-8)


def test_the_number_of_components_is_the_rounded_l0_and_never_more_than_the_width():
    assert [n_components_at(l0, 8) for l0 in (0.2, 3.4, 3.6, 90.0)] == [0, 3, 4, 8]


def test_there_must_be_training_images():
    with pytest.raises(AnalysisError, match="no training images to take components from"):
        principal_components(NoTokens())
