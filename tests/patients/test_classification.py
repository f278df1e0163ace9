"""All methods together, on simulated patients."""

import numpy as np
import pandas as pd
import pytest

from cytosae_core.errors import ConfigError
from cytosae_core.patients.classification import ClassificationConfig, classify_patients, used_patients
from cytosae_core.patients.mil import MilConfig
from tests.patients.test_differential import barcodes_of

CONFIG = ClassificationConfig(n_folds=3, n_seeds=2, thresholds=(-3.0, -1.0), n_permutations=19)
MIL = MilConfig(d_hidden=4, d_attention=2, max_epochs=2)


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    rng = np.random.default_rng(0)
    codes = np.repeat([0, 1], [9, 6])
    rates = np.full((15, 30), 2.0)
    rates[codes == 1, :4] += 3
    n_images = rng.integers(20, 60, 15)
    barcodes = barcodes_of(rng.poisson(rates * n_images[:, None]), [f"group {code}" for code in codes], n_images)
    bags = [rng.normal(code, 1, (n, 6)).astype(np.float32) for n, code in zip((4, 5, 6) * 5, codes, strict=True)]
    assert used_patients(barcodes, 1) == list(barcodes.groups["patient"])
    return classify_patients(barcodes, np.geomspace(0.5, 1e-4, 30), bags, config=CONFIG, mil=MIL)


def test_every_method_predicts_every_patient_once_a_seed_in_the_same_folds(tables):
    predictions = tables["predictions"]
    of_method = {
        name: part.drop(columns=["method", "predicted", "chosen"]) for name, part in predictions.groupby("method")
    }
    first = of_method.pop("majority class").reset_index(drop=True)
    assert first.groupby("seed")["patient"].nunique().tolist() == [15, 15]
    assert len(first) == 30
    for part in of_method.values():
        pd.testing.assert_frame_equal(first, part.reset_index(drop=True))


def test_the_probe_and_its_baselines_are_scored_with_their_spread(tables):
    scores = tables["scores"].set_index("method")
    assert {name for name in scores.index if "t = " not in name} == {
        "majority class",
        "attention model on tokens",
        *(f"{kind}, C by {c_rule}" for kind in ("barcode probe", "barcode probe, t chosen", "mean-pooled tokens")
          for c_rule in ("samples", "features")),
    }  # fmt: skip
    assert scores.loc["barcode probe, C by samples", "weighted_f1"] == 1
    # 9 of 15 named right: F1 of the larger group 2 x 9 / (9 + 15), of the other 0
    assert scores.loc["majority class", "weighted_f1"] == pytest.approx(0.6 * 0.75)
    assert scores.loc["majority class", "macro_f1"] == pytest.approx(0.375)
    assert scores.loc["barcode probe, t = -1, C by features", "threshold"] == -1
    assert not scores["weighted_f1_sd_folds"].isna().any()


def test_chosen_thresholds_are_recorded(tables):
    predictions = tables["predictions"]
    chosen = predictions.loc[predictions["method"].str.contains("t chosen"), "chosen"]
    assert set(chosen) <= {"t = -3", "t = -1"}


def test_the_groups_are_told_apart_better_than_by_chance(tables):
    assert (tables["permutation"]["p_value"] == 0.05).all()
    assert (tables["permutation"]["null_max"] < 1).all()


def test_confusion_counts_every_patient(tables):
    sums = tables["confusion"].groupby(["method", "group"])["n_mean"].sum().unstack()
    assert (sums == pd.Series({"group 0": 9, "group 1": 6})).all(axis=None)


def test_settings_that_cannot_work_are_refused():
    with pytest.raises(ConfigError, match="0 seeds, 499 permutations and 13 thresholds"):
        ClassificationConfig(n_seeds=0)
