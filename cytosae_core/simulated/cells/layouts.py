"""Where a rendered cell lies in the published layout of each data set."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from types import MappingProxyType

from cytosae_core.errors import ConfigError
from cytosae_core.images.sources import ACEVEDO_PREFIXES, MLL23_LABELS, SOURCES
from cytosae_core.simulated.cells.recipes import RECIPES

PathRule = Callable[[str, int], PurePosixPath]
"""From the published code of a class and a number from 1 to the path below the folder of class folders."""


@dataclass(frozen=True)
class Layout:
    """Folders, codes and file names of one labelled data set."""

    name: str
    codes: Mapping[str, str]
    """Cell type -> published code of the class; types without a class of their own are not rendered."""
    path_of: PathRule

    def path(self, cell_type: str, number: int) -> PurePosixPath:
        """Return the path below the root of the data set, the published top folder included."""
        top = SOURCES[self.name].top
        below = self.path_of(self.codes[cell_type], number)
        return below if top is None else PurePosixPath(top) / below


def _mll23(code: str, number: int) -> PurePosixPath:
    return PurePosixPath(code, f"SIMULATED_{code}_{number:05d}.TIF")


def _acevedo(code: str, number: int) -> PurePosixPath:
    return PurePosixPath(ACEVEDO_PREFIXES[code][0], f"{code}_{900_000 + number}.jpg")


def _matek(code: str, number: int) -> PurePosixPath:
    return PurePosixPath(code, f"{code}_{number:04d}.tiff")


def _bmc(code: str, number: int) -> PurePosixPath:
    first = (number - 1) // 1000 * 1000 + 1
    return PurePosixPath(code, f"{first:04d}-{first + 999:04d}", f"{code}_{number:05d}.jpg")


_COMMON = {
    "basophil": "BAS",
    "eosinophil": "EOS",
    "lymphocyte": "LYT",
    "metamyelocyte": "MMZ",
    "monocyte": "MON",
    "myelocyte": "MYB",
    "neutrophil_band": "NGB",
    "neutrophil_segmented": "NGS",
    "normoblast": "EBO",
    "promyelocyte": "PMO",
    "smudge_cell": "KSC",
}
_MATEK = {"lymphocyte_reactive": "LYA", "monoblast": "MOB", "myeloblast": "MYO", "promyelocyte_atypical": "PMB"}
_BMC = {
    "eosinophil_abnormal": "ABE",
    "faggot_cell": "FGC",
    "hairy_cell": "HAC",
    "myeloblast": "BLA",
    "plasma_cell": "PLM",
}
_ACEVEDO = {
    "basophil": "BA",
    "eosinophil": "EO",
    "lymphocyte": "LY",
    "metamyelocyte": "MMY",
    "monocyte": "MO",
    "myelocyte": "MY",
    "neutrophil_band": "BNE",
    "neutrophil_segmented": "SNE",
    "normoblast": "ERB",
    "platelet": "PLATELET",
    "promyelocyte": "PMY",
}

LAYOUTS: Mapping[str, Layout] = MappingProxyType(
    {
        layout.name: layout
        for layout in (
            Layout("mll23", {name: name for name in RECIPES if name in MLL23_LABELS}, _mll23),
            Layout("acevedo", _ACEVEDO, _acevedo),
            Layout("matek", _COMMON | _MATEK, _matek),
            Layout("bmc", _COMMON | _BMC, _bmc),
        )
    }
)
"""Labelled layouts by data set key; AML Hehr has patients instead, see `write_cohort`."""


def find_layout(name: str) -> Layout:
    """Return the layout of a labelled data set; raises ConfigError where there is none."""
    if name not in LAYOUTS:
        raise ConfigError(f"There is no labelled layout {name!r}: choose one of {', '.join(LAYOUTS)}.")
    return LAYOUTS[name]


def patient_path(group: str, patient_id: str, index: int) -> PurePosixPath:
    """Return the path of a patient's cell below the root of an AML Hehr layout."""
    return PurePosixPath(SOURCES["hehr"].top or "", group, patient_id, f"SIMULATED_{index:04d}.tif")
