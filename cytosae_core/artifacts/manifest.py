"""Documents that say what a folder is: read within limits, checked for their kind, compared setting by setting."""

import dataclasses
import hashlib
import importlib.metadata
import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cytosae_core.artifacts.files import write_whole
from cytosae_core.errors import ArtifactError, ChecksumError, FormatVersionError

MANIFEST = "manifest.json"
"""Name of the file that makes a folder an artifact; the last one to be written."""
PLAN = "plan.json"
"""Name of the settings inside the folder of unfinished work."""
LIBRARIES = ("python", "numpy", "pandas", "pyarrow", "pillow", "torch")
"""What artifacts depend on."""
MAX_BYTES = 1 << 28
"""Longest document that is read: several times that of an atlas which skipped every image of all data sets."""
MAX_DEPTH = 64
"""Deepest nesting that is read: several times that of a study."""
N_SHOWN = 12
"""Differences that an error lists, at most."""


@dataclass(frozen=True)
class Kind:
    """A kind of document, and what to say to whoever gives something else."""

    format: str
    """What such documents call themselves."""
    version: int
    """The version of the format that is read here; raised when a reader of the old one would go wrong."""
    noun: str
    """What an error calls the artifact, with its article: "an atlas"."""
    remedy: str
    """What to do about one that is damaged or of another version."""


def read_manifest(path: Path, kind: Kind) -> dict[str, Any]:
    """The document at `path`, whose format and version are those of `kind`.

    Raises ChecksumError where it is damaged, FormatVersionError where another version of the workbench wrote it,
    ArtifactError where it cannot be read or is of another kind.
    """
    return check_kind(read_json(path, kind.remedy), kind, str(path))


def read_json(path: Path, remedy: str) -> dict[str, Any]:
    """The JSON object at `path`.

    Raises ChecksumError, ending in `remedy`, where it is none, longer than MAX_BYTES or deeper than MAX_DEPTH, and
    ArtifactError where the file is missing or the system does not give it.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise ChecksumError(f"{path} has {size} bytes, and a document has at most {MAX_BYTES}; {remedy}")
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read ({error.strerror or error}); {remedy}") from error
    except (ValueError, RecursionError) as error:
        raise ChecksumError(f"{path} is damaged ({error}); {remedy}") from error
    if not isinstance(document, dict):
        raise ChecksumError(f"{path} is damaged (it holds a {type(document).__name__} and no object); {remedy}")
    if _is_deeper(document, MAX_DEPTH):
        raise ChecksumError(f"{path} is damaged (it is nested more than {MAX_DEPTH} levels deep); {remedy}")
    return document


def check_kind(document: object, kind: Kind, where: str) -> dict[str, Any]:
    """The document itself, where its format and version are those of `kind`; `where` names it in messages.

    Raises ArtifactError for another format, FormatVersionError for another version.
    """
    if not isinstance(document, dict) or document.get("format") != kind.format:
        found = document.get("format") if isinstance(document, dict) else type(document).__name__
        raise ArtifactError(
            f"{where} does not describe {kind.noun}: its format is {found!r} and not {kind.format!r}; give another"
            " folder"
        )
    version = document.get("format_version")
    if version != kind.version:
        raise FormatVersionError(
            f"{where} has format version {version!r} of {kind.noun}, and this version of the workbench reads"
            f" {kind.version}: update the workbench, use the version that wrote it, or {kind.remedy}"
        )
    return document


def json_bytes(document: object) -> bytes:
    """A JSON value as the documents of this workbench stand on disk: indented, UTF-8, a line end; NaN is refused."""
    return (json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def plain_document(value: object) -> dict[str, Any]:
    """A dataclass, or a mapping, as it comes back from JSON: objects, lists, text and numbers; NaN is refused."""
    as_dict = dataclasses.asdict(value) if dataclasses.is_dataclass(value) and not isinstance(value, type) else value
    document: dict[str, Any] = json.loads(json.dumps(as_dict, allow_nan=False))
    return document


def canonical_json(value: object) -> str:
    """A JSON value as text that is the same for equal values: sorted keys, no spaces; NaN is refused."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest_of(value: object, *, is_spaced: bool = False) -> str:
    """SHA-256, in hex, of a JSON value in canonical form and UTF-8.

    `is_spaced`: as some ids were made from the first, with spaces after `,` and `:` and other letters than ASCII
    escaped.
    """
    text = json.dumps(value, sort_keys=True) if is_spaced else canonical_json(value)
    return hashlib.sha256(text.encode()).hexdigest()


def library_versions(*names: str) -> dict[str, str]:
    """Versions of these libraries, and of "python"; "not installed" where one is not. Without names: of LIBRARIES."""
    found = {}
    for name in names or LIBRARIES:
        try:
            found[name] = platform.python_version() if name == "python" else importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def write_plan(folder: Path, plan: Mapping[str, Any]) -> None:
    """Write down what is about to be done in `folder`, where nothing is written down yet."""
    if not (folder / PLAN).is_file():
        write_whole(folder, PLAN, json.dumps(plan, indent=1, sort_keys=True).encode())


def check_plan(folder: Path, plan: Mapping[str, Any]) -> None:
    """Raise ArtifactError, naming what differs, unless the work in `folder` was begun with the same plan."""
    check_same_settings(read_json(folder / PLAN, "delete the folder to start again"), plan, folder)


def check_same_settings(begun: Mapping[str, Any], now: Mapping[str, Any], folder: Path) -> None:
    """Raise ArtifactError, naming the entries in which two documents of JSON values differ.

    Work goes on in a folder only where it was begun with the same settings.
    """
    before, after = _flat(begun), _flat(now)
    different = [
        f"{key} was {before.get(key)!r} and is {after.get(key)!r}"
        for key in dict.fromkeys([*before, *after])
        if before.get(key) != after.get(key)
    ]
    if different:
        raise ArtifactError(
            f"{folder} was made with other settings: {'; '.join(different[:N_SHOWN])}. Use those, choose another output"
            " folder, or delete it to start again"
        )


def _flat(document: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in document.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat


def _is_deeper(document: dict[str, Any], n_levels: int) -> bool:
    """Level by level, so that it does not recurse into what may be too deep to recurse into."""
    level: list[Any] = [document]
    for _ in range(n_levels):
        children = (child for one in level for child in (one.values() if isinstance(one, dict) else one))
        level = [child for child in children if isinstance(child, dict | list)]
    return bool(level)
