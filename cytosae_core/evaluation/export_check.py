"""Is an export still what was exported? Its files against its manifest, and its judgements against the database."""

from pathlib import Path
from typing import Any

import pandas as pd
from sqlalchemy import Engine

from cytosae_core.artifacts.files import check_digest, inside
from cytosae_core.artifacts.manifest import Kind, read_json, read_manifest
from cytosae_core.artifacts.tables import original_text, plain
from cytosae_core.errors import ArtifactError, CytosaeError
from cytosae_core.evaluation.answers import AnswerTable
from cytosae_core.evaluation.export import FORMAT, FORMAT_VERSION
from cytosae_core.judging.chain import parse_head
from cytosae_core.judging.repository import Repository

_KIND = Kind(FORMAT, FORMAT_VERSION, "an export of a study", "export the study again")


def read_export_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of an export; raises ArtifactError where the folder has none that can be read."""
    names = sorted(folder.glob("manifest*.json")) if folder.is_dir() else []
    if not names:
        raise ArtifactError(f"{folder} is no export: it has no manifest.json; give a folder that export_study.py wrote")
    document = read_manifest(names[0], _KIND)
    if not isinstance(document.get("files"), dict):
        raise ArtifactError(f"{names[0]} is damaged (it lists no files); {_KIND.remedy}")
    return document


def known_head_of(folder: Path) -> tuple[str, int, str]:
    """The head of the chain that an export wrote down; ArtifactError where it is older than chains are."""
    head = read_export_manifest(folder).get("chain_head")
    if not isinstance(head, str):
        raise ArtifactError(f"{folder} was exported before judgements were chained; export the study again")
    return parse_head(head)


def check_export(engine: Engine, folder: Path) -> list[str]:
    """What was changed in an export, a sentence each: files against the manifest, judgements against the database.

    Raises ArtifactError where the folder is no export, StudyError where the database does not hold its study.
    """
    manifest = read_export_manifest(folder)
    listed = manifest["files"]
    faults = [*_changed_files(folder, listed), *_unlisted_files(folder, listed)]
    n_judgements = known_head_of(folder)[1]
    repository = Repository(engine)
    study = repository.studies.load(str(manifest["study_id"]))
    table = repository.results.judgement_table(study.study_id)
    stored = AnswerTable(study, table[table["chain_number"] <= n_judgements]).flat
    expected = _by_id(_plain_rows(stored))
    for path in sorted(folder.glob("judgements*")):
        if not path.stem.startswith("judgements_latest"):
            faults += _changed_judgements(path, expected)
    return faults


def _changed_files(folder: Path, listed: dict[str, Any]) -> list[str]:
    faults = []
    for name, entry in listed.items():
        try:
            check_digest(folder, name, str(entry["sha256"]), "export the study again")
        except (CytosaeError, KeyError, TypeError) as error:
            faults.append(f"{inside(folder, name)} is not what was exported: {error}")
    return faults


def _unlisted_files(folder: Path, listed: dict[str, Any]) -> list[str]:
    there = {path.name for path in folder.iterdir()} - set(listed)
    return [f"{folder / name} was not exported" for name in sorted(there) if not name.startswith("manifest")]


def _changed_judgements(path: Path, expected: dict[str, dict[str, Any]]) -> list[str]:
    """The judgements of an exported table that differ from those of the database; only columns that both have."""
    try:
        found = _by_id(_records(path))
    except (ArtifactError, ValueError, OSError, KeyError, TypeError) as error:
        return [f"{path} cannot be read as a table of judgements: {error}"]
    faults = [f"{path}: judgement {name} is missing" for name in sorted(set(expected) - set(found))]
    faults += [f"{path}: judgement {name} is not in the database" for name in sorted(set(found) - set(expected))]
    for name in sorted(set(found) & set(expected)):
        row, other = found[name], expected[name]
        different = [key for key in row if key in other and key != "is_latest" and not _same(row[key], other[key])]
        if different:
            faults.append(f"{path}: judgement {name} differs from the database in {', '.join(different)}")
    return faults


def _records(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".json":
        return list(read_json(path, _KIND.remedy)["rows"])
    if path.suffix == ".parquet":
        return _plain_rows(pd.read_parquet(path))
    return _plain_rows(pd.read_csv(path, dtype=str, keep_default_na=False))


def _plain_rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): plain(value) for name, value in row.items()} for row in table.to_dict("records")]


def _by_id(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {str(row["judgement_id"]): row for row in rows}


def _same(found: object, stored: object) -> bool:
    """Equal values, or a cell of a CSV file that stands for the value."""
    if found == stored or (found in ("", None) and stored in ("", None, [])):
        return True
    if not isinstance(found, str):
        return list(found) == list(stored) if isinstance(found, list) and isinstance(stored, list) else False
    if isinstance(stored, list):
        return "; ".join(map(str, stored)) in (found, original_text(found))
    if isinstance(stored, bool):
        return found == str(stored)
    if isinstance(stored, int | float):
        return _is_number(found) and float(found) == stored
    text = str(stored)
    return text in (found, original_text(found)) or _moment(found) == _moment(text) is not None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _moment(text: str) -> pd.Timestamp | None:
    try:
        return pd.Timestamp(text)
    except ValueError:
        return None
