"""The plane of the latents (the paper's figure 2A): how often each is active, and how strongly."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from cytosae_core.errors import AnalysisError
from cytosae_core.figures.style import BLUE, PALE, QUIET, SEQUENTIAL, escape, styled
from cytosae_core.method import LOG10_THRESHOLD, high_activation

HIGH_TEXT = "10" + f"{LOG10_THRESHOLD:g}".translate(str.maketrans("-.0123456789", "⁻·⁰¹²³⁴⁵⁶⁷⁸⁹"))
"""The mean activation above which a latent is of interest, for people: 10⁻³."""
N_BINS = 60
"""Bars of a marginal histogram."""

FloatArray = NDArray[np.float64]


def latent_plane(
    statistics: pd.DataFrame, labels: "pd.Series[str]", title: str, *, activation: str, label_kind: str = "class",
    simulated: bool,
) -> go.Figure:  # fmt: skip
    """One point per latent that is active at all, coloured by the entropy of its reference images' labels.

    `statistics` as of `LatentAtlas.statistics`; `labels` latent -> the label with the largest share of its references
    (latents may be missing); `activation` says what the activation of an image is. Raises AnalysisError where no
    latent is active.
    """
    active = statistics[statistics["n_active"] > 0]
    if active.empty:
        raise AnalysisError(f"{title}: no latent is active on any image, so there is nothing to show")
    x, y = (np.log10(active[name].to_numpy(float)) for name in ("frequency", "mean_activation"))
    entropy = active["label_entropy"].to_numpy(float)
    text = np.array([escape(label) for label in labels.reindex(active.index).fillna("not known")])
    figure = make_subplots(
        2, 2, column_widths=[0.84, 0.16], row_heights=[0.16, 0.84], shared_xaxes=True, shared_yaxes=True,
        horizontal_spacing=0.015, vertical_spacing=0.02,
    )  # fmt: skip
    for known, colour in _kinds(entropy, label_kind):
        if known.any():
            figure.add_trace(_points(active[known], x[known], y[known], text[known], colour, label_kind), 2, 1)
    _add_histograms(figure, x, y)
    figure.add_hline(y=LOG10_THRESHOLD, line={"color": QUIET, "width": 1, "dash": "dot"}, row=2, col=1)
    n_high = int(high_activation(active["mean_activation"].to_numpy(float)).sum())
    figure.update_xaxes(title_text="log<sub>10</sub> activated frequency (share of images)", row=2, col=1)
    figure.update_yaxes(title_text=f"log<sub>10</sub> mean activation ({escape(activation)})", row=2, col=1)
    counted = f"{len(active):,} of {len(statistics):,} latents active, {n_high:,} above {HIGH_TEXT}"
    return styled(figure, f"{title}: {counted}", simulated=simulated, width=900, height=760)


def _kinds(entropy: FloatArray, label_kind: str) -> tuple[tuple[NDArray[np.bool_], dict[str, object]], ...]:
    """Latents without an entropy, in grey; and those with one, in its colours."""
    missing = np.isnan(entropy)
    return (missing, {"color": PALE}), (~missing, _coloured(entropy, label_kind))


def _coloured(entropy: FloatArray, label_kind: str) -> dict[str, object]:
    what = "patient" if label_kind == "patient" else "label"
    bar = {"title": {"text": f"{what} entropy<br>(nats)"}, "thickness": 12, "len": 0.5, "outlinewidth": 0, "x": 1.02}
    return {"color": entropy[~np.isnan(entropy)].astype(np.float32), "colorscale": SEQUENTIAL, "colorbar": bar}


def _points(
    latents: pd.DataFrame, x: FloatArray, y: FloatArray, text: NDArray[np.str_], colour: dict[str, object], kind: str
) -> go.Scattergl:
    # What is the same in every point is said once, in the template: 49,152 latents make a page of 3 MB.
    numbers = latents.index.to_numpy(np.int32)
    known = np.stack([numbers, latents["frequency"], latents["mean_activation"], latents["label_entropy"]], axis=1)
    return go.Scattergl(
        x=x.astype(np.float32), y=y.astype(np.float32), mode="markers", name="latents", text=text,
        customdata=known.astype(np.float32), showlegend=False,
        marker={"size": 4.5 if len(latents) > 5000 else 7, "opacity": 0.75, **colour},
        hovertemplate=(
            "<b>latent %{customdata[0]:d}</b><br>active on %{customdata[1]:.4~p} of images<br>"
            "mean activation %{customdata[2]:.3g}<br>entropy %{customdata[3]:.2f} nats<br>"
            f"top {'patient' if kind == 'patient' else 'label'}: %{{text}}<extra></extra>"
        ),
    )  # fmt: skip


def _add_histograms(figure: go.Figure, x: FloatArray, y: FloatArray) -> None:
    for values, row, col in ((x, 1, 1), (y, 2, 2)):
        counts, edges = np.histogram(values, N_BINS)
        middles, width = (edges[:-1] + edges[1:]) / 2, float(edges[1] - edges[0])
        is_upper = row == 1
        bars = {"x": middles, "y": counts} if is_upper else {"x": counts, "y": middles, "orientation": "h"}
        tip = "%{y:,} latents<extra></extra>" if is_upper else "%{x:,} latents<extra></extra>"
        figure.add_trace(
            go.Bar(**bars, width=width, marker={"color": BLUE, "line": {"width": 0}}, opacity=0.7, hovertemplate=tip,
                   name="histogram", showlegend=False),
            row, col,
        )  # fmt: skip
    figure.update_yaxes(title_text="latents", row=1, col=1)
    figure.update_xaxes(title_text="latents", nticks=3, tickangle=0, tickformat="~s", row=2, col=2)
