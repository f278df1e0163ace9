"""The folder of figures while it is filled: pages, pictures beside them, contact sheets, and the page of contents."""

import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
from PIL import Image
from plotly.offline import get_plotlyjs

from cytosae_core import rendering
from cytosae_core.artifacts.tables import RESEARCH_USE_ONLY, SIMULATED
from cytosae_core.figures.cells import BAR_UM, Cell, CellRow, CellSheet, bar_share
from cytosae_core.figures.pages import PLOTLY_NAME, figure_page, page, sheets_page
from cytosae_core.figures.static import StaticPictures
from cytosae_core.figures.style import escape
from cytosae_core.rendering import Rgb, SheetLine

PICTURES_NAME = "pictures"
"""Folder of the cells that the pages show."""
SHEETS_NAME = "sheets"
"""Folder of the contact sheets."""
SIDE = 190
"""Pixels of a cell's side on a contact sheet."""


class Made(NamedTuple):
    """A figure that was written."""

    name: str
    """Its file, without suffix."""
    title: str
    """What it shows; plain text."""
    files: tuple[str, ...]
    """Its files, the page first."""


class LeftOut(NamedTuple):
    """A figure that the inputs do not allow."""

    title: str
    """What it would show."""
    reason: str
    """What is missing."""


class FigureFolder:
    """Where figures go; not published before all of them are there."""

    def __init__(self, path: Path, static: StaticPictures, *, simulated: bool) -> None:
        """`path` is an empty folder."""
        self.path, self.static, self.simulated = path, static, simulated
        self.made: list[Made] = []

    def add_figure(self, name: str, figure: go.Figure) -> None:
        """Write a figure as a page, and as pictures where that is possible."""
        script = self.path / PLOTLY_NAME
        if not script.exists():
            script.write_text(get_plotlyjs(), encoding="utf-8")
        (self.path / f"{name}.html").write_text(figure_page(figure), encoding="utf-8")
        pictures = self.static.write(figure, self.path / f"{name}.html")
        title = re.sub(r"<[^>]*>", "", figure.layout.title.text)
        self.made.append(Made(name, title, (f"{name}.html", *(path.name for path in pictures))))

    def add_sheets(
        self, name: str, title: str, sheets: Sequence[CellSheet], *, simulated: bool, maps_on: bool = False
    ) -> None:
        """Write sheets of cells as one page, and each as a contact sheet (WebP)."""
        text = sheets_page(title, sheets, self._picture, simulated=simulated, maps_on=maps_on)
        (self.path / f"{name}.html").write_text(text, encoding="utf-8")
        written = [f"{name}.html"]
        for sheet in sheets:
            if sheet.has_pictures:
                file = f"{SHEETS_NAME}/{name}_{sheet.name}.webp"
                (self.path / SHEETS_NAME).mkdir(exist_ok=True)
                picture = Image.fromarray(contact_sheet(sheet, simulated=simulated))
                picture.save(self.path / file, quality=92, method=2)
                written.append(file)
        self.made.append(Made(name, f"{SIMULATED} · {title}" if simulated else title, tuple(written)))

    def write_index(self, title: str, left_out: Sequence[LeftOut]) -> None:
        """The page of contents: what there is, and what there is not and why."""
        made = "".join(_entry(one) for one in self.made)
        missing = "".join(f"<li>{escape(one.title)}: {escape(one.reason)}</li>" for one in left_out)
        listed = f"<h3>Left out</h3><ul class=left-out>{missing}</ul>" if missing else ""
        note = f"<p class=notice>{escape(self.static.problem)}</p>" if self.static.problem else ""
        text = page(title, f"<ul>{made}</ul>{listed}{note}", simulated=self.simulated)
        (self.path / "index.html").write_text(text, encoding="utf-8")

    def _picture(self, source: Path) -> str:
        """Copy a picture of the atlas beside the pages, once."""
        folder = self.path / PICTURES_NAME
        folder.mkdir(exist_ok=True)
        if not (folder / source.name).exists():
            shutil.copyfile(source, folder / source.name)
        return f"{PICTURES_NAME}/{source.name}"


def _entry(one: Made) -> str:
    others = one.files[1:]
    more = f" · {len(others)} contact sheets" if one.files[-1].startswith(SHEETS_NAME) else "".join(
        f' · <a href="{escape(name)}">{escape(Path(name).suffix[1:].upper())}</a>' for name in others
    )  # fmt: skip
    title = one.title if "&" in one.title else escape(one.title)
    return f'<li><a href="{escape(one.files[0])}">{title}</a>{more}</li>'


def contact_sheet(sheet: CellSheet, *, simulated: bool) -> Rgb:
    """The sheet as one picture: a line of cells per row, and below it the same with their maps where there are any."""
    lines = [line for row in sheet.rows if row.cells for line in _lines(row)]
    mark = f"{SIMULATED} · " if simulated else ""
    return rendering.contact_sheet(f"{mark}{sheet.title} · {sheet.note}", lines, side=SIDE, footer=RESEARCH_USE_ONLY)


def _lines(row: CellRow) -> list[SheetLine]:
    plain = [cell.pixels() for cell in row.cells]
    outlined = [
        None if image is None else _with_boxes(cell, image) for cell, image in zip(row.cells, plain, strict=True)
    ]
    captions = [cell.caption for cell in row.cells]
    line = SheetLine(
        row.heading, outlined, captions, bar_share(row), f"{BAR_UM:g} um"
    )  # Pillow's own font has no micro sign
    if all(cell.map is None for cell in row.cells):
        return [line]
    mapped = [_with_map(cell, image) for cell, image in zip(row.cells, plain, strict=True)]
    return [line, SheetLine("", mapped)]


def _with_map(cell: Cell, image: Rgb | None) -> Rgb | None:
    if image is None or cell.map is None:
        return image
    return rendering.overlay(image, cell.map, cell.scale)


def _with_boxes(cell: Cell, image: Rgb) -> Rgb:
    if not cell.boxes:
        return image
    step = np.array([image.shape[1], image.shape[0]]) / cell.grid
    boxes = [tuple(float(v) for v in (*(step * (col, row)), *(step * (col + 1, row + 1)))) for row, col in cell.boxes]
    names = [str(number) if len(boxes) > 1 else "" for number in range(1, len(boxes) + 1)]
    return rendering.outlined(image, boxes, names)  # type: ignore[arg-type]
