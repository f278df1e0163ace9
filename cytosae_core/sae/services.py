"""A run on other people's dashboards: TensorBoard and Weights & Biases, each only where it is installed."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from cytosae_core.errors import ConfigError
from cytosae_core.sae.logs import HELD_OUT
from cytosae_core.sae.observe import StepRecord

WandbMode = Literal["online", "offline"]


class TensorBoard:
    """Observer that writes event files for TensorBoard: train/<figure> and held_out/<figure>, by step."""

    def __init__(self, folder: Path) -> None:
        """Write into `folder`, which is made; raises ConfigError when tensorboard is not installed."""
        _module("tensorboard", "--tensorboard")
        self._writer_class = importlib.import_module("torch.utils.tensorboard").SummaryWriter
        self.folder = folder
        self._writer: Any = None  # a class of an optional package

    def on_start(self, step: int) -> None:
        """Open an event file that hides the events after `step`, which come again."""
        self._writer = self._writer_class(str(self.folder), purge_step=step + 1 if step else None)

    def on_step(self, record: StepRecord) -> None:
        """Write the figures of a step."""
        self._write("train", record.step, record._asdict())

    def on_evaluation(self, step: int, values: Mapping[str, float]) -> None:
        """Write the figures on the held-out images."""
        self._write("held_out", step, values)

    def on_checkpoint(self, step: int) -> None:
        """Bring what was written to the disk."""
        self._writer.flush()

    def on_end(self) -> None:
        """Close the event file."""
        self._writer.close()

    def _write(self, group: str, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            if name != "step":
                self._writer.add_scalar(f"{group}/{name}", value, step)


class WeightsAndBiases:
    """Observer that sends the figures, the configuration, and nothing else of the run to Weights & Biases.

    With mode "offline" nothing leaves the machine: the run lies under `folder` until `wandb sync` sends it. A resumed
    run continues the record of the same name; steps that come again are the same and are not counted twice.
    """

    def __init__(
        self, project: str, name: str, folder: Path, config: Mapping[str, Any], *, mode: WandbMode = "online"
    ) -> None:
        """Open the record; raises ConfigError when wandb is not installed or cannot be reached."""
        wandb = _module("wandb", "--wandb")
        folder.mkdir(parents=True, exist_ok=True)
        settings = wandb.Settings(
            disable_git=True, disable_code=True, save_code=False, console="off", x_disable_meta=True,
            x_disable_stats=True, x_disable_machine_info=True, x_save_requirements=False,
        )  # fmt: skip
        try:
            self._run = wandb.init(
                project=project, name=name, id=name, dir=folder, config=dict(config), mode=mode, resume="allow",
                settings=settings,
            )  # fmt: skip
        except wandb.Error as error:
            raise ConfigError(
                f"Weights & Biases does not open project {project!r} ({error}); run `wandb login`, or choose offline"
            ) from error

    def on_start(self, step: int) -> None:
        """Nothing to drop: the steps after `step` come again with the same figures."""

    def on_step(self, record: StepRecord) -> None:
        """Send the figures of a step."""
        values = {f"train/{name}": value for name, value in record._asdict().items() if name != "step"}
        self._run.log(values, step=record.step)

    def on_evaluation(self, step: int, values: Mapping[str, float]) -> None:
        """Send the figures on the held-out images, by their names in metrics.parquet."""
        self._run.log({HELD_OUT.rstrip("_") + f"/{name}": value for name, value in values.items()}, step=step)

    def on_checkpoint(self, step: int) -> None:
        """Nothing to do: what was logged is on the disk."""

    def on_end(self) -> None:
        """Close the record, so that it counts as finished."""
        self._run.finish()


def _module(name: str, option: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ConfigError(f"{name} is not installed: pip install {name}, or leave {option} out") from error
