"""A table as CSV, Parquet and JSON: the same rows, safe to open in a spreadsheet, marked when simulated."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
from pandas.api.types import is_object_dtype

RESEARCH_USE_ONLY = "Research use only. Not for diagnosis."
"""Stands on every screen, figure, report and table."""
SIMULATED = "SIMULATED"
PHOTOGRAPHED = "photographed"
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def provenance_of(simulated: bool) -> str:
    """What the column `provenance` says."""
    return SIMULATED if simulated else PHOTOGRAPHED


def file_name(name: str, suffix: str, simulated: bool) -> str:
    """`judgements.csv`, or `judgements_SIMULATED.csv`."""
    return f"{name}_{SIMULATED}.{suffix}" if simulated else f"{name}.{suffix}"


def write_table(folder: Path, name: str, frame: pd.DataFrame, simulated: bool) -> None:
    """Write the table three times, with a first column `provenance`."""
    marked = _typed(frame.reset_index(drop=True))
    marked.insert(0, "provenance", provenance_of(simulated))
    _csv(marked).to_csv(folder / file_name(name, "csv", simulated), index=False, lineterminator="\n")
    marked.to_parquet(folder / file_name(name, "parquet", simulated), index=False)
    document = {
        "provenance": provenance_of(simulated),
        "notice": RESEARCH_USE_ONLY,
        "table": name,
        "rows": [{column: plain(value) for column, value in row.items()} for row in marked.to_dict("records")],
    }
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / file_name(name, "json", simulated)).write_text(text + "\n", encoding="utf-8")


def csv_text(text: str) -> str:
    """The text with an apostrophe before it where a spreadsheet would take it for a formula."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


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
    """The frame with text cells made safe; numbers, flags and moments stay what they are."""
    texts = [
        name for name, dtype in frame.dtypes.items() if is_object_dtype(dtype) or isinstance(dtype, pd.StringDtype)
    ]
    return frame.assign(**{str(name): frame[name].map(_csv_cell, na_action=None) for name in texts})


def _csv_cell(value: Any) -> Any:  # noqa: ANN401  any cell of a table
    if isinstance(value, list):
        return csv_text("; ".join(map(str, value)))
    return csv_text(value) if isinstance(value, str) else value
