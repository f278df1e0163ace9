"""Training a sparse autoencoder: one loop that can be stopped at any moment and goes on to the same last bit.

The folder of a run holds `training_state.safetensors` while it runs. Killed, stopped or out of disk, the same call
goes on from it; on the CPU, with as many threads, the weights are then those of an undisturbed run, bit by bit.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch

from cytosae_core.artifacts.folders import file_lock
from cytosae_core.artifacts.manifest import check_same_settings
from cytosae_core.errors import ConfigError, TrainingError
from cytosae_core.progress import Progress, no_progress
from cytosae_core.sae.batches import token_batches
from cytosae_core.sae.checkpoint import read_converted
from cytosae_core.sae.config import SaeConfig
from cytosae_core.sae.metrics import evaluate
from cytosae_core.sae.model import SparseAutoencoder
from cytosae_core.sae.observe import Observer, StepRecord
from cytosae_core.sae.run_folder import publish_run, read_run, settings_of
from cytosae_core.sae.signals import StopRequest, stop_on_signal
from cytosae_core.sae.state import TrainingState, as_tensor, fresh_state
from cytosae_core.sae.step import training_step
from cytosae_core.sae.training_state import REMEDY, drop_state, load_state, save_state
from cytosae_core.tokens.source import TokenSource

LOCK_NAME = ".lock"
"""Name of the file that a process holds while it trains in a folder."""


class TrainResult(NamedTuple):
    """What a call of `train` leaves."""

    sae: SparseAutoencoder
    """The autoencoder as it is now."""
    step: int
    """Steps done."""
    is_finished: bool
    """Whether that is all of them; if not, the same call goes on."""
    sae_id: str | None
    """Identity of the published weights; None for an unfinished run."""
    evaluation: Mapping[str, float]
    """Figures of the last evaluation on the held-out images; empty where there was none."""


def train(
    config: SaeConfig, tokens: TokenSource, folder: Path, *, held_out: TokenSource | None = None,
    observers: Sequence[Observer] = (), progress: Progress = no_progress, device: str = "cpu",
) -> TrainResult:  # fmt: skip
    """Train in `folder`, or go on with the run that lies there, or find it finished.

    SIGTERM and Ctrl-C save and end the call. `progress` counts images; `device`: cpu, cuda, ..., or auto. Raises
    ConfigError where the tokens do not fit the configuration, ArtifactError where `folder` holds a run with other
    settings or the disk is full, TrainingError where the loss or a weight is not finite: what was saved last stays.
    """
    d_in = tokens.shape[2]
    if config.d_in != d_in:
        raise ConfigError(f"d_in is {config.d_in}, and the tokens have width {d_in}; set d_in to {d_in}")
    run = _Run(config, tokens, folder, settings_of(config, tokens), held_out, observers, progress)
    if finished := run.finished():
        return finished
    folder.mkdir(parents=True, exist_ok=True)
    refusal = f"another process is training in {folder}; wait for it, or give another folder"
    with file_lock(folder / LOCK_NAME, refusal), stop_on_signal() as stop:
        return run.finished() or run.go_on(chosen_device(device), stop)


def chosen_device(name: str) -> torch.device:
    """The device of that name; auto: a GPU where there is one."""
    is_cuda = name == "auto" and torch.cuda.is_available()
    return torch.device("cuda" if is_cuda else "cpu" if name == "auto" else name)


@dataclass(frozen=True)
class _Run:
    """What does not change during a run."""

    config: SaeConfig
    tokens: TokenSource
    folder: Path
    settings: Mapping[str, Any]
    held_out: TokenSource | None
    observers: Sequence[Observer]
    progress: Progress

    def finished(self) -> TrainResult | None:
        """The result that lies in the folder, if the run is finished."""
        manifest = read_run(self.folder)
        if manifest is None:
            return None
        check_same_settings({key: manifest.get(key) for key in self.settings}, self.settings, self.folder)
        sae = SparseAutoencoder.of(read_converted(self.folder).weights)
        return TrainResult(sae, manifest["n_steps"], True, manifest["sae_id"], manifest["evaluation"])

    def go_on(self, device: torch.device, stop: StopRequest) -> TrainResult:
        """Train from the state on disk, or from the beginning, to the end or until asked to stop."""
        state = load_state(self.config, self.settings, self.folder, device)
        state = state or fresh_state(self.config, self.tokens, device)
        for observer in self.observers:
            observer.on_start(state.step)
        try:
            self.loop(state, stop)
        finally:
            for observer in self.observers:
                observer.on_end()
        if state.step < self.config.n_steps:
            return TrainResult(state.sae, state.step, False, None, state.evaluation)
        manifest = publish_run(state, self.config, self.settings, self.folder)
        drop_state(self.folder)
        return TrainResult(state.sae, state.step, True, manifest["sae_id"], state.evaluation)

    def loop(self, state: TrainingState, stop: StopRequest) -> None:
        """Step after step; the batch before the first one placed b_dec."""
        batches = token_batches(self.tokens, self.config, n_taken=state.step + 1)
        while state.step < self.config.n_steps and not stop.asked:
            x = as_tensor(next(batches), self.config, state.device)
            self.notify(training_step(state, x, self.config))
            if self.is_due(state.step, self.config.evaluate_every):
                self.evaluate(state)
            if self.is_due(state.step, self.config.checkpoint_every):
                self.save(state)
        if stop.asked:
            self.save(state)

    def notify(self, record: StepRecord) -> None:
        """Hand a step to those who watch; TrainingError where its loss is not finite."""
        if not math.isfinite(record.loss):
            raise TrainingError(
                f"the loss of step {record.step} is {record.loss} (mse {record.mse}, l1 {record.l1}, ghost"
                f" {record.ghost}); {REMEDY}"
            )
        for observer in self.observers:
            observer.on_step(record)
        self.progress(record.n_images, self.config.n_steps * self.config.batch_images)

    def is_due(self, step: int, every: int) -> bool:
        """Whether `step` is one of every so many, or the last."""
        return step % every == 0 or step == self.config.n_steps

    def evaluate(self, state: TrainingState) -> None:
        """Take the figures on the held-out images, if there are any."""
        if self.held_out is not None:
            state.evaluation = evaluate(state.sae, self.held_out).values()
            for observer in self.observers:
                observer.on_evaluation(state.step, state.evaluation)

    def save(self, state: TrainingState) -> None:
        """Make safe what the observers took, then the state: what they have is never behind it."""
        for observer in self.observers:
            observer.on_checkpoint(state.step)
        save_state(state, self.settings, self.folder)
