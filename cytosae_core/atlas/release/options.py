"""What an import of the published tables is asked for; free of torch, so that `--help` and workers start at once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cytosae_core.artifacts.tables import SIMULATED
from cytosae_core.atlas.pictures import MAX_SIDE
from cytosae_core.errors import ConfigError


@dataclass(frozen=True)
class ReleaseImport:
    """Which tables become an atlas, and with which pictures."""

    tables: Path
    """Folder of the published tables: one folder per data set."""
    out: Path
    """Folder of the atlas to be made; must not exist."""
    datasets: tuple[str, ...] = ()
    """Data sets to import, in the order in which they are shown; all that have tables when none is named."""
    images: Mapping[str, Path] = field(default_factory=dict)
    """Image folder of each data set whose pictures are wanted: acevedo FOLDER bmc FOLDER."""
    file_lists: Mapping[str, Path] = field(default_factory=dict)
    """File list of each data set whose images are not all on disk: acevedo FILE; one relative path per line."""
    classnames: Path | None = None
    """Folder of the published <data set>_classnames.txt; names the patients of hehr where its images are missing."""
    patient_counts: Path | None = None
    """The published cls_sae_cnt.npy of hehr, for the patients' barcodes."""
    patients: Path | None = None
    """CSV of patient, diagnosis, n_images; or metadata.csv of hehr, whose images or file list are then needed."""
    simulated: tuple[str, ...] = ()
    """Data sets whose tables or patient counts were rendered by a program; hehr is one by itself where the name of
    --patient-counts or --patients says SIMULATED."""
    checkpoint: Path | None = None
    """The SAE's published .pt file or converted folder: then sae_id is that of the weights."""
    sae_id: str | None = None
    """Identity of the SAE to record instead of the one that is found out."""
    all_pictures: bool = False
    """Make pictures for the references of all latents, not only those above 10^-3 on any data set."""
    max_missing: int | None = None
    """Refuse the import when more images than this are missing or unreadable; no limit by default."""
    max_side: int = MAX_SIDE
    """Longer side in pixels above which a picture is reduced; nothing is ever enlarged."""
    n_workers: int | None = None
    """Processes that make pictures; all cores by default."""
    allow_different_saes: bool = False
    """Import even if the data sets do not share their strongest latents."""

    def __post_init__(self) -> None:
        """Raise ConfigError for values that cannot work."""
        if self.max_side < 32:
            raise ConfigError(f"max_side is {self.max_side} px; nobody can judge a cell below 32 px")
        if self.n_workers is not None and self.n_workers < 1:
            raise ConfigError(f"n_workers is {self.n_workers}; it must be at least 1")
        if self.patients is not None and self.patient_counts is None:
            raise ConfigError("a table of patients is of use with patient counts only; give --patient-counts too")

    @property
    def has_simulated_patients(self) -> bool:
        """Whether the files of the patients say SIMULATED."""
        return any(path is not None and SIMULATED in path.name for path in (self.patient_counts, self.patients))
