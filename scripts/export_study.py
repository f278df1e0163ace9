"""Export the judgements of a study: tables, codebook, agreement, report."""

from dataclasses import dataclass
from pathlib import Path

from _cli import run
from _database import open_database
from _root import ROOT

from cytosae_core.evaluation.bootstrap import N_RESAMPLES
from cytosae_core.evaluation.export import export_study
from cytosae_core.judging.repository import Repository


@dataclass(frozen=True)
class Config:
    """Which study, and where to."""

    study: str
    """Id of the study, as create_study.py printed it."""
    out: Path = ROOT / "artifacts" / "exports"
    """Folder in which the export gets a folder of its own."""
    with_names: bool = False
    """Export raters' names too; codes only by default."""
    n_resamples: int = N_RESAMPLES
    """Bootstrap resamples."""
    seed: int | None = None
    """Seed of the bootstrap; by default the study's."""
    database: str = ""
    """Database file or URL; CYTOSAE_DATABASE, else annotations.db at the top, by default."""


def main(config: Config) -> None:
    """Export, and say where to."""
    path = export_study(
        Repository(open_database(config.database)),
        config.study,
        config.out,
        with_names=config.with_names,
        n_resamples=config.n_resamples,
        seed=config.seed,
    )
    print(path)
    for file in sorted(path.iterdir()):
        print(f"  {file.name}")


if __name__ == "__main__":
    run(main, Config)
