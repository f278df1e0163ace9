"""Close a study, open it again, or unblind it: what raters may still store. The reason is kept with the study."""

from dataclasses import dataclass
from typing import Literal

from _cli import run
from _database import open_database

from cytosae_core.judging.repository import Repository


@dataclass(frozen=True)
class Config:
    """Which study, what to do, and why."""

    study: str
    """Id of the study, as start.py and create_study.py print it."""
    reason: str
    """Why; kept for ever."""
    action: Literal["close", "reopen", "unblind"] = "close"
    """close: nothing is stored any more; reopen: judging goes on; unblind: nothing is revised any more, for ever."""
    database: str = ""
    """Database file or URL; CYTOSAE_DATABASE, else annotations.db at the top, by default."""


def main(config: Config) -> None:
    """Do it, and print what has happened to the study so far."""
    studies = Repository(open_database(config.database)).studies
    change = {
        "close": studies.close,
        "reopen": studies.reopen,
        "unblind": studies.unblind,
    }
    change[config.action](config.study, config.reason)
    for event in studies.events(config.study):
        print(f"{event.happened_at:%Y-%m-%d %H:%M} UTC  {event.kind}: {event.reason}")


if __name__ == "__main__":
    run(main, Config)
