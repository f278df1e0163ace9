"""Tables of an analysis on disk: one folder, complete or not there at all, marked wherever cells were rendered."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from cytosae_core.artifacts.folders import workspace
from cytosae_core.errors import AnalysisError

SIMULATED = "SIMULATED"
MEASURED = "photographed"
NOTICE = "Research use only. Not for diagnosis."

_NAME = re.compile(r"[a-z0-9_]+")


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
    mark = f"_{SIMULATED}" if simulated else ""
    provenance = SIMULATED if simulated else MEASURED
    document = {"provenance": provenance, "notice": NOTICE, "tables": sorted(tables), "settings": dict(settings)}
    with workspace(folder) as work:
        for name, table in tables.items():
            marked_table(table, simulated=simulated).to_csv(work / f"{name}{mark}.csv", index=False)
        for name, write in (writers or {}).items():
            stem, suffix = Path(name).stem, Path(name).suffix
            write(work / f"{stem}{mark}{suffix}")
        text = json.dumps(document, indent=1, ensure_ascii=False, default=str)
        (work / f"settings{mark}.json").write_text(text + "\n", encoding="utf-8")
    return folder


def marked_table(table: pd.DataFrame, *, simulated: bool) -> pd.DataFrame:
    """The table with a first column `provenance`."""
    marked = table.reset_index(drop=True)
    marked.insert(0, "provenance", SIMULATED if simulated else MEASURED)
    return marked
