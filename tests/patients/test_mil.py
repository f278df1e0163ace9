"""The attention model: its formula against loops, its seeds, and that it finds the one cell that tells."""

import numpy as np
import pandas as pd
import pytest
import torch

from cytosae_core.errors import AnalysisError, ConfigError
from cytosae_core.patients.bags import mean_patch, patient_bags, pool_tokens
from cytosae_core.patients.folds import patient_folds
from cytosae_core.patients.mil import MilConfig, attention_mil, bag_logits, build_model
from cytosae_core.tokens.source import ArrayTokens

SMALL = MilConfig(d_hidden=16, d_attention=8, learning_rate=1e-2, max_epochs=15)


def bags_with_a_telling_cell(n_per_group=8, n_groups=2, seed=0):
    """One cell of 12 points along the axis of its group; all others are noise."""
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(n_groups), n_per_group)
    bags = []
    for code in codes:
        bag = rng.normal(0, 1, (12, 6)).astype(np.float32)
        bag[rng.integers(12), code] += 8
        bags.append(bag)
    return bags, codes


def test_logits_are_those_of_the_formula():
    torch.manual_seed(0)
    model = build_model(5, 3, MilConfig(d_hidden=4, d_attention=2))
    bag = np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32)
    weights = {name: value.numpy().astype(np.float64) for name, value in model.state_dict().items()}
    hidden = [np.maximum(weights["embed.0.weight"] @ x + weights["embed.0.bias"], 0) for x in bag]
    raw = [
        weights["attend.2.weight"] @ np.tanh(weights["attend.0.weight"] @ h + weights["attend.0.bias"]) for h in hidden
    ]
    logits = bag_logits(model, torch.from_numpy(bag)).detach().numpy()
    for group in range(3):
        shares = np.exp([one[group] for one in raw]) / sum(np.exp(one[group]) for one in raw)
        seen = sum(share * h for share, h in zip(shares, hidden, strict=True))
        expected = weights["score.weight"][group] @ seen + weights["score.bias"][group]
        assert logits[group] == pytest.approx(expected, rel=1e-4)


def test_it_finds_the_cell_that_tells_where_the_mean_drowns_it():
    bags, codes = bags_with_a_telling_cell()
    fold = patient_folds(codes, 4, [0])[0]
    predicted = attention_mil(bags, SMALL)(codes, fold.train, fold.test, 0)
    assert predicted.codes.tolist() == codes[fold.test].tolist()


def test_the_same_seed_gives_the_same_model_and_the_order_of_cells_does_not_matter():
    bags, codes = bags_with_a_telling_cell(n_per_group=5)
    config = MilConfig(d_hidden=8, d_attention=4, max_epochs=3)
    fold = patient_folds(codes, 2, [0])[0]
    before = torch.random.get_rng_state()
    runs = [attention_mil(own, config)(codes, fold.train, fold.test, 7) for own in (bags, bags)]
    assert runs[0].codes.tolist() == runs[1].codes.tolist()
    assert runs[0].chosen == runs[1].chosen
    assert torch.equal(before, torch.random.get_rng_state())
    model = build_model(6, 2, config)
    there, back = (torch.from_numpy(np.ascontiguousarray(bags[0][::step])) for step in (1, -1))
    assert torch.allclose(bag_logits(model, there), bag_logits(model, back), atol=1e-6)


def test_it_does_not_see_the_groups_of_test_patients():
    bags, codes = bags_with_a_telling_cell(n_per_group=5)
    fold = patient_folds(codes, 2, [0])[0]
    hidden = codes.copy()
    hidden[fold.test] = 1 - codes[fold.test]
    config = MilConfig(d_hidden=8, d_attention=4, max_epochs=4)
    seen, unseen = (attention_mil(bags, config)(own, fold.train, fold.test, 0).codes for own in (codes, hidden))
    assert seen.tolist() == unseen.tolist()


def test_a_group_with_one_training_patient_is_refused():
    bags, _ = bags_with_a_telling_cell()
    with pytest.raises(AnalysisError, match="a group has 1 training patient"):
        attention_mil(bags)(np.array([0, 1, 1, 1]), np.array([0, 1, 2]), np.array([3]), 0)


@pytest.mark.parametrize(
    ("option", "text"), [({"patience": 0}, "patience is 0"), ({"validation_share": 1.0}, "is 1.0")]
)
def test_settings_that_cannot_work_are_refused(option, text):
    with pytest.raises(ConfigError, match=text):
        MilConfig(**option)


class Store(ArrayTokens):
    """Tokens in memory, read in batches of 2."""

    def __init__(self, tokens, patients):
        super().__init__(tokens, images=pd.DataFrame({"patient": patients}))

    def read(self, rows, batch_images=2):
        return super().read(rows, 2)


def test_tokens_are_pooled_by_image_and_bagged_by_patient():
    tokens = np.random.default_rng(0).normal(size=(5, 10, 3)).astype(np.float16)
    store = Store(tokens, ["x", "y", "x", "y", "x"])
    pooled = pool_tokens(store)
    wide = tokens.astype(np.float64)
    bags = patient_bags(store.index, pooled, ["y", "x"])
    assert bags[0] == pytest.approx(np.hstack([wide[[1, 3], 0], wide[[1, 3], 1:].mean(axis=1)]), abs=1e-6)
    assert mean_patch(bags)[1] == pytest.approx(wide[[0, 2, 4], 1:].mean(axis=(0, 1)), abs=1e-6)


def test_a_patient_without_tokens_is_named():
    store = Store(np.zeros((1, 10, 3), np.float16), ["x"])
    with pytest.raises(AnalysisError, match=r"patient 'z' has a barcode and no tokens \(1 such patients\)"):
        patient_bags(store.index, pool_tokens(store), ["x", "z"])
