"""Files to pixels of the size that a model takes; numpy and Pillow only.

What `read_rgb` decides for each kind of file:

| file | decision |
|---|---|
| 8-bit grey, palette, CMYK, YCbCr | converted to RGB by Pillow |
| alpha, or a transparent colour | composited on white, the colour of an empty slide |
| 16 bits per channel | the high byte is kept: scaled by the range of the type, never by the range of the image, so that dark stays dark |
| 32-bit integers or floats | refused: the file does not say what its white is |
| EXIF orientation | applied |
| ICC profile | ignored, as in the models' training |
| several pages | the first |
| a side above `MAX_SIDE` | refused before decoding: no single cell is that large, and its pixels would fill the memory |
| empty, truncated, another format, not a file | refused with the reason |
"""  # noqa: E501 - table rows cannot be broken

import struct
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from cytosae_core.errors import ImageError
from cytosae_core.geometry import IMAGE_SIZE

MAX_SIDE = 5_000
"""Longest side, in pixels, of an image that is decoded."""
FORMATS = ("BMP", "JPEG", "PNG", "TIFF", "WEBP")
"""Decoders that may run: a file is judged by its content, and formats that run programs (EPS) are never tried."""

Image.init()  # Pillow loads its decoders lazily, and opening with `formats` does not wait for them

_DECODER_ERRORS = (
    ArithmeticError, AttributeError, EOFError, LookupError, MemoryError, OSError, SyntaxError, TypeError, ValueError,
    Warning, Image.DecompressionBombError, struct.error, zlib.error,
)  # fmt: skip
"""What Pillow raises on damaged files."""


def read_rgb(path: Path) -> Image.Image:
    """The first picture of a file, upright, in mode RGB; the decisions are in the table above.

    Raises ImageError with the path and the reason where the file cannot be used.
    """
    if not path.is_file():
        raise ImageError(f"{path}: no such file; check the path, or scan the folder again")
    if path.stat().st_size == 0:
        raise ImageError(f"{path}: the file is empty (0 bytes); copy it again from its source")
    try:
        with Image.open(path, formats=FORMATS) as image:
            _refuse_large(path, image.size)
            image.load()
            return _to_rgb(path, ImageOps.exif_transpose(image))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(f"{path}: {error}; no side may exceed {MAX_SIDE} px: cut single cells out of it") from error
    except UnidentifiedImageError as error:
        raise ImageError(f"{path}: not an image of a known format ({', '.join(FORMATS)}); convert it first") from error
    except _DECODER_ERRORS as error:
        raise ImageError(f"{path}: cannot be decoded ({error}); copy it again from its source") from error


def _refuse_large(path: Path, size: tuple[int, int]) -> None:
    if max(size) > MAX_SIDE:
        width, height = size
        raise ImageError(
            f"{path}: {width} x {height} px, and no side may exceed {MAX_SIDE} px: cut single cells out of it"
        )


def _to_rgb(path: Path, image: Image.Image) -> Image.Image:
    if image.mode in {"F", "I"}:
        raise ImageError(f"{path}: 32-bit pixels whose range is not known; save it with 8 or 16 bits per channel")
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")


def resize_rgb(image: Image.Image, size: int = IMAGE_SIZE) -> npt.NDArray[np.uint8]:
    """RGB values (size, size, 3) after a bilinear, antialiased resize that does not keep the aspect ratio."""
    return np.asarray(image.convert("RGB").resize((size, size), Image.Resampling.BILINEAR))
