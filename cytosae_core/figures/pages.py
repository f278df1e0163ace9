"""HTML pages that need no network: one frame for all, figures with the plotting code beside them, sheets of cells."""

import base64
import io
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import plotly.graph_objects as go
from PIL import Image

from cytosae_core import rendering
from cytosae_core.artifacts.tables import RESEARCH_USE_ONLY
from cytosae_core.figures.cells import BAR_UM, Cell, CellRow, CellSheet, bar_share
from cytosae_core.figures.style import escape, marked

PLOTLY_NAME = "plotly.min.js"
"""The plotting code of all figures of a folder."""
PLOTLY_CONFIG = {"displaylogo": False, "showSendToCloud": False, "plotlyServerURL": ""}
"""Plotly's own choice is a button that uploads the figure, patients' names included, to a service of its maker."""
CSS = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")

PictureUrl = Callable[[Path], str]
"""Puts a picture beside the page and says how the page names it."""


def page(title: str, body: str, *, simulated: bool) -> str:
    """A whole page; `body` is HTML, `title` plain text."""
    shown = marked(title, simulated=simulated)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{shown}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{CSS}</style></head>\n'
        f"<body><h1>{shown}</h1><p class=notice>{RESEARCH_USE_ONLY}</p>\n{body}\n</body></html>\n"
    )


def figure_page(figure: go.Figure) -> str:
    """A page with one figure, which brings its own title and notice."""
    title = re.sub(r"<[^>]*>", "", figure.layout.title.text)  # escaped already
    plot = figure.to_html(include_plotlyjs="directory", full_html=False, config=PLOTLY_CONFIG)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"</head>\n<body>{plot}</body></html>\n"
    )


def sheets_page(title: str, sheets: Sequence[CellSheet], url: PictureUrl, *, simulated: bool, maps_on: bool) -> str:
    """Sheets below each other, with one switch for all maps where there are any."""
    has_maps = any(cell.map is not None for sheet in sheets for row in sheet.rows for cell in row.cells)
    switch = f"<input type=checkbox id=maps{' checked' if maps_on else ''}><label for=maps>Maps</label>\n"
    body = "\n".join(_section(sheet, url) for sheet in sheets)
    return page(title, f"{switch if has_maps else ''}<main>{body}</main>", simulated=simulated)


def _section(sheet: CellSheet, url: PictureUrl) -> str:
    rows = "\n".join(_row(row, url) for row in sheet.rows)
    head = f"<h2>{escape(sheet.title)}</h2><p class=note>{escape(sheet.note)}</p>"
    return f'<section id="{escape(sheet.name)}">{head}\n{rows}</section>'


def _row(row: CellRow, url: PictureUrl) -> str:
    share = bar_share(row)
    frames = "".join(_frame(cell, url, share if index == 0 else 0.0) for index, cell in enumerate(row.cells))
    return f"<h3>{escape(row.heading)}</h3><div class=cells>{frames}</div>"


def _frame(cell: Cell, url: PictureUrl, share: float) -> str:
    caption = f"<figcaption>{escape(cell.caption)}</figcaption>"
    if cell.picture is None:
        return f'<figure class=none title="{escape(cell.tip)}"><div>no picture</div>{caption}</figure>'
    source = url(cell.picture) if isinstance(cell.picture, Path) else _inline(Image.fromarray(cell.picture))
    layers = [f'<img loading=lazy src="{escape(source)}" alt="{escape(cell.caption or "cell")}">']
    if cell.map is not None:
        layers.append(f'<img class=map src="{_inline(Image.fromarray(rendering.heat(cell.map, cell.scale)))}" alt="">')
    if cell.boxes:
        layers.append(_boxes(cell))
    if share:
        layers.append(f'<i class=bar style="width:{100 * share:.2f}%"><b>{BAR_UM:g} µm</b></i>')
    large = " class=large" if cell.boxes else ""
    return f'<figure{large} title="{escape(cell.tip)}"><div>{"".join(layers)}</div>{caption}</figure>'


def _boxes(cell: Cell) -> str:
    """Numbered squares over the picture, in units of a patch."""
    shapes = "".join(
        2 * f'<rect x="{col}" y="{row}" width="1" height="1"/>'
        + (f'<text x="{col + 1.2}" y="{row + 0.9}">{number}</text>' if len(cell.boxes) > 1 else "")
        for number, (row, col) in enumerate(cell.boxes, start=1)
    )
    return f'<svg class=boxes viewBox="0 0 {cell.grid} {cell.grid}" preserveAspectRatio="none">{shapes}</svg>'


def _inline(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
