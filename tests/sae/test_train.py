"""What a run finds, tells and leaves behind."""

import hashlib
import json

import numpy as np
import pytest
import torch

from cytosae_core.errors import ArtifactError, ConfigError, FormatVersionError
from cytosae_core.sae.checkpoint import read_checkpoint
from cytosae_core.sae.metrics import evaluate
from cytosae_core.sae.model import SaeOutput, SparseAutoencoder
from cytosae_core.sae.state import fresh_state
from cytosae_core.sae.train import chosen_device, train
from cytosae_core.tokens.source import ArrayTokens
from cytosae_core.tokens.split import split_store
from cytosae_core.tokens.store import TokenStore
from tests.sae.toys import Notebook, toy, toy_tokens, write_store


def sparse_mixtures(n_images, n_tokens, directions, n_active, seed):
    """Tokens that are positive sums of `n_active` of the directions (n_directions, d_in), plus an offset."""
    rng = np.random.default_rng(seed)
    n = n_images * n_tokens
    chosen = np.argsort(rng.random((n, len(directions))), axis=1)[:, :n_active]
    codes = np.zeros((n, len(directions)))
    np.put_along_axis(codes, chosen, rng.uniform(0.5, 1.5, (n, n_active)), axis=1)
    tokens = codes @ directions + 0.3
    return tokens.reshape(n_images, n_tokens, -1).astype(np.float32)


def test_the_dictionary_finds_the_directions_that_the_tokens_were_made_of(tmp_path):
    directions = np.random.default_rng(0).standard_normal((24, 16))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    tokens = ArrayTokens(sparse_mixtures(400, 16, directions, n_active=2, seed=1))
    config = toy(
        d_in=16, expansion=4, l1_coefficient=1e-2, n_images=16 * 1500, batch_images=16, batches="tokens",
        order="reshuffled", learning_rate=3e-3, warm_up_steps=50, dead_window=64, checkpoint_every=10_000,
    )  # fmt: skip

    def mean_maximum_cosine(sae):
        rows = sae.W_dec.detach().numpy()
        return (directions @ (rows / np.linalg.norm(rows, axis=1, keepdims=True)).T).max(axis=1).mean()

    assert mean_maximum_cosine(fresh_state(config, tokens, torch.device("cpu")).sae) < 0.7
    assert mean_maximum_cosine(train(config, tokens, tmp_path / "run").sae) > 0.95


def test_the_loss_falls_and_every_record_adds_up(tmp_path):
    config, tokens, notes, told = toy(), toy_tokens(), Notebook(), []
    train(config, tokens, tmp_path / "run", observers=[notes], progress=lambda done, of: told.append((done, of)))
    records = notes.records
    assert records[-1].loss < 0.8 * records[0].loss
    assert [(record.step, record.n_images, record.n_tokens) for record in records] == [
        (step, 4 * step, 20 * step) for step in range(1, 31)
    ]
    assert told == [(4 * step, 120) for step in range(1, 31)]
    for record in records:
        assert record.loss == pytest.approx(record.mse + record.l1 + record.ghost, rel=1e-6)
        assert record.learning_rate == pytest.approx(4e-3 * min(1, record.step / 10))
        assert 0 < record.l0 < config.d_sae
    assert (notes.starts, notes.n_ends) == ([0], 1)


def test_evaluations_are_those_of_the_metrics_and_come_when_they_are_due_and_at_the_end(tmp_path):
    config, tokens, notes = toy(n_images=140), toy_tokens(), Notebook()
    held_out = toy_tokens(seed=9)
    result = train(config, tokens, tmp_path / "run", held_out=held_out, observers=[notes])
    assert [step for step, _ in notes.evaluations] == [15, 30, 35]
    assert notes.checkpoints == [10, 20, 30, 35]
    assert result.evaluation == notes.evaluations[-1][1] == evaluate(result.sae, held_out).values()
    assert json.loads((tmp_path / "run" / "manifest.json").read_text())["evaluation"] == result.evaluation
    assert train(config, tokens, tmp_path / "run").evaluation == result.evaluation


def test_held_out_images_and_observers_do_not_change_the_weights(tmp_path):
    config, tokens = toy(), toy_tokens()
    alone = train(config, tokens, tmp_path / "alone")
    watched = train(config, tokens, tmp_path / "watched", held_out=tokens, observers=[Notebook()])
    assert alone.sae_id == watched.sae_id


def test_a_finished_run_is_a_checkpoint_with_a_manifest_and_nothing_else(tmp_path):
    config, tokens, folder = toy(), toy_tokens(), tmp_path / "run"
    result = train(config, tokens, folder)
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "manifest.json", "sae.safetensors"]
    manifest = json.loads((folder / "manifest.json").read_text())
    for name, entry in manifest["files"].items():
        content = (folder / name).read_bytes()
        assert entry == {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    assert sorted(manifest["files"]) == ["config.json", "sae.safetensors"]
    checkpoint = read_checkpoint(folder)
    assert checkpoint.sae_id == result.sae_id == manifest["sae_id"]
    assert all(torch.equal(checkpoint.weights[name], weight) for name, weight in result.sae.named_parameters())
    assert checkpoint.provenance["config"]["learning_rate"] == config.learning_rate
    assert manifest["tokens"]["sha256"] == tokens.identity["sha256"]
    assert (manifest["seed"], manifest["n_steps"], manifest["n_tokens"], manifest["device"]) == (42, 30, 600, "cpu")
    assert manifest["simulated"] is checkpoint.provenance["simulated"] is False


def test_a_second_call_finds_the_run_finished_and_does_nothing(tmp_path):
    config, tokens, folder = toy(dtype="float64"), toy_tokens(), tmp_path / "run"
    first = train(config, tokens, folder)
    content = {path.name: path.read_bytes() for path in folder.iterdir()}
    notes = Notebook()
    again = train(config, tokens, folder, observers=[notes])
    assert again[1:] == first[1:]
    assert (notes.starts, notes.records) == ([], [])
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == content
    for name, weight in first.sae.named_parameters():
        assert torch.equal(dict(again.sae.named_parameters())[name], weight.float())


@pytest.mark.parametrize("batches", ["images", "tokens"])
def test_a_store_trains_as_an_array_of_its_training_images_does(tmp_path, batches):
    array = toy_tokens(n_images=20).array.astype(np.float16)
    write_store(tmp_path / "tokens", array, simulated=True)
    split = split_store(TokenStore.open(tmp_path / "tokens"), 0.2, seed=3)
    config = toy(batches=batches)
    result = train(config, split.train, tmp_path / "run", held_out=split.held_out)
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["simulated"] is read_checkpoint(tmp_path / "run").provenance["simulated"] is True
    assert manifest["tokens"]["fingerprint"] == "0123"
    assert manifest["tokens"]["held_out"] == {"share": 0.2, "seed": 3, "n_images": 4}
    assert result.evaluation == evaluate(result.sae, ArrayTokens(array[split.held_out.rows])).values()
    if batches == "images":
        same = train(config, ArrayTokens(array[split.train.rows]), tmp_path / "same")
        assert same.sae_id == result.sae_id


def test_tokens_of_another_width_are_refused_before_a_folder_is_made(tmp_path):
    with pytest.raises(ConfigError, match="d_in is 8, and the tokens have width 6; set d_in to 6"):
        train(toy(), toy_tokens(d_in=6), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("{", ArtifactError, "manifest.json is damaged"),
        ("[]", ArtifactError, "manifest.json is damaged .*; train again in another folder"),
        ('{"format": "cytosae-atlas"}', ArtifactError, "does not describe a training run"),
        (
            '{"format": "cytosae-sae-run", "format_version": 2}',
            FormatVersionError,
            "version 2 of a training run, and this",
        ),
    ],
)
def test_a_folder_of_something_else_is_left_alone(tmp_path, text, error, message):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(error, match=message):
        train(toy(), toy_tokens(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.json"]


def test_the_model_computes_the_two_equations():
    sae = SparseAutoencoder.of({name: torch.rand(shape).double() - 0.5 for name, shape in SHAPES.items()})
    x = torch.randn(2, 5, 3).double()
    pre = (x - sae.b_dec) @ sae.W_enc + sae.b_enc
    z = pre.clamp(min=0)
    output = sae(x)
    expected = SaeOutput(z @ sae.W_dec + sae.b_dec, z, pre)
    assert all(torch.allclose(*pair, rtol=0, atol=1e-14) for pair in zip(output, expected, strict=True))
    assert torch.equal(sae.encode(x), output.z)
    assert torch.equal(sae.decode(output.z), output.x_hat)
    assert (sae.d_in, sae.d_sae) == (3, 7)
    with pytest.raises(ConfigError, match="d_in 0, d_sae 7: both must be at least 1"):
        SparseAutoencoder(0, 7)


SHAPES = {"W_enc": (3, 7), "b_enc": (7,), "W_dec": (7, 3), "b_dec": (3,)}


def test_a_device_is_taken_by_name_or_found():
    assert chosen_device("cpu") == torch.device("cpu")
    assert chosen_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
