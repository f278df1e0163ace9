"""The cells that the steps start from: rendered ones, or a user's own; free of torch."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cytosae_core.errors import ConfigError, ImageTableError
from cytosae_core.images.select import list_images
from cytosae_core.images.simulated import holds_simulated
from cytosae_core.images.sources import SOURCES
from cytosae_core.images.table import ImageTable
from cytosae_core.method import GROUPS
from cytosae_core.pipeline.settings import PipelineSettings
from cytosae_core.processes import n_cores
from cytosae_core.progress import Progress
from cytosae_core.simulated.cells.styles import STYLES
from cytosae_core.simulated.synthetic import write_cohort


@dataclass(frozen=True)
class Cells:
    """Images, and where they come from."""

    dataset: str
    """Data set key."""
    read: Callable[[], ImageTable]
    """List them; no image is opened."""
    um_per_px: float | None = None
    """Micrometres per pixel, where they are known."""
    rendered: Path | None = None
    """Folder of SIMULATED cells; None for photographed ones."""

    @cached_property
    def table(self) -> ImageTable:
        """The images, listed once."""
        return self.read()

    @cached_property
    def simulated(self) -> bool:
        """Whether a program rendered them: known, or said by the files."""
        return self.rendered is not None or holds_simulated(self.table)

    @property
    def root(self) -> Path:
        """The folder that relative paths start from."""
        row = self.table.frame.iloc[0]
        return Path(str(row["path"])).parents[str(row["relative_path"]).count("/")]

    def describe(self) -> str:
        """How many there are, of what, in words."""
        frame = self.table.frame
        word = "SIMULATED cells" if self.simulated else "images"
        parts = [f"{self.table.n_images:,} {word}"]
        if frame["diagnosis"].notna().any():
            parts.append(f"of {frame['patient'].nunique()} patients in {frame['diagnosis'].nunique()} groups")
        elif frame["label"].notna().any():
            parts.append(f"of {frame['label'].nunique()} classes")
        if self.table.skipped:
            parts.append(f"({len(self.table.skipped)} files left out; scripts/check_dataset.py says why)")
        return " ".join(parts)


def rendered_cells(folder: Path) -> Cells:
    """The SIMULATED cohort that lies, or will lie, at `folder`: patients of five groups in the layout of AML Hehr."""
    style = STYLES["hehr"]
    return Cells("hehr", lambda: list_images("hehr", folder), style.field_um / style.file_size[0], folder)


def render(settings: PipelineSettings, folder: Path, progress: Progress) -> None:
    """Render the cohort on all cores, or what an interrupted call left of it."""
    write_cohort(
        folder, n_patients=settings.n_patients, cells_per_patient=settings.cells_per_patient, seed=settings.seed,
        n_workers=n_cores(), progress=progress,
    )  # fmt: skip


def own_cells(dataset: str, folder: Path, csv: Path | None, settings: PipelineSettings) -> Cells:
    """A user's cells, in the published layout where `dataset` is the key of one, else as they lie in folders.

    Other names take `<class>/<file>` or `<diagnosis>/<patient>/<file>`, whichever more of the files fit. Raises
    ImageTableError where nothing fits, ConfigError where there are too few images.
    """
    table = list_images(dataset, folder, csv) if csv or dataset in SOURCES else _in_folders(dataset, folder)
    if table.n_images < settings.min_images:
        raise ConfigError(
            f"{folder} holds {table.n_images} images, and at least {settings.min_images} are needed for an autoencoder "
            "whose latents mean anything; give more images (thousands are better)"
        )
    published = SOURCES.get(dataset)
    return Cells(dataset, lambda: table, published.um_per_px if published else None)


def _in_folders(dataset: str, folder: Path) -> ImageTable:
    by_class = _tried(dataset, folder, by_patient=False)
    by_patient = _tried(dataset, folder, by_patient=True)
    if isinstance(by_class, ImageTableError) and isinstance(by_patient, ImageTableError):
        raise by_class
    tables = [table for table in (by_class, by_patient) if isinstance(table, ImageTable)]
    return max(tables, key=lambda table: table.n_images)


def _tried(dataset: str, folder: Path, *, by_patient: bool) -> ImageTable | ImageTableError:
    try:
        return list_images(dataset, folder, by_patient=by_patient)
    except ImageTableError as error:
        return error


def groups_of(cells: Cells, asked: tuple[str, str] | None) -> tuple[str, str] | None:
    """The two groups of the disease task: those asked for, the paper's, or the only two; None where there are none.

    Raises ConfigError for groups that are not there.
    """
    there = sorted(cells.table.frame["diagnosis"].dropna().unique())
    wanted = asked or (GROUPS if set(GROUPS) <= set(there) else tuple(there) if len(there) == 2 else None)
    if wanted is None:
        return None
    if missing := [group for group in wanted if group not in there]:
        raise ConfigError(f"there are no patients of group {missing[0]!r}; the cells have the groups {there}")
    return str(wanted[0]), str(wanted[1])
