"""Copy the annotation database while the app runs, and check the copy; copying the file itself would lose rows."""

from dataclasses import dataclass
from pathlib import Path

from _cli import run
from _database import open_database
from _root import ROOT

from cytosae_core.judging.chain import Head, heads
from cytosae_core.judging.database import backup, examine, reading
from cytosae_core.judging.repository import utcnow


@dataclass(frozen=True)
class Config:
    """What to copy, and where to."""

    output: Path | None = None
    """New file; artifacts/backups/annotations-<UTC time>.db by default. Never overwrites one."""
    database: str = ""
    """Database file; CYTOSAE_DATABASE, else annotations.db at the top, by default."""


def main(config: Config) -> None:
    """Make the backup and say what is in it."""
    engine = open_database(config.database)
    output = config.output
    if output is None:
        output = ROOT / "artifacts" / "backups" / f"annotations-{utcnow():%Y%m%dT%H%M%SZ}.db"
        output.parent.mkdir(parents=True, exist_ok=True)
    n_judgements = backup(engine, output)
    print(f"{output}: {n_judgements} judgements, checked.")
    for head in heads_of(output):
        print(f"  head {head}")
    print(
        "To restore it, stop the app, remove the database with its -wal and -shm files, and put this file in its place."
    )


def heads_of(backup_path: Path) -> list[Head]:
    """The heads of the chains in the copy: written down elsewhere, they show later that nothing was changed."""
    with reading(examine(backup_path).engine) as connection:
        return heads(connection)


if __name__ == "__main__":
    run(main, Config)
