"""Where cells come from: for each published layout one small rule from a relative path to what it says of the image.

A source never touches the disk except in `find_root`; `table.scan` walks the folders.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import NamedTuple

IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
"""Suffixes, in lower case, of the files that count as images; all others are ignored."""


class ImageRow(NamedTuple):
    """What the place of an image says about it; None where it says nothing."""

    label: str | None = None
    """Class of the cell."""
    patient: str | None = None
    """Patient or donor that the cell was taken from."""
    diagnosis: str | None = None
    """Group that the patient belongs to."""


Rule = Callable[[PurePosixPath], ImageRow | None]


@dataclass(frozen=True)
class Source:
    """One layout of image files on disk."""

    name: str
    """Data set key: the first part of every image id."""
    layout: str
    """Relative path of an image in words, for messages: `<class>/<file>`."""
    rule: Rule
    """From the path of a visible image file to its row; None where the path does not fit the layout."""
    top: str | None = None
    """Published top folder, which a user may name or leave out."""
    um_per_px: float | None = None
    """Micrometres per pixel of the published files; None where it was not published."""

    def describe(self, relative_path: PurePosixPath) -> ImageRow | None:
        """What `relative_path` says of its image; None for hidden files, other files and other layouts."""
        if is_hidden(relative_path) or relative_path.suffix.lower() not in IMAGE_SUFFIXES:
            return None
        return self.rule(relative_path)

    def find_root(self, path: Path) -> Path:
        """The folder that relative paths start from: `path/top` where that is a folder, else `path`."""
        if self.top is not None and (path / self.top).is_dir():
            return path / self.top
        return path


def is_hidden(relative_path: PurePosixPath) -> bool:
    """Whether the file, or a folder it lies in, has a name that starts with a dot."""
    return any(part.startswith(".") for part in relative_path.parts)


def folder_source(name: str, um_per_px: float | None = None) -> Source:
    """Any folder of class folders: `<class>/<file>`."""
    return Source(name, "<class>/<file>", _class_folder, um_per_px=um_per_px)


def patient_source(name: str, um_per_px: float | None = None) -> Source:
    """Any folder of patients: `<diagnosis>/<patient>/<file>`; the cells have no labels."""
    return Source(name, "<diagnosis>/<patient>/<file>", _patient_folder, um_per_px=um_per_px)


def _class_folder(relative_path: PurePosixPath) -> ImageRow | None:
    parts = relative_path.parts
    return ImageRow(label=parts[0]) if len(parts) == 2 else None


def _patient_folder(relative_path: PurePosixPath) -> ImageRow | None:
    parts = relative_path.parts
    return ImageRow(patient=parts[1], diagnosis=parts[0]) if len(parts) == 3 else None


def _known_class(labels: frozenset[str], n_range_folders: int = 0) -> Rule:
    """`<class>/<file>` with at most `n_range_folders` folders between, for the classes in `labels`."""

    def rule(relative_path: PurePosixPath) -> ImageRow | None:
        parts = relative_path.parts
        fits = 2 <= len(parts) <= 2 + n_range_folders and parts[0] in labels
        return ImageRow(label=parts[0]) if fits else None

    return rule


def _acevedo(relative_path: PurePosixPath) -> ImageRow | None:
    """The class is the folder, refined by the prefix of the file name."""
    if len(relative_path.parts) != 2:
        return None
    folder, label = ACEVEDO_PREFIXES.get(relative_path.name.partition("_")[0], (None, None))
    return ImageRow(label=label) if folder == relative_path.parts[0] else None


def _hehr(relative_path: PurePosixPath) -> ImageRow | None:
    parts = relative_path.parts
    if len(parts) != 3 or parts[0] not in HEHR_GROUPS:
        return None
    return ImageRow(patient=parts[1], diagnosis=HEHR_GROUPS[parts[0]])


MLL23_LABELS = frozenset({
    "basophil", "eosinophil", "hairy_cell", "lymphocyte", "lymphocyte_large_granular", "lymphocyte_neoplastic",
    "lymphocyte_reactive", "metamyelocyte", "monocyte", "myeloblast", "myelocyte", "neutrophil_band",
    "neutrophil_segmented", "normoblast", "plasma_cell", "promyelocyte", "promyelocyte_atypical", "smudge_cell",
})  # fmt: skip
MATEK_LABELS = frozenset({
    "BAS", "EBO", "EOS", "KSC", "LYA", "LYT", "MMZ", "MOB", "MON", "MYB", "MYO", "NGB", "NGS", "PMB", "PMO",
})  # fmt: skip
BMC_LABELS = frozenset({
    "ABE", "ART", "BAS", "BLA", "EBO", "EOS", "FGC", "HAC", "KSC", "LYI", "LYT", "MMZ", "MON", "MYB", "NGB", "NGS",
    "NIF", "OTH", "PEB", "PLM", "PMO",
})  # fmt: skip
ACEVEDO_PREFIXES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "BA": ("basophil", "basophil"),
        "EO": ("eosinophil", "eosinophil"),
        "ERB": ("erythroblast", "erythroblast"),
        "IG": ("ig", "ig"),
        "MMY": ("ig", "metamyelocyte"),
        "MY": ("ig", "myelocyte"),
        "PMY": ("ig", "promyelocyte"),
        "LY": ("lymphocyte", "lymphocyte"),
        "MO": ("monocyte", "monocyte"),
        "NEUTROPHIL": ("neutrophil", "neutrophil"),
        "BNE": ("neutrophil", "neutrophil_band"),
        "SNE": ("neutrophil", "neutrophil_segmented"),
        "PLATELET": ("platelet", "platelet"),
    }
)
"""File prefix of Acevedo -> (published folder, refined class)."""
HEHR_GROUPS: Mapping[str, str] = MappingProxyType(
    {
        "CBFB_MYH11": "CBFB::MYH11",
        "NPM1": "NPM1",
        "PML_RARA": "PML::RARA",
        "RUNX1_RUNX1T1": "RUNX1::RUNX1T1",
        "control": "control",
    }
)
"""bag_label of AML Hehr -> group name; fusions are written with `::` as in the HGNC recommendation."""

SOURCES: Mapping[str, Source] = MappingProxyType(
    {
        source.name: source
        for source in (
            Source("mll23", "<class>/<file>.TIF", _known_class(MLL23_LABELS), um_per_px=25 / 288),
            Source("acevedo", "<class>/<PREFIX>_<number>.jpg", _acevedo, top="PBC_dataset_normal_DIB"),
            Source("matek", "<CODE>/<CODE>_0001.tiff", _known_class(MATEK_LABELS), top="AML-Cytomorphology_LMU"),
            Source(
                "bmc",
                "<CODE>/<range>/<CODE>_00001.jpg",
                _known_class(BMC_LABELS, n_range_folders=1),
                top="bone_marrow_cell_dataset",
            ),
            Source("hehr", "<bag_label>/<patient_id>/<file>.tif", _hehr, top="data"),
        )
    }
)
"""The published data sets by key."""


def source_of(dataset: str) -> Source:
    """The layout of a published data set, or class folders for any other."""
    return SOURCES.get(dataset) or folder_source(dataset)
