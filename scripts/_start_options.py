"""What start.py is asked for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cytosae_core.errors import ConfigError
from cytosae_core.method import TRAINING_DATASET


@dataclass(frozen=True)
class StartOptions:
    """What to open. Without arguments: a demo of rendered cells, SIMULATED, that needs nothing."""

    images: tuple[str, ...] = ()
    """Your own cells: FOLDER of class folders or of diagnosis/patient folders, or NAME FOLDER in a published layout
    (mll23, acevedo, matek, bmc, hehr). Beside --tables: NAME FOLDER of each data set whose pictures are shown."""
    csv: Path | None = None
    """CSV (path, and optionally label, patient, diagnosis) that names those of the images that are taken."""
    groups: tuple[str, str] | None = None
    """The two diagnoses of the disease task, where patients have more than two."""
    tables: Path | None = None
    """Folder of the published latent tables: one folder per data set."""
    file_lists: Mapping[str, Path] = field(default_factory=dict)
    """Beside --tables: file list of each data set whose images are not all on disk: acevedo FILE."""
    dataset: str = TRAINING_DATASET
    """Beside --tables and --atlas: data set whose statistics choose the 50 latents."""
    atlas: Path | None = None
    """A finished atlas, to make a study of."""
    labelling_only: bool = False
    """Train nothing and install no torch: open --atlas, or the studies of the database that is there."""
    port: int = 8501
    """Port of the app on this machine."""

    def __post_init__(self) -> None:
        """Raise ConfigError for options that contradict each other."""
        if self.labelling_only and (self.images or self.tables):
            raise ConfigError("--labelling-only trains and imports nothing; leave it out, or give a finished --atlas")
        if self.atlas and (self.images or self.tables):
            raise ConfigError("--atlas is finished; leave out --images and --tables, or leave out --atlas")
        if self.tables and not self.images:
            raise ConfigError(
                "--tables needs images to show: --images acevedo FOLDER (scripts/check_dataset.py --dataset acevedo "
                "says where to get them)"
            )
        if self.images and not self.tables and self.file_lists:
            raise ConfigError("--file-lists stands beside --tables; name those of your own images with --csv FILE")
        if (self.csv or self.groups) and (self.tables or not self.images):
            raise ConfigError("--csv and --groups stand beside --images FOLDER")
