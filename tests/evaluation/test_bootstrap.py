"""The bootstrap behind every interval: against a slow twin, and what it does at the edges."""

import math

import numpy as np
import pytest

from cytosae_core.errors import AnalysisError
from cytosae_core.evaluation import agreement
from cytosae_core.evaluation.bootstrap import Columns, design, estimate, item_weights, weigh
from cytosae_core.evaluation.question import Rated, agreement_rows, prior_strength
from cytosae_core.evaluation.tally import item_columns, prior_columns, tally, unpack
from tests.evaluation.test_agreement import RAW_4_RATERS, SKEWED

STATISTICS = ("percent", "fleiss_kappa", "conger_kappa", "krippendorff_alpha", "gwet_ac1")


def estimated(
    rows, name="fleiss_kappa", *, strata=None, fractions=0.0, weights=None, n_resamples=2000, seed, prior=1.0
):
    """One statistic among all raters with its interval."""
    codes = np.asarray(rows)
    n_raters, q = codes.shape[1], int(codes.max()) + 1
    plan = design(np.zeros(len(codes)) if strata is None else strata, fractions)
    used = np.ones(len(codes)) if weights is None else np.asarray(weights, dtype=float)
    columns = weigh(item_columns(codes, q), used, prior_columns(n_raters, q), prior * prior_strength(q) + 1e-12, plan)

    def values(sums):
        named = unpack(sums, n_raters, q)
        if name == "percent":
            return agreement.percent_agreement(named)[..., None]
        return getattr(agreement, name)(named).value[..., None]

    found = estimate(values, columns, plan, n_resamples=n_resamples, seed=seed)
    return {key: float(array[0]) for key, array in vars(found).items()}


def slow_interval(name, rows, strata, n_resamples, seed):
    """Resample after resample: Dirichlet weights within strata, and two items more as a prior."""
    rng, q, n_raters = np.random.default_rng(seed), int(rows.max()) + 1, rows.shape[1]
    together = [np.full((1, n_raters), k) for k in range(q)]
    at_random = np.stack(np.meshgrid(*[range(q)] * n_raters), axis=-1).reshape(-1, n_raters)
    items = np.concatenate([rows, *together, at_random])
    values = []
    for _ in range(n_resamples):
        weights = np.zeros(len(items))
        for stratum in np.unique(strata):
            members = np.flatnonzero(strata == stratum)
            n = len(members)
            weights[members] = n * rng.dirichlet(np.full(n, (n - 2) / n))
        weights[len(rows) : len(rows) + q] = rng.gamma(1 / q, size=q)
        weights[len(rows) + q :] = rng.gamma(1) / len(at_random)
        sums = tally(items, q, weights)
        is_percent = name == "percent"
        values.append(float(agreement.percent_agreement(sums) if is_percent else getattr(agreement, name)(sums).value))
    return np.quantile(values, [0.025, 0.975])


def noisy_rows(n_items=60, n_raters=2, slips=0.15, seed=1):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, n_items)
    return np.stack([np.where(rng.random(n_items) < slips, 1 - truth, truth) for _ in range(n_raters)], axis=1)


@pytest.mark.parametrize("name", STATISTICS)
def test_the_bootstrap_interval_is_that_of_a_slow_one_up_to_chance(name):
    rows, strata = noisy_rows(), np.repeat([0, 1, 2], 20)
    got = estimated(rows, name, strata=strata, seed=5, n_resamples=4000)
    low, high = slow_interval(name, rows, strata, 4000, seed=6)
    sums = tally(rows)
    value = agreement.percent_agreement(sums) if name == "percent" else getattr(agreement, name)(sums).value
    assert got["value"] == pytest.approx(float(value))
    assert got["low"] == pytest.approx(low, abs=0.025)
    assert got["high"] == pytest.approx(high, abs=0.025)


def test_the_same_seed_gives_the_same_interval_and_another_one_does_not():
    first, again, other = (estimated(RAW_4_RATERS_CODES, seed=seed) for seed in (3, 3, 4))
    assert first == again
    assert first != other


@pytest.mark.parametrize("n", [2, 3, 5, 20])
def test_the_mean_of_a_resampled_stratum_varies_as_the_mean_of_a_random_sample(n):
    rng = np.random.default_rng(0)
    values = rng.normal(size=n)
    means = item_weights(design(np.zeros(n)), 40_000, rng) @ values / n
    assert means.var() == pytest.approx(values.var(ddof=1) / n, rel=0.05)
    assert means.mean() == pytest.approx(values.mean(), abs=0.02)


def test_a_stratum_that_was_judged_in_part_varies_less_by_that_part():
    values = np.random.default_rng(0).normal(size=10)
    drawn = item_weights(design(np.zeros(10), 0.75), 40_000, np.random.default_rng(1)) @ values / 10
    assert drawn.var() == pytest.approx(0.25 * values.var(ddof=1) / 10, rel=0.05)
    every = item_weights(design(np.zeros(10), 1.0), 5, np.random.default_rng(1))
    assert (every == 1).all()


def test_where_every_member_of_every_stratum_was_judged_the_interval_has_no_width():
    got = estimated(noisy_rows(), strata=np.repeat([0, 1], 30), fractions=1.0, seed=1)
    assert got["low"] == pytest.approx(got["value"]) == got["high"]


def test_a_fraction_that_is_none_is_refused():
    with pytest.raises(AnalysisError, match=r"a sampled fraction is 1\.5 to 1\.5; it must lie between 0 and 1"):
        design([0, 0], 1.5)


def test_items_are_resampled_within_strata():
    rows = np.array([[0, 0]] * 10 + [[0, 1]] * 10)
    strata = np.repeat([0, 1], 10)
    within, over_all = estimated(rows, "percent", strata=strata, seed=1), estimated(rows, "percent", seed=1)
    assert within["value"] == over_all["value"] == 0.5
    assert within["high"] - within["low"] < 0.1
    assert over_all["low"] < 0.4


def test_strata_with_a_single_item_are_put_together():
    assert design(["a", "b", "b", "c"]).strata.tolist() == [0, 1, 1, 0]
    assert design(["a", "b", "b", "c", "c", "c"]).strata.tolist() == [0, 0, 0, 1, 1, 1]
    assert design(["a"]).strata.tolist() == [0]


def test_weighted_agreement_speaks_for_the_population():
    rows, weights = np.array([[0, 0], [0, 1]] * 2), [3.0, 1.0] * 2
    got = estimated(rows, "percent", weights=weights, strata=[0, 1] * 2, seed=1)
    assert got["value"] == pytest.approx(0.75)


def test_the_share_of_undefined_resamples_is_reported():
    got = estimated(np.array([[0, 0]] * 4 + [[1, 1]]), "conger_kappa", seed=1)
    assert got["value"] == 1
    assert got["undefined_share"] == pytest.approx(0.8**5, abs=0.05)


def test_an_undefined_statistic_has_no_interval():
    got = estimated(np.zeros((5, 3), dtype=int), seed=1)
    assert math.isnan(got["value"])
    assert math.isnan(got["low"])
    assert math.isnan(got["high"])
    assert got["undefined_share"] == 1


def test_items_without_any_answer_do_not_widen_the_interval():
    def row(codes):
        keep = (codes >= 0).any(axis=1)
        plan = design(np.zeros(int(keep.sum())))
        rated = Rated(codes[keep], 2, plan, {"plain": np.ones(int(keep.sum()))})
        return [str(one) for one in agreement_rows(rated, n_resamples=200, seed=1)]

    assert row(np.concatenate([SKEWED, np.full((200, 2), -1)])) == row(SKEWED)


def test_full_agreement_leaves_an_interval_with_a_width():
    got = estimated(np.repeat([[0, 0], [1, 1]], 25, axis=0), seed=1)
    assert got["value"] == got["high"] == 1
    assert 0.7 < got["low"] < 0.97


def test_a_sample_without_the_rarer_answer_does_not_rule_out_that_raters_would_agree_on_it():
    """Three stray answers and never two alike: kappa is about 0, and a plain bootstrap is sure of it."""
    rows = np.array([(0, 0)] * 47 + [(0, 1)] * 2 + [(1, 0)])
    assert estimated(rows, seed=1)["high"] > 0.4
    assert estimated(rows, seed=1, prior=0.0)["high"] < 0.1


@pytest.mark.parametrize("n_resamples", [0, -3])
def test_fewer_than_one_resample_is_refused(n_resamples):
    with pytest.raises(AnalysisError, match=f"n_resamples is {n_resamples}; ask for at least 1, or leave it at 2000"):
        estimated(noisy_rows(), seed=1, n_resamples=n_resamples)


def test_a_single_resample_is_enough_to_compute_with():
    got = estimated(noisy_rows(), seed=1, n_resamples=1)
    assert got["low"] <= got["value"] <= got["high"]


def test_no_item_gives_no_estimate():
    columns = Columns(np.zeros((0, 2)), np.zeros((1, 2)), np.ones(1))
    found = estimate(lambda sums: sums[..., :1] * np.nan, columns, design([]), seed=1)
    assert math.isnan(found.value[0])


def test_with_three_raters_the_crossed_interval_is_the_wider_one_and_with_two_there_is_none():
    codes = noisy_rows(n_raters=3)
    plan = design(np.zeros(len(codes)))
    three = agreement_rows(Rated(codes, 2, plan, {"plain": np.ones(60)}), n_resamples=500, seed=1)
    two = agreement_rows(Rated(codes[:, :2], 2, plan, {"plain": np.ones(60)}), n_resamples=500, seed=1)
    for row in three:
        if row.raters is None:
            assert row.crossed_low < row.low < row.value < row.high < row.crossed_high
        else:
            assert math.isnan(row.crossed_low)
    assert all(math.isnan(row.crossed_low) for row in two)


def test_a_rater_unlike_the_others_widens_the_crossed_interval_alone():
    alike = noisy_rows(n_raters=4, slips=0.1)
    odd = np.concatenate([alike[:, :3], np.random.default_rng(5).integers(0, 2, (60, 1))], axis=1)

    def widths(codes):
        rated = Rated(codes, 2, design(np.zeros(60)), {"plain": np.ones(60)})
        row = next(row for row in agreement_rows(rated, n_resamples=500, seed=1) if row.statistic == "fleiss_kappa")
        return row.high - row.low, row.crossed_high - row.crossed_low

    (items, crossed), (items_odd, crossed_odd) = widths(alike), widths(odd)
    assert crossed_odd / items_odd > 1.5 * crossed / items


@pytest.mark.slow
def test_twenty_raters_of_five_hundred_items_take_under_ten_seconds_of_one_core():
    import time

    rng = np.random.default_rng(0)
    codes = np.where(rng.random((500, 20)) < 0.15, rng.integers(0, 4, (500, 20)), rng.integers(0, 2, 500)[:, None])
    codes[rng.random(codes.shape) < 0.1] = -1
    strata = np.repeat(np.arange(10), 50)
    weights = {"plain": np.ones(500), "cluster_weighted": rng.uniform(1, 50, 10)[strata]}
    start = time.process_time()
    rows = agreement_rows(Rated(codes, 4, design(strata), weights), n_resamples=10_000, seed=1)
    assert time.process_time() - start < 10
    assert len(rows) == 2 * (10 + 2 * 190)


RAW_4_RATERS_CODES = np.nan_to_num(RAW_4_RATERS - 1, nan=-1).astype(int)
