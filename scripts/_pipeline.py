"""What start.py makes of cells: rendered ones, or a user's own; one line per step, with what it took."""

import functools
import time
from collections.abc import Sequence
from pathlib import Path

from _cli import bar
from _root import ROOT

from cytosae_core.atlas.atlas import LatentAtlas
from cytosae_core.errors import ConfigError
from cytosae_core.method import GROUPS
from cytosae_core.pipeline.cells import groups_of, own_cells, rendered_cells
from cytosae_core.pipeline.paths import RunPaths
from cytosae_core.pipeline.plan import n_bytes_of, paths_of, paths_of_rendered, steps_of
from cytosae_core.pipeline.settings import DEMO, PipelineSettings
from cytosae_core.pipeline.steps import Report, refuse_small_disk, run_steps
from cytosae_core.study.config import StudyConfig

RUNS = ROOT / "artifacts" / "runs"
fleeting_bar = functools.partial(bar, leave=False)
"""A bar while a step is at work; what stays is the line that `notify` prints."""


def notify(report: Report) -> None:
    """One line for a step."""
    took = "" if report.seconds is None else f"  [{report.seconds:.0f} s]"
    print(f"{report.name:12}{report.line}{took}", flush=True)


def atlas_of_demo(settings: PipelineSettings = DEMO, runs: Path = RUNS) -> tuple[LatentAtlas, StudyConfig]:
    """The atlas of rendered cells, and the study to make of it."""
    paths = paths_of_rendered(runs, settings)
    cells = rendered_cells(paths.rendered)
    if not paths.atlas.exists():
        refuse_small_disk(runs, n_bytes_of(5 * settings.n_patients * settings.cells_per_patient))
    run_steps(steps_of(settings, cells, GROUPS, paths), fleeting_bar, notify)
    _say_where(paths)
    config = StudyConfig("Drawn cells: concepts and diseases", cells.dataset, groups=GROUPS)
    return LatentAtlas.open(paths.atlas), config


def atlas_of_images(
    words: Sequence[str],
    csv: Path | None,
    asked: tuple[str, str] | None,
    settings: PipelineSettings = DEMO,
    runs: Path = RUNS,
) -> tuple[LatentAtlas, StudyConfig]:
    """The atlas of a user's own cells, given as FOLDER or NAME FOLDER, and the study to make of it."""
    if len(words) > 2:
        raise ConfigError(f"--images {' '.join(words)}: give FOLDER or NAME FOLDER; several only beside --tables")
    dataset, folder = words if len(words) == 2 else ("images", words[0])
    start = time.monotonic()
    cells = own_cells(dataset, Path(folder), csv, settings)
    groups = groups_of(cells, asked)
    notify(Report("cells", cells.describe(), time.monotonic() - start))
    paths = paths_of(runs, settings, cells)
    if not paths.atlas.exists():
        refuse_small_disk(runs, n_bytes_of(cells.table.n_images))
    run_steps(steps_of(settings, cells, groups, paths), fleeting_bar, notify)
    _say_where(paths)
    if groups is None and cells.table.frame["diagnosis"].notna().any():
        print("            no disease task: name the two groups to tell apart with --groups A B")
    title = f"Concepts in {dataset}" if groups is None else f"Concepts and diseases in {dataset}"
    return LatentAtlas.open(paths.atlas), StudyConfig(title, dataset, groups=groups)


def pairs(words: Sequence[str]) -> dict[str, Path]:
    """NAME FOLDER NAME FOLDER ... as a mapping; ConfigError for an odd number of words."""
    if len(words) % 2:
        raise ConfigError(f"--images {' '.join(words)}: beside --tables, name the data set of each: acevedo FOLDER")
    return {name: Path(folder) for name, folder in zip(words[::2], words[1::2], strict=True)}


def _say_where(paths: RunPaths) -> None:
    shown = paths.folder.relative_to(ROOT) if paths.folder.is_relative_to(ROOT) else paths.folder
    made = [path.name for path in (paths.patients, paths.differential) if path.exists()]
    tables = f"tables in {'/ and '.join(made)}/, " if made else ""
    print(f"results     {shown}: {tables}curves in sae/")
