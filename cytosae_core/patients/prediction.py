"""Patient classification: every method on the same folds of patients, and a test against chance."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from sklearn.metrics import f1_score

from cytosae_core.errors import AnalysisError
from cytosae_core.patients.folds import Fold, patient_folds
from cytosae_core.patients.probing import IntArray, Method
from cytosae_core.progress import Progress, no_progress


def group_codes(diagnoses: "pd.Series[str]") -> tuple[IntArray, list[str]]:
    """Each patient's group as a number (n_patients,), and the names by number, in alphabetical order."""
    missing = int(diagnoses.isna().sum())
    if missing:
        raise AnalysisError(f"{missing} patients have no diagnosis; give one to each, or leave these patients out")
    names, codes = np.unique(diagnoses.to_numpy(dtype=object).astype(str), return_inverse=True)
    return codes.astype(np.int64), [str(name) for name in names]


def predict_patients(
    methods: Mapping[str, Method], groups: pd.DataFrame, folds: Sequence[Fold], *, progress: Progress = no_progress
) -> pd.DataFrame:
    """What every method says of every patient in the fold in which it is tested.

    `groups` has patient and diagnosis, one row per patient. Columns method, seed, fold, patient, group, predicted,
    chosen. Raises AnalysisError where a patient has two rows, and so could be on both sides of a fold.
    """
    repeated = groups["patient"][groups["patient"].duplicated()]
    if len(repeated):
        raise AnalysisError(f"patient {repeated.iloc[0]!r} has two rows; add them up, patients are never split")
    codes, names = group_codes(groups["diagnosis"])
    parts = []
    for name, method in methods.items():
        for fold in folds:
            prediction = method(codes, fold.train, fold.test, fold.seed)
            parts.append(_rows(name, fold, groups, codes, names, prediction.codes, prediction.chosen))
            progress(len(parts), len(methods) * len(folds))
    return pd.concat(parts, ignore_index=True)


def permutation_test(
    method: Method,
    groups: pd.DataFrame,
    *,
    n_folds: int,
    seed: int,
    n_permutations: int = 499,
    progress: Progress = no_progress,
) -> dict[str, float]:
    """Whether the method tells the groups apart better than chance: score, null_mean, null_max, p_value, n.

    The score is the mean weighted F1 over the folds of `seed`. The groups are dealt anew to the patients, folds made
    and scored in the same way; `p = (1 + permutations that score as high) / (1 + permutations)`.
    """
    rng = np.random.default_rng(seed)
    score = _score(method, groups, n_folds, seed)
    null = []
    progress(0, n_permutations)
    for index in range(n_permutations):
        dealt = groups.assign(diagnosis=rng.permutation(groups["diagnosis"].to_numpy()))
        null.append(_score(method, dealt, n_folds, seed))
        progress(index + 1, n_permutations)
    n_as_high = sum(one >= score - 1e-12 for one in null)
    return {
        "score": score,
        "null_mean": float(np.mean(null)),
        "null_max": float(np.max(null)),
        "p_value": (1 + n_as_high) / (1 + n_permutations),
        "n_permutations": n_permutations,
    }


def _score(method: Method, groups: pd.DataFrame, n_folds: int, seed: int) -> float:
    codes, _ = group_codes(groups["diagnosis"])
    scores = []
    for fold in patient_folds(codes, n_folds, [seed]):
        predicted = method(codes, fold.train, fold.test, fold.seed).codes
        scores.append(f1_score(codes[fold.test], predicted, average="weighted", zero_division=0))
    return float(np.mean(scores))


def _rows(
    method: str,
    fold: Fold,
    groups: pd.DataFrame,
    codes: IntArray,
    names: list[str],
    predicted: IntArray,
    chosen: str,
) -> pd.DataFrame:
    names_array = np.array(names, dtype=object)
    return pd.DataFrame(
        {
            "method": method,
            "seed": fold.seed,
            "fold": fold.fold,
            "patient": groups["patient"].to_numpy()[fold.test],
            "group": names_array[codes[fold.test]],
            "predicted": names_array[predicted],
            "chosen": chosen,
        }
    )
