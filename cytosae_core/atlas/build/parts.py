"""A part of a data set: what a few hundred of its images say, computed once, kept on disk, added up in any order."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cytosae_core.artifacts.files import write_whole
from cytosae_core.atlas.build.activations import ImageActivations, join
from cytosae_core.atlas.build.encode import SparseEncoder
from cytosae_core.atlas.build.patients import PatientPart, Patients, patient_part
from cytosae_core.atlas.build.references import TopImages
from cytosae_core.atlas.build.statistics import LatentStatistics
from cytosae_core.errors import ArtifactError
from cytosae_core.progress import Progress, no_progress
from cytosae_core.tokens.source import TokenSource

Arrays = dict[str, Any]


@dataclass(frozen=True)
class Part:
    """What one run of images of a data set says."""

    statistics: LatentStatistics
    top: TopImages
    skipped: list[tuple[int, str]]
    """Rows of images that could not be read, and why."""
    patients: PatientPart | None
    """None where the data set has no patients."""
    barcodes: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]] | None
    """Row, latent and activating tokens of every image, by row and latent; None where they were not asked for."""


@dataclass(frozen=True)
class PartMaker:
    """Everything that makes parts of one data set."""

    encoder: SparseEncoder
    source: TokenSource
    patients: Patients | None
    image_barcodes: bool = False
    """Keep the barcode of every single image."""

    def make(self, rows: range, progress: Progress = no_progress) -> Part:
        """Look at these images; memory is that of their sparse activations."""
        definitions = self.encoder.definitions
        statistics = LatentStatistics.empty(self.encoder.d_sae)
        top = TopImages(self.encoder.d_sae, definitions.n_references)
        batches: list[ImageActivations] = []
        seen: list[int] = []
        skipped: list[tuple[int, str]] = []
        for batch in self.source.read(rows):
            found = self.encoder.images(batch.tokens)
            active = found.active()
            statistics.update(found)
            top.update(active.latent, active.activation, np.asarray(batch.rows, np.int64)[active.image])
            if self.patients is not None or self.image_barcodes:
                batches.append(found)
            seen += batch.rows
            skipped += batch.skipped
            progress(len(seen) + len(skipped), len(rows))
        return self._part(statistics, top, skipped, join(batches), np.asarray(seen, np.int64))

    def _part(
        self,
        statistics: LatentStatistics,
        top: TopImages,
        skipped: list[tuple[int, str]],
        found: ImageActivations,
        rows: npt.NDArray[np.int64],
    ) -> Part:
        k = self.encoder.definitions.n_patient_references
        of_patients = None
        if self.patients is not None:
            of_patients = patient_part(found, rows, self.patients, self.encoder.d_sae, k)
        barcodes = None
        if self.image_barcodes:
            kept = np.flatnonzero(found.n_above > 0)
            place = kept[np.lexsort((found.latent[kept], rows[found.image[kept]]))]
            barcodes = (rows[found.image[place]], found.latent[place], found.n_above[place])
        return Part(statistics, top, skipped, of_patients, barcodes)


def write_part(folder: Path, name: str, part: Part) -> None:
    """Write the part as `<name>.npz`: whole, or not at all."""
    n_active = part.statistics.n_active
    latents = np.flatnonzero(n_active)
    top_latents, top_values, top_rows, _ = part.top.entries()
    arrays: Arrays = {
        "shape": np.array([part.statistics.n_images, part.statistics.n_latents, part.top.k]),
        "latents": latents,
        "n_active": n_active[latents],
        "sums": part.statistics.sums[:, latents],
        "top_latents": top_latents.astype(np.int32),
        "top_values": top_values,
        "top_rows": top_rows,
        "skipped_rows": np.array([row for row, _ in part.skipped], np.int64),
        "skipped_reasons": np.array([reason for _, reason in part.skipped], np.str_),
    }
    if part.patients is not None:
        arrays["patient_images"] = part.patients.n_images
        arrays |= {f"count_{i}": column for i, column in enumerate(part.patients.counts)}
        arrays |= {f"patient_reference_{i}": column for i, column in enumerate(part.patients.references)}
    if part.barcodes is not None:
        arrays |= {f"barcode_{i}": column for i, column in enumerate(part.barcodes)}
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    write_whole(folder, f"{name}.npz", buffer.getbuffer())


def read_part(folder: Path, name: str) -> Part:
    """The part that `write_part` wrote; ArtifactError where it is missing or damaged."""
    path = folder / f"{name}.npz"
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays: Arrays = {key: file[key] for key in file.files}
        return _from_arrays(arrays)
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise ArtifactError(f"{path} is missing or damaged ({error}); delete it and run the same command") from error


def _from_arrays(arrays: Arrays) -> Part:
    n_images, n_latents, k = (int(value) for value in arrays["shape"])
    statistics = LatentStatistics.empty(n_latents)
    statistics.n_images = n_images
    statistics.n_active[arrays["latents"]] = arrays["n_active"]
    statistics.sums[:, arrays["latents"]] = arrays["sums"]
    top = TopImages(n_latents, k)
    top.update(arrays["top_latents"].astype(np.int64), arrays["top_values"], arrays["top_rows"])
    skipped = list(zip(arrays["skipped_rows"].tolist(), arrays["skipped_reasons"].tolist(), strict=True))
    patients = None
    if "patient_images" in arrays:
        patients = PatientPart(
            arrays["patient_images"],
            tuple(arrays[f"count_{i}"] for i in range(3)),
            tuple(arrays[f"patient_reference_{i}"] for i in range(4)),
        )
    barcodes = tuple(arrays[f"barcode_{i}"] for i in range(3)) if "barcode_0" in arrays else None
    return Part(statistics, top, skipped, patients, barcodes)
