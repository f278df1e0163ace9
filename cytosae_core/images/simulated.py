"""Whether images were rendered by a program: their own files say so."""

from pathlib import Path

from PIL import Image

from cytosae_core.artifacts.tables import SIMULATED
from cytosae_core.images.table import ImageTable

_TIFF_DESCRIPTION = 270


def says_simulated(path: Path) -> bool:
    """Whether the file's description, comment or text begins with SIMULATED; False where it cannot be read."""
    try:
        with Image.open(path) as image:
            texts = [*image.info.values(), image.getexif().get(_TIFF_DESCRIPTION)]
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return False  # an unreadable file says nothing; the pass over all images names it and the reason
    return any(_text(value).startswith(SIMULATED) for value in texts)


def holds_simulated(table: ImageTable) -> bool:
    """Whether a rendered image is among those of the table; the first of every folder is asked, since folders are
    rendered whole and asking all would read all."""
    first_of: dict[str, str] = {}
    for path in table.frame["path"]:
        first_of.setdefault(path.rpartition("/")[0], path)
    return any(says_simulated(Path(path)) for path in first_of.values())


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
