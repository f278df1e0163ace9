"""A study on disk and in the database: both, or neither."""

import shutil
from pathlib import Path

from _root import ROOT

from cytosae_core.errors import StudyError
from cytosae_core.judging.repository import Repository
from cytosae_core.study.files import write_study
from cytosae_core.study.protocol import Study


def publish_study(study: Study, repository: Repository, atlas: Path, folder: Path) -> Path:
    """Write the study to a folder of its own in `folder` and register it; returns the path of its file.

    Publishing again changes nothing but the place of the atlas. Nothing is registered that could not be written, and
    when it cannot be registered (the database may be locked) the folder goes, so that the next try starts afresh.
    """
    atlas = atlas.resolve()
    is_new = not (folder / study.study_id).exists()
    try:
        path = write_study(study, folder)
    except OSError as error:
        raise StudyError(
            f"the study could not be written to {folder} ({error}), so it was not registered either; "
            "make that folder writable, with space left, and run the same command again"
        ) from error
    try:
        repository.studies.register(
            study, atlas.relative_to(ROOT).as_posix() if atlas.is_relative_to(ROOT) else str(atlas)
        )
    except BaseException:
        if is_new:
            shutil.rmtree(path.parent)
        raise
    return path
