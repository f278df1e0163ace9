"""The demo with a handful of cells: every step as start.sh runs it, once for the whole suite."""

import fcntl
from dataclasses import dataclass
from pathlib import Path

from cytosae_core.atlas.atlas import LatentAtlas
from cytosae_core.judging.database import backup, open_engine
from cytosae_core.judging.repository import Repository
from cytosae_core.method import GROUPS
from cytosae_core.pipeline.cells import rendered_cells
from cytosae_core.pipeline.paths import RunPaths
from cytosae_core.pipeline.plan import paths_of_rendered, steps_of
from cytosae_core.pipeline.settings import PipelineSettings
from cytosae_core.pipeline.steps import Report, run_steps
from cytosae_core.progress import no_progress
from cytosae_core.study.builder import StudyConfig, build_study
from tests.conftest import CHEAP_HASHER

TINY = PipelineSettings(
    n_patients=3, cells_per_patient=3, min_images=1, expansion=1, n_trained_images=160, n_seeds=1, n_permutations=3,
    thresholds=(-3.0,), n_differential=3, n_bootstrap=5,
)  # fmt: skip
ASKED = StudyConfig(
    "Drawn cells", "hehr", n_clusters=2, n_per_cluster=2, min_pictures=3, groups=GROUPS, n_differential=2
)
ACCESS_CODE = "abcd-efgh-jkmn"


@dataclass(frozen=True)
class TinyDemo:
    """What start.sh leaves."""

    folder: Path
    paths: RunPaths
    study_id: str

    def copied(self, folder: Path) -> Path:
        """A database of its own, with the study and the rater R01."""
        backup(open_engine(self.folder / "annotations.db"), folder / "annotations.db")
        return folder / "annotations.db"


def run_tiny(folder: Path) -> list[Report]:
    """Run all steps in `folder`; what was told of them."""
    paths = paths_of_rendered(folder, TINY)
    told: list[Report] = []
    run_steps(steps_of(TINY, rendered_cells(paths.rendered), GROUPS, paths), lambda _: no_progress, told.append)
    return told


def make_once(folder: Path) -> TinyDemo:
    """The tiny demo in `folder`; the first process makes it."""
    folder.mkdir(exist_ok=True)
    paths = paths_of_rendered(folder, TINY)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the other workers wait here
        if not (folder / "annotations.db").exists():
            run_tiny(folder)
            study = build_study(LatentAtlas.open(paths.atlas), ASKED)
            repository = Repository(open_engine(folder / ".annotations.db"), hasher=CHEAP_HASHER)
            repository.studies.register(study, str(paths.atlas))
            repository.raters.add("R01", study.study_id, access_code=ACCESS_CODE)
            backup(open_engine(folder / ".annotations.db"), folder / "annotations.db")
    (study_found,) = Repository(open_engine(folder / "annotations.db")).studies.all()
    return TinyDemo(folder, paths, study_found.study_id)
