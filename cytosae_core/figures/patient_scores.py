"""How well patients are told apart: F1 against the threshold (the paper's figure 4A), confusion matrix (4B)."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from cytosae_core.errors import AnalysisError
from cytosae_core.figures.style import BLUE, DASHES, GREEN, ORANGE, PURPLE, QUIET, escape, styled
from cytosae_core.method import LOG10_THRESHOLD

_SCORE, _SPREAD = "weighted_f1", "weighted_f1_sd_folds"


def f1_curve(scores: pd.DataFrame, *, simulated: bool) -> go.Figure:
    """Weighted F1, mean and standard deviation over all folds and seeds, at every threshold of the sweep.

    `scores` is the table that classify_patients.py writes; baselines, and the probe that
    chooses its threshold within the folds, are level lines. Raises
    AnalysisError where no method has one.
    """
    swept = scores[scores["threshold"].notna()]
    if swept.empty:
        raise AnalysisError("the scores have no method with a threshold; classify with at least one threshold")
    figure = go.Figure()
    colours = dict(zip(sorted(set(swept["reading"])), (BLUE, ORANGE, GREEN), strict=False))
    for (c_rule, rows), dash in zip(swept.groupby("reading"), DASHES, strict=False):
        name = f"barcode probe above the threshold, C by {c_rule}"
        _add_band(figure, rows.sort_values("threshold"), name, colours[c_rule], dash)
    span = (float(swept["threshold"].min()), float(swept["threshold"].max()))
    baselines = scores[scores["family"] == "baseline"]
    chosen = scores[scores["threshold"].isna() & scores["method"].str.contains("t chosen", regex=False)]
    for index, row in enumerate(pd.concat([chosen, baselines]).to_dict("records")):
        _add_level(figure, str(row["method"]), row[_SCORE], span, colours.get(row["reading"], PURPLE), index)
    figure.add_vline(x=LOG10_THRESHOLD, line={"color": QUIET, "width": 1, "dash": "dot"})
    figure.update_xaxes(title_text="threshold: log<sub>10</sub> mean activation on the training images")
    figure.update_yaxes(title_text="weighted F1 (mean ± standard deviation over folds)", range=[0, 1.02])
    styled(figure, "Patients told apart by barcodes", simulated=simulated, height=700)
    return figure.update_layout(legend={"orientation": "h", "y": -0.16, "x": 0})


def _add_level(figure: go.Figure, name: str, value: float, span: tuple[float, float], colour: str, index: int) -> None:
    line = {"color": colour, "width": 1.3, "dash": ("dot", "dashdot", "longdash", "longdashdot")[index % 4]}
    tip = f"{escape(name)}: {value:.3f}<extra></extra>"
    figure.add_trace(
        go.Scatter(x=span, y=[value, value], mode="lines", name=escape(name), line=line, hovertemplate=tip)
    )


def _add_band(figure: go.Figure, rows: pd.DataFrame, name: str, colour: str, dash: str) -> None:
    x, mean = rows["threshold"].to_numpy(float), rows[_SCORE].to_numpy(float)
    spread = np.nan_to_num(rows[_SPREAD].to_numpy(float))
    low, high = np.clip(mean - spread, 0, 1), np.clip(mean + spread, 0, 1)
    figure.add_trace(
        go.Scatter(x=np.concatenate([x, x[::-1]]), y=np.concatenate([high, low[::-1]]), fill="toself",
                   fillcolor=colour, opacity=0.14, line={"width": 0}, hoverinfo="skip", showlegend=False,
                   name=escape(name))
    )  # fmt: skip
    figure.add_trace(
        go.Scatter(x=x, y=mean, mode="lines+markers", name=escape(name), customdata=spread,
                   line={"color": colour, "dash": dash, "width": 2.2}, marker={"size": 6},
                   hovertemplate="above %{x:g}: F1 %{y:.3f} ± %{customdata:.3f}")
    )  # fmt: skip


def shown_method(scores: pd.DataFrame) -> str:
    """The method of the confusion matrix: the probe at the paper's threshold, else the first probe; AnalysisError."""
    for family in ("probe at the paper's t", "probe"):
        found = scores.loc[scores["family"] == family, "method"]
        if len(found):
            return str(found.iloc[0])
    raise AnalysisError(f"the scores hold no probe on barcodes, only {sorted(set(scores['family']))}")


def confusion_figure(confusion: pd.DataFrame, method: str, *, simulated: bool) -> go.Figure:
    """Patients of each group (rows) that the method names as each group (columns): share, and number over seeds."""
    rows = confusion[confusion["method"] == method]
    if rows.empty:
        raise AnalysisError(f"the confusion table has no method {method!r}; it has {sorted(set(confusion['method']))}")
    names = sorted(set(rows["group"]))
    share, number = (
        rows.pivot(index="group", columns="predicted", values=column).reindex(index=names, columns=names).to_numpy()
        for column in ("share", "n_mean")
    )
    shown = [escape(name) for name in names]
    heat = go.Heatmap(
        z=share, x=shown, y=shown, colorscale="Blues", zmin=0, zmax=1, xgap=2, ygap=2,
        text=[[f"{one:.3g}" for one in line] for line in number], texttemplate="%{z:.0%}<br>%{text}",
        textfont={"size": 13},
        colorbar={
            "title": {"text": "share of<br>the group<br>&nbsp;"}, "tickformat": ".0%", "thickness": 12, "len": 0.6,
            "outlinewidth": 0,
        },
        hovertemplate="%{y}, named %{x}: %{text} patients (%{z:.1%})<extra></extra>",
    )  # fmt: skip
    figure = go.Figure(heat)
    figure.update_xaxes(title_text="named group", showgrid=False)
    figure.update_yaxes(
        title_text="true group (share; patients, mean over seeds)", autorange="reversed", showgrid=False
    )
    styled(figure, f"Confusion: {method}", simulated=simulated, width=820, height=720)
    return figure.update_layout(margin={"l": 160})
