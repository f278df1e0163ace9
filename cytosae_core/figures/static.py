"""Figures as PNG and SVG, where something is installed that can draw them; a sentence where nothing is."""

import importlib.util
from pathlib import Path

import plotly.graph_objects as go

REMEDY = "pip install kaleido, with Chromium or Chrome installed, for PNG and SVG; the HTML pages are complete"
FORMATS = ("png", "svg")


def has_kaleido() -> bool:
    """Whether the renderer's Python side is installed; whether it finds a browser shows when it draws."""
    return importlib.util.find_spec("kaleido") is not None


class StaticPictures:
    """Writes pictures until the first failure, and remembers why there are no more."""

    def __init__(self, *, wanted: bool = True) -> None:
        """Looks for kaleido; does nothing where they are not `wanted`."""
        self.problem = ""
        """Why no pictures were written; empty where they were."""
        if not wanted:
            self.problem = "static pictures were not asked for"
        elif not has_kaleido():
            self.problem = f"no static pictures: kaleido is not installed ({REMEDY})"

    def write(self, figure: go.Figure, path: Path) -> list[Path]:
        """The figure beside `path` in each format; nothing where it cannot be drawn."""
        if self.problem:
            return []
        try:
            drawn = {path.with_suffix(f".{kind}"): figure.to_image(kind, scale=2) for kind in FORMATS}
        except Exception as error:  # noqa: BLE001 - the renderer drives a browser, which fails in ways of its own
            self.problem = f"no static pictures: the renderer failed ({type(error).__name__}: {error}); {REMEDY}"
            return []
        for place, content in drawn.items():
            place.write_bytes(content)
        return list(drawn)
