"""Which database the scripts work on: the same rule as the app's."""

import os
from pathlib import Path

from _root import ROOT
from sqlalchemy import Engine

from cytosae_core.errors import ConfigError
from cytosae_core.judging.database import open_engine


def open_database(database: str = "", *, may_create: bool = False) -> Engine:
    """The engine of `database`, else of CYTOSAE_DATABASE, else of `annotations.db` at the top of the repository.

    Raises ConfigError when that file does not exist, unless `may_create`: a mistyped path must not become an empty
    database beside the real one.
    """
    name = named_database(database)
    if not may_create and "://" not in name and not Path(name).exists():
        raise ConfigError(
            f"there is no database {name!r}; name it with --database or CYTOSAE_DATABASE, "
            "or register a study first with scripts/create_study.py"
        )
    return open_engine(name)


def named_database(database: str = "") -> str:
    """Path or URL of `database`, else of CYTOSAE_DATABASE, else of `annotations.db` at the top of the repository."""
    return database or os.environ.get("CYTOSAE_DATABASE") or str(ROOT / "annotations.db")
