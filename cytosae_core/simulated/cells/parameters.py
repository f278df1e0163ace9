"""What a rendered cell is made of, in micrometres and relative strengths: every one of these is a known concept."""

from dataclasses import dataclass, field, fields
from typing import Literal

from cytosae_core.errors import ConfigError

NucleusShape = Literal["round", "indented", "cup", "band", "bilobed", "multilobed", "smudged", "none"]
GranuleKind = Literal["eosinophilic", "basophilic", "azurophilic", "neutrophilic"]
Arrangement = Literal["single", "doublet", "rosette"]

GRANULE_KINDS: tuple[GranuleKind, ...] = ("eosinophilic", "basophilic", "azurophilic", "neutrophilic")


@dataclass(frozen=True)
class Nucleus:
    """The nucleus."""

    shape: NucleusShape = "round"
    share: float = 0.5
    """Area of the nucleus as a share of the area of the cell: the nucleus-to-cytoplasm relation."""
    n_lobes: int = 1
    """Lobes of a bilobed or multilobed nucleus."""
    elongation: float = 1.15
    """Long axis over short axis of a round nucleus."""
    indentation: float = 0.0
    """Depth of the notch of an indented or cup-like nucleus, as a share of its diameter."""
    excentricity: float = 0.1
    """How far the nucleus is pushed to the side: 0 middle, 1 touching the membrane."""
    irregularity: float = 0.15
    """Standard deviation of the outline's wobble, micrometres."""
    clump_scale: float = 0.7
    """Width of chromatin clumps, micrometres."""
    clumping: float = 0.5
    """0 fine, open chromatin to 1 coarse and condensed."""
    density: float = 1.0
    """Strength of the nuclear stain, relative."""
    creases: float = 0.0
    """Strength of folds across the nucleus, 0 to 1."""
    n_nucleoli: int = 0
    """Visible nucleoli."""


@dataclass(frozen=True)
class Cytoplasm:
    """The cytoplasm and what lies in it besides granules."""

    basophilia: float = 0.4
    """Strength of the blue, RNA-rich stain: 0.15 pale to 1.3 deep blue."""
    acidophilia: float = 0.2
    """Strength of the pink stain."""
    greyness: float = 0.0
    """Haemoglobin of a ripening erythroblast, 0 to 1."""
    rim: float = 0.2
    """Extra blue along the membrane."""
    mottling: float = 0.15
    """Strength of clouds in the cytoplasm."""
    hof: float = 0.0
    """Paleness of the Golgi area beside the nucleus, 0 to 1."""
    n_vacuoles: int = 0
    """Clear vacuoles."""
    vacuole_radius: float = 0.5
    """Mean radius, micrometres."""
    n_auer_rods: int = 0
    """Single Auer rods."""
    faggots: bool = False
    """A bundle of Auer rods."""


@dataclass(frozen=True)
class Granules:
    """Granules of one kind."""

    kind: GranuleKind
    count: int
    """Granules in the cell; fewer are rendered where there is no room."""
    radius: float
    """Mean radius, micrometres."""
    strength: float = 1.0
    """Strength of their stain, relative."""
    over_nucleus: float = 0.0
    """How densely they cover the nucleus, relative to the cytoplasm."""


@dataclass(frozen=True)
class Surroundings:
    """Red cells, platelets and other white cells in the same picture."""

    red_cell_cover: float = 0.35
    """Share of the free background that red cells try to cover."""
    pallor: float = 0.6
    """Central pallor of red cells: 0 none (thick or spherocytic) to 1 pale rings."""
    crenation: float = 0.0
    """Spikiness of red cells, 0 to 1."""
    n_platelets: int = 1
    """Platelets that are laid beside the cell."""
    arrangement: Arrangement = "single"
    """`doublet`: a second white cell touches this one; `rosette`: red cells sit around it."""


@dataclass(frozen=True)
class CellParameters:
    """One cell: all that `render_cell` needs besides a style and a seed. Raises ConfigError for an impossible one."""

    cell_type: str
    diameter: float
    """Diameter of the cell on the smear, micrometres."""
    elongation: float = 1.08
    """Long axis over short axis of the cell."""
    irregularity: float = 0.2
    """Standard deviation of the membrane's wobble, micrometres."""
    ruffles: float = 0.0
    """Length of hairy projections, micrometres."""
    nucleus: Nucleus = field(default_factory=Nucleus)
    cytoplasm: Cytoplasm = field(default_factory=Cytoplasm)
    granules: tuple[Granules, ...] = ()
    surroundings: Surroundings = field(default_factory=Surroundings)

    def __post_init__(self) -> None:
        if not 1.0 <= self.diameter <= 26.0:
            raise ConfigError(f"A cell of {self.diameter} um cannot be rendered: choose a diameter from 1 to 26 um.")
        if not 0.0 <= self.nucleus.share <= 0.97:
            raise ConfigError(f"A nucleus of {self.nucleus.share} of the cell cannot be rendered: choose 0 to 0.97.")
        if self.elongation < 1 or self.nucleus.elongation < 1:
            raise ConfigError(f"Elongations start at 1, got {self.elongation} and {self.nucleus.elongation}.")

    def granule_count(self, kind: GranuleKind) -> int:
        """Return how many granules of a kind are asked for."""
        return sum(group.count for group in self.granules if group.kind == kind)


def flat(parameters: CellParameters) -> dict[str, str | int | float | bool]:
    """Return the parameters as one flat row, parts joined by `_`, one count per granule kind."""
    row: dict[str, str | int | float | bool] = {}
    for part in ("nucleus", "cytoplasm", "surroundings"):
        section = getattr(parameters, part)
        row |= {f"{part}_{entry.name}": getattr(section, entry.name) for entry in fields(section)}
    for name in ("cell_type", "diameter", "elongation", "irregularity", "ruffles"):
        row[name] = getattr(parameters, name)
    for kind in GRANULE_KINDS:
        row[f"n_{kind}_granules"] = parameters.granule_count(kind)
    return row
