"""The curves of a run on one page that needs no network: what fell, what rose, and how fast it went."""

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from cytosae_core.artifacts.files import write_whole
from cytosae_core.errors import ConfigError
from cytosae_core.method import LOG10_THRESHOLD
from cytosae_core.sae.logs import HELD_OUT, MetricsTable
from cytosae_core.sae.observe import StepRecord

CURVES_NAME = "curves.html"
"""Name of the page in the folder of a run."""
N_POINTS = 2000
"""Points a curve is thinned to, so that a page of a long run stays small."""
N_COLUMNS = 3
"""Panels beside each other."""


class Curve(NamedTuple):
    """One line of a panel."""

    name: str
    """What it is called."""
    column: str
    """Where it stands in the table."""
    colour: str
    """How it is plotted."""


class Panel(NamedTuple):
    """One small diagram."""

    title: str
    """What it shows, with its unit."""
    curves: tuple[Curve, ...]
    """Its lines."""
    is_log: bool = False
    """Whether its axis is logarithmic."""
    is_signed: bool = False
    """Whether its figures can be below zero."""


_TRAINING, _HELD_OUT, _SECOND, _THIRD = "#7f9cb5", "#1f4e79", "#b5793a", "#5d8263"
_DASHES = ("solid", "dash", "dot", "dashdot")

PANELS = (
    Panel("Reconstruction error (form of the loss)", (Curve("training", "mse", _TRAINING),), True),
    Panel("Reconstruction error, held out", (
        Curve("as released", HELD_OUT + "mse_released", _HELD_OUT), Curve("plain", HELD_OUT + "mse", _SECOND),
    ), True),
    Panel("Explained variance, held out", (
        Curve("centred", HELD_OUT + "explained_variance", _HELD_OUT),
        Curve("as released, not centred", HELD_OUT + "explained_variance_released", _SECOND),
    ), is_signed=True),
    Panel("Active latents per token (L0)", (
        Curve("training", "l0", _TRAINING), Curve("held out", HELD_OUT + "l0", _HELD_OUT),
        Curve("5 % of tokens", HELD_OUT + "l0_p5", _SECOND), Curve("95 % of tokens", HELD_OUT + "l0_p95", _THIRD),
    ), True),
    Panel("Sum of activations per token (L1), held out", (Curve("L1", HELD_OUT + "l1", _HELD_OUT),), True),
    Panel("Latents, share, held out", (
        Curve("dead", HELD_OUT + "dead_share", _HELD_OUT), Curve("rare", HELD_OUT + "rare_share", _SECOND),
        Curve("always on", HELD_OUT + "always_on_share", _THIRD),
    )),
    Panel("Latents that have not fired within the window", (Curve("training", "n_dead", _TRAINING),)),
    Panel(f"Concepts (log10 mean activation above {LOG10_THRESHOLD:g}), held out", (
        Curve("concepts", HELD_OUT + "n_concepts", _HELD_OUT),
    )),
    Panel("Tokens per second since the start", (Curve("training", "tokens_per_second", _TRAINING),)),
)  # fmt: skip
"""What the page shows, in reading order; a curve whose column is missing is left out, and so is an empty panel."""


class CurvesPage:
    """Observer that writes the page when the run ends, or is interrupted."""

    def __init__(self, table: MetricsTable, title: str, *, simulated: bool) -> None:
        """Plot what `table`, an observer of the same run, has collected, into the same folder."""
        self.table, self.title, self.simulated = table, title, simulated

    def on_start(self, step: int) -> None:
        """Nothing to do: the table remembers."""

    def on_step(self, record: StepRecord) -> None:
        """Nothing to do: the table remembers."""

    def on_evaluation(self, step: int, values: Mapping[str, float]) -> None:
        """Nothing to do: the table remembers."""

    def on_checkpoint(self, step: int) -> None:
        """Nothing to do: the page is written once."""

    def on_end(self) -> None:
        """Write `curves.html`, whole or not at all."""
        figure = plot_curves(self.table.table(), self.title, simulated=self.simulated)
        write_whole(self.table.folder, CURVES_NAME, page_of(figure))


def plot_curves(table: pd.DataFrame, title: str, *, simulated: bool) -> go.Figure:
    """Small multiples of the figures in a run's table, over training steps."""
    table = table.assign(tokens_per_second=(table["n_tokens"] / table["seconds"]).where(table["seconds"] > 0))
    panels = [panel for panel in PANELS if _plotted(panel, table)]
    n_rows = max(-(-len(panels) // N_COLUMNS), 1)
    figure = make_subplots(n_rows, N_COLUMNS, subplot_titles=[_heading(panel, table) for panel in panels])
    for index, panel in enumerate(panels):
        row, column = index // N_COLUMNS + 1, index % N_COLUMNS + 1
        for dash, curve in zip(_DASHES, _plotted(panel, table), strict=False):
            figure.add_trace(_line(curve, dash, table), row, column)
        figure.update_yaxes(
            type="log" if panel.is_log else "linear", rangemode="normal" if panel.is_signed else "nonnegative",
            row=row, col=column,
        )  # fmt: skip
    return _styled(figure, title, n_rows, simulated=simulated)


def page_of(figure: go.Figure) -> bytes:
    """The figure as one HTML file that carries its own plotting code."""
    # Plotly's own choice is a button that uploads the figure to a service of its maker.
    config = {"showSendToCloud": False, "plotlyServerURL": ""}
    return str(figure.to_html(include_plotlyjs=True, full_html=True, config=config)).encode()


def write_picture(figure: go.Figure, path: Path) -> None:
    """Write the figure as PNG; raises ConfigError where no renderer (kaleido and a browser) is installed."""
    remedy = "pip install kaleido, with Chromium installed, or look at the HTML page"
    if importlib.util.find_spec("kaleido") is None:
        raise ConfigError(f"{path} needs a renderer, and kaleido is not installed: {remedy}")
    try:
        picture = figure.to_image("png", scale=2)
    except Exception as error:  # the renderer drives a browser, which fails in ways of its own
        raise ConfigError(f"{path} could not be rendered ({error}): {remedy}") from error
    write_whole(path.parent, path.name, picture)


def _plotted(panel: Panel, table: pd.DataFrame) -> list[Curve]:
    return [curve for curve in panel.curves if curve.column in table and table[curve.column].notna().any()]


def _heading(panel: Panel, table: pd.DataFrame) -> str:
    """The title, and below it the names of the lines in their colours where there are several."""
    names = [f'<span style="color:{curve.colour}">{curve.name}</span>' for curve in _plotted(panel, table)]
    return panel.title if len(names) < 2 else f"{panel.title}<br>{' · '.join(names)}"


def _line(curve: Curve, dash: str, table: pd.DataFrame) -> go.Scatter:
    points = table[["step", curve.column]].dropna()
    kept = points.iloc[:: max(-(-len(points) // N_POINTS), 1)]
    mode = "lines" if len(kept) > 1 else "markers"
    return go.Scatter(
        x=kept["step"].to_numpy(float), y=kept[curve.column].to_numpy(float), name=curve.name, mode=mode,
        line={"color": curve.colour, "width": 1.6, "dash": dash}, showlegend=False, hovertemplate="step %{x}: %{y:.4g}",
    )  # fmt: skip


def _styled(figure: go.Figure, title: str, n_rows: int, *, simulated: bool) -> go.Figure:
    mark = " · SIMULATED" if simulated else ""
    figure.update_layout(
        title=f"{title}{mark}", height=280 * n_rows + 110, template="plotly_white", hovermode="x",
        font={"family": "Segoe UI, Helvetica, Arial, sans-serif", "size": 12, "color": "#33404d"},
        margin={"l": 60, "r": 30, "t": 110, "b": 50},
    )  # fmt: skip
    figure.update_annotations(font_size=13)
    figure.update_xaxes(showgrid=False, title_text="step", title_font_size=11, ticks="outside", rangemode="tozero")
    figure.update_yaxes(gridcolor="#eef1f4", zeroline=False)
    return figure
