"""The parts of a data set added up: what one pass over all of its images would have found, to the last bit."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from cytosae_core import method
from cytosae_core.atlas.barcodes import Barcodes
from cytosae_core.atlas.build.parts import read_part
from cytosae_core.atlas.build.patients import PatientPart, PatientReferences, Patients, top_of_patients
from cytosae_core.atlas.build.plan import DatasetInput
from cytosae_core.atlas.build.references import TopImages, strongest
from cytosae_core.atlas.build.statistics import LatentStatistics
from cytosae_core.atlas.definitions import Definitions
from cytosae_core.atlas.manifest import DatasetInfo, Skipped
from cytosae_core.atlas.writer import AtlasPart
from cytosae_core.tokens.source import TokenSource

_PARTS_AT_ONCE = 16


@dataclass(frozen=True)
class Collected:
    """What all images of a data set say."""

    dataset: str
    source: TokenSource
    statistics: LatentStatistics
    top: TopImages
    skipped: tuple[Skipped, ...]
    barcodes: Barcodes | None
    patient_references: pd.DataFrame | None
    """patient, latent, rank, image_id, activation; by latent, patient and rank."""

    @property
    def labels(self) -> "pd.Series[str]":
        """Of each image: its class, or its patient where no image has a class."""
        images = self.source.index
        return images["patient"] if self.label_kind == "patient" else images["label"]

    @property
    def label_kind(self) -> str:
        """ "class" or "patient"."""
        images = self.source.index
        return "patient" if images["label"].isna().all() and images["patient"].notna().any() else "class"

    def as_part(self, *, simulated: bool, um_per_px: float | None, first_map: int | None) -> AtlasPart:
        """Tables for the atlas; `first_map` is the row of the first reference's map, None: there are none."""
        latents, values, rows, ranks = self.top.entries()
        codes, _ = pd.factorize(self.labels)
        statistics = pd.DataFrame(
            {
                "n_active": self.statistics.n_active,
                "sum_activation": self.statistics.sum_activation,
                "label_entropy": method.label_entropy(latents, codes[rows], values, self.statistics.n_latents),
            }
        )
        references = pd.DataFrame(
            {
                "latent": latents.astype(np.int32),
                "rank": ranks.astype(np.int16),
                "image_id": self.source.index["image_id"].to_numpy()[rows],
                "activation": values,
                "label": self.labels.astype(object).where(self.labels.notna(), None).to_numpy()[rows],
            }
        )
        if first_map is not None:
            references["map_index"] = np.arange(first_map, first_map + len(references))
        fingerprint = self.source.origin.get("fingerprint")
        name, n_images = self.dataset, self.statistics.n_images
        info = DatasetInfo(name, n_images, simulated, um_per_px, self.label_kind, fingerprint=fingerprint)
        return AtlasPart(info, statistics, references)


def collect(
    folder: Path, names: Sequence[str], given: DatasetInput, patients: Patients | None, definitions: Definitions,
    n_latents: int,
) -> Collected:  # fmt: skip
    """Add up the parts `names` in `folder`; raises ArtifactError where one is missing or damaged."""
    statistics, top = LatentStatistics.empty(n_latents), TopImages(n_latents, definitions.n_references)
    source = given.tokens
    ids = source.index["image_id"]
    skipped = [Skipped(image_id, reason) for image_id, reason in source.skipped]
    adding = None if patients is None else _Patients(patients, n_latents, definitions.n_patient_references)
    for name in names:
        part = read_part(folder, name)
        statistics.merge(part.statistics)
        top.merge(part.top)
        skipped += [Skipped(str(ids.iat[row]), reason) for row, reason in part.skipped]
        if adding is not None and part.patients is not None:
            adding.add(part.patients)
    barcodes = None if adding is None else adding.barcodes(given.name, definitions)
    references = None if adding is None else adding.references(ids)
    return Collected(given.name, source, statistics, top, tuple(sorted(skipped, key=_by_id)), barcodes, references)


def _by_id(skipped: Skipped) -> tuple[str, str]:
    return skipped.image_id, skipped.reason


class _Patients:
    """Counts and reference cells of all patients; memory is that of patients by latents."""

    def __init__(self, patients: Patients, n_latents: int, k: int) -> None:
        self._table, self._k = patients.table, k
        self._n_images = np.zeros(len(patients.table), np.int64)
        self._counts = np.zeros((len(patients.table), n_latents), np.int32)
        self._waiting: list[PatientReferences] = []

    def add(self, part: PatientPart) -> None:
        """Add one part."""
        self._n_images += part.n_images
        counts = part.counts
        self._counts[counts.patient, counts.latent] += counts.n_above.astype(np.int32)  # each pair is there once
        self._waiting.append(part.references)
        if len(self._waiting) > _PARTS_AT_ONCE:
            self._waiting = [self._reduced()]

    def barcodes(self, dataset: str, definitions: Definitions) -> Barcodes:
        """Counts with denominators, of the patients with at least one readable image."""
        has_images = self._n_images > 0
        groups = self._table.assign(n_images=self._n_images)[has_images].reset_index(drop=True)
        return Barcodes(dataset, self._counts[has_images], groups, definitions.counted_tokens, definitions.tau)

    def references(self, image_ids: "pd.Series[str]") -> pd.DataFrame:
        """The patients' own strongest images."""
        top = self._reduced()
        frame = pd.DataFrame(
            {
                "latent": top.latent.astype(np.int32),
                "patient": self._table["patient"].to_numpy(dtype=object)[top.patient],
                "image_id": image_ids.to_numpy(dtype=object)[top.row],
                "activation": top.activation,
            }
        )
        keys = top.latent * len(self._table) + top.patient
        _, ranks = strongest(keys, top.activation, top.row, self._k)  # in this order already
        frame["rank"] = ranks.astype(np.int16)
        return frame

    def _reduced(self) -> PatientReferences:
        if not self._waiting:
            none = np.zeros(0, np.int64)
            return PatientReferences(none, none, none.astype(np.float32), none)
        columns = (np.concatenate(column) for column in zip(*self._waiting, strict=True))
        return top_of_patients(PatientReferences(*columns), self._k)
