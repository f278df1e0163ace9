"""The whole comparison of patient classification: probe, sweep, baselines, chance; one set of folds for all of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cytosae_core.errors import ConfigError
from cytosae_core.method import LOG10_THRESHOLD
from cytosae_core.patients.bags import mean_patch
from cytosae_core.patients.differential import PatientCounts, patient_barcodes, usable_patients
from cytosae_core.patients.folds import patient_folds
from cytosae_core.patients.mil import MilConfig, attention_mil
from cytosae_core.patients.prediction import group_codes, permutation_test, predict_patients
from cytosae_core.patients.probing import C_RULES, CRule, Method, majority, probe
from cytosae_core.patients.scores import confusion, fold_scores, group_scores, spread
from cytosae_core.patients.sweep import THRESHOLDS, Sweep, kept_latents
from cytosae_core.progress import Progress, no_progress

Bags = Sequence[NDArray[np.float32]]


@dataclass(frozen=True)
class ClassificationConfig:
    """How patients are classified."""

    n_folds: int = 5
    """Folds of patients, stratified by group."""
    n_seeds: int = 5
    """Shuffles of the patients, each with folds of its own."""
    first_seed: int = 0
    """Seed of the first shuffle; the others follow it."""
    thresholds: tuple[float, ...] = THRESHOLDS
    """log10 of the mean activation on the training images above which latents are used: the sweep."""
    min_images: int = 1
    """Patients with fewer images are left out."""
    n_permutations: int = 499
    """Times that groups are dealt anew, for the test against chance."""

    def __post_init__(self) -> None:
        if self.n_seeds < 1 or self.n_permutations < 1 or not self.thresholds:
            raise ConfigError(
                f"{self.n_seeds} seeds, {self.n_permutations} permutations and {len(self.thresholds)} thresholds; "
                "at least 1 of each is needed"
            )

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds of all shuffles."""
        return tuple(range(self.first_seed, self.first_seed + self.n_seeds))


@dataclass(frozen=True)
class _Entry:
    """A method and what it is."""

    name: str
    family: str
    method: Method
    c_rule: str = ""
    threshold: float = np.nan


def used_patients(barcodes: PatientCounts, min_images: int) -> list[str]:
    """Patients that are classified, in the order in which `classify_patients` wants their bags."""
    return [str(name) for name in usable_patients(barcodes, min_images)[1]["patient"]]


def classify_patients(
    barcodes: PatientCounts,
    mean_activation: NDArray[np.float64],
    bags: Bags | None = None,
    *,
    config: ClassificationConfig | None = None,
    mil: MilConfig | None = None,
    progress: Progress = no_progress,
    test_progress: Progress = no_progress,
) -> dict[str, pd.DataFrame]:
    """Tables by name: scores, folds, groups, confusion, predictions, permutation.

    `mean_activation` (n_latents,) is that of the images that the SAE was trained on, missing for latents that never
    fire. `bags`, the backbone's tokens of each of `used_patients`, add two baselines: mean-pooled tokens and the
    attention model. scores has one row per method, with family, reading, threshold (missing where it is chosen within
    the folds, or there is none) and the mean and spread of each score. The permutation test is of the probe under
    both rules for C, without any choice of threshold. Raises AnalysisError for data that do not fit or cannot fill
    the folds.
    """
    config = config or ClassificationConfig()
    counts, groups = usable_patients(barcodes, config.min_images)
    features = patient_barcodes(counts, groups, "corrected")
    codes, _ = group_codes(groups["diagnosis"])
    folds = patient_folds(codes, config.n_folds, config.seeds)
    entries = _entries(features, mean_activation, bags, config, mil)
    predictions = predict_patients({one.name: one.method for one in entries}, groups, folds, progress=progress)
    kinds = pd.DataFrame(
        [{"method": e.name, "family": e.family, "reading": e.c_rule, "threshold": e.threshold} for e in entries]
    )
    of_folds, of_groups = fold_scores(predictions), group_scores(predictions)
    tested = [_tested(features, c_rule, groups, config, test_progress) for c_rule in C_RULES]
    return {
        "scores": kinds.merge(spread(of_folds, ["method"]), on="method"),
        "folds": of_folds,
        "groups": spread(of_groups, ["method", "group"], ("precision", "recall", "f1")),
        "confusion": confusion(predictions),
        "predictions": predictions,
        "permutation": pd.DataFrame(tested),
    }


def _tested(
    features: NDArray[np.float64],
    c_rule: CRule,
    groups: pd.DataFrame,
    config: ClassificationConfig,
    progress: Progress,
) -> dict[str, float | str]:
    """The permutation test of the probe on all latents, as a row."""
    n_before = C_RULES.index(c_rule) * config.n_permutations
    found = permutation_test(
        probe(features, c_rule),
        groups,
        n_folds=config.n_folds,
        seed=config.first_seed,
        n_permutations=config.n_permutations,
        progress=lambda n_done, n_all: progress(n_before + n_done, n_all * len(C_RULES)),
    )
    return {"method": f"barcode probe, C by {c_rule}", "seed": config.first_seed, **found}


def _entries(
    features: NDArray[np.float64],
    mean_activation: NDArray[np.float64],
    bags: Bags | None,
    config: ClassificationConfig,
    mil: MilConfig | None,
) -> list[_Entry]:
    sweep = Sweep(features, kept_latents(mean_activation, config.thresholds))
    entries = [_Entry("majority class", "baseline", majority)]
    for c_rule in C_RULES:
        entries += _of_rule(features, sweep, bags, c_rule)
    if bags is not None:
        entries.append(_Entry("attention model on tokens", "baseline", attention_mil(bags, mil)))
    return entries


def _of_rule(features: NDArray[np.float64], sweep: Sweep, bags: Bags | None, c_rule: CRule) -> list[_Entry]:
    """The probe with all latents, with a threshold chosen in the folds, with every threshold; the probe on tokens."""
    suffix = f"C by {c_rule}"
    entries = [
        _Entry(f"barcode probe, {suffix}", "probe", probe(features, c_rule), c_rule),
        _Entry(f"barcode probe, t chosen, {suffix}", "probe", sweep.nested(c_rule), c_rule),
    ]
    for t in sweep.products:
        family = "probe at the paper's t" if t == LOG10_THRESHOLD else "sweep"
        entries.append(_Entry(f"barcode probe, t = {t:g}, {suffix}", family, sweep.at(t, c_rule), c_rule, t))
    if bags is not None:
        entries.append(_Entry(f"mean-pooled tokens, {suffix}", "baseline", probe(mean_patch(bags), c_rule), c_rule))
    return entries
