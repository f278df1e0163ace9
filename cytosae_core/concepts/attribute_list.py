"""Parts and attributes of rendered cells that a latent may answer to: fixed before anything is scored.

The list was committed before any SAE was scored on it, and every score quotes its digest. An attribute counts towards
"how many are found" only where its prevalence among the scored images lies in `PREVALENCE`; the others are scored and
shown all the same. Shares below were measured on 432 SIMULATED cells in the style of MLL23 (24 of each of 18 types,
seed 11) and on 800 of the SIMULATED cohort (seed 11).
"""

from dataclasses import asdict, dataclass
from typing import Literal

from cytosae_core.artifacts.manifest import digest_of

Region = Literal["inside", "cell", "outside"]
Comparison = Literal[">", "<", "in"]

PREVALENCE = (0.05, 0.50)
"""Lowest and highest share of images that have the attribute, for it to count."""


@dataclass(frozen=True)
class Condition:
    """One comparison with a column of the rendered cells' attributes, or with a mask."""

    column: str
    """Column of `attributes.parquet`, or `share_<part>` (of the picture) or `patch_<part>` (of its best patch)."""
    comparison: Comparison
    value: float | tuple[str, ...]


@dataclass(frozen=True)
class CellAttribute:
    """One part or attribute of a rendered cell."""

    name: str
    region: Region
    """`inside` the cell, the `cell` as a whole, or `outside` of it."""
    conditions: tuple[Condition, ...]
    """All of them must hold."""
    mask: str
    """Part of the picture on which maps of the attribute should fall."""


def _has(part: str) -> tuple[Condition, ...]:
    return (Condition(f"share_{part}", ">", 0.0),)


_NOTCHED = Condition("nucleus_shape", "in", ("indented", "cup"))
_WHOLE = Condition("nucleus_shape", "in", ("round", "indented", "cup", "band", "bilobed", "multilobed"))

CELL_ATTRIBUTES: tuple[CellAttribute, ...] = (
    CellAttribute("eosinophilic_granules", "inside", _has("eosinophilic_granules"), "eosinophilic_granules"),
    CellAttribute("basophilic_granules", "inside", _has("basophilic_granules"), "basophilic_granules"),
    CellAttribute("azurophilic_granules", "inside", (Condition("patch_azurophilic_granules", ">", 0.1),),
                  "azurophilic_granules"),
    CellAttribute("neutrophilic_granules", "inside", _has("neutrophilic_granules"), "neutrophilic_granules"),
    CellAttribute("vacuoles", "inside", _has("vacuoles"), "vacuoles"),
    CellAttribute("nucleoli", "inside", _has("nucleoli"), "nucleoli"),
    CellAttribute("auer_rods", "inside", _has("auer_rods"), "auer_rods"),
    CellAttribute("segmented_nucleus", "inside", (Condition("nucleus_shape", "in", ("bilobed", "multilobed")),),
                  "nucleus"),
    CellAttribute("notched_nucleus", "inside", (_NOTCHED, Condition("nucleus_indentation", ">", 0.2)), "nucleus"),
    CellAttribute("smudged_nucleus", "inside", (Condition("nucleus_shape", "in", ("smudged",)),), "nucleus"),
    CellAttribute("fine_chromatin", "inside", (_WHOLE, Condition("nucleus_clumping", "<", 0.3)), "nucleus"),
    CellAttribute("deep_blue_cytoplasm", "inside", (_WHOLE, Condition("cytoplasm_basophilia", ">", 0.6)), "cytoplasm"),
    CellAttribute("golgi_area", "inside", (Condition("cytoplasm_hof", ">", 0.4),), "cytoplasm"),
    CellAttribute("hairy_membrane", "inside", (Condition("ruffles", ">", 0.5),), "cytoplasm"),
    CellAttribute("large_nucleus_share", "cell", (_WHOLE, Condition("measured_nucleus_share", ">", 0.65)), "nucleus"),
    CellAttribute("small_cell", "cell", (Condition("cell_area_um2", "<", 100.0),), "cell"),
    CellAttribute("several_platelets", "outside", (Condition("n_platelets", ">", 1.5),), "platelets"),
    CellAttribute("crowded_red_cells", "outside", (Condition("red_cell_share", ">", 0.35),), "red_cells"),
)  # fmt: skip
"""Share in percent, MLL23 style / cohort: eosinophilic granules 5.6 / 4.8, basophilic 5.6 / 2.6, azurophilic 19 / 24,
neutrophilic 22 / 23, vacuoles 6.5 / 5.0, nucleoli 16 / 34, Auer rods 3.2 / 15, segmented 16 / 24, notched 17 / 16,
smudged 5.6 / 0.8, fine chromatin 17 / 49, deep blue 25 / 48, Golgi area 11 / 9, hairy 5.6 / 0, large nucleus 16 / 32,
small cell 11 / 14, several platelets 25 / 14, crowded red cells 21 / 7."""


_RECORDED_AS = {"region": "place"}
"""Words of version 1, which the digest keeps."""


def list_digest(attributes: tuple[CellAttribute, ...] = CELL_ATTRIBUTES) -> str:
    """First 16 hex digits of the sha256 of the list and its rule on prevalence."""
    items = [{_RECORDED_AS.get(name, name): value for name, value in asdict(one).items()} for one in attributes]
    return digest_of({"prevalence": PREVALENCE, "items": items}, is_spaced=True)[:16]
