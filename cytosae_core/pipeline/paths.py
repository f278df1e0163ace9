"""Where the steps leave their results: one folder for the settings and the list of images."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class RunPaths:
    """The folder of one run of the steps, and what is in it."""

    folder: Path
    """Named by the digest of settings and images, so that what lies in it was made with these settings."""

    @property
    def cells(self) -> Path:
        """Folder that the cohort is rendered into."""
        return self.folder / "cells"

    @property
    def rendered(self) -> Path:
        """The rendered cohort."""
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
