"""The configuration refuses what cannot work, and no field of it is decoration."""

import dataclasses

import numpy as np
import pytest

from cytosae_core.errors import ConfigError
from cytosae_core.sae.checkpoint import weights_digest
from cytosae_core.sae.config import PAPER, SaeConfig, paper
from cytosae_core.sae.train import train
from cytosae_core.tokens.source import ArrayTokens
from tests.sae.toys import Notebook, toy

# Two tokens per batch, so that some latents stay silent for several passes.
BASE = toy(n_images=40, batch_images=1, warm_up_steps=5)
OTHERS = {
    "d_in": [6],
    "expansion": [3],
    "b_dec_init": ["geometric_median", "mean"],
    "l1_coefficient": [1e-2, 0.0],
    "mse": ["plain"],
    "ghost_gradients": [False],
    "dead_window": [2],
    "learning_rate": [1e-3],
    "warm_up_steps": [1],
    "batch_images": [2],
    "batches": ["tokens"],
    "order": ["reshuffled"],
    "n_images": [41],
    "seed": [1],
    "dtype": ["float64"],
    "checkpoint_every": [7],
    "evaluate_every": [7],
}


def outcome(config, folder):
    """The exact weights, and when the run evaluated and saved."""
    tokens = np.random.default_rng(0).standard_normal((9, 2, 8)).astype(np.float32)[:, :, : config.d_in]
    notes = Notebook()
    source = ArrayTokens(tokens)
    result = train(config, source, folder, held_out=source, observers=[notes])
    return weights_digest(result.sae.state_dict()), [step for step, _ in notes.evaluations], notes.checkpoints


@pytest.fixture(scope="module")
def base_outcome(tmp_path_factory):
    return outcome(BASE, tmp_path_factory.mktemp("base"))


def test_the_same_configuration_gives_the_same_outcome(base_outcome, tmp_path):
    assert outcome(BASE, tmp_path) == base_outcome


def test_every_field_is_turned_by_the_test_below():
    assert list(OTHERS) == [field.name for field in dataclasses.fields(SaeConfig)]


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in OTHERS.items() for value in values])
def test_every_field_changes_something(name, value, base_outcome, tmp_path):
    changed = outcome(dataclasses.replace(BASE, **{name: value}), tmp_path)
    assert changed != base_outcome
    is_about_time = name in {"checkpoint_every", "evaluate_every"}
    assert (changed[0] == base_outcome[0]) == is_about_time


def test_the_three_ways_to_place_the_bias_differ(tmp_path):
    ways = ["geometric_median_released", "geometric_median", "mean"]
    digests = {outcome(dataclasses.replace(BASE, b_dec_init=way), tmp_path / way)[0] for way in ways}
    assert len(digests) == 3


def test_the_paper_configuration_is_the_published_run():
    assert paper() == PAPER == SaeConfig()
    assert (PAPER.d_in, PAPER.d_sae, PAPER.n_steps) == (768, 49_152, 15_625)
    assert (PAPER.l1_coefficient, PAPER.learning_rate, PAPER.warm_up_steps) == (8e-5, 4e-4, 500)
    assert (PAPER.dead_window, PAPER.batch_images, PAPER.ghost_gradients) == (64, 64, True)
    assert paper(384).d_sae == 24_576
    for difference in ("norm", "257 rows", "counts images", "41,906", "parsed and ignored", "same in every pass"):
        assert difference in paper.__doc__


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("expansion", 0, "expansion 0: must be at least 1"),
        ("warm_up_steps", -1, "warm_up_steps -1: must be at least 1"),
        ("mse", "squared", "mse 'squared': must be one of released, plain"),
        ("batches", "pixels", "batches 'pixels': must be one of images, tokens"),
        ("learning_rate", 0.0, "learning_rate 0.0: must be above 0"),
        ("learning_rate", float("nan"), "learning_rate nan: must be above 0"),
        ("l1_coefficient", -1e-3, "l1_coefficient -0.001: must not be negative"),
        ("seed", -1, "seed -1: must not be negative"),
    ],
)
def test_settings_that_cannot_work_are_refused(name, value, message):
    with pytest.raises(ConfigError, match=message):
        toy(**{name: value})
