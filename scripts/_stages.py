"""What start.py makes of cells: drawn ones, or a user's own; one line a stage, with what it took."""

import functools
import time
from collections.abc import Sequence
from pathlib import Path

from _cli import bar
from _root import ROOT

from cytosae_core.atlas.atlas import LatentAtlas
from cytosae_core.errors import ConfigError
from cytosae_core.pipeline.cells import GROUPS, drawn_cells, groups_of, own_cells
from cytosae_core.pipeline.place import Place
from cytosae_core.pipeline.plan import n_bytes_of, place_of, place_of_drawn, stages_of
from cytosae_core.pipeline.recipe import DEMO, Recipe
from cytosae_core.pipeline.stages import Report, refuse_small_disk, run_stages
from cytosae_core.study.config import StudyConfig

RUNS = ROOT / "artifacts" / "runs"
fleeting_bar = functools.partial(bar, leave=False)
"""A bar while a stage is at work; what stays is the line that `tell` prints."""


def tell(report: Report) -> None:
    """One line for a stage."""
    took = "" if report.seconds is None else f"  [{report.seconds:.0f} s]"
    print(f"{report.name:12}{report.line}{took}", flush=True)


def atlas_of_demo(recipe: Recipe = DEMO, runs: Path = RUNS) -> tuple[LatentAtlas, StudyConfig]:
    """The atlas of drawn cells, and the study to make of it."""
    place = place_of_drawn(runs, recipe)
    cells = drawn_cells(place.drawn)
    if not place.atlas.exists():
        refuse_small_disk(runs, n_bytes_of(5 * recipe.n_patients * recipe.cells_per_patient))
    run_stages(stages_of(recipe, cells, GROUPS, place), fleeting_bar, tell)
    _say_where(place)
    config = StudyConfig("Drawn cells: concepts and diseases", cells.dataset, groups=GROUPS)
    return LatentAtlas.open(place.atlas), config


def atlas_of_images(
    words: Sequence[str], csv: Path | None, asked: tuple[str, str] | None, recipe: Recipe = DEMO, runs: Path = RUNS
) -> tuple[LatentAtlas, StudyConfig]:
    """The atlas of a user's own cells, given as FOLDER or NAME FOLDER, and the study to make of it."""
    if len(words) > 2:
        raise ConfigError(f"--images {' '.join(words)}: give FOLDER or NAME FOLDER; several only beside --tables")
    dataset, folder = words if len(words) == 2 else ("images", words[0])
    start = time.monotonic()
    cells = own_cells(dataset, Path(folder), csv, recipe)
    groups = groups_of(cells, asked)
    tell(Report("cells", cells.describe(), time.monotonic() - start))
    place = place_of(runs, recipe, cells)
    if not place.atlas.exists():
        refuse_small_disk(runs, n_bytes_of(cells.table.n_images))
    run_stages(stages_of(recipe, cells, groups, place), fleeting_bar, tell)
    _say_where(place)
    if groups is None and cells.table.frame["diagnosis"].notna().any():
        print("            no disease task: name the two groups to tell apart with --groups A B")
    title = f"Concepts in {dataset}" if groups is None else f"Concepts and diseases in {dataset}"
    return LatentAtlas.open(place.atlas), StudyConfig(title, dataset, groups=groups)


def pairs(words: Sequence[str]) -> dict[str, Path]:
    """NAME FOLDER NAME FOLDER ... as a mapping; ConfigError for an odd number of words."""
    if len(words) % 2:
        raise ConfigError(f"--images {' '.join(words)}: beside --tables, name the data set of each: acevedo FOLDER")
    return {name: Path(folder) for name, folder in zip(words[::2], words[1::2], strict=True)}


def _say_where(place: Place) -> None:
    shown = place.folder.relative_to(ROOT) if place.folder.is_relative_to(ROOT) else place.folder
    made = [path.name for path in (place.patients, place.differential) if path.exists()]
    tables = f"tables in {'/ and '.join(made)}/, " if made else ""
    print(f"results     {shown}: {tables}curves in sae/")
