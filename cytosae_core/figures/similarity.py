"""How alike patients are, all against all: ordered by group, and inside a group so that neighbours are alike."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from cytosae_core.errors import AnalysisError
from cytosae_core.figures.style import DIVERGING, INK, escape, styled

FloatArray = NDArray[np.float64]


def patient_order(similarity: FloatArray, diagnoses: "pd.Series[str]") -> NDArray[np.int64]:
    """Positions of the patients: groups by name, and in a group by average linkage on `1 - similarity`."""
    names = diagnoses.fillna("not known").to_numpy(dtype=object)
    parts = []
    for group in sorted(set(names)):
        own = np.flatnonzero(names == group)
        parts.append(own[_leaves(similarity[np.ix_(own, own)])])
    return np.concatenate(parts)


def _leaves(similarity: FloatArray) -> NDArray[np.int64]:
    if len(similarity) < 3:
        return np.arange(len(similarity))
    distance = np.clip(1 - (similarity + similarity.T) / 2, 0, 2)
    np.fill_diagonal(distance, 0)
    tree = linkage(squareform(distance, checks=False), method="average", optimal_ordering=True)
    return np.asarray(leaves_list(tree), dtype=np.int64)


def similarity_figure(similarity: FloatArray, groups: pd.DataFrame, *, simulated: bool) -> go.Figure:
    """Heat map of `similarity` (n, n); `groups` has patient and diagnosis in its order. AnalysisError: none to show."""
    if len(groups) < 2 or similarity.shape != (len(groups), len(groups)):
        raise AnalysisError(f"similarity has shape {similarity.shape} for {len(groups)} patients; give at least 2")
    order = patient_order(similarity, groups["diagnosis"].reset_index(drop=True))
    own = groups.iloc[order]
    diagnoses = own["diagnosis"].fillna("not known").to_numpy(dtype=object)
    names = [f"{escape(p)} ({escape(d)})" for p, d in zip(own["patient"], diagnoses, strict=True)]
    figure = go.Figure(go.Heatmap(
        z=similarity[np.ix_(order, order)].astype(np.float32), x=names, y=names, zmin=-1, zmax=1,
        colorscale=[list(step) for step in DIVERGING],
        hovertemplate="similarity %{z:.2f}<br>%{x}<br>%{y}<extra></extra>",
        colorbar={"title": {"text": "cosine<br>similarity<br>&nbsp;"}, "thickness": 12, "len": 0.5, "outlinewidth": 0},
    ))  # fmt: skip
    for edge in np.flatnonzero(diagnoses[1:] != diagnoses[:-1]) + 0.5:
        figure.add_hline(y=edge, line={"color": INK, "width": 1})
        figure.add_vline(x=edge, line={"color": INK, "width": 1})
    # the name of each group at the middle one of its patients, whose own names show under the pointer
    groups_shown = list(dict.fromkeys(diagnoses))
    middles = [names[int(np.median(np.flatnonzero(diagnoses == group)))] for group in groups_shown]
    ticks = {"tickvals": middles, "ticktext": [escape(group) for group in groups_shown], "showgrid": False}
    figure.update_xaxes(type="category", tickangle=-35, **ticks)
    figure.update_yaxes(type="category", autorange="reversed", **ticks)
    title = f"Similarity of {len(own)} patients by barcode, around their mean"
    styled(figure, title, simulated=simulated, width=900, height=860)
    figure.update_xaxes(ticks="").update_yaxes(ticks="")
    return figure.update_layout(margin={"l": 170, "b": 150})
