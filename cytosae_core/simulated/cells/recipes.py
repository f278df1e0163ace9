"""Cell types as ranges of parameters, after the usual descriptions of Pappenheim-stained smears.

Sizes and features follow the WHO classification of haematolymphoid tumours (5th edition), the ICSH recommendations on
peripheral blood cell morphology (Palmer et al., Int J Lab Hematol 2015) and Bain's Blood Cells. The ranges describe
cells that a reader would name without hesitation; they are no reference intervals.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from cytosae_core.simulated.cells.parameters import GranuleKind, NucleusShape

Span = tuple[float, float]
"""Lowest and highest value."""


@dataclass(frozen=True)
class GranuleRecipe:
    """Granules of one kind."""

    kind: GranuleKind
    count: tuple[int, int]
    radius: Span
    strength: Span = (0.85, 1.1)
    over_nucleus: float = 0.0


@dataclass(frozen=True)
class CellRecipe:
    """One cell type."""

    diameter: Span
    """Micrometres on the smear."""
    shapes: tuple[NucleusShape, ...]
    """Shapes of the nucleus, equally likely; name one twice to make it twice as likely."""
    nucleus: Mapping[str, Span]
    """Fields of `Nucleus`."""
    cytoplasm: Mapping[str, Span]
    """Fields of `Cytoplasm`."""
    granules: tuple[GranuleRecipe, ...] = ()
    irregularity: Span = (0.12, 0.36)
    """Micrometres."""
    ruffles: Span = (0.0, 0.0)
    """Micrometres."""
    faggots: float = 0.0
    """Chance of a bundle of Auer rods."""
    vacuolated: float = 0.0
    """Chance that the vacuoles are there at all."""


def _spans(**spans: Span) -> dict[str, Span]:
    return spans


def _neutrophilic(count: tuple[int, int], strength: Span = (0.3, 0.65)) -> GranuleRecipe:
    return GranuleRecipe("neutrophilic", count, (0.07, 0.11), strength)


def _azurophilic(count: tuple[int, int], radius: Span = (0.13, 0.19), strength: Span = (0.8, 1.1)) -> GranuleRecipe:
    return GranuleRecipe("azurophilic", count, radius, strength, over_nucleus=0.25)


_BLAST_NUCLEUS = _spans(
    share=(0.68, 0.82), elongation=(1.03, 1.25), clump_scale=(0.40, 0.55), clumping=(0.05, 0.22), density=(0.80, 1.0),
    n_nucleoli=(1, 3), irregularity=(0.10, 0.24), excentricity=(0.1, 0.7),
)  # fmt: skip
_BLAST_CYTOPLASM = _spans(
    basophilia=(0.55, 0.95), acidophilia=(0.05, 0.2), rim=(0.1, 0.3), mottling=(0.12, 0.25), hof=(0.0, 0.3)
)
_RIPE_NUCLEUS = _spans(
    share=(0.34, 0.44), clump_scale=(0.55, 0.85), clumping=(0.75, 1.0), density=(0.95, 1.1), irregularity=(0.10, 0.2),
    excentricity=(0.0, 0.3),
)  # fmt: skip
_RIPE_CYTOPLASM = _spans(basophilia=(0.08, 0.2), acidophilia=(0.32, 0.6), rim=(0.0, 0.06), mottling=(0.2, 0.4))

RECIPES: Mapping[str, CellRecipe] = MappingProxyType(
    {
        "basophil": CellRecipe(
            (11.0, 14.5),
            ("bilobed", "bilobed", "indented"),
            _RIPE_NUCLEUS | {"share": (0.42, 0.55), "density": (0.75, 0.95), "indentation": (0.2, 0.4)},
            _spans(basophilia=(0.15, 0.35), acidophilia=(0.5, 1.2), mottling=(0.3, 0.5)),
            (GranuleRecipe("basophilic", (160, 340), (0.17, 0.29), (0.75, 1.05), over_nucleus=0.8),),
        ),
        "eosinophil": CellRecipe(
            (12.5, 16.5),
            ("bilobed", "bilobed", "bilobed", "multilobed"),
            _RIPE_NUCLEUS | {"share": (0.32, 0.42), "n_lobes": (2, 2)},
            _spans(basophilia=(0.1, 0.25), acidophilia=(0.4, 1.0), mottling=(0.1, 0.3)),
            (GranuleRecipe("eosinophilic", (230, 420), (0.28, 0.37), (0.6, 0.95)),),
        ),
        "hairy_cell": CellRecipe(
            (13.0, 18.0),
            ("round", "indented"),
            _spans(share=(0.38, 0.52), elongation=(1.1, 1.4), indentation=(0.05, 0.25), clump_scale=(0.5, 0.7),
                   clumping=(0.25, 0.45), density=(0.85, 1.0), excentricity=(0.2, 0.8)),
            _spans(basophilia=(0.3, 0.5), acidophilia=(0.1, 0.25), rim=(0.0, 0.1), mottling=(0.3, 0.5)),
            irregularity=(0.25, 0.45),
            ruffles=(0.6, 1.2),
        ),
        "lymphocyte": CellRecipe(
            (8.5, 12.0),
            ("round", "round", "round", "cup"),
            _spans(share=(0.74, 0.90), elongation=(1.03, 1.22), indentation=(0.05, 0.14), clump_scale=(0.75, 1.1),
                   clumping=(0.65, 0.95), density=(1.0, 1.2), excentricity=(0.2, 0.9), irregularity=(0.08, 0.18)),
            _spans(basophilia=(0.55, 0.95), acidophilia=(0.1, 0.25), rim=(0.05, 0.25), mottling=(0.3, 0.5)),
        ),
        "lymphocyte_large_granular": CellRecipe(
            (12.0, 15.5),
            ("round", "round", "indented"),
            _spans(share=(0.40, 0.55), elongation=(1.05, 1.25), indentation=(0.05, 0.15), clump_scale=(0.7, 1.0),
                   clumping=(0.6, 0.85), density=(0.95, 1.15), excentricity=(0.4, 0.9)),
            _spans(basophilia=(0.22, 0.40), acidophilia=(0.05, 0.15), rim=(0.05, 0.2), mottling=(0.1, 0.25)),
            (_azurophilic((7, 22), (0.19, 0.30)),),
        ),
        "lymphocyte_neoplastic": CellRecipe(
            (9.5, 14.0),
            ("round", "cup", "round"),
            _spans(share=(0.74, 0.88), elongation=(1.05, 1.35), indentation=(0.10, 0.26), clump_scale=(0.6, 0.85),
                   clumping=(0.4, 0.7), density=(0.9, 1.1), n_nucleoli=(0, 1), excentricity=(0.1, 0.7),
                   irregularity=(0.2, 0.42)),
            _spans(basophilia=(0.45, 0.75), acidophilia=(0.05, 0.15), rim=(0.05, 0.2), mottling=(0.1, 0.3)),
        ),
        "lymphocyte_reactive": CellRecipe(
            (14.0, 19.5),
            ("round", "indented", "cup"),
            _spans(share=(0.34, 0.50), elongation=(1.1, 1.5), indentation=(0.08, 0.22), clump_scale=(0.6, 0.9),
                   clumping=(0.35, 0.65), density=(0.9, 1.05), n_nucleoli=(0, 1), excentricity=(0.3, 0.9),
                   irregularity=(0.2, 0.35)),
            _spans(basophilia=(0.35, 0.75), acidophilia=(0.05, 0.12), rim=(0.35, 0.75), mottling=(0.15, 0.35),
                   n_vacuoles=(1, 3), vacuole_radius=(0.35, 0.55)),
            irregularity=(0.4, 0.75),
            vacuolated=0.25,
        ),
        "metamyelocyte": CellRecipe(
            (13.0, 16.5),
            ("indented",),
            _spans(share=(0.42, 0.52), indentation=(0.15, 0.45), clump_scale=(0.6, 0.85), clumping=(0.6, 0.85),
                   density=(0.95, 1.1), excentricity=(0.2, 0.7)),
            _spans(basophilia=(0.14, 0.28), acidophilia=(0.30, 0.5), rim=(0.0, 0.1), mottling=(0.2, 0.4)),
            (_neutrophilic((200, 330)),),
        ),
        "monocyte": CellRecipe(
            (14.5, 19.0),
            ("indented", "indented", "cup"),
            _spans(share=(0.42, 0.56), elongation=(1.1, 1.4), indentation=(0.12, 0.48), clump_scale=(0.5, 0.75),
                   clumping=(0.2, 0.42), density=(0.8, 0.98), creases=(0.2, 0.8), excentricity=(0.1, 0.6),
                   irregularity=(0.25, 0.45)),
            _spans(basophilia=(0.42, 0.62), acidophilia=(0.15, 0.3), rim=(0.0, 0.1), mottling=(0.3, 0.5),
                   n_vacuoles=(1, 7), vacuole_radius=(0.35, 0.75)),
            (_azurophilic((30, 90), (0.08, 0.11), (0.35, 0.65)),),
            irregularity=(0.25, 0.6),
            ruffles=(0.1, 0.5),
            vacuolated=0.45,
        ),
        "myeloblast": CellRecipe((13.0, 17.5), ("round", "round", "cup"),
                             _BLAST_NUCLEUS | {"indentation": (0.02, 0.08)}, _BLAST_CYTOPLASM),
        "myelocyte": CellRecipe(
            (13.5, 17.5),
            ("round", "round", "cup"),
            _spans(share=(0.42, 0.56), elongation=(1.05, 1.35), indentation=(0.02, 0.07), clump_scale=(0.6, 0.85),
                   clumping=(0.5, 0.78), density=(0.92, 1.08), excentricity=(0.5, 1.0)),
            _spans(basophilia=(0.22, 0.42), acidophilia=(0.25, 0.45), rim=(0.0, 0.12), mottling=(0.2, 0.4),
                   hof=(0.0, 0.4)),
            (_neutrophilic((200, 320)), _azurophilic((10, 60), (0.11, 0.15), (0.6, 0.9))),
        ),
        "neutrophil_band": CellRecipe(
            (12.5, 15.5),
            ("band",),
            _RIPE_NUCLEUS | {"indentation": (0.6, 0.95), "share": (0.35, 0.44), "clumping": (0.7, 0.95)},
            _RIPE_CYTOPLASM,
            (_neutrophilic((220, 360)),),
        ),
        "neutrophil_segmented": CellRecipe(
            (12.0, 15.5),
            ("multilobed", "multilobed", "multilobed", "multilobed", "multilobed", "bilobed"),
            _RIPE_NUCLEUS | {"n_lobes": (3, 5), "share": (0.34, 0.43)},
            _RIPE_CYTOPLASM,
            (_neutrophilic((220, 360)),),
        ),
        "normoblast": CellRecipe(
            (8.5, 12.0),
            ("round",),
            _spans(share=(0.26, 0.50), elongation=(1.0, 1.12), clump_scale=(0.8, 1.1), clumping=(0.85, 1.0),
                   density=(1.15, 1.4), excentricity=(0.1, 0.9), irregularity=(0.04, 0.1)),
            _spans(basophilia=(0.10, 0.55), acidophilia=(0.0, 0.1), greyness=(0.5, 1.0), rim=(0.0, 0.1),
                   mottling=(0.05, 0.2)),
        ),
        "plasma_cell": CellRecipe(
            (13.0, 18.0),
            ("round",),
            _spans(share=(0.26, 0.38), elongation=(1.02, 1.2), clump_scale=(1.0, 1.35), clumping=(0.8, 1.0),
                   density=(1.0, 1.15), excentricity=(0.75, 1.0), irregularity=(0.06, 0.15)),
            _spans(basophilia=(0.95, 1.35), acidophilia=(0.1, 0.3), rim=(0.05, 0.2), mottling=(0.15, 0.35),
                   hof=(0.55, 0.85), n_vacuoles=(1, 5), vacuole_radius=(0.25, 0.4)),
            vacuolated=0.3,
        ),
        "promyelocyte": CellRecipe(
            (16.0, 20.5),
            ("round", "round", "cup"),
            _spans(share=(0.48, 0.62), elongation=(1.05, 1.3), indentation=(0.02, 0.08), clump_scale=(0.5, 0.7),
                   clumping=(0.15, 0.4), density=(0.85, 1.0), n_nucleoli=(1, 2), excentricity=(0.5, 1.0)),
            _spans(basophilia=(0.5, 0.85), acidophilia=(0.1, 0.25), rim=(0.05, 0.25), mottling=(0.15, 0.3),
                   hof=(0.45, 0.8)),
            (_azurophilic((160, 380), (0.11, 0.17), (0.65, 1.0)),),
        ),
        "promyelocyte_atypical": CellRecipe(
            (15.0, 20.5),
            ("bilobed", "indented", "cup"),
            _spans(share=(0.42, 0.58), elongation=(1.1, 1.4), indentation=(0.12, 0.32), n_lobes=(2, 2),
                   clump_scale=(0.45, 0.65), clumping=(0.1, 0.35), density=(0.85, 1.0), creases=(0.0, 0.6),
                   excentricity=(0.1, 0.6), irregularity=(0.2, 0.4)),
            _spans(basophilia=(0.3, 0.65), acidophilia=(0.25, 0.5), rim=(0.0, 0.2), mottling=(0.2, 0.4),
                   n_auer_rods=(0, 2)),
            (_azurophilic((200, 460), (0.10, 0.17), (0.65, 1.0)),),
            irregularity=(0.3, 0.6),
            faggots=0.15,
        ),
        "smudge_cell": CellRecipe(
            (13.0, 18.0), ("smudged",), _spans(elongation=(1.05, 1.7), density=(0.75, 1.0)), _spans()
        ),
        "platelet": CellRecipe((2.6, 4.6), ("none",), _spans(share=(0.0, 0.0)), _spans()),
        "monoblast": CellRecipe(
            (15.5, 20.0),
            ("round", "indented", "cup"),
            _BLAST_NUCLEUS | {"share": (0.52, 0.66), "indentation": (0.05, 0.15), "creases": (0.1, 0.5)},
            _spans(basophilia=(0.55, 0.9), acidophilia=(0.05, 0.15), rim=(0.1, 0.3), mottling=(0.25, 0.4),
                   n_vacuoles=(1, 6), vacuole_radius=(0.3, 0.5)),
            (_azurophilic((10, 50), (0.08, 0.11), (0.4, 0.7)),),
            irregularity=(0.25, 0.5),
            vacuolated=0.4,
        ),
        "faggot_cell": CellRecipe(
            (15.5, 20.0),
            ("bilobed", "indented", "cup"),
            _spans(share=(0.38, 0.52), elongation=(1.1, 1.4), indentation=(0.12, 0.3), n_lobes=(2, 2),
                   clump_scale=(0.45, 0.65), clumping=(0.15, 0.4), density=(0.85, 1.0), excentricity=(0.3, 0.8),
                   irregularity=(0.2, 0.4)),
            _spans(basophilia=(0.25, 0.5), acidophilia=(0.3, 0.5), rim=(0.0, 0.1), mottling=(0.2, 0.4),
                   n_auer_rods=(1, 4)),
            (_azurophilic((60, 220), (0.11, 0.17)),),
            irregularity=(0.3, 0.5),
            faggots=1.0,
        ),
        "myeloblast_cup_like": CellRecipe(
            (13.0, 17.0),
            ("cup",),
            _BLAST_NUCLEUS | {"indentation": (0.30, 0.48), "share": (0.66, 0.78), "n_nucleoli": (0, 2)},
            _BLAST_CYTOPLASM | {"basophilia": (0.4, 0.75)},
            (_azurophilic((0, 12), (0.12, 0.17)),),
        ),
        "myeloblast_auer_rod": CellRecipe(
            (14.0, 18.5),
            ("round", "indented", "cup"),
            _BLAST_NUCLEUS | {"share": (0.50, 0.66), "indentation": (0.05, 0.16), "excentricity": (0.5, 1.0)},
            _BLAST_CYTOPLASM | {"hof": (0.5, 0.85), "n_auer_rods": (1, 1), "rim": (0.15, 0.4)},
            (_azurophilic((8, 60), (0.12, 0.2)),),
        ),
        "eosinophil_abnormal": CellRecipe(
            (14.0, 18.0),
            ("round", "indented", "bilobed"),
            _spans(share=(0.36, 0.50), elongation=(1.05, 1.3), indentation=(0.1, 0.3), n_lobes=(2, 2),
                   clump_scale=(0.6, 0.85), clumping=(0.4, 0.7), density=(0.9, 1.05), excentricity=(0.4, 0.9)),
            _spans(basophilia=(0.25, 0.45), acidophilia=(0.2, 0.4), mottling=(0.2, 0.4)),
            (GranuleRecipe("eosinophilic", (110, 200), (0.30, 0.42), (0.75, 1.0)),
             GranuleRecipe("basophilic", (14, 50), (0.32, 0.55), (0.7, 0.95), over_nucleus=0.1)),
        ),
    }
)  # fmt: skip
"""CellRecipe of every cell type: the 18 classes of MLL23, then those that only other layouts or the AML groups need."""
