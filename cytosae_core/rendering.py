"""Pictures of cells put together: overlays of patch maps and contact sheets. Arrays in, arrays out; no files.

Images are RGB (height, width, 3) uint8; maps are (grid, grid) activations, to be shown on one scale per latent.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from cytosae_core.errors import ConfigError

Rgb = npt.NDArray[np.uint8]

INK, QUIET, PAPER, EMPTY = (34, 48, 58), (100, 115, 125), (255, 255, 255), (243, 246, 247)
GAP = 8
"""Pixels between two pictures."""
LINE_HEIGHT = 26
"""Pixels of a line of text."""


class SheetLine(NamedTuple):
    """One line of a contact sheet."""

    heading: str
    """What is written above it."""
    images: Sequence[Rgb | None]
    """Its pictures; None is an empty frame."""
    captions: Sequence[str] = ()
    """What is written below each; nothing where there are fewer captions."""
    bar: float = 0.0
    """Length of a scale bar, as a share of the width of the first picture; 0: none."""
    bar_text: str = ""
    """What the bar measures."""


def heat(values: npt.NDArray[np.floating], scale: float, opacity: float = 0.5) -> npt.NDArray[np.uint8]:
    """A map as RGBA (grid, grid, 4): yellow to red, more opaque with activation; `scale` is the full colour.

    Nothing is painted where nothing is active, or where `scale` is 0.
    """
    share = np.clip(np.asarray(values, dtype=np.float64) / scale, 0, 1) if scale > 0 else np.zeros(values.shape)
    level = np.rint(255 * share)
    colours = [np.full(level.shape, 255.0), 225 - np.rint(0.75 * level), np.zeros(level.shape), level * opacity]
    pixels: npt.NDArray[np.uint8] = np.rint(np.stack(colours, axis=-1)).astype(np.uint8)
    return pixels


def overlay(image: Rgb, values: npt.NDArray[np.floating], scale: float, opacity: float = 0.5) -> Rgb:
    """The image with the map laid over it, smoothly; the same size."""
    height, width = image.shape[:2]
    layer = Image.fromarray(heat(values, scale, opacity)).resize((width, height), Image.Resampling.BILINEAR)
    below = Image.fromarray(image).convert("RGBA")
    return np.asarray(Image.alpha_composite(below, layer).convert("RGB"), dtype=np.uint8)


def outlined(image: Rgb, boxes: Sequence[tuple[float, float, float, float]], names: Sequence[str]) -> Rgb:
    """The image with rectangles (left, top, right, bottom, in pixels), each with its short name beside it."""
    canvas = Image.fromarray(image).copy()
    pen, font = ImageDraw.Draw(canvas), ImageFont.load_default(max(14, image.shape[0] // 24))
    width = max(2, image.shape[1] // 180)
    for box, name in zip(boxes, names, strict=True):
        pen.rectangle([box[0] - width, box[1] - width, box[2] + width, box[3] + width], outline=PAPER, width=width)
        pen.rectangle(box, outline=INK, width=width)
        pen.text((box[2] + 2 * width, box[1]), name, INK, font, stroke_width=2, stroke_fill=PAPER)
    return np.asarray(canvas)


def contact_sheet(title: str, lines: Sequence[SheetLine], *, side: int = 180, footer: str = "") -> Rgb:
    """Lines of pictures below each other, each picture in a square of `side` pixels, never cut.

    Raises ConfigError where there is no line to show.
    """
    if not lines or not any(line.images for line in lines):
        raise ConfigError(f"{title}: there are no pictures for a contact sheet; choose other latents")
    n_columns = max(len(line.images) for line in lines)
    heights = [side + GAP + LINE_HEIGHT * (bool(line.heading) + bool(line.captions)) for line in lines]
    width = max(2 * GAP + n_columns * (side + GAP), 720)
    total = 2 * LINE_HEIGHT + sum(heights) + (LINE_HEIGHT if footer else 0) + GAP
    canvas = Image.new("RGB", (width, total), PAPER)
    _write(canvas, (GAP, GAP), title, INK, 20, width - 2 * GAP)
    top = 2 * LINE_HEIGHT
    for line, height in zip(lines, heights, strict=True):
        _render_line(canvas, line, top, side)
        top += height
    if footer:
        _write(canvas, (GAP, top), footer, QUIET, 13, width - 2 * GAP)
    return np.asarray(canvas)


def _render_line(canvas: Image.Image, line: SheetLine, top: int, side: int) -> None:
    _write(canvas, (GAP, top + 4), line.heading, QUIET, 15, canvas.width - 2 * GAP)
    first = top + (LINE_HEIGHT if line.heading else 0)
    for index, image in enumerate(line.images):
        left = GAP + index * (side + GAP)
        frame = (left, first)
        if image is None:
            ImageDraw.Draw(canvas).rectangle([*frame, left + side - 1, frame[1] + side - 1], fill=EMPTY)
            _write(canvas, (left + 8, frame[1] + side // 2), "no picture", QUIET, 13, side)
        else:
            fitted = _fitted(image, side)
            canvas.paste(fitted, (left + (side - fitted.width) // 2, frame[1] + (side - fitted.height) // 2))
        if index < len(line.captions):
            _write(canvas, (left, frame[1] + side + 2), line.captions[index], QUIET, 13, side)
    if line.bar > 0 and line.images and line.images[0] is not None:
        _render_bar(canvas, line, first, _fitted(line.images[0], side), side)


def _render_bar(canvas: Image.Image, line: SheetLine, top: int, first: Image.Image, side: int) -> None:
    length = max(1, round(line.bar * first.width))
    bottom = top + (side + first.height) // 2 - 8
    left = GAP + (side - first.width) // 2 + 8
    pen = ImageDraw.Draw(canvas)
    pen.rectangle([left - 1, bottom - 5, left + length + 1, bottom + 1], fill=PAPER)
    pen.rectangle([left, bottom - 4, left + length, bottom], fill=INK)
    font = ImageFont.load_default(13)
    pen.text((left, bottom - 24), line.bar_text, INK, font, stroke_width=2, stroke_fill=PAPER)


def _fitted(image: Rgb, side: int) -> Image.Image:
    """As large as the square allows, with its own proportions."""
    height, width = image.shape[:2]
    factor = side / max(height, width)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return Image.fromarray(image).resize(size, Image.Resampling.LANCZOS)


def _write(
    canvas: Image.Image, place: tuple[int, int], text: str, colour: tuple[int, ...], size: int, room: int
) -> None:
    """One line of text, shortened to the room that it has."""
    font = ImageFont.load_default(size)
    shown = " ".join(text.split())
    while shown and font.getlength(shown) > room:
        shown = shown[:-2].rstrip() + "…" if len(shown) > 2 else ""
    ImageDraw.Draw(canvas).text(place, shown, colour, font)
