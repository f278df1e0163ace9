"""Scores of predicted patients against counting."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cytosae_core.patients.scores import confusion, fold_scores, group_scores, spread

GROUPS = ["a", "b", "c"]
pairs = st.lists(st.tuples(st.sampled_from(GROUPS), st.sampled_from(GROUPS)), min_size=2, max_size=12)


def predictions_of(folds, method="m", seed=0):
    """Rows of one seed; `folds` are lists of (group, predicted)."""
    rows = [
        {"method": method, "seed": seed, "fold": number, "patient": f"p{number}.{k}", "group": g, "predicted": p}
        for number, fold in enumerate(folds)
        for k, (g, p) in enumerate(fold)
    ]
    return pd.DataFrame(rows).assign(chosen="")


def slow_f1(fold, group):
    tp = sum(g == p == group for g, p in fold)
    fp = sum(p == group != g for g, p in fold)
    fn = sum(g == group != p for g, p in fold)
    return 2 * tp / (2 * tp + fp + fn) if tp + fp + fn else 0.0


def slow_share(fold, group, place):
    """Of the patients that have the group at this place of (group, predicted), the share that has it at both."""
    of_group = [one for one in fold if one[place] == group]
    return sum(g == p for g, p in of_group) / len(of_group) if of_group else 0.0


@settings(max_examples=30)
@given(folds=st.lists(pairs, min_size=1, max_size=3))
def test_f1_scores_are_those_of_counts(folds):
    folds[0] = [*folds[0], *((group, "a") for group in GROUPS)]  # every group is somewhere
    table, groups = fold_scores(predictions_of(folds)), group_scores(predictions_of(folds))
    for number, fold in enumerate(folds):
        f1 = {group: slow_f1(fold, group) for group in GROUPS}
        row = table.loc[number]
        assert row["macro_f1"] == pytest.approx(sum(f1.values()) / 3, rel=1e-12)
        assert row["weighted_f1"] == pytest.approx(sum(f1[g] for g, _ in fold) / len(fold), rel=1e-12)
        assert row["accuracy"] == pytest.approx(sum(g == p for g, p in fold) / len(fold), rel=1e-12)
        own = groups[groups["fold"] == number].set_index("group")
        assert own["f1"].to_dict() == pytest.approx(f1, rel=1e-12)
        for score, of in (("precision", 1), ("recall", 0)):
            expected = {group: slow_share(fold, group, of) for group in GROUPS}
            assert own[score].to_dict() == pytest.approx(expected, rel=1e-12)
        assert own["n_test"].to_dict() == {group: sum(g == group for g, _ in fold) for group in GROUPS}


def test_the_confusion_matrix_counts_a_seed_and_spreads_over_seeds():
    first = predictions_of([[("a", "a"), ("a", "b")], [("b", "b")]])
    second = predictions_of([[("a", "b"), ("a", "b")], [("b", "b")]], seed=1)
    table = confusion(pd.concat([first, second])).set_index(["group", "predicted"])
    assert table["n_mean"].to_dict() == {("a", "a"): 0.5, ("a", "b"): 1.5, ("b", "a"): 0.0, ("b", "b"): 1.0}
    assert table.loc[("a", "b"), "n_sd"] == pytest.approx(np.sqrt(0.5))
    assert table.loc[("a", "b"), "share"] == 0.75
    assert confusion(first)["n_sd"].isna().all()


def test_spread_is_over_all_folds_and_over_the_means_of_seeds():
    scores = pd.DataFrame(
        {"method": "m", "seed": [0, 0, 1, 1], "fold": [0, 1, 0, 1], "weighted_f1": [0.2, 0.4, 0.6, 1.0]}
    )
    row = spread(scores, ["method"], ["weighted_f1"]).loc[0]
    assert row["weighted_f1"] == pytest.approx(0.55)
    assert row["weighted_f1_sd_folds"] == pytest.approx(np.std([0.2, 0.4, 0.6, 1.0], ddof=1))
    assert row["weighted_f1_sd_seeds"] == pytest.approx(np.std([0.3, 0.8], ddof=1))
    one_seed = spread(scores[scores["seed"] == 0], ["method"], ["weighted_f1"])
    assert one_seed["weighted_f1_sd_seeds"].isna().all()
