"""Small pieces of Markdown: tables, numbers, and text that cannot break either."""

import math
from collections.abc import Sequence

import pandas as pd


def safe(value: object) -> str:
    """A cell's text: one line, without the signs that mean something in a table or in HTML."""
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float):
        return f"{value:.3g}"
    text = " ".join(str(value).split())
    for sign, replacement in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("|", "\\|")):
        text = text.replace(sign, replacement)
    return text


def table(frame: pd.DataFrame, headings: Sequence[str] | None = None) -> str:
    """The frame as a Markdown table; "None." when it has no rows."""
    if frame.empty:
        return "None."
    lines = [list(headings) if headings else list(frame.columns), ["---"] * len(frame.columns)]
    lines += [[safe(value) for value in row] for row in frame.astype(object).itertuples(index=False)]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def percent(share: float) -> str:
    """A share as a whole percentage."""
    return "not defined" if math.isnan(share) else f"{100 * share:.0f} %"


def percent_interval(share: float, low: float, high: float) -> str:
    """A share with its interval: "62 % (48 to 74 %)"."""
    return percent(share) if math.isnan(share) else f"{percent(share)} ({100 * low:.0f} to {100 * high:.0f} %)"


def number_interval(value: float, low: float, high: float) -> str:
    """A number with its interval: "0.37 (-0.05 to 1.00)"."""
    if math.isnan(value):
        return "not defined"
    return f"{value:.2f}" if math.isnan(low) else f"{value:.2f} ({low:.2f} to {high:.2f})"
