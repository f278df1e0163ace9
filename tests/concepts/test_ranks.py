"""AUROC, average precision, bootstrap and monosemanticity against counting pairs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cytosae_core.concepts.monosemanticity import mean_similarity, monosemanticity
from cytosae_core.concepts.ranks import auroc_columns, bootstrap_weights, interval, weighted_curves

labelled = st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=14)


def slow_auroc(scores, labels):
    pairs = [(p, n) for p, has in zip(scores, labels, strict=True) if has
             for n, other in zip(scores, labels, strict=True) if not other]  # fmt: skip
    return np.mean([1.0 if p > n else 0.5 if p == n else 0.0 for p, n in pairs]) if pairs else np.nan


def slow_average_precision(scores, labels):
    n_with, total, before = sum(labels), 0.0, 0
    if n_with in (0, len(labels)):
        return np.nan
    for threshold in sorted(set(scores), reverse=True):
        above = [has for score, has in zip(scores, labels, strict=True) if score >= threshold]
        total += (sum(above) - before) / n_with * sum(above) / len(above)
        before = sum(above)
    return total


@given(rows=labelled)
def test_auroc_is_the_share_of_pairs_in_the_right_order(rows):
    scores, labels = zip(*rows, strict=True)
    values = np.array([scores, [-s for s in scores]], float).T
    expected = slow_auroc(scores, labels)
    found = auroc_columns(values, np.array([labels]).T)[0]
    assert found == pytest.approx([expected, 1 - expected], nan_ok=True)


@given(rows=labelled, data=st.data())
def test_weighted_curves_are_those_of_images_repeated_that_often(rows, data):
    scores, labels = zip(*rows, strict=True)
    counts = data.draw(st.lists(st.integers(0, 3), min_size=len(rows), max_size=len(rows)))
    weights = np.array([[1] * len(rows), counts], float)
    found = weighted_curves(np.array(scores, float), np.array(labels), weights)
    for sample, weight in enumerate(weights.astype(int)):
        again = [row for row, n in zip(rows, weight, strict=True) for _ in range(n)]
        own_scores, own_labels = [row[0] for row in again], [row[1] for row in again]
        assert found.auroc[sample] == pytest.approx(slow_auroc(own_scores, own_labels), nan_ok=True)
        expected = slow_average_precision(own_scores, own_labels) if again else np.nan
        assert found.average_precision[sample] == pytest.approx(expected, nan_ok=True)


def test_bootstrap_samples_are_of_whole_patients():
    clusters = np.array(["x", "y", "x", "z", "y", "x"], dtype=object)
    weights = bootstrap_weights(clusters, 200, seed=0)
    assert (weights[:, 0] == weights[:, 2]).all()
    assert (weights[:, 1] == weights[:, 4]).all()
    assert (weights[:, [0, 1, 3]].sum(axis=1) == 3).all()
    assert weights.mean() == pytest.approx(1, abs=0.1)


def test_the_interval_leaves_out_samples_without_a_value():
    assert interval(np.array([np.nan, *np.linspace(0, 1, 41)])) == pytest.approx((0.025, 0.975))
    assert np.isnan(interval(np.array([np.nan])).low)


def test_the_interval_of_a_fair_coin_holds_one_half():
    rng = np.random.default_rng(1)
    scores, labels = rng.normal(size=300), rng.random(300) < 0.3
    weights = bootstrap_weights(np.arange(300), 500, seed=2)
    ends = interval(weighted_curves(scores, labels, weights).auroc)
    assert ends.low < 0.5 < ends.high
    assert 0.1 < ends.high - ends.low < 0.2


def slow_monosemanticity(values, embeddings):
    low, high = min(values), max(values)
    scaled = [(value - low) / (high - low) for value in values]
    top = bottom = 0.0
    for n in range(len(values)):
        for m in range(n + 1, len(values)):
            e, f = embeddings[n], embeddings[m]
            top += scaled[n] * scaled[m] * float(e @ f) / (np.linalg.norm(e) * np.linalg.norm(f))
            bottom += scaled[n] * scaled[m]
    return top / bottom if bottom > 1e-12 else np.nan


@settings(max_examples=50)
@given(n=st.integers(2, 9), seed=st.integers(0, 999))
def test_monosemanticity_is_the_weighted_mean_over_pairs(n, seed):
    rng = np.random.default_rng(seed)
    values, embeddings = rng.gamma(1, 1, (n, 3)) * (rng.random((n, 3)) < 0.6), rng.normal(size=(n, 4))
    values[0], values[1] = 0, 1
    expected = [slow_monosemanticity(list(column), embeddings) for column in values.T]
    assert monosemanticity(values, embeddings) == pytest.approx(expected, nan_ok=True, rel=1e-6, abs=1e-9)


def test_images_that_are_alike_score_one_and_a_single_image_has_no_score():
    embeddings = np.array([[1.0, 0], [2, 0], [0, 1], [0, 3]])
    values = np.array([[1, 0, 3], [1, 0, 3], [0, 0, 3], [0, 5, 3]])
    assert monosemanticity(values, embeddings) == pytest.approx([1, np.nan, np.nan], nan_ok=True)
    assert mean_similarity(embeddings) == pytest.approx(1 / 3)
