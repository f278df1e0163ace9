"""The first file of an atlas: what it is, what it was made from, and which files belong to it.

FORMAT.md describes every field; this file is that description in code.
"""

import dataclasses
import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from cytosae_core.artifacts.files import FileRecord, listed
from cytosae_core.artifacts.manifest import (
    MANIFEST,
    Kind,
    check_kind,
    digest_of,
    json_bytes,
    library_versions,
    plain_document,
    read_json,
)
from cytosae_core.errors import ArtifactError

FORMAT = "cytosae-atlas"
FORMAT_VERSION = 1
REMEDY = "copy the whole folder again from where it was made, or make the atlas anew"
"""What to do about a damaged atlas."""
PICTURE_SUFFIXES = (".webp", ".png")

_DATASET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_KIND = Kind(FORMAT, FORMAT_VERSION, "an atlas", "make the atlas anew")


@dataclass(frozen=True)
class DatasetInfo:
    """What an atlas says about one of its data sets."""

    name: str
    n_images: int
    """Images that the statistics were computed over."""
    simulated: bool = False
    """Whether its images, or its patients' counts, were rendered by a program."""
    um_per_px: float | None = None
    """Micrometres per display pixel; None: not known, so no scale bar may be shown."""
    label_kind: str = "class"
    """What `label` of a reference is: "class" of the cell or "patient"."""
    n_pictures: int = 0
    """Reference images whose picture lies in the atlas."""
    fingerprint: str | None = None
    """Digest of the list of images in their order; None: the list was not known."""


@dataclass(frozen=True)
class BarcodeInfo:
    """Where the barcodes of an atlas come from and what they count."""

    dataset: str
    tokens: str
    """Tokens that were counted: "patches" or "patches+cls"."""
    tau: float
    """A token counts when its latent activation is above this."""


@dataclass(frozen=True)
class Skipped:
    """An image that could not be used, and why."""

    image_id: str
    reason: str


@dataclass(frozen=True)
class Manifest:
    """Everything that `manifest.json` says."""

    sae_id: str
    """Identity of the weights; judgements are keyed by it."""
    n_latents: int
    datasets: tuple[DatasetInfo, ...]
    files: Mapping[str, FileRecord]
    image_activation: str = "mean over all tokens"
    """How one number per image is made of its tokens' activations."""
    picture_suffix: str = PICTURE_SUFFIXES[0]
    barcodes: BarcodeInfo | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    """What the maker was asked to do: plain values, no paths."""
    seed: int | None = None
    """Seed of the random choices made; None: there were none."""
    skipped: tuple[Skipped, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    """Versions of Python and of the libraries that were used."""
    created_at: str = ""
    """UTC, ISO 8601."""
    atlas_id: str = ""
    """`atlas-<16 hex digits>`: digest of all of the above but `versions` and `created_at`."""
    format: str = FORMAT
    format_version: int = FORMAT_VERSION

    @property
    def simulated(self) -> bool:
        """Whether any data set was rendered by a program."""
        return any(dataset.simulated for dataset in self.datasets)


def seal(manifest: Manifest) -> Manifest:
    """The manifest with the id that its content demands, the time, and the versions of the libraries."""
    dated = dataclasses.replace(
        manifest, created_at=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"), versions=library_versions()
    )
    return dataclasses.replace(dated, atlas_id=_demanded_id(to_document(dated)))


def to_document(manifest: Manifest) -> dict[str, Any]:
    """The manifest as plain JSON values."""
    return {**plain_document(manifest), "files": listed(manifest.files.values())}


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write `manifest.json`; the last file of an atlas to be written."""
    (folder / MANIFEST).write_bytes(json_bytes(to_document(manifest)))


def read_manifest(folder: Path) -> Manifest:
    """The manifest of an atlas.

    Raises ArtifactError when the folder is no atlas or its manifest was edited or cut off, FormatVersionError
    when it was written by another version of the format.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise ArtifactError(
            f"{folder} is not an atlas: it has no {MANIFEST}. Give the folder that import_release.py wrote"
        )
    return from_document(read_json(path, REMEDY), str(path))


def from_document(content: object, where: str) -> Manifest:
    """The manifest of a JSON document; `where` names it in messages. Raises as `read_manifest` does."""
    document = check_kind(content, _KIND, where)
    try:
        manifest = _manifest(document)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ArtifactError(f"{where} is damaged ({error}); copy the whole folder again") from error
    demanded = _demanded_id(document)
    if manifest.atlas_id != demanded:
        raise ArtifactError(
            f"{where} was changed after it was written: it says {manifest.atlas_id!r}, its content demands "
            f"{demanded!r}. Copy the folder again, or make the atlas anew"
        )
    return manifest


def check_dataset_names(names: Sequence[str]) -> None:
    """Raise ArtifactError unless the names are different and safe as parts of ids and file names."""
    for name in names:
        if not _DATASET_NAME.fullmatch(name):
            raise ArtifactError(f"{name!r} cannot name a data set: use letters, digits, '.', '_' and '-', at most 64")
    if len(set(names)) < len(names):
        raise ArtifactError(f"two data sets have the same name: {sorted(names)}; rename one")


def _demanded_id(document: Mapping[str, Any]) -> str:
    content = {key: value for key, value in document.items() if key not in {"atlas_id", "created_at", "versions"}}
    return f"atlas-{digest_of(content)[:16]}"


def _manifest(document: Mapping[str, Any]) -> Manifest:
    files = {name: (name, entry["size"], entry["sha256"]) for name, entry in document["files"].items()}
    manifest = msgspec.convert({**document, "files": files}, Manifest)
    check_dataset_names([dataset.name for dataset in manifest.datasets])
    _check_values(manifest)
    return manifest


def _check_values(manifest: Manifest) -> None:
    if manifest.n_latents < 1:
        raise ValueError(f"n_latents is {manifest.n_latents!r}")
    if manifest.picture_suffix not in PICTURE_SUFFIXES:
        raise ValueError(f"picture_suffix is {manifest.picture_suffix!r}")
    for dataset in manifest.datasets:
        if dataset.n_images < 0:
            raise ValueError(f"data set {dataset.name!r} has n_images {dataset.n_images!r}")
