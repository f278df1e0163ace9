"""Patients in folds: every method is trained and tested on the same ones, and no patient is ever on both sides."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold

from cytosae_core.errors import AnalysisError

IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Fold:
    """One split of the patients; positions are rows of the patients' table."""

    seed: int
    """Seed of the shuffle that the fold belongs to."""
    fold: int
    """Number of the fold, from 0."""
    train: IntArray
    """Positions of the patients to learn from."""
    test: IntArray
    """Positions of the patients to predict."""


def patient_folds(codes: IntArray, n_folds: int, seeds: Sequence[int]) -> tuple[Fold, ...]:
    """Folds stratified by group, `n_folds` for each seed; `codes` (n_patients,) are the groups as numbers.

    Raises AnalysisError for fewer than two folds, groups or seeds that cannot fill every fold.
    """
    sizes = np.bincount(codes)
    if n_folds < 2 or not seeds or len(sizes) < 2:
        raise AnalysisError(
            f"{n_folds} folds, {len(seeds)} seeds and {len(sizes)} groups; at least 2 folds, 1 seed and 2 groups are "
            "needed"
        )
    if sizes.min() < n_folds:
        raise AnalysisError(
            f"the smallest group has {sizes.min()} patients, which cannot be in {n_folds} folds; "
            f"ask for at most {sizes.min()} folds or leave the group out"
        )
    return tuple(
        Fold(seed, number, train, test)
        for seed in seeds
        for number, (train, test) in enumerate(
            StratifiedKFold(n_folds, shuffle=True, random_state=seed).split(codes, codes)
        )
    )
