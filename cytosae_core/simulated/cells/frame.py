"""Where on the slide a pixel lies: micrometres from the centre of the picture."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

SIDE = 288
"""Pixels on each side of a rendered picture, as in MLL23."""


@dataclass(frozen=True, eq=False)
class Frame:
    """A rectangle of the picture: x and y of the pixel centres, both (height, width), in micrometres."""

    x: Array
    y: Array
    pixel: float
    """Micrometres per pixel."""
    rows: slice
    """Rows of the picture that the rectangle covers."""
    columns: slice
    """Columns of the picture that the rectangle covers."""

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.x.shape[0], self.x.shape[1]

    @property
    def place(self) -> tuple[slice, slice]:
        """Index of this rectangle in an array of the whole picture."""
        return self.rows, self.columns

    def window(self, x: float, y: float, radius: float) -> "Frame | None":
        """Return the part within `radius` micrometres of (x, y), or None where that lies outside the picture."""
        rows = _pixels(y, radius, self.pixel)
        columns = _pixels(x, radius, self.pixel)
        if rows.start >= rows.stop or columns.start >= columns.stop:
            return None
        return Frame(self.x[rows, columns], self.y[rows, columns], self.pixel, rows, columns)


@lru_cache(maxsize=16)
def whole(pixel: float) -> Frame:
    """Return the frame of a whole picture at `pixel` micrometres per pixel; its arrays are read-only and shared."""
    along = (np.arange(SIDE) - (SIDE - 1) / 2) * pixel
    y, x = np.meshgrid(along, along, indexing="ij")
    x.setflags(write=False)
    y.setflags(write=False)
    return Frame(x, y, pixel, slice(0, SIDE), slice(0, SIDE))


def _pixels(centre: float, radius: float, pixel: float) -> slice:
    middle = centre / pixel + (SIDE - 1) / 2
    start = int(np.floor(middle - radius / pixel))
    stop = int(np.ceil(middle + radius / pixel)) + 1
    return slice(min(max(start, 0), SIDE), min(max(stop, 0), SIDE))
