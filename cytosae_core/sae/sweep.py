"""The ablation: one setting at a time is moved away from a chosen point, each point is trained with several seeds.

<sweep>/<setting>-<value>/seed-<seed>/   a run folder, as `train` leaves it; the chosen point is in <sweep>/chosen
<sweep>/runs.csv                         one row per finished run
<sweep>/table.csv, table.md              one row per setting and value: mean and standard deviation over the seeds

A run that is finished is not repeated, one that was interrupted goes on, and one that was made with other settings is
refused by `train`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from cytosae_core.errors import ConfigError, TrainingError
from cytosae_core.progress import Progress, no_progress
from cytosae_core.sae.config import SaeConfig
from cytosae_core.sae.grid import Grid, Point
from cytosae_core.sae.logs import MetricsTable, dead_share_window
from cytosae_core.sae.run_folder import read_run
from cytosae_core.sae.sweep_table import write_tables
from cytosae_core.sae.train import TrainResult, train
from cytosae_core.tokens.split import Split, split_store
from cytosae_core.tokens.store import TokenStore


class SweepResult(NamedTuple):
    """What a call of `run_sweep` leaves."""

    runs: pd.DataFrame
    """One row per finished run: point, seed, sae_id, and its held-out figures."""
    table: str
    """The table in Markdown."""
    failures: dict[str, str]
    """Runs that could not be trained, such as those that diverged, and why."""
    is_finished: bool
    """Whether no run was interrupted; if not, the same call goes on."""


def open_splits(store_path: Path, grid: Grid, held_out_share: float, held_out_seed: int) -> dict[int, Split]:
    """The tokens of every block of the grid, by block, with the same images held out."""
    blocks = {point.block for point in grid.points}
    return {block: split_store(TokenStore.open(store_path, block), held_out_share, held_out_seed) for block in blocks}


def run_sweep(
    grid: Grid, tokens: Mapping[int, Split], folder: Path, *, progress: Progress = no_progress, device: str = "cpu"
) -> SweepResult:
    """Train every point with every seed in `folder`, write the tables after each run, and return them.

    `tokens` is by block. `progress` counts images times expansion, which is about the time that a run takes; what was
    finished before is not counted. Raises ConfigError when a block has no tokens or no held-out images, and
    ArtifactError when a folder holds a run with other settings.
    """
    _check_tokens(grid, tokens)
    sweep = _Sweep(grid, tokens, folder, progress, device)
    is_finished = all(sweep.run(seed, point) for seed in grid.seeds for point in grid.points)
    return SweepResult(sweep.frame(), sweep.write(), sweep.failures, is_finished)


@dataclass
class _Sweep:
    """The runs so far."""

    grid: Grid
    tokens: Mapping[int, Split]
    folder: Path
    progress: Progress
    device: str

    def __post_init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.failures: dict[str, str] = {}
        self.n_done = 0
        self.n_all = sum(
            _work(point.config)
            for seed in self.grid.seeds
            for point in self.grid.points
            if read_run(self.path_of(point, seed)) is None
        )

    def path_of(self, point: Point, seed: int) -> Path:
        return self.folder / point.name / f"seed-{seed}"

    def run(self, seed: int, point: Point) -> bool:
        """Train one run, or find it finished; False when it was interrupted."""
        path = self.path_of(point, seed)
        is_new = read_run(path) is None
        try:
            result = self.train(replace(point.config, seed=seed), point.block, path)
        except TrainingError as error:
            self.failures[f"{point.name}, seed {seed}"] = str(error)
        else:
            if not result.is_finished:
                return False
            window = {"dead_share_window": dead_share_window(path, result.sae.d_sae)}
            run = {"point": point.name, "seed": seed, "sae_id": result.sae_id}
            self.rows.append({**run, **result.evaluation, **window})
        self.n_done += _work(point.config) * is_new
        self.write()
        return True

    def train(self, config: SaeConfig, block: int, path: Path) -> TrainResult:
        """One run, telling the progress of the whole."""
        split, n_before = self.tokens[block], self.n_done

        def told(n_images: int, n_images_all: int) -> None:
            self.progress(n_before + min(n_images, config.n_images) * config.expansion, self.n_all)

        return train(
            config, split.train, path, held_out=split.held_out, observers=[MetricsTable(path)], progress=told,
            device=self.device,
        )  # fmt: skip

    def frame(self) -> pd.DataFrame:
        """The finished runs."""
        return pd.DataFrame(self.rows)

    def write(self) -> str:
        """Write the tables of what there is; the Markdown comes back."""
        simulated = any(bool(split.train.identity["simulated"]) for split in self.tokens.values())
        points = pd.DataFrame(
            [(row.setting, str(row.value), row.point.name) for row in self.grid.rows],
            columns=["setting", "value", "point"],
        )
        return write_tables(self.frame(), points, self.failures, self.folder, simulated=simulated)


def _work(config: SaeConfig) -> int:
    return config.n_images * config.expansion


def _check_tokens(grid: Grid, tokens: Mapping[int, Split]) -> None:
    for point in grid.points:
        split = tokens.get(point.block)
        if split is None:
            raise ConfigError(
                f"block {point.block} has no tokens (there are blocks {', '.join(map(str, tokens))}); "
                "extract it, or leave it out of the grid"
            )
        if split.held_out is None:
            raise ConfigError("no images are held out, so nothing can be measured; use a held-out share above 0")
