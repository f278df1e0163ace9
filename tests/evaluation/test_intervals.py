"""Intervals of shares: known values, and that they keep their width and cover what they should."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cytosae_core.errors import AnalysisError
from cytosae_core.evaluation.intervals import StratumCount, coverage, stratified_share, wilson

counts = st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(1, 600)).map(
    lambda numbers: StratumCount(min(numbers[:2]), max(numbers[:2]), numbers[2])
)


@pytest.mark.parametrize(
    ("n_yes", "n", "low", "high"),
    [(0, 5, 0.0, 0.4345), (5, 5, 0.5655, 1.0), (5, 10, 0.2366, 0.7634), (81, 263, 0.2553, 0.3662)],
)
def test_wilson_intervals_are_the_published_ones(n_yes, n, low, high):
    share = wilson(n_yes, n)
    assert share.value == n_yes / n
    assert (share.low, share.high) == pytest.approx((low, high), abs=5e-5)


def test_a_share_of_nothing_is_unknown():
    assert math.isnan(wilson(0, 0).value)
    assert math.isnan(stratified_share([]).value)
    assert math.isnan(stratified_share([StratumCount(0, 0, 9)]).low)
    assert math.isnan(coverage([]))


@pytest.mark.parametrize(("n_yes", "n"), [(-1, 3), (4, 3)])
def test_what_is_no_share_is_refused(n_yes, n):
    with pytest.raises(AnalysisError, match=f"{n_yes} of {n} is not a share"):
        wilson(n_yes, n)


def test_a_stratified_share_weighs_by_population_and_not_by_what_was_sampled():
    strata = [StratumCount(5, 5, 10), StratumCount(2, 5, 90)]
    assert stratified_share(strata).value == pytest.approx(0.1 * 1 + 0.9 * 0.4)


def test_one_stratum_gives_the_wilson_interval():
    share, plain = stratified_share([StratumCount(7, 9, 300)]), wilson(7, 9)
    assert (share.value, share.low, share.high) == pytest.approx((plain.value, plain.low, plain.high))


@given(strata=st.lists(counts, min_size=1, max_size=10))
def test_a_stratified_interval_holds_its_share_and_has_a_width(strata):
    share = stratified_share(strata)
    if any(count.n_judged for count in strata):
        assert 0 <= share.low <= share.value <= share.high <= 1
        assert share.high - share.low > 0.01
    else:
        assert math.isnan(share.value)


@pytest.mark.parametrize("n_yes", [0, 5])
def test_equal_strata_that_all_agree_give_the_interval_of_their_sum(n_yes):
    share, plain = stratified_share([StratumCount(n_yes, 5, 100)] * 10), wilson(10 * n_yes, 50)
    assert (share.value, share.low, share.high) == pytest.approx((plain.value, plain.low, plain.high))
    assert share.high - share.low > 0.07


def test_a_stratum_that_nobody_judged_is_left_out_and_lowers_the_coverage():
    strata = [StratumCount(1, 2, 30), StratumCount(0, 0, 10)]
    assert stratified_share(strata).value == 0.5
    assert coverage(strata) == 0.75


@pytest.mark.parametrize("rates", [np.full(10, 0.05), np.full(10, 0.5), np.linspace(0.6, 1, 10), np.linspace(1, 0, 10)])
def test_stratified_intervals_cover_the_true_share_as_often_as_they_say(rates):
    rng = np.random.default_rng(7)
    sizes = np.array([5, 55, 217, 309, 365, 477, 574, 592, 602, 605])
    truth = float((sizes * rates).sum() / sizes.sum())
    is_covered = []
    for n_yes in rng.binomial(5, rates, size=(600, 10)):
        share = stratified_share([StratumCount(int(y), 5, int(n)) for y, n in zip(n_yes, sizes, strict=True)])
        is_covered.append(share.low <= truth <= share.high)
    assert np.mean(is_covered) > 0.93
