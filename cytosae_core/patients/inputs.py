"""What an analysis of patients opens: an atlas with barcodes."""

from pathlib import Path

from cytosae_core.atlas.atlas import LatentAtlas
from cytosae_core.atlas.barcodes import Barcodes
from cytosae_core.errors import ConfigError


def open_barcodes(path: Path) -> tuple[LatentAtlas, Barcodes]:
    """The atlas at `path` and its barcodes; ConfigError where it has none."""
    atlas = LatentAtlas.open(path)
    barcodes = atlas.barcodes()
    if barcodes is None:
        raise ConfigError(f"{path} has no barcodes; build an atlas of images with patients")
    return atlas, barcodes
