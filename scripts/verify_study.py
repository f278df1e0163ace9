"""Check that what stands in the database, in a study's file and in exports is what was judged; names every change.

Exit code 0: all is as it was judged, 1: something was changed.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from _cli import run
from _database import named_database

from cytosae_core.evaluation.export_check import check_export, known_head_of
from cytosae_core.judging.chain import parse_head
from cytosae_core.judging.database import examine, reading
from cytosae_core.judging.studies import study_file_faults
from cytosae_core.judging.verification import verify


@dataclass(frozen=True)
class Config:
    """What to check, and against what."""

    database: str = ""
    """Database file or URL; CYTOSAE_DATABASE, else annotations.db at the top, by default. It is not changed."""
    studies: tuple[str, ...] = ()
    """Studies to check; all by default."""
    heads: tuple[str, ...] = ()
    """Heads that were written down, STUDY:NUMBER:HASH, as receipts, backups and exports name them."""
    exports: tuple[Path, ...] = ()
    """Folders that export_study.py wrote."""
    study_files: tuple[Path, ...] = ()
    """study.json files, or their folders."""


def main(config: Config) -> None:
    """Check all, print what was found, and leave with 0 or 1."""
    engine = examine(named_database(config.database)).engine
    heads = [*map(parse_head, config.heads), *map(known_head_of, config.exports)]
    verdicts = verify(engine, config.studies, heads)
    for verdict in verdicts:
        since = f", chained since {verdict.head.started_at:%Y-%m-%d %H:%M} UTC" if verdict.head else ""
        print(f"{verdict.study_id}: {verdict.n_judgements} judgements{since}, {len(verdict.faults)} faults")
        print(*(f"  {fault}" for fault in verdict.faults), f"  head {verdict.head}", sep="\n")
    others = [fault for path in config.exports for fault in check_export(engine, path)]
    with reading(engine) as connection:
        others += [fault for path in config.study_files for fault in study_file_faults(connection, path)]
    print(*others, sep="\n", end="\n" if others else "")
    sys.exit(1 if others or any(verdict.faults for verdict in verdicts) else 0)


if __name__ == "__main__":
    run(main, Config)
