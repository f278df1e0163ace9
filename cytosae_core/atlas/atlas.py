"""What the SAE found, for people and programs to ask: the one object that the core hands to the app."""

import functools
import re
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from cytosae_core.artifacts import files
from cytosae_core.atlas import optional_files, tables
from cytosae_core.atlas.barcodes import Barcodes, read_barcodes
from cytosae_core.atlas.manifest import REMEDY, DatasetInfo, Manifest, read_manifest
from cytosae_core.atlas.maps import PatchMaps
from cytosae_core.atlas.reference_table import ReferenceTable
from cytosae_core.atlas.statistics_table import StatisticsTable
from cytosae_core.errors import ArtifactError
from cytosae_core.progress import Progress, no_progress

_SHA256 = re.compile(r"[0-9a-f]{64}")
_ALWAYS = (tables.LATENTS_NAME, tables.REFERENCES_NAME, tables.IMAGES_NAME)


class LatentAtlas:
    """An atlas folder, opened: statistics in memory, everything else read when it is asked for.

    Safe to share between threads. Every method raises ArtifactError when a file is not what FORMAT.md says.
    """

    def __init__(self, path: Path, manifest: Manifest) -> None:
        """Use `LatentAtlas.open`."""
        self.path = path
        self.manifest = manifest
        names = [dataset.name for dataset in manifest.datasets]
        self._statistics = StatisticsTable(path / tables.LATENTS_NAME, names, manifest.n_latents)
        self._references = ReferenceTable(path)
        self._maps = PatchMaps(path) if tables.MAPS_NAME in manifest.files else None

    @classmethod
    def open(cls, path: Path) -> "LatentAtlas":
        """Open an atlas after checking its manifest and the sizes of its files.

        Raises ArtifactError when the folder is no atlas, FormatVersionError when its format is another version,
        ChecksumError when a file is missing or has another size than recorded.
        """
        manifest = read_manifest(path)
        for name in _ALWAYS:
            if name not in manifest.files:
                raise ArtifactError(f"{path}: the manifest does not list {name}, which every atlas has; make it anew")
        if manifest.barcodes is not None and not {tables.COUNTS_NAME, tables.GROUPS_NAME} <= manifest.files.keys():
            raise ArtifactError(f"{path}: the manifest speaks of barcodes and does not list their files; make it anew")
        files.check_sizes(path, manifest.files.values(), REMEDY)
        return cls(path, manifest)

    @property
    def atlas_id(self) -> str:
        """Identity of exactly these numbers and pictures."""
        return self.manifest.atlas_id

    @property
    def sae_id(self) -> str:
        """Identity of the SAE's weights."""
        return self.manifest.sae_id

    @property
    def n_latents(self) -> int:
        """Latents of the SAE, dead ones included."""
        return self.manifest.n_latents

    @property
    def datasets(self) -> tuple[DatasetInfo, ...]:
        """The data sets, in the order in which they are shown."""
        return self.manifest.datasets

    @property
    def simulated(self) -> bool:
        """Whether any picture or number comes from images rendered by a program: then everything must say so."""
        return self.manifest.simulated

    @property
    def has_maps(self) -> bool:
        """Whether the atlas has patch maps."""
        return self._maps is not None

    def statistics(self, dataset: str) -> pd.DataFrame:
        """One row per latent: n_images, n_active, frequency, mean_activation, label_entropy.

        frequency is n_active / n_images; mean_activation, over the images that activate the latent, and
        label_entropy (nats, over the reference images) are NaN where they do not exist.
        """
        return self._statistics.of_dataset(self._place(dataset))

    def latent(self, latent: int) -> pd.DataFrame:
        """One row per data set, indexed by its name; the columns of `statistics`."""
        return self._statistics.of_latent(self._checked(latent))

    def references(self, latent: int, dataset: str | None = None) -> pd.DataFrame:
        """The latent's reference images, by data set and rank (from 0, the strongest first).

        Columns dataset, latent, rank, image_id, activation, label, picture (sha256, or None when it is not in the
        atlas), map_index (int, or None). A latent that k < 10 images activate has k rows.
        """
        names = [info.name for info in self.datasets] if dataset is None else [self.datasets[self._place(dataset)].name]
        return self._references.of_latent(self._checked(latent), names)

    def n_pictures(self, dataset: str) -> "pd.Series[int]":
        """For each latent, the number of its reference images in the data set whose picture is in the atlas."""
        return self._statistics.n_pictures(self._place(dataset))

    def picture_path(self, sha256: str) -> Path:
        """File of a picture; raises ArtifactError when the name is no digest or there is no such picture."""
        if not _SHA256.fullmatch(sha256):
            raise ArtifactError(f"{sha256!r} is not the name of a picture: that is 64 hex digits, lower case")
        path = files.inside(self.path, self._picture_name(sha256))
        if not path.is_file():
            raise ArtifactError(f"{path} is missing; copy the atlas folder again")
        return path

    def _picture_name(self, sha256: str) -> str:
        return f"{tables.DISPLAY_NAME}/{sha256[:2]}/{sha256}{self.manifest.picture_suffix}"

    def pictures(self) -> pd.DataFrame:
        """One row per picture, indexed by its sha256: width and height in pixels, n_bytes of its file."""
        return self._references.picture_table()

    def map(self, map_index: int) -> npt.NDArray[np.float32]:
        """Patch activations (grid, grid) of one reference, 16 x 16 in the paper; ArtifactError without such a map."""
        if self._maps is None:
            raise ArtifactError(f"{self.path} has no maps: it was made from tables; build an atlas with the SAE")
        return self._maps[map_index]

    def map_scale(self, latent: int) -> float:
        """Largest patch activation over all maps of the latent: the one end of its colour scale; 0.0 without maps."""
        indices = self.references(latent)["map_index"]
        return max((float(self.map(index).max()) for index in indices if index is not None), default=0.0)

    def barcodes(self) -> Barcodes | None:
        """Counts of activating tokens by patient; None when the atlas has none."""
        if self.manifest.barcodes is None:
            return None
        return read_barcodes(self.path, self.manifest.barcodes, self.n_latents)

    def patient_references(self, latent: int) -> pd.DataFrame:
        """Each patient's own strongest images for the latent: patient, rank (from 0), image_id, activation."""
        self._require(tables.PATIENT_REFERENCES_NAME, "cells of patients; build it from images of patients")
        found = self._checked(latent)
        rows = optional_files.read_patient_references(self.path, range(found, found + 1))
        return rows[["patient", "rank", "image_id", "activation"]]

    def patch_latents(self, image_id: str) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
        """The strongest latents (-1: none) at each patch of a reference image, and their activations.

        Both (n_patches, n), strongest first, noise left out; patches in row-major order.
        """
        self._require(tables.PATCH_LATENTS_NAME, "latents of patches; build it with n_patch_latents")
        return self._patches.of_image(image_id)

    @functools.cached_property
    def _patches(self) -> optional_files.PatchLatents:
        return optional_files.PatchLatents(self.path)

    def _require(self, name: str, what: str) -> None:
        if name not in self.manifest.files:
            raise ArtifactError(f"{self.path} has no {what}")

    def verify(self, progress: Progress = no_progress) -> None:
        """Compare every byte with the recorded digests; raises ChecksumError that names the first file that differs."""
        pictures = self._references.pictures()
        n_all = len(self.manifest.files) + len(pictures)
        for n_done, file in enumerate(self.manifest.files.values(), start=1):
            files.check_digest(self.path, file.path, file.sha256, REMEDY)
            progress(n_done, n_all)
        for n_done, sha256 in enumerate(pictures, start=len(self.manifest.files) + 1):
            files.check_digest(self.path, self._picture_name(sha256), sha256, REMEDY)
            progress(n_done, n_all)

    def verify_maps(self) -> None:
        """Compare the bytes of the maps, if there are any, with their digest; raises ChecksumError when they differ."""
        if self.has_maps:
            files.check_digest(self.path, tables.MAPS_NAME, self.manifest.files[tables.MAPS_NAME].sha256, REMEDY)

    def _place(self, dataset: str) -> int:
        names = [info.name for info in self.datasets]
        if dataset not in names:
            raise ArtifactError(f"the atlas has no data set {dataset!r}; it has {names}")
        return names.index(dataset)

    def _checked(self, latent: int) -> int:
        if not 0 <= latent < self.n_latents:
            raise ArtifactError(f"there is no latent {latent}: they go from 0 to {self.n_latents - 1}")
        return int(latent)
