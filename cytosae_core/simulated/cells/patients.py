"""Patients of the five groups of the AML Hehr cohort: which cells they have, and how people differ.

The mixtures are what textbooks describe, not estimates from data: WHO classification of haematolymphoid tumours,
5th edition (Khoury et al., Leukemia 2022), the International Consensus Classification (Arber et al., Blood 2022) and
the ELN recommendations (Doehner et al., Blood 2022). In short:

- CBFB::MYH11 (inv(16), t(16;16)): myelomonocytic blasts and monocytes, and eosinophils of all stages whose granules
  are too large and partly purple-black (Le Beau et al., NEJM 1983; Marlton et al., Br J Haematol 1995). The abnormal
  eosinophils are rarer in blood than in marrow; their share here is generous so that the group has a visible concept.
- NPM1: blasts with a cup-like (fish-mouth) nuclear invagination in many patients (Chen et al., Haematologica 2009;
  Park et al., Leukemia 2013), often with a monocytic share.
- PML::RARA (t(15;17)): abnormal promyelocytes, hypergranular with bundles of Auer rods (faggot cells) or bilobed, in
  place of blasts (Bennett et al., Ann Intern Med 1985).
- RUNX1::RUNX1T1 (t(8;21)): large blasts with a perinuclear hof and single, thin Auer rods, with maturing neutrophils
  and some eosinophils (Nucifora and Rowley, Blood 1995).
- control: healthy stem cell donors, with the usual differential count of adults.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from cytosae_core.errors import ConfigError
from cytosae_core.simulated.cells.noise import derive_seed, stream
from cytosae_core.simulated.cells.parameters import CellParameters
from cytosae_core.simulated.cells.types import sample_parameters

MIXTURES: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "CBFB_MYH11": MappingProxyType(
            {
                "myeloblast": 0.27, "monoblast": 0.16, "monocyte": 0.20, "eosinophil_abnormal": 0.08,
                "eosinophil": 0.02, "promyelocyte": 0.03, "myelocyte": 0.03, "neutrophil_band": 0.02,
                "neutrophil_segmented": 0.09, "lymphocyte": 0.09, "smudge_cell": 0.01,
            }
        ),
        "NPM1": MappingProxyType(
            {
                "myeloblast_cup_like": 0.24, "myeloblast": 0.29, "monoblast": 0.12, "monocyte": 0.08,
                "promyelocyte": 0.02, "myelocyte": 0.01, "neutrophil_band": 0.01, "neutrophil_segmented": 0.09,
                "lymphocyte": 0.11, "normoblast": 0.01, "smudge_cell": 0.02,
            }
        ),
        "PML_RARA": MappingProxyType(
            {
                "promyelocyte_atypical": 0.58, "faggot_cell": 0.09, "promyelocyte": 0.06, "myeloblast": 0.04,
                "myelocyte": 0.01, "neutrophil_segmented": 0.07, "lymphocyte": 0.12, "monocyte": 0.01,
                "normoblast": 0.01, "smudge_cell": 0.01,
            }
        ),
        "RUNX1_RUNX1T1": MappingProxyType(
            {
                "myeloblast_auer_rod": 0.22, "myeloblast": 0.30, "promyelocyte": 0.05, "myelocyte": 0.05,
                "metamyelocyte": 0.03, "neutrophil_band": 0.04, "neutrophil_segmented": 0.11, "eosinophil": 0.04,
                "lymphocyte": 0.12, "monocyte": 0.02, "normoblast": 0.02,
            }
        ),
        "control": MappingProxyType(
            {
                "neutrophil_segmented": 0.56, "neutrophil_band": 0.03, "lymphocyte": 0.25,
                "lymphocyte_large_granular": 0.03, "lymphocyte_reactive": 0.01, "monocyte": 0.075,
                "eosinophil": 0.03, "basophil": 0.01, "smudge_cell": 0.005,
            }
        ),
    }
)  # fmt: skip
"""Group, as in `bag_label` -> cell type -> expected share; shares sum to 1."""

CONCENTRATION = 60.0
"""Sum of the Dirichlet parameters: a share p varies between patients with variance p (1 - p) / 61."""


@dataclass(frozen=True)
class Patient:
    """One simulated person; factors are relative to the average person."""

    patient_id: str
    group: str
    """Key of `MIXTURES`."""
    seed: int
    shares: Mapping[str, float]
    """Cell type -> share among this person's cells."""
    age: int
    """Years."""
    sex: int
    """1 female, 2 male, as in the published table."""
    size: float
    nucleus: float
    basophilia: float
    granularity: float
    red_cell_cover: float
    """Low where there is anaemia."""
    pallor: float
    n_platelets: float
    """Mean number beside a cell."""


def make_patient(group: str, index: int, seed: int) -> Patient:
    """Return the `index`-th patient of a group; raises ConfigError for a group that is not in `MIXTURES`."""
    if group not in MIXTURES:
        raise ConfigError(f"There is no group {group!r}: choose one of {', '.join(MIXTURES)}.")
    own_seed = derive_seed("patient", seed, group, index)
    rng = stream(own_seed, "person")
    mixture = MIXTURES[group]
    shares = rng.dirichlet(CONCENTRATION * np.array(list(mixture.values())))
    is_ill = group != "control"
    return Patient(
        patient_id=f"SIMULATED_{group}_{index:03d}",
        group=group,
        seed=own_seed,
        shares=MappingProxyType(dict(zip(mixture, shares.tolist(), strict=True))),
        age=int(np.clip(rng.normal(52 if is_ill else 35, 15), 18, 90)),
        sex=int(rng.integers(1, 3)),
        size=_factor(rng, 0.04),
        nucleus=_factor(rng, 0.04),
        basophilia=_factor(rng, 0.14),
        granularity=_factor(rng, 0.18),
        red_cell_cover=(0.6 if is_ill else 1.0) * _factor(rng, 0.2),
        pallor=_factor(rng, 0.2),
        n_platelets=(0.35 if is_ill else 1.3) * _factor(rng, 0.5),
    )


def sample_patient_cell(patient: Patient, index: int) -> tuple[CellParameters, int]:
    """Return the parameters and the seed of the patient's `index`-th cell, whatever was rendered before."""
    seed = derive_seed("cell", patient.seed, index)
    rng = stream(seed, "parameters")
    types = list(patient.shares)
    cell_type = types[int(rng.choice(len(types), p=np.array([patient.shares[name] for name in types])))]
    return personal(sample_parameters(cell_type, rng), patient, rng), seed


def personal(parameters: CellParameters, patient: Patient, rng: np.random.Generator) -> CellParameters:
    """Return the parameters as this person's body and blood change them."""
    around = parameters.surroundings
    return replace(
        parameters,
        diameter=min(parameters.diameter * patient.size, 24.0),
        nucleus=replace(parameters.nucleus, share=min(parameters.nucleus.share * patient.nucleus, 0.92)),
        cytoplasm=replace(parameters.cytoplasm, basophilia=parameters.cytoplasm.basophilia * patient.basophilia),
        granules=tuple(
            replace(granules, count=round(granules.count * patient.granularity)) for granules in parameters.granules
        ),
        surroundings=replace(
            around,
            red_cell_cover=min(around.red_cell_cover * patient.red_cell_cover, 0.9),
            pallor=min(around.pallor * patient.pallor, 1.0),
            n_platelets=int(rng.poisson(patient.n_platelets)),
        ),
    )


def _factor(rng: np.random.Generator, spread: float) -> float:
    return float(np.exp(rng.normal(0, spread)))
