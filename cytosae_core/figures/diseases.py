"""Disease against disease (the paper's figure 5A): each latent's mean in two groups of patients, top ones marked."""

from typing import NamedTuple

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from cytosae_core.errors import AnalysisError
from cytosae_core.figures.style import BLUE, ORANGE, PALE, QUIET, escape, styled

UNITS = {
    "corrected": "activating patches per image, mean over patients",
    "released": "activating patches over the width of the SAE, mean over patients",
}
"""What a mean counts, by ranking; with CLS, "patches" becomes "tokens"."""


class Axes(NamedTuple):
    """What the figure's axes say."""

    group_a: str
    """The group of the vertical axis."""
    group_b: str
    """The group of the horizontal axis."""
    unit: str
    """What is counted."""


def disease_plane(
    means: pd.DataFrame, marked: pd.DataFrame, known: pd.DataFrame, axes: Axes, *, simulated: bool
) -> go.Figure:
    """One point per latent that is active in either group; those of `marked` (differential_latents) in colour.

    `known` latent -> frequency (share of images) and label (of its references), for who points at it.
    Axes are logarithmic; a mean of 0 stands on the line "0" below the smallest. Raises AnalysisError where no latent is
    active in either group.
    """
    active = means[(means[["mean_a", "mean_b"]] > 0).any(axis=1)]
    if active.empty:
        raise AnalysisError(f"no latent is active in patients of {axes.group_a!r} or {axes.group_b!r}")
    floor = float(np.log10(active.to_numpy()[active.to_numpy() > 0].min())) - 0.5
    logs = active.apply(lambda column: _log10(column.to_numpy(float), floor))
    top = float(logs.to_numpy().max()) + 0.15
    figure = go.Figure()
    figure.add_trace(go.Scatter(
        x=[floor, top], y=[floor, top], mode="lines", line={"color": QUIET, "width": 1, "dash": "dot"},
        hoverinfo="skip", showlegend=False, name="equal",
    ))  # fmt: skip
    ranks = marked.set_index("latent")["rank"]
    points = active.join(known).assign(x=logs["mean_b"], y=logs["mean_a"], rank=ranks.reindex(active.index))
    figure.add_trace(_points("other latents", points[points["rank"].isna()], axes, PALE, is_marked=False))
    for group, colour in ((axes.group_a, BLUE), (axes.group_b, ORANGE)):
        own = points.loc[marked.loc[marked["direction"] == group, "latent"]]
        figure.add_trace(_points(f"stronger in {group}: top {len(own)}", own, axes, colour, is_marked=True))
    powers = list(range(int(np.ceil(floor + 0.3)), int(np.floor(top)) + 1))
    ticks = {"tickvals": [floor, *powers], "ticktext": ["0", *(f"{10.0**power:g}" for power in powers)]}
    figure.update_xaxes(title_text=f"{escape(axes.group_b)}: {axes.unit}", range=[floor - 0.1, top], **ticks)
    figure.update_yaxes(title_text=f"{escape(axes.group_a)}: {axes.unit}", range=[floor - 0.1, top], **ticks)
    styled(figure, f"{axes.group_a} against {axes.group_b}", simulated=simulated, width=820, height=860)
    return figure.update_layout(legend={"orientation": "h", "y": -0.12, "x": 0})


def _log10(values: NDArray[np.float64], floor: float) -> NDArray[np.float64]:
    return np.log10(values, out=np.full(len(values), floor), where=values > 0)


def _points(name: str, points: pd.DataFrame, axes: Axes, colour: str, *, is_marked: bool) -> go.Scattergl:
    numbers = points.reset_index()[["latent", "mean_a", "mean_b", "frequency", "rank"]].to_numpy(np.float32)
    rank = "<br>rank %{customdata[4]:d}" if is_marked else ""
    return go.Scattergl(
        x=points["x"].to_numpy(np.float32), y=points["y"].to_numpy(np.float32), mode="markers", name=escape(name),
        customdata=numbers, text=[escape(label) for label in points["label"].fillna("not known")],
        marker={"color": colour, "size": 9 if is_marked else 5, "opacity": 0.9 if is_marked else 0.6},
        hovertemplate=(
            f"<b>latent %{{customdata[0]:d}}</b>{rank}<br>{escape(axes.group_a)} %{{customdata[1]:.4g}}<br>"
            f"{escape(axes.group_b)} %{{customdata[2]:.4g}}<br>active on %{{customdata[3]:.2%}} of images<br>"
            "top label: %{text}<extra></extra>"
        ),
    )  # fmt: skip
