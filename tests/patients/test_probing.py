"""Patient classification: the fast probe against scikit-learn on the features themselves, and what must not leak."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from cytosae_core.errors import AnalysisError
from cytosae_core.patients.folds import patient_folds
from cytosae_core.patients.prediction import group_codes, permutation_test, predict_patients
from cytosae_core.patients.probing import (
    fit_and_predict,
    fit_regression,
    inner_products,
    inverse_strength,
    majority,
    probe,
)
from cytosae_core.patients.sweep import Sweep, kept_latents


def cohort(n_per_group=8, n_latents=40, signal=2.0, seed=0, n_groups=3):
    """Patients whose group raises three latents of its own."""
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(n_groups), n_per_group)
    features = rng.gamma(2.0, 1.0, (len(codes), n_latents))
    for group in range(n_groups):
        features[codes == group, 3 * group : 3 * group + 3] += signal
    names = [f"patient {number}" for number in range(len(codes))]
    groups = pd.DataFrame({"patient": names, "diagnosis": [f"group {code}" for code in codes]})
    return features, codes, groups


@pytest.mark.parametrize("c", [0.03, 1.0, 40.0])
@pytest.mark.parametrize("signal", [0.3, 2.0])
def test_the_probe_predicts_what_logistic_regression_on_the_features_predicts(c, signal):
    features, codes, _ = cohort(signal=signal, n_latents=60)
    for fold in patient_folds(codes, 4, [0]):
        slow = LogisticRegression(C=c, max_iter=50_000, tol=1e-9).fit(features[fold.train], codes[fold.train])
        fast = fit_and_predict(inner_products(features), codes, fold.train, fold.test, c)
        assert fast.tolist() == slow.predict(features[fold.test]).tolist()


@pytest.mark.parametrize("c", [1e3, 1e7])
def test_with_a_weak_penalty_and_no_errors_the_slope_is_gone_where_the_penalty_still_counts(c):
    """Where every gradient is small, small is compared with the penalty's own."""
    rng = np.random.default_rng(3)
    z, y = rng.normal(size=(60, 59)) * np.geomspace(10, 0.01, 59), np.arange(60) % 5
    found = fit_regression(z, y, c)
    logits = z @ found.coef_.T + found.intercept_
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    errors = shares / shares.sum(axis=1, keepdims=True) - np.eye(5)[y]
    pull = found.coef_.T / c
    assert np.linalg.norm(z.T @ errors + pull) < 0.01 * np.linalg.norm(pull)


def test_thresholds_that_keep_the_same_latents_are_fitted_once_and_the_highest_is_chosen(monkeypatch):
    features, codes, _ = cohort(signal=3.0)
    mean = np.where(np.arange(40) < 9, 1e-2, 1e-5)
    sweep, fold = Sweep(features, kept_latents(mean, [-4.0, -3.5, -3.0])), patient_folds(codes, 4, [0])[0]
    asked = []
    own_score = sweep._inner_score
    monkeypatch.setattr(sweep, "_inner_score", lambda t, *rest: asked.append(t) or own_score(t, *rest))
    assert sweep.nested("samples")(codes, fold.train, fold.test, 0).chosen == "t = -3"
    assert asked == [-4.0]


def test_the_two_readings_of_the_regularisation():
    sizes = {"n_groups": 5, "n_train": 151, "n_features": 49_152}
    assert inverse_strength("samples", **sizes) == pytest.approx(7.55)
    assert inverse_strength("features", **sizes) == pytest.approx(2457.6)
    with pytest.raises(AnalysisError, match="rule 'paper' for C is not known; choose one of samples, features"):
        inverse_strength("paper", **sizes)


@given(sizes=st.lists(st.integers(3, 7), min_size=2, max_size=4), n_folds=st.integers(2, 3), seed=st.integers(0, 99))
def test_every_patient_is_tested_once_a_seed_and_never_in_training_then(sizes, n_folds, seed):
    codes = np.repeat(np.arange(len(sizes)), sizes)
    folds = patient_folds(codes, n_folds, [seed, seed + 1])
    for own in (seed, seed + 1):
        tested = np.concatenate([fold.test for fold in folds if fold.seed == own])
        assert sorted(tested) == list(range(len(codes)))
    for fold in folds:
        assert not set(fold.train) & set(fold.test)
        assert set(fold.train) | set(fold.test) == set(range(len(codes)))
        assert set(codes[fold.train]) == set(codes)


def test_a_group_that_cannot_fill_the_folds_is_refused():
    with pytest.raises(AnalysisError, match="smallest group has 2 patients, which cannot be in 5 folds"):
        patient_folds(np.array([0, 0, 1, 1, 1, 1, 1]), 5, [0])
    with pytest.raises(AnalysisError, match="5 folds, 0 seeds and 2 groups"):
        patient_folds(np.array([0, 1]), 5, [])


@settings(max_examples=10)
@given(seed=st.integers(0, 99))
def test_no_method_sees_the_groups_of_test_patients(seed):
    features, codes, _ = cohort(seed=seed)
    sweep = Sweep(features, kept_latents(np.geomspace(1e-5, 1.0, 40), [-4.0, -2.0]))
    fold = patient_folds(codes, 4, [seed])[0]
    hidden = codes.copy()
    hidden[fold.test] = (codes[fold.test] + 1) % 3
    for method in (probe(features, "samples"), sweep.nested("samples"), majority):
        seen, unseen = (method(one, fold.train, fold.test, seed) for one in (codes, hidden))
        assert seen.codes.tolist() == unseen.codes.tolist()
        assert seen.chosen == unseen.chosen


def test_latents_at_or_below_the_threshold_change_nothing():
    features, codes, _ = cohort()
    mean = np.full(40, 1e-2)
    mean[:9], mean[9] = 1e-4, np.nan  # the latents that know
    changed = features.copy()
    changed[:, :10] *= 100
    fold = patient_folds(codes, 4, [0])[0]
    one, two = (
        Sweep(own, kept_latents(mean, [-3.0])).at(-3.0, "features")(codes, fold.train, fold.test, 0).codes
        for own in (features, changed)
    )
    assert one.tolist() == two.tolist()


def test_a_fixed_threshold_is_the_probe_on_features_set_to_zero():
    features, codes, _ = cohort(signal=1.0)
    mean = np.geomspace(1e-6, 1.0, 40)
    zeroed = features * (np.log10(mean) > -3)
    sweep, fold = Sweep(features, kept_latents(mean, [-3.0])), patient_folds(codes, 4, [0])[0]
    for c_rule in ("samples", "features"):
        expected = probe(zeroed, c_rule)(codes, fold.train, fold.test, 0).codes
        assert sweep.at(-3.0, c_rule)(codes, fold.train, fold.test, 0).codes.tolist() == expected.tolist()


def test_without_any_latent_left_the_largest_group_is_named():
    features, _, _ = cohort()
    codes = np.repeat([0, 1, 2], [4, 12, 8])
    sweep, fold = Sweep(features, kept_latents(np.full(40, 1e-4), [0.0])), patient_folds(codes, 4, [0])[0]
    assert set(sweep.at(0.0, "samples")(codes, fold.train, fold.test, 0).codes) == {1}
    assert set(majority(codes, fold.train, fold.test, 0).codes) == {1}


def test_the_nested_choice_takes_the_threshold_that_keeps_the_latents_that_know():
    features, codes, _ = cohort(signal=3.0)
    mean = np.full(40, 1e-5)
    mean[:9] = 1e-2
    mean[39] = 0.5  # knows nothing
    sweep = Sweep(features, kept_latents(mean, [-3.0, -1.0]))
    for fold in patient_folds(codes, 4, [0]):
        assert sweep.nested("samples")(codes, fold.train, fold.test, 0).chosen == "t = -3"


def test_barcodes_and_means_of_different_saes_do_not_meet():
    with pytest.raises(AnalysisError, match="3 latents have a mean activation and the barcodes have 40"):
        Sweep(cohort()[0], kept_latents(np.ones(3)))


def test_permutations_tell_signal_from_none():
    features, _, groups = cohort(signal=3.0)
    found = permutation_test(probe(features, "samples"), groups, n_folds=4, seed=0, n_permutations=19)
    assert found["p_value"] == 0.05
    assert found["score"] > 0.8 > found["null_max"]
    noise = permutation_test(probe(cohort(signal=0)[0], "samples"), groups, n_folds=4, seed=1, n_permutations=19)
    assert noise["p_value"] > 0.05


def test_a_patient_with_two_rows_is_refused():
    _, codes, groups = cohort()
    groups.loc[1, "patient"] = "patient 0"
    with pytest.raises(AnalysisError, match=r"'patient 0' has two rows.*never split"):
        predict_patients({"majority": majority}, groups, patient_folds(codes, 2, [0]))


def test_patients_without_a_diagnosis_are_refused():
    with pytest.raises(AnalysisError, match="1 patients have no diagnosis"):
        group_codes(pd.Series(["a", None]))
