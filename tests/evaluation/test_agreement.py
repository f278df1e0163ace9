"""Agreement statistics against published numbers, scikit-learn and pair-by-pair twins."""

import math
from functools import partial
from itertools import permutations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from cytosae_core.errors import AnalysisError
from cytosae_core.evaluation.agreement import (
    cohen_kappa,
    fleiss_kappa,
    gwet_ac1,
    krippendorff_alpha,
    percent_agreement,
)
from cytosae_core.evaluation.bootstrap import estimate

NO = np.nan
RAW_4_RATERS = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, NO, NO, NO],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NO, 3],
        [NO, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NO],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NO],
    ]
).T
"""12 units, 4 raters, with gaps: Gwet, Handbook of Inter-Rater Reliability."""

SKEWED = np.array([(0, 0)] * 46 + [(0, 1)] + [(1, 0)] * 2 + [(1, 1)])
KAPPAS = [cohen_kappa, fleiss_kappa, krippendorff_alpha]


def slow_percent(rows) -> float:
    """Agreement of ordered pairs of answers, averaged within each item, then over items."""
    shares = []
    for row in rows:
        pairs = list(permutations([answer for answer in row if answer >= 0], 2))
        if pairs:
            shares.append(sum(a == b for a, b in pairs) / len(pairs))
    return sum(shares) / len(shares) if shares else math.nan


def slow_fleiss(rows) -> float:
    answered = [[answer for answer in row if answer >= 0] for row in rows]
    answered = [row for row in answered if row]
    categories = {answer for row in answered for answer in row}
    shares = [sum(row.count(k) / len(row) for row in answered) / len(answered) for k in categories]
    chance = sum(share**2 for share in shares)
    return math.nan if len(categories) < 2 else (slow_percent(rows) - chance) / (1 - chance)


ratings = st.integers(2, 5).flatmap(
    lambda n_raters: st.lists(
        st.lists(st.integers(-1, 3), min_size=n_raters, max_size=n_raters), min_size=1, max_size=15
    )
)


def test_the_handbook_example_with_gaps_gives_its_published_values():
    codes = RAW_4_RATERS - 1
    assert percent_agreement(codes) == pytest.approx(0.81818, abs=5e-6)
    assert fleiss_kappa(codes) == pytest.approx(0.76117, abs=5e-6)
    assert gwet_ac1(codes, n_categories=5) == pytest.approx(0.77544, abs=5e-6)
    assert krippendorff_alpha(codes) == pytest.approx(0.74342, abs=5e-6)


def test_kappa_is_low_beside_94_percent_agreement_when_answers_are_skewed():
    assert percent_agreement(SKEWED) == pytest.approx(0.94)
    assert cohen_kappa(SKEWED) == pytest.approx(0.37, abs=5e-4)
    assert gwet_ac1(SKEWED, n_categories=2) == pytest.approx(0.93, abs=5e-3)


@given(rows=ratings)
def test_percent_agreement_is_that_of_pairs_of_answers(rows):
    assert float(percent_agreement(rows)) == pytest.approx(slow_percent(rows), nan_ok=True)


@given(rows=ratings)
def test_fleiss_kappa_is_that_of_its_definition(rows):
    assert float(fleiss_kappa(rows)) == pytest.approx(slow_fleiss(rows), nan_ok=True)


@given(pairs=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=40))
def test_cohen_kappa_is_that_of_scikit_learn_on_complete_data(pairs):
    first, second = zip(*pairs, strict=True)
    assume(len(set(first) | set(second)) > 1)
    assert float(cohen_kappa(pairs)) == pytest.approx(cohen_kappa_score(first, second))


def test_cohen_kappa_leaves_out_items_that_one_of_the_two_did_not_answer():
    gaps = np.array([(0, -1), (-1, 1), (3, -1), (-1, -1)])
    assert cohen_kappa(np.concatenate([SKEWED, gaps])) == cohen_kappa(SKEWED)


@given(rows=ratings, data=st.data())
def test_weights_count_an_item_as_often_as_they_say(rows, data):
    times = data.draw(st.lists(st.integers(0, 3), min_size=len(rows), max_size=len(rows)))
    assume(sum(times) > 0)
    repeated = np.repeat(rows, times, axis=0)
    for statistic in (percent_agreement, fleiss_kappa, krippendorff_alpha, partial(gwet_ac1, n_categories=4)):
        weighted = float(statistic(rows, np.array(times, dtype=float)))
        assert weighted == pytest.approx(float(statistic(repeated, None)), nan_ok=True)


@pytest.mark.parametrize("statistic", KAPPAS)
@pytest.mark.parametrize("category", [0, 2])
def test_one_category_only_is_full_agreement_and_no_kappa(statistic, category):
    rows = np.full((7, 2), category)
    assert percent_agreement(rows) == 1
    assert math.isnan(statistic(rows))


@pytest.mark.parametrize("statistic", [percent_agreement, *KAPPAS])
@pytest.mark.parametrize("rows", [np.full((4, 2), -1), np.empty((0, 2)), np.array([[0, -1], [-1, 1]])])
def test_without_a_pair_of_answers_nothing_is_defined(statistic, rows):
    assert math.isnan(statistic(rows))


def test_cohen_kappa_refuses_three_raters():
    with pytest.raises(AnalysisError, match="for 2 raters, not 4; use fleiss_kappa"):
        cohen_kappa(RAW_4_RATERS)


@pytest.mark.parametrize("value", [-2, 0.5])
def test_what_is_no_category_code_is_refused(value):
    with pytest.raises(AnalysisError, match=f"{value}.* is not a category code"):
        percent_agreement([[0, value]])


def test_ratings_must_be_a_table():
    with pytest.raises(AnalysisError, match=r"1 dimensions; give an array \(n_items, n_raters\)"):
        percent_agreement([0, 1])


def test_ac1_needs_two_categories_that_could_be_chosen():
    with pytest.raises(AnalysisError, match="at least 2 categories"):
        gwet_ac1([[0, 0]], n_categories=1)


def slow_bootstrap(statistic, rows, strata, n_resamples: int, seed: int) -> list[float]:
    """Resample the items of each stratum with replacement, one resample after the other."""
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(n_resamples):
        members = [np.flatnonzero(strata == stratum) for stratum in np.unique(strata)]
        chosen = np.concatenate([rng.choice(group, len(group)) for group in members])
        values.append(float(statistic(rows[chosen])))
    return values


@pytest.mark.parametrize("statistic", [percent_agreement, cohen_kappa, fleiss_kappa])
def test_the_bootstrap_interval_is_that_of_a_slow_one_up_to_chance(statistic):
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 2, 60)
    rows = np.stack([np.where(rng.random(60) < 0.15, 1 - truth, truth) for _ in range(2)], axis=1)
    strata = np.repeat([0, 1, 2], 20)
    got = estimate(statistic, rows, strata=strata, seed=5)
    low, high = np.nanquantile(slow_bootstrap(statistic, rows, strata, 2000, seed=6), [0.025, 0.975])
    assert got.value == pytest.approx(float(statistic(rows)))
    assert got.low == pytest.approx(low, abs=0.025)
    assert got.high == pytest.approx(high, abs=0.025)
    assert got.n_items == 60
    assert got.n_resamples == 2000


def test_the_same_seed_gives_the_same_interval_and_another_one_does_not():
    first, again, other = (estimate(fleiss_kappa, RAW_4_RATERS, seed=seed) for seed in (3, 3, 4))
    assert first == again
    assert first != other


def test_items_are_resampled_within_strata():
    rows = np.array([[0, 0]] * 10 + [[0, 1]] * 10)
    strata = np.repeat([0, 1], 10)
    assert estimate(percent_agreement, rows, strata=strata, seed=1).low == 0.5
    assert estimate(percent_agreement, rows, seed=1).low < 0.4


def test_weighted_agreement_speaks_for_the_population():
    rows, weights = np.array([[0, 0], [0, 1]]), [3.0, 1.0]
    assert estimate(percent_agreement, rows, weights=weights, strata=[0, 1], seed=1).value == 0.75


def test_the_share_of_undefined_resamples_is_reported():
    rows = np.array([[0, 0]] * 4 + [[1, 1]])
    got = estimate(cohen_kappa, rows, seed=1)
    assert got.value == 1
    assert got.undefined_share == pytest.approx(0.8**5, abs=0.03)


def test_an_undefined_statistic_has_no_interval():
    got = estimate(fleiss_kappa, np.zeros((5, 3)), seed=1)
    assert math.isnan(got.value)
    assert math.isnan(got.low)
    assert math.isnan(got.high)
    assert got.undefined_share == 1


def test_items_without_any_answer_do_not_widen_the_interval():
    gaps = np.full((200, 2), -1)
    with_gaps = estimate(cohen_kappa, np.concatenate([SKEWED, gaps]), seed=1)
    assert with_gaps == estimate(cohen_kappa, SKEWED, seed=1)
