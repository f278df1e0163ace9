"""How many latents are concepts, for every threshold that one might have chosen (the paper's figure 2A, right)."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from cytosae_core.errors import AnalysisError
from cytosae_core.figures.plane import HIGH_TEXT
from cytosae_core.figures.style import DASHES, PALETTE, QUIET, escape, styled
from cytosae_core.method import LOG10_THRESHOLD, high_activation

THRESHOLDS = tuple(np.round(np.arange(-60, 11) / 10, 1).tolist())
"""log10 of the mean activation: -6.0, -5.9, ..., 1.0."""


def threshold_counts(
    means: Mapping[str, NDArray[np.floating]], thresholds: Sequence[float] = THRESHOLDS
) -> pd.DataFrame:
    """Columns name, threshold, n_latents: latents with `log10(mean activation) > threshold`.

    `means` name -> mean activation (n_latents,); NaN for a latent that never fires, which is never above.
    """
    parts = []
    for name, mean in means.items():
        n_latents = [int(high_activation(mean, threshold).sum()) for threshold in thresholds]
        parts.append(pd.DataFrame({"name": name, "threshold": thresholds, "n_latents": n_latents}))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["name", "threshold", "n_latents"])


def threshold_figure(
    counts: pd.DataFrame, title: str, *, simulated: bool, looks: Mapping[str, tuple[int, int]] | None = None
) -> go.Figure:
    """One line per name of `threshold_counts`; raises AnalysisError where no latent is above any threshold.

    `looks` name -> number of its colour and of its dash; colours in turn without.
    """
    if counts.empty or not counts["n_latents"].any():
        raise AnalysisError(f"{title}: no latent is above any threshold, so there is nothing to count")
    figure = go.Figure()
    for number, (name, rows) in enumerate(counts.groupby("name", sort=False)):
        at_threshold = rows.loc[np.isclose(rows["threshold"], LOG10_THRESHOLD), "n_latents"]
        n_high = f": {int(at_threshold.iloc[0]):,}" if len(at_threshold) else ""
        of_colour, of_dash = (looks or {}).get(str(name), (number, number // len(PALETTE)))
        colour, dash = PALETTE[of_colour % len(PALETTE)], DASHES[of_dash % len(DASHES)]
        figure.add_trace(
            go.Scatter(
                x=rows["threshold"].to_numpy(), y=rows["n_latents"].to_numpy(), mode="lines",
                name=f"{escape(name)}{n_high}", line={"color": colour, "dash": dash, "width": 2.2},
                hovertemplate="log<sub>10</sub> mean activation above %{x:.1f}: %{y:,} latents",
            )
        )  # fmt: skip
    figure.add_vline(x=LOG10_THRESHOLD, line={"color": QUIET, "width": 1, "dash": "dot"})
    figure.update_xaxes(title_text="threshold: log<sub>10</sub> mean activation")
    figure.update_yaxes(title_text="latents above the threshold", rangemode="tozero")
    styled(figure, title, simulated=simulated)
    legend = {"title": {"text": f"latents above {HIGH_TEXT}"}}
    return figure.update_layout(updatemenus=[_axis_choice()], showlegend=True, legend=legend)


def _axis_choice() -> dict[str, object]:
    """Two buttons: counts by their size, or by their powers of ten (where a count of 0 cannot be shown)."""
    kinds = (("linear", "linear"), ("log", "logarithmic"))
    buttons = [{"label": label, "method": "relayout", "args": [{"yaxis.type": kind}]} for kind, label in kinds]
    return {"type": "buttons", "direction": "left", "buttons": buttons, "x": 1.0, "xanchor": "right", "y": 1.1}
