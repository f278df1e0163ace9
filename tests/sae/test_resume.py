"""Stopped, killed, out of disk or diverged: a run goes on to the same last bit, or keeps what was good."""

import errno
import json
import os
import signal

import numpy as np
import pandas as pd
import pytest
import torch

from cytosae_core.artifacts import files
from cytosae_core.errors import ArtifactError, FormatVersionError, TrainingError
from cytosae_core.sae import training_state
from cytosae_core.sae.logs import MetricsTable
from cytosae_core.sae.run_folder import settings_of
from cytosae_core.sae.train import train
from cytosae_core.sae.training_state import STATE_NAME, load_state
from cytosae_core.tokens.source import ArrayTokens
from tests.sae.toys import Notebook, toy, toy_tokens


class At(Notebook):
    """Does something when a step is over."""

    def __init__(self, step, action):
        super().__init__()
        self.step, self.action = step, action

    def on_step(self, record):
        super().on_step(record)
        if record.step == self.step:
            self.action()


def terminate():
    os.kill(os.getpid(), signal.SIGTERM)


def bits(result):
    return {name: weight.detach().numpy().tobytes() for name, weight in result.sae.named_parameters()}


def saved_step(folder, config, tokens):
    return load_state(config, settings_of(config, tokens), folder, torch.device("cpu")).step


@pytest.mark.slow
def test_after_ten_kills_at_random_moments_the_weights_are_those_of_an_undisturbed_run_bit_by_bit(forks, tmp_path):
    done = forks.run("tests.sae.runs", tmp_path, 10, 1)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["status"] == 0, done.stderr
    assert said["killed"] == [True] * 10
    assert sum(said["states"]) >= 5
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert (killed / "sae.safetensors").read_bytes() == (whole / "sae.safetensors").read_bytes()
    expected, found = (pd.read_parquet(folder / "metrics.parquet") for folder in (whole, killed))
    pd.testing.assert_frame_equal(found.drop(columns="seconds"), expected.drop(columns="seconds"))
    assert sorted(path.name for path in killed.iterdir()) == sorted(path.name for path in whole.iterdir())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("changes", [{}, {"batches": "tokens", "order": "reshuffled"}], ids=str)
def test_a_signal_saves_and_ends_the_call_and_the_next_one_goes_on_to_the_same_bits(tmp_path, changes, number):
    config, tokens = toy(**changes), toy_tokens()
    whole = train(config, tokens, tmp_path / "whole")
    before = signal.getsignal(number)
    stopping = At(13, lambda: os.kill(os.getpid(), number))
    stopped = train(config, tokens, tmp_path / "run", observers=[stopping])
    assert (stopped.step, stopped.is_finished, stopped.sae_id) == (13, False, None)
    assert signal.getsignal(number) is before
    assert saved_step(tmp_path / "run", config, tokens) == 13
    assert not (tmp_path / "run" / "manifest.json").exists()
    notes = Notebook()
    resumed = train(config, tokens, tmp_path / "run", observers=[notes])
    assert notes.starts == [13]
    assert [record.step for record in notes.records] == list(range(14, 31))
    assert bits(resumed) == bits(whole)
    assert resumed.sae_id == whole.sae_id


def test_everything_that_changes_is_saved(tmp_path):
    config, tokens = toy(dead_window=1, batch_images=1, n_images=60), toy_tokens(n_tokens=2)
    whole, parts = Notebook(), []
    train(config, tokens, tmp_path / "whole", observers=[whole])
    for step in (1, 2, 17, 59):
        parts.append(At(step, terminate))
        train(config, tokens, tmp_path / "run", observers=[parts[-1]])
    parts.append(Notebook())
    train(config, tokens, tmp_path / "run", observers=parts[-1:])
    records = [record._replace(seconds=0) for part in parts for record in part.records]
    assert records == [record._replace(seconds=0) for record in whole.records]
    assert max(record.n_dead for record in records) > 0
    seconds = [record.seconds for part in parts for record in part.records]
    assert seconds == sorted(seconds)


def test_a_run_is_stopped_before_its_first_step_and_still_goes_on(tmp_path):
    config, tokens = toy(), toy_tokens()
    notes = Notebook()
    notes.on_start = lambda step: terminate()
    assert train(config, tokens, tmp_path / "run", observers=[notes]).step == 0
    assert bits(train(config, tokens, tmp_path / "run")) == bits(train(config, tokens, tmp_path / "whole"))


def test_a_full_disk_leaves_the_checkpoint_before_and_no_scrap(tmp_path, monkeypatch):
    config, tokens, folder = toy(), toy_tokens(), tmp_path / "run"

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        with pytest.raises(ArtifactError, match=r"training_state.safetensors cannot be written \(No space left"):
            train(config, tokens, folder, observers=[At(25, lambda: patch.setattr(files.os, "fsync", full))])
        assert sorted(path.name for path in folder.iterdir()) == [STATE_NAME]
    assert saved_step(folder, config, tokens) == 20
    assert bits(train(config, tokens, folder)) == bits(train(config, tokens, tmp_path / "whole"))


def test_a_full_disk_while_the_weights_are_published_loses_no_step(tmp_path, monkeypatch):
    config, tokens, folder = toy(), toy_tokens(), tmp_path / "run"
    write = files.write_whole

    def full(folder, name, *parts):
        if name == "manifest.json":
            raise ArtifactError("disk full")
        return write(folder, name, *parts)

    monkeypatch.setattr("cytosae_core.sae.run_folder.write_whole", full)
    with pytest.raises(ArtifactError, match="disk full"):
        train(config, tokens, folder)
    monkeypatch.undo()
    notes = Notebook()
    assert train(config, tokens, folder, observers=[notes]).is_finished
    assert notes.records == []


def test_a_loss_that_is_not_finite_ends_the_run_and_the_last_good_state_stays(tmp_path):
    config, array = toy(checkpoint_every=1), toy_tokens().array
    array[np.random.default_rng([config.seed, 0]).permutation(len(array))[-1]] = np.nan  # the last of a pass
    tokens = ArrayTokens(array)
    notes = Notebook()
    message = r"the loss of step (\d+) is nan .* what was saved before stays as it is. Train in another folder"
    with pytest.raises(TrainingError, match=message):
        train(config, tokens, tmp_path / "run", observers=[notes])
    assert notes.n_ends == 1
    state = load_state(config, settings_of(config, tokens), tmp_path / "run", torch.device("cpu"))
    assert state.step == notes.records[-1].step == 3
    assert all(torch.isfinite(weight).all() for weight in state.sae.parameters())


def test_weights_that_are_not_finite_are_never_saved(tmp_path, monkeypatch):
    config, tokens = toy(checkpoint_every=1), toy_tokens()
    seen = []

    def spoil(state):
        if state.step == 3:
            with torch.no_grad():
                state.sae.W_dec[0, 0] = float("inf")
        seen.append(state.step)
        check(state)

    check = training_state.refuse_not_finite
    monkeypatch.setattr(training_state, "refuse_not_finite", spoil)
    with pytest.raises(TrainingError, match="W_dec holds values that are not finite after step 3"):
        train(config, tokens, tmp_path / "run")
    assert seen == [1, 2, 3]
    assert saved_step(tmp_path / "run", config, tokens) == 2


def stopped_run(folder, **changes):
    config, tokens = toy(**changes), toy_tokens()
    train(config, tokens, folder, observers=[At(13, terminate)])
    return config, tokens


@pytest.mark.parametrize("finish", [False, True])
def test_another_configuration_or_other_tokens_are_refused_with_what_differs(tmp_path, finish):
    config, tokens = stopped_run(tmp_path / "run")
    if finish:
        train(config, tokens, tmp_path / "run")
    content = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    message = "config.learning_rate was 0.004 and is 0.1; config.seed was 42 and is 3. Use those, choose another output"
    with pytest.raises(ArtifactError, match=message):
        train(toy(learning_rate=0.1, seed=3), tokens, tmp_path / "run")
    with pytest.raises(ArtifactError, match=r"tokens.sha256 was '\w+' and is '\w+'. Use those"):
        train(config, toy_tokens(seed=1), tmp_path / "run")
    assert {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()} == content


def test_a_damaged_state_is_refused_in_a_sentence(tmp_path):
    config, tokens = stopped_run(tmp_path / "run")
    path = tmp_path / "run" / STATE_NAME
    content = path.read_bytes()
    for length in (0, 4, 100, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(ArtifactError, match=r"training_state.safetensors is damaged .* delete it to start"):
            train(config, tokens, tmp_path / "run")
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ArtifactError, match=r"was changed since it was written; delete it"):
        train(config, tokens, tmp_path / "run")
    path.write_bytes(content.replace(b'\\"format_version\\": 1', b'\\"format_version\\": 7'))
    with pytest.raises(FormatVersionError, match="has format version 7, and this program reads 1; finish the run with"):
        train(config, tokens, tmp_path / "run")


def test_two_processes_cannot_train_in_one_folder(tmp_path):
    config, tokens = toy(), toy_tokens()

    def second():
        with pytest.raises(ArtifactError, match="another process is training in"):
            train(config, tokens, tmp_path / "run")

    first = At(5, second)
    assert train(config, tokens, tmp_path / "run", observers=[first]).is_finished
    assert len(first.records) == config.n_steps


def test_the_table_of_a_run_that_was_stopped_has_every_step_once(tmp_path):
    config, tokens, folder = toy(), toy_tokens(), tmp_path / "run"
    held_out = ArrayTokens(tokens.array[:3])
    train(config, tokens, folder, held_out=held_out, observers=[MetricsTable(folder), At(17, terminate)])
    train(config, tokens, folder, held_out=held_out, observers=[MetricsTable(folder)])
    table = pd.read_parquet(folder / "metrics.parquet")
    assert table["step"].tolist() == list(range(1, 31))
    assert table["step"][table["held_out_l0"].notna()].tolist() == [15, 30]
