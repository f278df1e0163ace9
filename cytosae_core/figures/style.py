"""What all figures share: colours that everybody can tell apart, a title that says what is simulated, and few lines."""

import html

import plotly.graph_objects as go

from cytosae_core.artifacts.tables import RESEARCH_USE_ONLY, SIMULATED

BLUE, ORANGE, GREEN, PURPLE, SKY, SAND = "#1f6f8b", "#c8702a", "#4f8a5b", "#8a5a94", "#6aa5d8", "#b39b4a"
PALETTE = (BLUE, ORANGE, GREEN, PURPLE, SKY, SAND)
"""For lines and groups, in this order; told apart with every common colour blindness, and by dashes too."""
DASHES = ("solid", "dash", "dot", "dashdot")
INK, QUIET, LINE, PALE = "#22303a", "#64737d", "#e4e9ec", "#c3ccd2"
SEQUENTIAL = "Cividis"
"""From low to high; rises evenly for colour-blind readers and in grey."""
DIVERGING = ((0.0, "#1f5a8a"), (0.25, "#8fb8d6"), (0.5, "#f7f5f1"), (0.75, "#e2a878"), (1.0, "#a3521a"))
"""From -1 to 1, with 0 in the middle."""
FONT = "Source Sans 3, Segoe UI, Helvetica, Arial, sans-serif"


def escape(text: object) -> str:
    """Text from data or users, so that plotly and HTML show it and do not interpret it."""
    return html.escape(" ".join(str(text).split()), quote=True)


def marked(title: str, *, simulated: bool) -> str:
    """The title (plain text) with SIMULATED in front wherever cells were rendered by a program; escaped."""
    return f"{SIMULATED} · {escape(title)}" if simulated else escape(title)


def styled(figure: go.Figure, title: str, *, simulated: bool, width: int = 860, height: int = 640) -> go.Figure:
    """Give the figure its title, the notice, fonts and sizes; returns the same figure."""
    figure.update_layout(
        title={
            "text": marked(title, simulated=simulated), "x": 0.0, "xref": "paper", "font": {"size": 18},
            "subtitle": {"text": RESEARCH_USE_ONLY, "font": {"size": 12, "color": QUIET}},
        },
        template="plotly_white", width=width, height=height, font={"family": FONT, "size": 13, "color": INK},
        margin={"l": 80, "r": 40, "t": 90, "b": 70}, hoverlabel={"bgcolor": "white", "font": {"color": INK}},
    )  # fmt: skip
    figure.update_xaxes(gridcolor=LINE, zeroline=False, ticks="outside", tickcolor=PALE)
    figure.update_yaxes(gridcolor=LINE, zeroline=False, ticks="outside", tickcolor=PALE)
    return figure
