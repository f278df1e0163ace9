"""Studies on disk: one folder per study, written once."""

import re
from pathlib import Path

from cytosae_core.artifacts.folders import workspace
from cytosae_core.artifacts.manifest import json_bytes, read_json
from cytosae_core.errors import ArtifactError, StudyError
from cytosae_core.study.protocol import Study, check_seal, from_document, to_document

STUDY_NAME = "study.json"

_SAFE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,120}")


def write_study(study: Study, folder: Path) -> Path:
    """Publish `<folder>/<study_id>/study.json` by rename; returns its path.

    Only the owner can read it: it holds the roles of all items, and the salt that their ids were made with. Writing
    the same study again changes nothing. Raises StudyError when the study is not sealed, or its id cannot be the name
    of a folder.
    """
    check_seal(study)
    check_folder_name(study.study_id)
    path = folder / study.study_id / STUDY_NAME
    if path.is_file() and read_study(path) == study:
        return path
    with workspace(path.parent) as hidden:
        hidden.chmod(0o700)
        (hidden / STUDY_NAME).touch(mode=0o600)
        (hidden / STUDY_NAME).write_bytes(json_bytes(to_document(study)))
    return path


def check_folder_name(study_id: str) -> None:
    """Raise StudyError unless the id can be the name of a folder, so that nothing is written elsewhere."""
    if not _SAFE_ID.fullmatch(study_id):
        raise StudyError(f"{study_id!r} cannot be a folder's name; use letters, digits, dots and hyphens")


def read_study(path: Path) -> Study:
    """The study of a `study.json`, or of the folder that holds it.

    Raises StudyError when there is none, it is no JSON, or it was changed after it was made.
    """
    file = path / STUDY_NAME if path.is_dir() else path
    if not file.exists():
        raise StudyError(f"there is no study at {path}; make one with create_study.py")
    try:
        return from_document(read_json(file, "restore the file that was made"))
    except ArtifactError as error:
        raise StudyError(f"no study can be read: {error}") from error
