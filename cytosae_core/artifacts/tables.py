"""Tables on disk, marked when simulated and safe to open in a spreadsheet; and folders of them, complete or not there.

One table as CSV, Parquet and JSON (`write_table`), or the tables of an analysis as CSV in a folder of their own
(`write_results`, `read_result`).
"""

import io
import json
import re
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from pandas.api.types import is_object_dtype

from cytosae_core.artifacts.folders import workspace
from cytosae_core.artifacts.manifest import json_bytes, read_json
from cytosae_core.errors import AnalysisError, ArtifactError

RESEARCH_USE_ONLY = "Research use only. Not for diagnosis."
"""Stands on every screen, figure, report and table."""
SIMULATED = "SIMULATED"
"""The word without which nothing that a program rendered is shown or written."""
SIMULATED_IMAGES = f"{SIMULATED}: the images were rendered by a program."
"""What stands above a table in text."""
PHOTOGRAPHED = "photographed"
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What a spreadsheet, in some language, takes for the beginning of a formula."""

_NAME = re.compile(r"[a-z0-9_]+")
_SETTINGS = "settings"


def provenance_of(simulated: bool) -> str:
    """What the column `provenance` says."""
    return SIMULATED if simulated else PHOTOGRAPHED


def file_name(name: str, suffix: str, simulated: bool) -> str:
    """`judgements.csv`, or `judgements_SIMULATED.csv`."""
    return f"{name}_{SIMULATED}.{suffix}" if simulated else f"{name}.{suffix}"


def marked(frame: pd.DataFrame, simulated: bool) -> pd.DataFrame:
    """The table with a first column `provenance`, and its rows counted from 0."""
    table = frame.reset_index(drop=True)
    table.insert(0, "provenance", provenance_of(simulated))
    return table


def csv_bytes(frame: pd.DataFrame) -> bytes:
    """The table as CSV, in UTF-8 and without its index; no heading and no text cell of it is a formula."""
    buffer = io.StringIO()
    _csv(frame).to_csv(buffer, index=False, lineterminator="\n")
    return buffer.getvalue().encode()


def read_csv(path: Path) -> pd.DataFrame:
    """The table that `csv_bytes` gave, with its texts as they were; only an empty cell is a missing value."""
    frame = pd.read_csv(path, keep_default_na=False, na_values=[""])
    for name in _text_columns(frame):
        frame[name] = frame[name].map(original_text, na_action="ignore")
    return frame.rename(columns=original_text)


def write_table(folder: Path, name: str, frame: pd.DataFrame, simulated: bool) -> None:
    """Write the table three times, with a first column `provenance`."""
    table = marked(_typed(frame), simulated)
    (folder / file_name(name, "csv", simulated)).write_bytes(csv_bytes(table))
    table.to_parquet(folder / file_name(name, "parquet", simulated), index=False)
    document = {
        "provenance": provenance_of(simulated),
        "notice": RESEARCH_USE_ONLY,
        "table": name,
        "rows": [{column: plain(value) for column, value in row.items()} for row in table.to_dict("records")],
    }
    (folder / file_name(name, "json", simulated)).write_bytes(json_bytes(document))


def write_results(
    folder: Path,
    tables: Mapping[str, pd.DataFrame],
    settings: Mapping[str, Any],
    *,
    simulated: bool,
    writers: Mapping[str, Callable[[Path], None]] | None = None,
) -> Path:
    """Publish `tables` as CSV and `settings` as JSON in the new folder `folder`, and return it.

    `writers` write other files: name, with its suffix, to a function that takes the path.

    Every file of simulated cells has SIMULATED in its name, and every table says so in its first column, provenance.
    Raises AnalysisError for a table whose name is not made of small letters, digits and `_`, ConfigError where the
    folder exists, ArtifactError where the disk is full.
    """
    for name in tables:
        if not _NAME.fullmatch(name):
            raise AnalysisError(f"{name!r} cannot be the name of a table; use small letters, digits and _")
    document = {
        "provenance": provenance_of(simulated),
        "notice": RESEARCH_USE_ONLY,
        "tables": sorted(tables),
        "settings": dict(settings),
    }
    with workspace(folder) as work:
        for name, table in tables.items():
            (work / file_name(name, "csv", simulated)).write_bytes(csv_bytes(marked(table, simulated)))
        for name, write in (writers or {}).items():
            write(work / file_name(Path(name).stem, Path(name).suffix.removeprefix("."), simulated))
        text = json.dumps(document, indent=1, ensure_ascii=False, default=str)
        (work / file_name(_SETTINGS, "json", simulated)).write_text(text + "\n", encoding="utf-8")
    return folder


def results_marker(folder: Path, simulated: bool) -> Path:
    """The file that is there exactly when `write_results` has published `folder`."""
    return folder / file_name(_SETTINGS, "json", simulated)


def read_result(folder: Path, name: str) -> tuple[pd.DataFrame, bool]:
    """A table that `write_results` published in `folder`, and whether it is of simulated cells.

    Raises ArtifactError where the folder holds no results, or not this table, or a damaged one.
    """
    for simulated in (False, True):
        settings, table = results_marker(folder, simulated), folder / file_name(name, "csv", simulated)
        if not settings.is_file():
            continue
        if not table.is_file():
            raise ArtifactError(f"{folder} has no table {table.name}; give the folder of another analysis")
        provenance = read_json(settings, "run the analysis again").get("provenance")
        try:
            return read_csv(table), provenance == SIMULATED
        except (ValueError, OSError) as error:  # those of pandas derive from ValueError
            raise ArtifactError(f"{table} is damaged ({error}); run the analysis again") from error
    raise ArtifactError(f"{folder} holds no results: there is no settings.json; give what classify_patients.py wrote")


def csv_text(text: str) -> str:
    """The text with an apostrophe before it where a spreadsheet would take it for a formula.

    Where it begins with apostrophes and then like a formula, it gets one more, so that reading can take one away.
    """
    return f"'{text}" if text.lstrip("'").startswith(FORMULA_STARTS) else text


def original_text(text: Any) -> Any:  # noqa: ANN401  any cell of a table
    """What `csv_text` made this text of; anything else stays as it is."""
    is_guarded = isinstance(text, str) and text.startswith("'") and text.lstrip("'").startswith(FORMULA_STARTS)
    return text[1:] if is_guarded else text


def plain(value: Any) -> Any:  # noqa: ANN401  any cell of a table
    """A cell as a JSON value: missing ones as null, moments in ISO 8601."""
    if isinstance(value, list):
        return [plain(one) for one in value]
    if pd.isna(value):
        return None
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    return value.item() if hasattr(value, "item") else value


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with text columns typed as text even where no cell has a value, so that files of one kind add up."""
    objects = [name for name, dtype in frame.dtypes.items() if is_object_dtype(dtype)]
    texts = [name for name in objects if not any(isinstance(one, list) for one in frame[name])]
    return frame.astype(dict.fromkeys(texts, "str"))


def _csv(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with headings and text cells made safe; numbers, flags and moments stay what they are."""
    safe = frame.copy()
    for name in _text_columns(frame):
        safe[name] = frame[name].astype(object).map(_csv_cell, na_action=None)
    return safe.rename(columns=_csv_cell)


def _text_columns(frame: pd.DataFrame) -> list[Hashable]:
    return [
        name
        for name, dtype in frame.dtypes.items()
        if is_object_dtype(dtype) or isinstance(dtype, pd.StringDtype | pd.CategoricalDtype)
    ]


def _csv_cell(value: Any) -> Any:  # noqa: ANN401  any cell of a table
    if isinstance(value, list):
        return csv_text("; ".join(map(str, value)))
    return csv_text(value) if isinstance(value, str) else value
