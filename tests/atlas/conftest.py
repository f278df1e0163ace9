"""Miniature published tables, and a tiny atlas that no test may change."""

import shutil
from pathlib import Path

import pytest

from cytosae_core.atlas.atlas import LatentAtlas
from tests.atlas.published import MiniRelease, make_release
from tests.atlas.tiny import make_tiny_atlas


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> LatentAtlas:
    """A tiny atlas with maps and barcodes; read only."""
    return make_tiny_atlas(tmp_path_factory.mktemp("tiny") / "atlas", with_maps=True, with_barcodes=True)


@pytest.fixture
def tiny_copy(tiny: LatentAtlas, tmp_path: Path) -> Path:
    """A copy of the tiny atlas to be damaged."""
    return Path(shutil.copytree(tiny.path, tmp_path / "copy"))


@pytest.fixture
def release(tmp_path: Path) -> MiniRelease:
    """Miniature published tables with their images, to be damaged."""
    return make_release(tmp_path / "release")
