"""The table of an ablation in the paper's form: one row per setting and value, mean and deviation over the seeds."""

import math
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from cytosae_core import markdown
from cytosae_core.artifacts.files import write_whole
from cytosae_core.artifacts.tables import SIMULATED_IMAGES, csv_bytes
from cytosae_core.sae.grid import CHOSEN

FIGURES: Mapping[str, str] = {
    "mse_released": "MSE",
    "l1": "L1",
    "l0": "L0",
    "explained_variance": "explained variance",
    "explained_variance_released": "not centred (released)",
    "dead_share": "dead share",
    "dead_share_window": "dead at the end of training",
    "n_concepts": "concepts above -3",
}
"""Figures of the table, and their headings."""
N_DECIMALS = 7
"""Decimals of a cell, at most."""
NOTE = """Mean ± standard deviation (n - 1) over the runs of a row; **bold**: the chosen value, one set of runs that all settings
share. On held-out images: MSE as in the released loss, (x_hat - x)^2 / ||x||; L1 without its coefficient; L0, active
latents per token; explained variance, centred and as released; dead share, of latents that fire on no held-out token;
concepts, latents with log10 mean activation above -3. Dead at the end of training: share of latents that had not fired
within the window of the configuration (64 forward passes as published)."""  # noqa: E501 - text of the table


def summarise(runs: pd.DataFrame, points: pd.DataFrame) -> pd.DataFrame:
    """One row per setting and value: n_runs, <figure>_mean and <figure>_std, the latter missing with one run.

    `runs` has one row per finished run (point, seed, figures); `points` has setting, value and point of every row.
    """
    runs = runs.reindex(columns=["point", *FIGURES])
    groups = runs.astype(dict.fromkeys(FIGURES, float)).groupby("point")
    means, deviations, counts = groups.mean(), groups.std(), groups.size()
    table = points.assign(n_runs=points["point"].map(counts).fillna(0).astype(int))
    for name in FIGURES:
        table[f"{name}_mean"] = points["point"].map(means[name])
        table[f"{name}_std"] = points["point"].map(deviations[name])
    return table


def to_markdown(table: pd.DataFrame, failures: Mapping[str, str], *, simulated: bool) -> str:
    """The summary as Markdown, with what its figures mean and what failed."""
    cells = pd.DataFrame({"setting": table["setting"], "value": table["value"], "runs": table["n_runs"]})
    is_chosen = table["point"] == CHOSEN
    cells["value"] = table["value"].where(~is_chosen, "**" + table["value"] + "**")
    for name, heading in FIGURES.items():
        pairs = zip(table[f"{name}_mean"], table[f"{name}_std"], strict=True)
        cells[heading] = [_cell(mean, std, whole=name == "n_concepts") for mean, std in pairs]
    parts = [SIMULATED_IMAGES] if simulated else []
    parts += [markdown.table(cells), NOTE]
    parts += [f"Failed: {name}: {markdown.safe(reason)}" for name, reason in failures.items()]
    return "\n\n".join(parts) + "\n"


def write_tables(
    runs: pd.DataFrame, points: pd.DataFrame, failures: Mapping[str, str], folder: Path, *, simulated: bool
) -> str:
    """Write runs.csv, table.csv and table.md into `folder`, each by rename; returns the Markdown."""
    folder.mkdir(parents=True, exist_ok=True)
    table = summarise(runs, points)
    text = to_markdown(table, failures, simulated=simulated)
    write_whole(folder, "runs.csv", csv_bytes(runs.assign(simulated=simulated)))
    write_whole(folder, "table.csv", csv_bytes(table.assign(simulated=simulated)))
    write_whole(folder, "table.md", text.encode())
    return text


def _cell(mean: float, std: float, *, whole: bool) -> str:
    """ "0.832 ± 0.044", to two digits of the deviation; nothing without a run, no deviation with one alone."""
    if math.isnan(mean):
        return ""
    if math.isnan(std):
        return f"{mean:.0f}" if whole else f"{mean:.3g}"
    n_decimals = 0 if whole else 3 if std == 0 else min(max(1 - math.floor(math.log10(std)), 0), N_DECIMALS)
    return f"{mean:.{n_decimals}f} ± {std:.{n_decimals}f}"
