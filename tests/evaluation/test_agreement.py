"""Agreement statistics against published numbers, scikit-learn and pair-by-pair twins."""

import math
from itertools import combinations, permutations

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from cytosae_core.errors import AnalysisError
from cytosae_core.evaluation import agreement
from cytosae_core.evaluation.pairs import pair_agreement, pair_columns, paired_codes, rater_pairs
from cytosae_core.evaluation.scales import category_weights
from cytosae_core.evaluation.tally import category_codes, tally

NO = np.nan
RAW_4_RATERS = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, NO, NO, NO],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NO, NO],
        [NO, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, 3],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NO],
    ]
).T
"""12 units, 4 raters, with gaps: Gwet, Handbook of Inter-Rater Reliability (there the last 3 is from rater 3)."""

SKEWED = np.array([(0, 0)] * 46 + [(0, 1)] + [(1, 0)] * 2 + [(1, 1)])


def percent_agreement(rows, weights=None):
    return agreement.percent_agreement(tally(rows, weights=weights))


def cohen_kappa(rows, weights=None):
    return agreement.cohen_kappa(tally(paired_codes(category_codes(rows)), weights=weights)).value


def fleiss_kappa(rows, weights=None):
    return agreement.fleiss_kappa(tally(rows, weights=weights)).value


def conger_kappa(rows, weights=None):
    return agreement.conger_kappa(tally(rows, weights=weights)).value


def krippendorff_alpha(rows, weights=None):
    return agreement.krippendorff_alpha(tally(rows, weights=weights)).value


def gwet_ac1(rows, weights=None, *, n_categories):
    return agreement.gwet_ac1(tally(rows, n_categories, weights)).value


def brennan_prediger(rows, weights=None, *, n_categories):
    return agreement.brennan_prediger(tally(rows, n_categories, weights)).value


KAPPAS = [cohen_kappa, fleiss_kappa, conger_kappa, krippendorff_alpha]


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
    assert conger_kappa(codes) == pytest.approx(0.76282, abs=5e-6)
    assert brennan_prediger(codes, n_categories=5) == pytest.approx(0.77273, abs=5e-6)


def test_kappa_is_low_beside_94_percent_agreement_when_answers_are_skewed():
    assert percent_agreement(SKEWED) == pytest.approx(0.94)
    assert cohen_kappa(SKEWED) == pytest.approx(0.37, abs=5e-4)
    assert gwet_ac1(SKEWED, n_categories=2) == pytest.approx(0.93, abs=5e-3)
    assert brennan_prediger(SKEWED, n_categories=2) == pytest.approx(0.88)  # the PABAK


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
    weighted, plain = tally(rows, 4, np.array(times, dtype=float)), tally(repeated, 4)
    for name in ("fleiss_kappa", "conger_kappa", "krippendorff_alpha", "gwet_ac1", "brennan_prediger"):
        statistic = getattr(agreement, name)
        assert float(statistic(weighted).value) == pytest.approx(float(statistic(plain).value), nan_ok=True), name
    assert float(agreement.percent_agreement(weighted)) == pytest.approx(slow_percent(repeated), nan_ok=True)


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
    with pytest.raises(AnalysisError, match="for 2 raters, not 4; use fleiss_kappa or conger_kappa"):
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


def test_a_code_beyond_the_categories_is_refused():
    with pytest.raises(AnalysisError, match="code 3 is beyond the 3 categories"):
        tally([[0, 3]], 3)


def slow_conger(rows) -> float:
    """Percent agreement against the mean over pairs of raters of the products of their own shares."""
    columns = [[answer for answer in column if answer >= 0] for column in zip(*rows, strict=True)]
    columns = [column for column in columns if column]
    products = [
        sum(one.count(k) / len(one) * other.count(k) / len(other) for k in range(4))
        for one, other in combinations(columns, 2)
    ]
    if not products or math.isnan(slow_percent(rows)):
        return math.nan
    chance = sum(products) / len(products)
    return math.nan if chance > 1 - 1e-12 else (slow_percent(rows) - chance) / (1 - chance)


@given(rows=ratings)
def test_conger_kappa_is_that_of_its_definition(rows):
    assert float(conger_kappa(rows)) == pytest.approx(slow_conger(rows), nan_ok=True)


@given(rows=ratings, category=st.integers(0, 3))
def test_specific_agreement_is_the_chance_that_another_rater_says_the_same(rows, category):
    given_it, same = 0.0, 0.0
    for row in rows:
        answers = [answer for answer in row if answer >= 0]
        for answer, other in permutations(answers, 2):
            given_it += (answer == category) / (len(answers) - 1)
            same += (answer == other == category) / (len(answers) - 1)
    expected = same / given_it if given_it else math.nan
    assert float(agreement.specific_agreement(tally(rows, 4), category)) == pytest.approx(expected, nan_ok=True)


def test_positive_and_negative_agreement_of_two_raters_are_those_of_the_fourfold_table():
    sums = tally(SKEWED)
    assert agreement.specific_agreement(sums, 0) == pytest.approx(2 * 46 / (2 * 46 + 1 + 2))
    assert agreement.specific_agreement(sums, 1) == pytest.approx(2 * 1 / (2 * 1 + 1 + 2))


def test_specific_agreement_on_an_answer_that_nobody_gave_is_not_defined():
    assert math.isnan(agreement.specific_agreement(tally(SKEWED, 3), 2))


def test_chance_stands_beside_each_coefficient():
    sums = tally(SKEWED)
    assert agreement.brennan_prediger(sums).chance == 0.5
    kappa = agreement.cohen_kappa(sums)
    assert kappa.chance == pytest.approx(0.94 * 0.96 + 0.06 * 0.04)
    assert kappa.value == pytest.approx((0.94 - kappa.chance) / (1 - kappa.chance))


@pytest.mark.parametrize("scale", ["linear", "quadratic"])
def test_weighted_kappa_is_that_of_scikit_learn(scale):
    rng = np.random.default_rng(3)
    rows = np.stack([rng.integers(0, 4, 60), rng.integers(0, 4, 60)], axis=1)
    got = agreement.cohen_kappa(tally(rows, 4), category_weights(scale, 4)).value
    assert got == pytest.approx(cohen_kappa_score(*rows.T, weights=scale, labels=range(4)))


def test_ac2_with_no_partial_credit_is_ac1_and_credit_for_near_answers_raises_it():
    sums = tally(RAW_4_RATERS - 1, 5)
    exact = agreement.gwet_ac2(sums, category_weights("identity", 5)).value
    assert exact == agreement.gwet_ac1(sums).value
    assert exact < agreement.gwet_ac2(sums, category_weights("quadratic", 5)).value


def test_weights_without_a_name_are_refused():
    with pytest.raises(AnalysisError, match=r"weights 'cubic' are not known; choose one of \['identity', 'linear'"):
        category_weights("cubic", 3)


def slow_ordinal_alpha(rows) -> float:
    """Krippendorff's alpha from every pair of values, with the ordinal distance written out."""
    units = [[answer for answer in row if answer >= 0] for row in rows]
    units = [unit for unit in units if len(unit) > 1]
    values = [answer for unit in units for answer in unit]
    times = [values.count(k) for k in range(4)]

    def distance(a, b):
        low, high = sorted((a, b))
        return (sum(times[low : high + 1]) - (times[a] + times[b]) / 2) ** 2

    observed = sum(distance(a, b) / (len(unit) - 1) for unit in units for a, b in permutations(unit, 2))
    expected = sum(distance(a, b) for a, b in permutations(values, 2)) / max(len(values) - 1, 1)
    return 1 - observed / expected if expected else math.nan


@given(rows=ratings)
def test_ordinal_alpha_is_that_of_its_definition(rows):
    got = float(agreement.krippendorff_alpha(tally(rows, 4), ordinal=True).value)
    assert got == pytest.approx(slow_ordinal_alpha(rows), nan_ok=True)


@given(rows=ratings)
def test_all_pairs_at_once_give_what_each_pair_gives_alone(rows):
    codes = category_codes(rows)
    percent, kappa = pair_agreement(pair_columns(codes, 4).sum(axis=0), 4)
    for place, pair in enumerate(rater_pairs(codes.shape[1])):
        assert percent[place] == pytest.approx(float(percent_agreement(codes[:, pair])), nan_ok=True)
        assert kappa.value[place] == pytest.approx(float(cohen_kappa(codes[:, pair])), nan_ok=True)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::pandas.errors.Pandas4Warning")
@pytest.mark.parametrize("seed", range(4))
def test_coefficients_are_those_of_ircac_on_random_answers_with_gaps(seed):
    """irrCAC 0.4.4 pins an old scipy, so it is not installed with the rest; unpacked from its wheel it runs."""
    raw = pytest.importorskip("irrCAC.raw", reason="irrCAC is not installed: put its unpacked wheel on PYTHONPATH")
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 4, 40)
    rows = np.where(rng.random((40, 5)) < 0.3, rng.integers(0, 4, (40, 5)), truth[:, None])
    rows[rng.random(rows.shape) < 0.2] = -1
    sums = tally(rows, 4)
    for scale in ("identity", "linear", "quadratic"):
        weights = category_weights(scale, 4)
        frame = pd.DataFrame(rows).where(lambda answers: answers >= 0)
        oracle = raw.CAC(frame, weights=scale, categories=[0.0, 1.0, 2.0, 3.0], digits=9)
        expected = {
            "fleiss": agreement.fleiss_kappa(sums, weights),
            "conger": agreement.conger_kappa(sums, weights),
            "bp": agreement.brennan_prediger(sums, weights),
            "gwet": agreement.gwet_ac2(sums, weights),
        }
        for name, ours in expected.items():
            found = getattr(oracle, name)()["est"]
            assert float(ours.value) == pytest.approx(found["coefficient_value"], abs=1e-8), (scale, name)
            assert float(ours.chance) == pytest.approx(found["pe"], abs=1e-8), (scale, name)
        if scale == "identity":
            alpha = oracle.krippendorff()["est"]["coefficient_value"]
            assert float(agreement.krippendorff_alpha(sums).value) == pytest.approx(alpha, abs=1e-8)
