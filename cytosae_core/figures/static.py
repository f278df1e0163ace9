"""Figures as PNG and SVG, where something is installed that can make them; a sentence where nothing is."""

import importlib.util
from pathlib import Path

import plotly.graph_objects as go
import plotly.io

REMEDY = (
    "for PNG and SVG: pip install kaleido, and Chromium or Chrome (apt-get install chromium, or plotly_get_chrome); "
    "the HTML pages are complete"
)
FORMATS = ("png", "svg")


def has_kaleido() -> bool:
    """Whether the renderer's Python side is installed; whether it finds a browser shows at the first figure."""
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
        """The figure beside `path` in each format; nothing where it cannot be made."""
        if self.problem:
            return []
        paths = [path.with_suffix(f".{kind}") for kind in FORMATS]
        size = {"width": figure.layout.width, "height": figure.layout.height}  # plotly does not look for them here
        try:
            # Both at once: starting a browser takes longer than a figure.
            plotly.io.write_images([figure] * len(paths), paths, scale=2, validate=False, **size)
        except Exception as error:  # noqa: BLE001 - the renderer drives a browser, which fails in ways of its own
            said = " ".join(str(error).split())
            self.problem = f"no static pictures: the renderer failed ({type(error).__name__}: {said}); {REMEDY}"
            for made in paths:
                made.unlink(missing_ok=True)
            return []
        return paths
