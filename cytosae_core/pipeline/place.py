"""Where the stages leave their results: one folder a recipe and list of images."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Place:
    """The folder of one run of the stages, and what is in it."""

    folder: Path
    """Named by the digest of recipe and images, so that what lies in it was made with these settings."""

    @property
    def cells(self) -> Path:
        """Folder that the cohort is drawn into."""
        return self.folder / "cells"

    @property
    def drawn(self) -> Path:
        """The drawn cohort."""
        return self.cells / "SIMULATED_hehr_cohort"

    @property
    def tokens(self) -> Path:
        """Token store; may be deleted when the rest is made."""
        return self.folder / "tokens"

    @property
    def sae(self) -> Path:
        """Run folder of the autoencoder."""
        return self.folder / "sae"

    @property
    def atlas(self) -> Path:
        """Atlas."""
        return self.folder / "atlas"

    @property
    def patients(self) -> Path:
        """Tables of the classification of patients."""
        return self.folder / "patients"

    @property
    def differential(self) -> Path:
        """Table of the latents that differ between two groups."""
        return self.folder / "differential"
