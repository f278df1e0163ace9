"""The threshold sweep: the probe on the latents above t (`method.high_activation`), the others set to zero.

`m` is the latents' mean activation on the images that the SAE was trained on, so that nothing about the patients
decides which latents are used. The curve over t is for looking at; a score that may be quoted as a result chooses t
on the training patients of each fold, by folds among them.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import f1_score

from cytosae_core.errors import AnalysisError
from cytosae_core.method import high_activation
from cytosae_core.patients.folds import patient_folds
from cytosae_core.patients.probing import (
    CRule,
    FloatArray,
    IntArray,
    Method,
    Prediction,
    fit_and_predict,
    inner_products,
    inverse_strength,
    n_groups,
)

THRESHOLDS = tuple(np.linspace(-6, 0, 13).tolist())
"""log10 of the mean activation above which a latent is used."""
N_INNER = 4
"""Folds among the training patients; fewer where a group is smaller."""

Kept = Mapping[float, NDArray[np.bool_]]


def kept_latents(
    mean_activation: FloatArray, thresholds: Sequence[float] = THRESHOLDS
) -> dict[float, NDArray[np.bool_]]:
    """Threshold -> which latents (n_latents,) are used; a latent that never fires has no mean and never is."""
    return {t: high_activation(mean_activation, t) for t in thresholds}


class Sweep:
    """The probe at every threshold on the same patients: inner products are made once."""

    def __init__(self, features: NDArray[np.floating], kept: Kept) -> None:
        """`features` (n_patients, n_latents), `kept` as from `kept_latents`; AnalysisError where they do not fit."""
        for t, used in kept.items():
            if used.shape != features.shape[1:]:
                raise AnalysisError(
                    f"{used.shape[0]} latents have a mean activation and the barcodes have {features.shape[1]}; "
                    "take both from the same SAE"
                )
            if not np.isfinite(t):
                raise AnalysisError(f"threshold {t} is no number; give thresholds such as {THRESHOLDS[0]}")
        self.n_features = features.shape[1]
        first_with: dict[bytes, float] = {}
        self._first_of = {t: first_with.setdefault(used.tobytes(), t) for t, used in kept.items()}
        """Threshold -> the first one that keeps the same latents: what is found for it holds for both."""
        own = {t: inner_products(features[:, kept[t]]) for t in set(self._first_of.values())}
        self.products = {t: own[first] for t, first in self._first_of.items()}

    def at(self, threshold: float, c_rule: CRule) -> Method:
        """The method with a threshold that was fixed beforehand."""

        def predict(codes: IntArray, train: IntArray, test: IntArray, seed: int) -> Prediction:
            return Prediction(self._predict(threshold, c_rule, codes, train, test))

        return predict

    def nested(self, c_rule: CRule) -> Method:
        """The method that chooses the threshold with the best weighted F1 on folds of the training patients.

        Of equally good thresholds it takes the highest: the fewest latents.
        """

        def predict(codes: IntArray, train: IntArray, test: IntArray, seed: int) -> Prediction:
            firsts = dict.fromkeys(self._first_of.values())
            found = {t: self._inner_score(t, c_rule, codes, train, seed) for t in firsts}
            scores = {t: found[first] for t, first in self._first_of.items()}
            best = max(scores, key=lambda t: (round(scores[t], 9), t))
            return Prediction(self._predict(best, c_rule, codes, train, test), f"t = {best:g}")

        return predict

    def _inner_score(self, t: float, c_rule: CRule, codes: IntArray, train: IntArray, seed: int) -> float:
        own = codes[train]
        known, own_codes = np.unique(own, return_inverse=True)
        n_inner = min(N_INNER, int(np.bincount(own_codes).min()))
        if n_inner < 2:
            raise AnalysisError(
                f"group number {known[np.bincount(own_codes).argmin()]} has one patient among the training patients, "
                "so no threshold can be chosen on them; use fewer folds or leave the group out"
            )
        scores = []
        for fold in patient_folds(own_codes, n_inner, [seed]):
            predicted = self._predict(t, c_rule, codes, train[fold.train], train[fold.test])
            truth = codes[train[fold.test]]
            scores.append(f1_score(truth, predicted, labels=known, average="weighted", zero_division=0))
        return float(np.mean(scores))

    def _predict(self, t: float, c_rule: CRule, codes: IntArray, train: IntArray, test: IntArray) -> IntArray:
        # Latents that are not used are zeros, as in the paper, not gone: d stays the width of the SAE.
        c = inverse_strength(c_rule, n_groups=n_groups(codes), n_train=len(train), n_features=self.n_features)
        return fit_and_predict(self.products[t], codes, train, test, c)
