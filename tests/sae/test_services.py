"""Dashboards get the same figures as the table, and ask for what they need when it is not installed."""

import sys
from types import ModuleType, SimpleNamespace

import pytest

from cytosae_core.errors import ConfigError
from cytosae_core.sae.services import TensorBoard, WeightsAndBiases
from tests.sae.records import feed


@pytest.fixture(scope="module")
def events():
    return pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")


def scalars(events, folder, tag):
    reader = events.EventAccumulator(str(folder))
    reader.Reload()
    return [(event.step, pytest.approx(event.value)) for event in reader.Scalars(tag)]


def test_event_files_hold_the_figures_of_steps_and_of_evaluations(events, tmp_path):
    observer = TensorBoard(tmp_path)
    observer.on_start(0)
    feed(observer, 1, 4)
    observer.on_end()
    assert scalars(events, tmp_path, "train/mse") == [(1, 2.0), (2, 1.0), (3, 2 / 3), (4, 0.5)]
    assert scalars(events, tmp_path, "held_out/explained_variance") == [(2, 0.5), (4, 0.75)]


def test_a_resumed_run_shows_each_step_once(events, tmp_path):
    observer = TensorBoard(tmp_path)
    observer.on_start(0)
    feed(observer, 1, 5)
    observer.on_end()
    observer = TensorBoard(tmp_path)
    observer.on_start(4)
    feed(observer, 5, 6)
    observer.on_end()
    assert [step for step, _ in scalars(events, tmp_path, "train/l0")] == [1, 2, 3, 4, 5, 6]


class FakeWandb(ModuleType):
    """Keeps what it is sent."""

    Error = type("Error", (Exception,), {})

    def __init__(self, reason=None):
        super().__init__("wandb")
        self.sent, self.arguments, self.finished, self.reason = [], {}, False, reason

    def Settings(self, **settings):
        return settings

    def init(self, **arguments):
        if self.reason:
            raise self.Error(self.reason)
        self.arguments = arguments
        return SimpleNamespace(log=lambda data, step: self.sent.append((step, data)), finish=self.finish)

    def finish(self):
        self.finished = True


def test_weights_and_biases_gets_figures_and_configuration_and_no_code(tmp_path, monkeypatch):
    wandb = FakeWandb()
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    observer = WeightsAndBiases("cells", "run-1", tmp_path / "wandb", {"expansion": 4}, mode="offline")
    feed(observer, 1, 2)
    observer.on_start(2)
    observer.on_end()
    assert [step for step, _ in wandb.sent] == [1, 2, 2]
    assert wandb.sent[0][1]["train/mse"] == 2.0
    assert wandb.sent[2][1]["held_out/explained_variance"] == 0.5
    assert wandb.finished
    assert wandb.arguments["config"] == {"expansion": 4}
    assert (wandb.arguments["id"], wandb.arguments["resume"], wandb.arguments["mode"]) == ("run-1", "allow", "offline")
    assert wandb.arguments["settings"]["disable_git"] is True
    assert wandb.arguments["settings"]["save_code"] is False


def test_a_service_that_cannot_be_reached_is_said_in_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", FakeWandb("no API key"))
    with pytest.raises(ConfigError, match=r"project 'cells' \(no API key\); run `wandb login`, or choose offline"):
        WeightsAndBiases("cells", "run-1", tmp_path, {})


def test_a_service_that_is_not_installed_is_named_with_its_remedy(tmp_path, monkeypatch):
    for name in ("wandb", "tensorboard"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigError, match="wandb is not installed: pip install wandb, or leave --wandb out"):
        WeightsAndBiases("cells", "run-1", tmp_path, {})
    with pytest.raises(ConfigError, match="tensorboard is not installed: pip install tensorboard"):
        TensorBoard(tmp_path)
