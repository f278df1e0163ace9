"""A part of a data set: what a few hundred of its images say, computed once, kept on disk, added up in any order."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cytosae_core.artifacts.files import write_whole
from cytosae_core.atlas.build.activations import ImageActivations, join
from cytosae_core.atlas.build.encode import SparseEncoder
from cytosae_core.atlas.build.patients import BarcodeEntries, PatientPart, PatientReferences, Patients, patient_part
from cytosae_core.atlas.build.references import TopImages
from cytosae_core.atlas.build.statistics import LatentStatistics
from cytosae_core.errors import ArtifactError
from cytosae_core.progress import Progress, no_progress
from cytosae_core.tokens.source import TokenSource

Arrays = dict[str, Any]


class ImageBarcodes(NamedTuple):
    """Activating tokens of single images, by row and latent: one entry per image and latent that has any."""

    row: npt.NDArray[np.int64]
    """Row of the image in its data set."""
    latent: npt.NDArray[np.int64]
    n_above: npt.NDArray[np.int64]
    """Activating tokens."""


@dataclass(frozen=True)
class Part:
    """What one run of images of a data set says."""

    statistics: LatentStatistics
    top: TopImages
    skipped: list[tuple[int, str]]
    """Rows of images that could not be read, and why."""
    patients: PatientPart | None
    """None where the data set has no patients."""
    barcodes: ImageBarcodes | None
    """None where they were not asked for."""


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
            in_order = kept[np.lexsort((found.latent[kept], rows[found.image[kept]]))]
            barcodes = ImageBarcodes(rows[found.image[in_order]], found.latent[in_order], found.n_above[in_order])
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
        arrays |= _columns("count", part.patients.counts)
        arrays |= _columns("patient_reference", part.patients.references)
    if part.barcodes is not None:
        arrays |= _columns("barcode", part.barcodes)
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    write_whole(folder, f"{name}.npz", buffer.getbuffer())


def _columns(of: str, columns: BarcodeEntries | PatientReferences | ImageBarcodes) -> Arrays:
    return {f"{of}_{name}": column for name, column in columns._asdict().items()}


def _read_columns(of: str, names: Sequence[str], arrays: Arrays) -> list[npt.NDArray[Any]]:
    """The columns by name; version 1 numbered them, and a build that it began goes on."""
    keys = [f"{of}_{name}" for name in names]
    return [arrays[key] if key in arrays else arrays[f"{of}_{number}"] for number, key in enumerate(keys)]


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
            BarcodeEntries(*_read_columns("count", BarcodeEntries._fields, arrays)),
            PatientReferences(*_read_columns("patient_reference", PatientReferences._fields, arrays)),
        )
    barcodes = None
    if any(name.startswith("barcode_") for name in arrays):
        barcodes = ImageBarcodes(*_read_columns("barcode", ImageBarcodes._fields, arrays))
    return Part(statistics, top, skipped, patients, barcodes)
