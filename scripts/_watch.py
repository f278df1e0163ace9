"""Who watches a training run: a table, a page of curves, a progress bar, and the dashboards that were asked for."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from tqdm import tqdm

from cytosae_core.sae.config import SaeConfig
from cytosae_core.sae.curves import CurvesPage
from cytosae_core.sae.logs import MetricsTable
from cytosae_core.sae.observe import Observer, StepRecord
from cytosae_core.sae.services import TensorBoard, WeightsAndBiases


@dataclass(frozen=True)
class WatchConfig:
    """Dashboards."""

    tensorboard: bool = False
    """Write event files for TensorBoard into the folder."""
    wandb: str | None = None
    """Project on Weights & Biases to report to."""
    wandb_mode: Literal["online", "offline"] = "online"
    """offline: keep the reports in the folder."""


def watchers(watch: WatchConfig, config: SaeConfig, folder: Path, *, simulated: bool) -> list[Observer]:
    """Everybody who watches the run in `folder`."""
    table = MetricsTable(folder)
    watching: list[Observer] = [table, CurvesPage(table, folder.name, simulated=simulated)]
    if watch.tensorboard:
        watching.append(TensorBoard(folder / "tensorboard"))
    if watch.wandb:
        settings = asdict(config) | {"simulated": simulated}
        watching.append(WeightsAndBiases(watch.wandb, folder.name, folder, settings, mode=watch.wandb_mode))
    return [*watching, TrainingBar(config.n_steps)]


class TrainingBar:
    """Observer that keeps one line on the terminal: tokens per second, time left, loss and active latents."""

    def __init__(self, n_steps: int) -> None:
        self.n_steps = n_steps
        self._line: tqdm[None] | None = None

    def on_start(self, step: int) -> None:
        """Wait for the first step: it tells how many tokens a step has."""

    def on_step(self, record: StepRecord) -> None:
        """Move the bar to this step."""
        if self._line is None:
            n_each = record.n_tokens // record.step
            self._line = tqdm(
                total=self.n_steps * n_each, initial=record.n_tokens - n_each, unit=" tokens", unit_scale=True,
                dynamic_ncols=True,
            )  # fmt: skip
        self._line.set_postfix_str(f"loss {record.loss:.4g}, L0 {record.l0:.1f}, dead {record.n_dead}", refresh=False)
        self._line.update(record.n_tokens - self._line.n)

    def on_evaluation(self, step: int, values: Mapping[str, float]) -> None:
        """Print the figures that matter above the bar."""
        if self._line is not None:
            shown = ("explained_variance", "l0", "dead_share", "n_concepts")
            self._line.write(f"step {step}: " + ", ".join(f"{name} {values[name]:.4g}" for name in shown))

    def on_checkpoint(self, step: int) -> None:
        """Nothing to do."""

    def on_end(self) -> None:
        """Leave the line as it is."""
        if self._line is not None:
            self._line.close()
