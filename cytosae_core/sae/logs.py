"""The figures of a run as a table in its folder: one row per step, the held-out figures in the rows that have some."""

import io
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from cytosae_core.artifacts.files import write_whole
from cytosae_core.errors import ArtifactError
from cytosae_core.sae.observe import StepRecord

METRICS_NAME = "metrics.parquet"
"""Name of the table in the folder of a run."""
HELD_OUT = "held_out_"
"""What the names of the figures on the held-out images begin with."""

_COUNTS = ["n_images", "n_tokens", "n_dead"]


class MetricsTable:
    """Observer that keeps `metrics.parquet`: the columns of StepRecord, and held_out_<figure> where evaluated.

    Written by rename at every checkpoint and at the end, so the file always belongs to the checkpoint beside it, or
    to a later step.
    """

    def __init__(self, folder: Path) -> None:
        """Keep the table of the run that lies in `folder`, which must exist when the first checkpoint is made."""
        self.folder = folder
        self._earlier = pd.DataFrame()
        self._steps: list[StepRecord] = []
        self._evaluations: dict[int, Mapping[str, float]] = {}

    def on_start(self, step: int) -> None:
        """Read the table of the interrupted run, without the rows after `step`; at step 0 begin a new one.

        Raises ArtifactError when it is missing, damaged, or does not reach `step`.
        """
        if step == 0:
            return
        table = read_metrics(self.folder)
        last = table["step"].max()
        if not last >= step:
            raise ArtifactError(
                f"{self.folder / METRICS_NAME} ends at step {last}, and the run goes on from step {step}; "
                "put the file of that checkpoint back, or delete the folder and train again"
            )
        self._earlier = table[table["step"] <= step]

    def on_step(self, record: StepRecord) -> None:
        """Take the record of a step."""
        self._steps.append(record)

    def on_evaluation(self, step: int, values: Mapping[str, float]) -> None:
        """Take the figures on the held-out images."""
        self._evaluations[step] = {HELD_OUT + name: value for name, value in values.items()}

    def on_checkpoint(self, step: int) -> None:
        """Write the table."""
        self.write()

    def on_end(self) -> None:
        """Write the table."""
        self.write()

    def table(self) -> pd.DataFrame:
        """All rows so far, by step."""
        steps = pd.DataFrame(self._steps, columns=list(StepRecord._fields)).set_index("step")
        figures = pd.DataFrame.from_dict(dict(self._evaluations), orient="index").rename_axis("step")
        new = steps.join(figures, how="outer").reset_index()
        parts = [part for part in (self._earlier, new) if len(part)]
        table = pd.concat(parts, ignore_index=True) if parts else new
        return table.astype(dict.fromkeys(_COUNTS, "Int64"))

    def write(self) -> None:
        """Publish the table by rename; raises ArtifactError when the disk is full."""
        buffer = io.BytesIO()
        self.table().to_parquet(buffer, index=False)
        write_whole(self.folder, METRICS_NAME, buffer.getbuffer())


def read_metrics(folder: Path) -> pd.DataFrame:
    """The table of the run in `folder`, one row per step; raises ArtifactError when it is missing or damaged."""
    path = folder / METRICS_NAME
    if not path.is_file():
        raise ArtifactError(f"{path} is missing; give the folder of a training run")
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:  # pyarrow's own errors derive from these two
        raise ArtifactError(f"{path} is damaged ({error}); delete the folder and train again") from error


def dead_share_window(folder: Path, d_sae: int) -> float:
    """Share of the latents that had not fired within the configured window when the last step of the run began.

    The released code calls a latent dead when its frequency within the last 64 steps is below 1e-6: at its 16,448
    tokens per step, when it fired on none of them, or on one alone.
    """
    return float(read_metrics(folder)["n_dead"].iloc[-1]) / d_sae
