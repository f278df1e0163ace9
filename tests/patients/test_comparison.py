"""Effects, p values and stability against slow twins in plain Python."""

import math
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cytosae_core.errors import AnalysisError
from cytosae_core.patients.comparison import compare_groups
from cytosae_core.patients.effect import hedges_g, latent_effects, mann_whitney, q_values
from cytosae_core.patients.stability import top_stability
from tests.patients.test_differential import A, B, barcodes_of, cohorts, slow_ranking

values = st.lists(st.integers(0, 6), min_size=2, max_size=8)


def ranks_of(numbers):
    """Mean ranks by counting."""
    return [sum(x < y for x in numbers) + (sum(x == y for x in numbers) + 1) / 2 for y in numbers]


def slow_p(a, b):
    """Mann-Whitney by rank sums, with the correction for ties and half a step for continuity."""
    both, n_a, n_b = a + b, len(a), len(b)
    n = n_a + n_b
    u = sum(ranks_of(both)[:n_a]) - n_a * (n_a + 1) / 2
    ties = sum(both.count(value) ** 3 - both.count(value) for value in set(both))
    spread = math.sqrt(n_a * n_b / 12 * ((n + 1) - ties / (n * (n - 1))))
    z = (max(u, n_a * n_b - u) - n_a * n_b / 2 - 0.5) / spread
    return min(1.0, math.erfc(z / math.sqrt(2)))


def slow_q(p):
    """The smallest p m / rank among all that are no smaller."""
    m = len(p)
    return [min(1.0, min(x * m / sum(y <= x for y in p) for x in p if x >= one)) for one in p]


@given(a=values, b=values)
def test_p_values_and_auroc_are_those_of_rank_sums_and_pair_counts(a, b):
    p_value, auroc = mann_whitney(np.array([a], float).T, np.array([b], float).T)
    pairs = [Fraction(1) if x > y else Fraction(1, 2) if x == y else Fraction(0) for x in a for y in b]
    assert auroc[0] == pytest.approx(float(sum(pairs) / len(pairs)))
    if len(set(a + b)) == 1:
        assert np.isnan(p_value[0])
    else:
        assert p_value[0] == pytest.approx(slow_p(a, b))


@given(p=st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_q_values_are_those_of_the_definition_and_ignore_missing_ones(p):
    q = q_values(np.array([*p, np.nan]))
    assert q[:-1] == pytest.approx(slow_q(p), rel=1e-12, abs=1e-15)
    assert np.isnan(q[-1])


def test_a_number_that_is_no_p_value_is_named():
    with pytest.raises(AnalysisError, match=r"1\.5 is no p value"):
        q_values(np.array([0.1, 1.5]))


def test_hedges_g_by_hand():
    a, b = np.array([[1.0], [3.0]]), np.array([[5.0], [9.0], [7.0]])
    # squares 2 and 8 over 3 degrees of freedom, difference -5, correction 1 - 3/11
    assert hedges_g(a, b)[0] == pytest.approx(-5 / math.sqrt(10 / 3) * (1 - 3 / 11))


def test_latents_without_any_variation_have_no_effect_and_are_not_tested():
    effects = latent_effects(barcodes_of([[1, 0], [2, 0], [4, 0], [8, 0]], [A, A, B, B], [1] * 4), A, B)
    assert effects.loc[1, ["hedges_g", "p_value", "q_value"]].isna().all()
    assert effects.loc[0, "q_value"] == effects.loc[0, "p_value"]
    assert effects.loc[0, "auroc"] == 0


@given(barcodes=cohorts(), data=st.data())
def test_duplicating_every_image_of_a_patient_changes_no_effect(barcodes, data):
    before = latent_effects(barcodes, A, B)
    row = data.draw(st.integers(0, len(barcodes.groups) - 1))
    barcodes.counts[row] *= 3
    barcodes.groups.loc[row, "n_images"] *= 3
    pd.testing.assert_frame_equal(before, latent_effects(barcodes, A, B))


@settings(max_examples=25)
@given(barcodes=cohorts(), seed=st.integers(0, 9), n=st.integers(1, 4))
def test_stability_is_that_of_rankings_made_again_patient_by_patient(barcodes, seed, n):
    n_bootstrap = 6
    table = top_stability(barcodes, A, B, seed=seed, n=n, n_bootstrap=n_bootstrap)
    rng, seen = np.random.default_rng(seed), {}
    rows = {name: list(np.flatnonzero((barcodes.groups["diagnosis"] == name).to_numpy())) for name in (A, B)}
    for _ in range(n_bootstrap):
        sampled = [rows[name][i] for name in (A, B) for i in rng.integers(len(rows[name]), size=len(rows[name]))]
        diagnoses = list(barcodes.groups["diagnosis"].iloc[sampled])
        again = barcodes_of(barcodes.counts[sampled], diagnoses, barcodes.groups["n_images"].iloc[sampled])
        for group, other in ((A, B), (B, A)):
            for rank, latent in enumerate(slow_ranking(again, group, other, n), start=1):
                seen.setdefault((latent, group), []).append(rank)
    assert {(row.latent, row.direction) for row in table.itertuples()} == set(seen)
    for row in table.itertuples():
        ranks = seen[row.latent, row.direction]
        padded = sorted(ranks + [n + 1] * (n_bootstrap - len(ranks)))
        assert row.top_share == pytest.approx(len(ranks) / n_bootstrap)
        assert (row.rank_low, row.rank_high) == (padded[0], padded[-1])
        assert row.rank_median == np.median(padded)


def test_the_table_sets_signal_apart_from_chance():
    rng = np.random.default_rng(3)
    rates = np.full((40, 200), 2.0)
    rates[:20, 11] += 1.5
    barcodes = barcodes_of(rng.poisson(rates * 30), [A] * 20 + [B] * 20, [30] * 40)
    table = compare_groups(barcodes, A, B, seed=1, n=5, n_bootstrap=200).set_index(["direction", "latent"])
    assert table.loc[(A, 11), "rank"] == 1
    assert table.loc[(A, 11), "top_share"] == 1
    assert table.loc[(A, 11), "rank_high"] == 1
    assert table.loc[(A, 11), "q_value"] < 1e-4
    assert table.drop(index=(A, 11))["top_share"].max() < 0.9
    assert len(table) == 10
    assert not table.isna().any(axis=None)


def test_the_same_seed_gives_the_same_table():
    barcodes = barcodes_of(np.random.default_rng(0).poisson(3.0, (8, 30)), [A, B] * 4, [1] * 8)
    one, two = (compare_groups(barcodes, A, B, seed=5, n=5, n_bootstrap=20) for _ in range(2))
    pd.testing.assert_frame_equal(one, two)


def test_a_table_without_any_latent_keeps_its_columns():
    table = compare_groups(barcodes_of([[0, 0], [0, 0]], [A, B], [1, 1]), A, B, seed=0, n_bootstrap=3)
    assert table.empty
    assert {"top_share", "q_value", "rank_high"} <= set(table.columns)


def test_no_samples_are_refused():
    with pytest.raises(AnalysisError, match="n_bootstrap 0; both must be at least 1"):
        top_stability(barcodes_of([[1], [2]], [A, B], [1, 1]), A, B, seed=0, n_bootstrap=0)
