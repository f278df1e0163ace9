"""Take the screenshots of the README: a browser walks through a study on a copy of the database.

Needs Chromium and the packages of tests/requirements.txt (bash scripts/test.sh installs both).
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from _cli import run
from _database import open_database
from _root import ROOT

from cytosae_core.errors import ConfigError
from cytosae_core.judging.repository import Repository


@dataclass(frozen=True)
class Config:
    """Of which study, and where to."""

    study: str = ""
    """Id of the study; the newest SIMULATED one by default, since real cells may not be published by their looks."""
    out: Path = ROOT / ".readme"
    """Folder of the pictures."""
    size: tuple[int, int] = (1440, 900)
    """Width and height of the window in pixels."""
    database: str = ""
    """Database file; CYTOSAE_DATABASE, else annotations.db at the top, by default."""


def main(config: Config) -> None:
    """Take them, and say where they are."""
    try:
        from _screens import take
    except ImportError as error:
        sys.exit(f"error: {error}; install the packages of tests/requirements.txt (bash scripts/test.sh does)")
    engine = open_database(config.database)
    simulated = [one.study_id for one in Repository(engine).studies.all() if one.simulated]
    if not config.study and not simulated:
        raise ConfigError("the database holds no SIMULATED study; make one with bash scripts/start.sh, or name --study")
    database = str(engine.url.database)
    for path in take(database, config.study or simulated[0], config.out, config.size):
        print(f"{path}  {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    run(main, Config)
