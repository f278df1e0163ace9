"""Scores of predicted patients, each with its spread over folds and seeds."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support

SCORES = ("weighted_f1", "macro_f1", "accuracy")


def fold_scores(predictions: pd.DataFrame) -> pd.DataFrame:
    """Columns method, seed, fold, n_test, weighted_f1, macro_f1, accuracy: one row per fold.

    F1 of a group is `2 tp / (2 tp + fp + fn)`, 0 where the group was never named; weighted by the group's patients in
    the fold, or the plain mean over all groups.
    """
    names = _names(predictions)
    rows = []
    for (method, seed, fold), part in predictions.groupby(["method", "seed", "fold"], sort=False):
        _, _, f1, support = precision_recall_fscore_support(*_pair(part), labels=names, zero_division=0)
        rows.append(
            {
                "method": method,
                "seed": seed,
                "fold": fold,
                "n_test": len(part),
                "weighted_f1": float(np.average(f1, weights=support)),  # one call for both: f1_score would be two
                "macro_f1": float(f1.mean()),
                "accuracy": accuracy_score(*_pair(part)),
            }
        )
    return pd.DataFrame(rows)


def group_scores(predictions: pd.DataFrame) -> pd.DataFrame:
    """Columns method, seed, fold, group, n_test, precision, recall, f1: one row per fold and group."""
    names = _names(predictions)
    parts = []
    for (method, seed, fold), part in predictions.groupby(["method", "seed", "fold"], sort=False):
        precision, recall, f1, support = precision_recall_fscore_support(*_pair(part), labels=names, zero_division=0)
        where = {"method": method, "seed": seed, "fold": fold, "group": names}
        parts.append(pd.DataFrame(where | {"n_test": support, "precision": precision, "recall": recall, "f1": f1}))
    return pd.concat(parts, ignore_index=True)


def confusion(predictions: pd.DataFrame) -> pd.DataFrame:
    """Columns method, group, predicted, n_mean, n_sd, share: patients of each group named as each group.

    All folds of a seed together make one matrix; mean and standard deviation are over seeds (sd missing for one seed).
    share is n_mean over the patients of the group.
    """
    names = _names(predictions)
    parts = []
    for method, part in predictions.groupby("method", sort=False):
        matrices = np.stack([confusion_matrix(*_pair(own), labels=names) for _, own in part.groupby("seed")])
        mean = matrices.mean(axis=0)
        spread = matrices.std(axis=0, ddof=1) if len(matrices) > 1 else np.full(mean.shape, np.nan)
        cells = pd.MultiIndex.from_product([names, names], names=["group", "predicted"])
        share = mean / mean.sum(axis=1, keepdims=True)
        columns = {"n_mean": mean.ravel(), "n_sd": spread.ravel(), "share": share.ravel()}
        table = pd.DataFrame(columns, index=cells).reset_index()
        table.insert(0, "method", str(method))
        parts.append(table)
    return pd.concat(parts, ignore_index=True)


def spread(scores: pd.DataFrame, by: Sequence[str], columns: Sequence[str] = SCORES) -> pd.DataFrame:
    """Mean of each column, `_sd_folds` over all folds and `_sd_seeds` of the seeds' means, for each value of `by`.

    Standard deviations have n - 1 in the denominator, and are missing for a single fold or seed.
    """
    over_folds = scores.groupby(list(by), sort=False)[list(columns)]
    seeds = scores.groupby([*by, "seed"], sort=False)[list(columns)].mean().reset_index()
    table = over_folds.mean()
    table = table.join(over_folds.std().add_suffix("_sd_folds"))
    table = table.join(seeds.groupby(list(by), sort=False)[list(columns)].std().add_suffix("_sd_seeds"))
    order = [name + suffix for name in columns for suffix in ("", "_sd_folds", "_sd_seeds")]
    return table[order].reset_index()


def _names(predictions: pd.DataFrame) -> list[str]:
    return sorted(set(predictions["group"]))


def _pair(part: pd.DataFrame) -> tuple[NDArray[np.object_], NDArray[np.object_]]:
    """What the patients are, and what they were called."""
    return part["group"].to_numpy(dtype=object), part["predicted"].to_numpy(dtype=object)
