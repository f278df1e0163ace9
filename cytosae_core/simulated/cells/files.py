"""Bytes of a rendered cell's files: the picture, which says SIMULATED in its own metadata, and its masks."""

import io
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from cytosae_core.errors import ImageError
from cytosae_core.simulated.cells.compose import RenderedCell
from cytosae_core.simulated.cells.frame import Mask
from cytosae_core.simulated.cells.scene import MASK_NAMES

NOTICE = "SIMULATED: drawn by a program (CytoSAE workbench); no patient, no real cell"
"""Text in every picture file."""

_TIFF_DESCRIPTION = 270


def picture_bytes(cell: RenderedCell, size: tuple[int, int], suffix: str) -> bytes:
    """Return the file of the picture at `size` (width, height): TIFF for .tif and .tiff, JPEG for .jpg, else PNG.

    The notice stands in ImageDescription, the comment or a text chunk.
    """
    image = Image.fromarray(cell.rgb)
    if image.size != size:
        image = image.resize(size, Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    if suffix.lower() in (".tif", ".tiff"):
        image.save(buffer, "TIFF", tiffinfo={_TIFF_DESCRIPTION: NOTICE})
    elif suffix.lower() in (".jpg", ".jpeg"):
        image.save(buffer, "JPEG", quality=92, comment=NOTICE.encode())
    else:
        text = PngInfo()
        text.add_text("Description", NOTICE)
        image.save(buffer, "PNG", pnginfo=text)
    return buffer.getvalue()


def masks_bytes(cell: RenderedCell) -> bytes:
    """Return an .npz file: `parts` (288, 288) with one bit per mask, and `names` in the order of the bits."""
    parts = np.zeros(cell.rgb.shape[:2], dtype=np.uint16)
    for bit, name in enumerate(MASK_NAMES):
        parts |= cell.masks[name].astype(np.uint16) << np.uint16(bit)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, parts=parts, names=np.array(MASK_NAMES))
    return buffer.getvalue()


def read_masks(path: Path) -> dict[str, Mask]:
    """Return part -> pixels (288, 288) from a masks file; raises ImageError where it is none."""
    try:
        with np.load(path, allow_pickle=False) as file:
            parts, names = file["parts"], file["names"]
    except (OSError, ValueError, KeyError) as error:
        raise ImageError(f"{path} is not a masks file ({error}): render the data set again.") from error
    return {str(name): (parts >> np.uint16(bit)) & 1 == 1 for bit, name in enumerate(names)}
