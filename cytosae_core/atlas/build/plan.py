"""What a build is about to do: the same in every process, and written down before it starts."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cytosae_core.atlas.build.options import BuildConfig
from cytosae_core.errors import ConfigError
from cytosae_core.sae.checkpoint import Checkpoint
from cytosae_core.tokens.source import TokenSource


@dataclass(frozen=True)
class DatasetInput:
    """One data set on its way into an atlas."""

    tokens: TokenSource
    """Its tokens, sorted by image_id: the row number is the order among ties."""
    root: Path | None = None
    """Folder that the images' relative paths start from; None: no pictures."""
    um_per_px: float | None = None
    """Micrometres per pixel of the image files; None: not known."""
    simulated: bool = False
    """Whether its images were rendered by a program."""

    @property
    def name(self) -> str:
        """Name of the data set."""
        return str(self.tokens.index["dataset"].iat[0])


@dataclass(frozen=True)
class Piece:
    """A run of images of one data set."""

    name: str
    """Of its file in the folder of parts."""
    dataset_index: int
    """Which data set."""
    rows: range


@dataclass(frozen=True)
class BuildPlan:
    """What is built of what; the same in every process."""

    checkpoint: Checkpoint
    datasets: Sequence[DatasetInput]
    out: Path
    config: BuildConfig

    @property
    def names(self) -> list[str]:
        """The data sets, in the order in which they are shown."""
        return [one.name for one in self.datasets]

    @property
    def folder(self) -> Path:
        """Where the parts lie: beside the atlas, on the same file system, hidden."""
        return self.out.with_name(f".{self.out.name}.parts")

    def pieces(self, suffix: str = "") -> list[Piece]:
        """The parts of all data sets."""
        step = self.config.part_images
        return [
            Piece(f"{one.name}-{index:05d}{suffix}", dataset_index, range(start, min(start + step, n_images)))
            for dataset_index, one in enumerate(self.datasets)
            for n_images in [one.tokens.shape[0]]
            for index, start in enumerate(range(0, n_images, step))
        ]

    def to_document(self) -> dict[str, Any]:
        """Everything that decides what is in a part, as plain values."""
        return {
            "format": "cytosae-atlas-parts",
            "sae_id": self.checkpoint.sae_id,
            "n_latents": self.checkpoint.d_sae,
            "part_images": self.config.part_images,
            "barcodes_of": barcodes_of(self),
            "noise_of": self.config.noise.dataset_among(self.names),
            "max_noise": self.config.noise.max_mean_activation,
            **self.config.to_document(),
            "datasets": {one.name: dict(one.tokens.origin) for one in self.datasets},
            "n_images": {one.name: one.tokens.shape[0] for one in self.datasets},
        }


def barcodes_of(plan: BuildPlan) -> str | None:
    """The data set whose patients get barcodes: the chosen one, or the only one with diagnoses.

    Raises ConfigError when the chosen one has no patients, or several could be meant.
    """
    with_patients = [one.name for one in plan.datasets if one.tokens.index["diagnosis"].notna().any()]
    chosen = plan.config.barcodes_of
    if chosen is None and len(with_patients) > 1:
        raise ConfigError(f"the data sets {with_patients} all have patients; name one in barcodes_of")
    if chosen is not None and chosen not in with_patients:
        raise ConfigError(
            f"barcodes of {chosen!r} are asked for; data sets with patients and diagnoses: {with_patients}"
        )
    return chosen if chosen is not None else next(iter(with_patients), None)
