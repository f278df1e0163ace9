"""Whether an image was drawn by a program: its own file says so."""

from pathlib import Path

from PIL import Image

_WORD = "SIMULATED"
_TIFF_DESCRIPTION = 270


def says_simulated(path: Path) -> bool:
    """Whether the file's description, comment or text begins with SIMULATED; False where it cannot be read."""
    try:
        with Image.open(path) as image:
            texts = [*image.info.values(), image.getexif().get(_TIFF_DESCRIPTION)]
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return False  # an unreadable file says nothing; the pass over all images names it and the reason
    return any(_text(value).startswith(_WORD) for value in texts)


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
