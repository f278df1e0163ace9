"""Latent classes: against a slow twin, known truths, and what cannot be known."""

import math

import numpy as np
import pytest

from cytosae_core.errors import AnalysisError
from cytosae_core.evaluation.consensus import consensus_table
from cytosae_core.evaluation.latent_class import PriorCounts, dawid_skene
from cytosae_core.evaluation.latent_table import EVERYBODY, latent_table
from tests.judging.judged import answer_table, small_study, verdicts

MAINS = [f"c{k}{n}" for k in (0, 1) for n in range(5)]


def noisy_answers(n_items=60, n_raters=4, slips=(0.05, 0.1, 0.2, 0.3), missing=0.1, q=3, seed=0):
    """Truths, and answers of raters who slip to another answer more or less often."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, q, n_items)
    other = (truth[:, None] + rng.integers(1, q, (n_items, n_raters))) % q
    codes = np.where(rng.random((n_items, n_raters)) < np.array(slips[:n_raters]), other, truth[:, None])
    codes[rng.random(codes.shape) < missing] = -1
    codes[(codes < 0).all(axis=1), 0] = 0
    return truth, codes


def slow_dawid_skene(codes, q, weights, n_steps):
    """The three formulas of the paper, item by item and rater by rater."""
    n_items, n_raters = codes.shape
    members = [[sum(code == k for code in row) / sum(code >= 0 for code in row) for k in range(q)] for row in codes]

    def maximise():
        shares = [sum(w * m[k] for w, m in zip(weights, members, strict=True)) / sum(weights) for k in range(q)]
        confusions = np.full((n_raters, q, q), np.nan)
        for g in range(n_raters):
            for k in range(q):
                given = [(w * m[k], row[g]) for w, m, row in zip(weights, members, codes, strict=True) if row[g] >= 0]
                total = sum(weight for weight, _ in given)
                for answer in range(q):
                    confusions[g, k, answer] = sum(weight for weight, code in given if code == answer) / total
        return shares, confusions

    for _ in range(n_steps):
        shares, confusions = maximise()
        for i in range(n_items):
            likelihoods = [
                shares[k] * math.prod(confusions[g, k, codes[i, g]] for g in range(n_raters) if codes[i, g] >= 0)
                for k in range(q)
            ]
            members[i] = [one / sum(likelihoods) for one in likelihoods]
    return (*maximise(), members)


@pytest.mark.parametrize("seed", range(3))
def test_the_classes_are_those_of_a_slow_twin(seed):
    _, codes = noisy_answers(seed=seed)
    weights = np.random.default_rng(seed).uniform(0.5, 2, len(codes))
    found = dawid_skene(codes, 3, weights, n_steps=8)
    shares, confusions, members = slow_dawid_skene(codes, 3, weights, 8)
    np.testing.assert_allclose(found.shares, shares, atol=1e-9)
    np.testing.assert_allclose(found.confusions, confusions, atol=1e-9)
    np.testing.assert_allclose(found.probabilities, members, atol=1e-9)


def test_many_rows_of_weights_give_what_each_gives_alone():
    _, codes = noisy_answers()
    weights = np.random.default_rng(1).uniform(0.5, 2, (3, len(codes)))
    together = dawid_skene(codes, 3, weights, n_steps=5)
    for number, row in enumerate(weights):
        alone = dawid_skene(codes, 3, row, n_steps=5)
        np.testing.assert_allclose(together.confusions[number], alone.confusions)
        np.testing.assert_allclose(together.sensitivity()[number], alone.sensitivity())
        np.testing.assert_allclose(together.specificity()[number], alone.specificity())


def test_careful_raters_are_told_from_careless_ones_and_items_are_put_right():
    truth, codes = noisy_answers(n_items=400, missing=0.0)
    found = dawid_skene(codes, 3)
    assert found.sensitivity().mean(axis=-1) == pytest.approx([0.95, 0.9, 0.8, 0.7], abs=0.05)
    assert found.specificity().mean(axis=-1) == pytest.approx([0.975, 0.95, 0.9, 0.85], abs=0.03)
    assert (found.probabilities.argmax(axis=1) == truth).mean() > 0.97


def test_specificity_is_one_less_the_answers_given_to_other_classes():
    _, codes = noisy_answers()
    found = dawid_skene(codes, 3)
    for rater in range(4):
        others = found.shares[1:] / found.shares[1:].sum()
        expected = 1 - (others * found.confusions[rater, 1:, 0]).sum()
        assert found.specificity()[rater, 0] == pytest.approx(expected)


def test_a_class_that_no_rater_ever_named_has_no_sensitivity():
    _, codes = noisy_answers(q=2)
    found = dawid_skene(codes, 3)
    assert found.shares[2] == 0
    assert np.isnan(found.sensitivity()[:, 2]).all()


def test_a_prior_of_answers_moves_the_confusions_towards_it():
    codes = np.repeat([[0, 0, 0], [1, 1, 1]], 10, axis=0)
    prior = PriorCounts(np.zeros(2), np.ones((3, 2, 2)))
    assert dawid_skene(codes, 2).sensitivity() == pytest.approx(1)
    assert dawid_skene(codes, 2, prior=prior).sensitivity() == pytest.approx(11 / 12, abs=0.01)


def test_two_raters_are_too_few_for_classes():
    with pytest.raises(AnalysisError, match="latent classes need at least 3 raters, not 2; ask one more rater"):
        dawid_skene(np.array([[0, 1]]), 2)


def three_raters():
    return (
        verdicts("R01", MAINS, "yyyyynnnnn")
        | verdicts("R02", MAINS, "yyyyynnnny")
        | verdicts("R03", MAINS, "ynynyynnyn")
    )


def test_the_table_gives_shares_sensitivities_and_specificities_with_intervals():
    table = latent_table(answer_table(small_study(with_disease=False), three_raters()), n_resamples=100, seed=1)
    assert set(table["measure"]) == {"share", "sensitivity", "specificity"}
    rows = table.set_index(["measure", "rater_code", "answer", "weighting"])
    share = rows.loc["share", EVERYBODY, "yes", "plain"]
    assert 0.4 < share["value"] < 0.6
    assert share["low"] < share["value"] < share["high"]
    assert rows.loc["share", EVERYBODY, "yes", "cluster_weighted"]["value"] < share["value"]
    careful, careless = (rows.loc["sensitivity", rater, "yes", "plain"]["value"] for rater in ("R01", "R03"))
    assert careful > careless
    assert rows.loc["specificity", "R01", "yes", "plain"]["n_expected"] == pytest.approx(10 * share["value"])


def test_without_three_raters_the_table_says_why_it_is_empty():
    given = verdicts("R01", MAINS, "yyyyynnnnn") | verdicts("R02", MAINS, "yyyyynnnny")
    (row,) = latent_table(answer_table(small_study(with_disease=False), given), seed=1).itertuples()
    assert math.isnan(row.value)
    assert row.note == "needs at least 3 raters who answered: with fewer the model is not identified"


def test_the_likeliest_class_stands_beside_the_consensus():
    table = consensus_table(answer_table(small_study(with_disease=False), three_raters())).set_index("item_id")
    assert table.loc["c00", "latent_class"] == "yes"
    assert table.loc["c12", "latent_class"] == "no"
    assert table.loc["c00", "latent_probability"] > 0.9
    two = {key: value for key, value in three_raters().items() if key[0] != "R03"}
    assert consensus_table(answer_table(small_study(with_disease=False), two))["latent_class"].isna().all()
