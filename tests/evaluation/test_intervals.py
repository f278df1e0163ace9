"""Intervals of shares: known values, and that they keep their width and cover what they should."""

import math
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cytosae_core.errors import AnalysisError
from cytosae_core.evaluation.intervals import stratified_shares, wilson


@dataclass(frozen=True)
class StratumCount:
    n_yes: int
    n_judged: int
    n_population: int


def stratified_share(strata, seed=1, n_resamples=1000):
    """The weighted share of all that was judged."""
    judged = [one for one in strata if one.n_judged]
    is_yes = np.array([place < one.n_yes for one in judged for place in range(one.n_judged)], dtype=bool)
    labels = [number for number, one in enumerate(judged) for _ in range(one.n_judged)]
    weights = np.array([one.n_population / one.n_judged for one in judged for _ in range(one.n_judged)])
    everything = {"judged": np.ones(len(is_yes), dtype=bool)}
    shares = stratified_shares(is_yes, everything, labels, {"weighted": weights}, n_resamples=n_resamples, seed=seed)
    return shares["judged", "weighted"]


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


@pytest.mark.parametrize(("n_yes", "n"), [(-1, 3), (4, 3)])
def test_what_is_no_share_is_refused(n_yes, n):
    with pytest.raises(AnalysisError, match=f"{n_yes} of {n} is not a share"):
        wilson(n_yes, n)


def test_a_stratified_share_weighs_by_population_and_not_by_what_was_sampled():
    strata = [StratumCount(5, 5, 10), StratumCount(2, 5, 90)]
    assert stratified_share(strata).value == pytest.approx(0.1 * 1 + 0.9 * 0.4)


def test_one_stratum_gives_nearly_the_wilson_interval():
    share, plain = stratified_share([StratumCount(7, 9, 300)], n_resamples=4000), wilson(7, 9)
    assert (share.value, share.low, share.high) == pytest.approx((plain.value, plain.low, plain.high), abs=0.04)


@given(strata=st.lists(counts, min_size=1, max_size=10))
def test_a_stratified_interval_holds_its_share_and_has_a_width(strata):
    share = stratified_share(strata)
    if any(count.n_judged for count in strata):
        assert 0 <= share.low <= share.value <= share.high <= 1
        assert share.high - share.low > 0.01
    else:
        assert math.isnan(share.value)


@pytest.mark.parametrize("n_yes", [0, 5])
def test_equal_strata_that_all_agree_give_nearly_the_interval_of_their_sum(n_yes):
    share, plain = stratified_share([StratumCount(n_yes, 5, 100)] * 10, n_resamples=4000), wilson(10 * n_yes, 50)
    assert (share.value, share.low, share.high) == pytest.approx((plain.value, plain.low, plain.high), abs=0.02)
    assert share.high - share.low > 0.06


def test_a_stratum_that_nobody_judged_is_left_out():
    assert stratified_share([StratumCount(1, 2, 30), StratumCount(0, 0, 10)]).value == 0.5


def test_strata_that_are_all_yes_or_all_no_leave_a_narrow_interval_and_mixed_ones_a_wide_one():
    """Where the clusters say it all, only what five of five can hide is uncertain."""
    pure = stratified_share([StratumCount(5, 5, 100)] * 5 + [StratumCount(0, 5, 100)] * 5)
    mixed = stratified_share([StratumCount(2, 5, 100), StratumCount(3, 5, 100)] * 5)
    assert pure.value == mixed.value == 0.5
    assert 0.03 < pure.high - pure.low < 0.08
    assert mixed.high - mixed.low > 0.24


def test_answers_outside_the_denominator_take_nothing_from_the_others_of_their_stratum():
    """Two strata of equal size: all yes, but four of five are artefacts; and half yes. Of yes and no, 1.5 of 3.5."""
    is_yes = np.array([1, 0, 0, 0, 0, 1, 1, 0, 0, 0], dtype=bool)
    is_yes_or_no = np.array([1, 0, 0, 0, 0, 1, 1, 1, 1, 0], dtype=bool)
    shares = stratified_shares(
        is_yes, {"yes_or_no": is_yes_or_no}, np.repeat([0, 1], 5), {"weighted": np.ones(10)}, n_resamples=200, seed=1
    )
    assert shares["yes_or_no", "weighted"].value == pytest.approx((1 + 2) / (1 + 4))


def test_a_denominator_without_any_answer_has_no_share():
    nothing = np.zeros(4, dtype=bool)
    weights = {"plain": np.ones(4)}
    shares = stratified_shares(nothing, {"yes_or_no": nothing}, [0, 0, 1, 1], weights, n_resamples=20, seed=1)
    assert math.isnan(shares["yes_or_no", "plain"].value)
    assert math.isnan(shares["yes_or_no", "plain"].high)


def test_a_population_that_was_judged_whole_has_no_sampling_error():
    is_yes = np.array([1, 1, 0, 1], dtype=bool)
    everything = {"judged": np.ones(4, dtype=bool)}
    shares = stratified_shares(is_yes, everything, [0, 0, 1, 1], {"plain": np.ones(4)}, 1.0, n_resamples=50, seed=1)
    share = shares["judged", "plain"]
    assert share.low == pytest.approx(share.value) == share.high == 0.75


@pytest.mark.parametrize("rates", [np.full(10, 0.05), np.full(10, 0.5), np.linspace(0.6, 1, 10), np.linspace(1, 0, 10)])
def test_stratified_intervals_cover_the_true_share_as_often_as_they_say(rates):
    rng = np.random.default_rng(7)
    sizes = np.array([5, 55, 217, 309, 365, 477, 574, 592, 602, 605])
    truth = float((sizes * rates).sum() / sizes.sum())
    is_covered = []
    for n_yes in rng.binomial(5, rates, size=(300, 10)):
        strata = [StratumCount(int(y), 5, int(n)) for y, n in zip(n_yes, sizes, strict=True)]
        share = stratified_share(strata, n_resamples=400)
        is_covered.append(share.low <= truth <= share.high)
    assert 0.91 < np.mean(is_covered) < 0.99
