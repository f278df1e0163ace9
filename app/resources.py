"""What every screen and route shares: settings, the database, and the atlas of each study.

The only reader of the environment:

- `CYTOSAE_DATABASE`: database file or URL; `annotations.db` at the top of the repository by default.
- `CYTOSAE_TRUSTED_PROXIES`: addresses of proxies, with commas, whose `X-Forwarded-For` and `X-Forwarded-Proto` are
  believed; none by default.
- `CYTOSAE_ATLAS`: atlas folder, where it has moved since the study was made.
- `CYTOSAE_LOG`: file of the log, or `stderr`; none by default.
"""

import functools
import logging
import os
from dataclasses import dataclass
from pathlib import Path

import cytosae_core
from app.study_pictures import StudyPictures
from cytosae_core.atlas.atlas import LatentAtlas
from cytosae_core.errors import CytosaeError, StudyError
from cytosae_core.judging.database import open_engine
from cytosae_core.judging.repository import Repository
from cytosae_core.study.protocol import Item, Study

ROOT = Path(__file__).resolve().parents[1]
APP_VERSION = cytosae_core.__version__

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class OpenStudy:
    """A study with the atlas that its pictures and maps come from."""

    study: Study
    atlas: LatentAtlas
    items: dict[str, Item]
    pictures: StudyPictures
    """What its items show; no other picture of the atlas is served."""


def log_target() -> str:
    """Where the log goes, as `log.start` takes it."""
    return os.environ.get("CYTOSAE_LOG", "")


@functools.cache
def trusted_proxies() -> frozenset[str]:
    """Addresses of the proxies that are believed when they say who asks, and how."""
    named = os.environ.get("CYTOSAE_TRUSTED_PROXIES", "").split(",")
    return frozenset(one.strip() for one in named if one.strip())


@functools.cache
def repository() -> Repository:
    """The database of this server, migrated on first use; the scripts make it, the app never does."""
    return Repository(open_engine(os.environ.get("CYTOSAE_DATABASE") or ROOT / "annotations.db", may_create=False))


@functools.cache
def open_study(study_id: str) -> OpenStudy:
    """A study and its atlas.

    Raises StudyError when the atlas is another one than the study was made from, ArtifactError when it is not there or
    damaged, ChecksumError when its maps were changed.
    """
    try:
        return _open(study_id)
    except CytosaeError as error:
        _logger.error("study %s cannot be opened: %s", study_id, error)
        raise


def _open(study_id: str) -> OpenStudy:
    study = repository().studies.load(study_id)
    atlas_path = Path(os.environ.get("CYTOSAE_ATLAS") or repository().studies.atlas_path(study_id))
    atlas = LatentAtlas.open(atlas_path if atlas_path.is_absolute() else ROOT / atlas_path)
    if atlas.atlas_id != study.atlas_id:
        raise StudyError(
            f"study {study_id!r} was made from atlas {study.atlas_id!r}, but {atlas_path} holds {atlas.atlas_id!r}; "
            "set CYTOSAE_ATLAS to the folder of the right one"
        )
    items = {item.item_id: item for item in study.items}
    return OpenStudy(study, atlas, items, StudyPictures(study, atlas))
