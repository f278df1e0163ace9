"""Render SIMULATED blood cells: patients of the five AML Hehr groups, and labelled cells in other layouts."""

from dataclasses import dataclass
from pathlib import Path

from _cli import bar, run

from cytosae_core.processes import n_cores
from cytosae_core.simulated.cells.styles import StyleName
from cytosae_core.simulated.synthetic import write_cohort, write_dataset


@dataclass(frozen=True)
class Config:
    """Render SIMULATED blood cells into `out`; an interrupted run resumes with the same arguments."""

    out: Path
    """Folder in which `SIMULATED_...` folders are made."""
    seed: int = 0
    """The same seed gives the same bytes."""
    styles: tuple[StyleName, ...] = ("hehr",)
    """`hehr` renders patients; the others render labelled cells in their published layout."""
    n_patients: int = 6
    """Patients of each of the five groups."""
    cells_per_patient: int = 60
    """Cells of each patient."""
    cells_per_type: int = 20
    """Cells of each type, in labelled layouts."""
    masks: bool = True
    """Write the masks of the parts as well."""
    n_workers: int = n_cores()
    """Processes that render; all cores by default. Their number changes no byte."""


def main(config: Config) -> None:
    """Render one folder per style and print where it is."""
    for style in config.styles:
        progress = bar(f"{style} (SIMULATED)")
        if style == "hehr":
            path = write_cohort(
                config.out, n_patients=config.n_patients, cells_per_patient=config.cells_per_patient,
                seed=config.seed, with_masks=config.masks, n_workers=config.n_workers, progress=progress,
            )  # fmt: skip
        else:
            path = write_dataset(
                config.out, style, n_per_type=config.cells_per_type, seed=config.seed, with_masks=config.masks,
                n_workers=config.n_workers, progress=progress,
            )  # fmt: skip
        print(f"SIMULATED cells in {path}")


if __name__ == "__main__":
    run(main, Config)
