"""The published data sets: where they are, what they may be used for, and what must lie on disk after unpacking.

Numbers are those of the publications unless a note says otherwise; what no source gives is left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import pandas as pd

from cytosae_core.errors import ConfigError
from cytosae_core.images.sources import SOURCES
from cytosae_core.images.table import ImageTable


@dataclass(frozen=True)
class DatasetFacts:
    """What is published about one data set."""

    name: str
    """Data set key, as in `SOURCES`."""
    title: str
    """What it shows."""
    citation: str
    """Authors, title, year."""
    licence: str
    """Licence as published."""
    url: str
    """Page to get it from."""
    n_images: int
    """Files that the published CytoSAE tables were made from."""
    n_per_label: Mapping[str, int]
    """Images per class; empty where the cells have no labels."""
    n_patients: Mapping[str, int]
    """Patients per group; empty where patients are not told."""
    note: str = ""
    """What to know when counting."""


FACTS: Mapping[str, DatasetFacts] = MappingProxyType(
    {
        facts.name: facts
        for facts in (
            DatasetFacts(
                "mll23",
                "peripheral blood, 18 classes, 288 x 288 px TIFF",
                "S. Shetab Boushehri et al.: A large expert-annotated single-cell peripheral blood dataset for "
                "hematological disease diagnostics. Scientific Data 12, 1773 (2025), doi 10.1038/s41597-025-06223-x",
                "CC BY 4.0",
                "https://doi.org/10.5281/zenodo.14277609",
                41_621,
                {
                    "basophil": 616, "eosinophil": 2_448, "hairy_cell": 3_265, "lymphocyte": 5_532,
                    "lymphocyte_large_granular": 1_849, "lymphocyte_neoplastic": 180, "lymphocyte_reactive": 33,
                    "metamyelocyte": 483, "monocyte": 2_510, "myeloblast": 8_606, "myelocyte": 747,
                    "neutrophil_band": 687, "neutrophil_segmented": 7_170, "normoblast": 2_071, "plasma_cell": 1_658,
                    "promyelocyte": 745, "promyelocyte_atypical": 2_033, "smudge_cell": 988,
                },
                {},
                "The paper says 41,906; the release holds 41,621 files. Counts per class as found by its users.",
            ),
            DatasetFacts(
                "acevedo",
                "peripheral blood of healthy donors, 8 folders refined to 13 classes, JPEG of about 360 x 363 px",
                "A. Acevedo, A. Merino, S. Alferez, A. Molina, L. Boldu, J. Rodellar: A dataset of microscopic "
                "peripheral blood cell images for development of automatic recognition systems. Data in Brief 30, "
                "105474 (2020)",
                "CC BY 4.0",
                "https://data.mendeley.com/datasets/snkd93bnjr/1",
                17_092,
                {
                    "basophil": 1_218, "eosinophil": 3_117, "erythroblast": 1_551, "ig": 151, "lymphocyte": 1_214,
                    "metamyelocyte": 1_015, "monocyte": 1_420, "myelocyte": 1_137, "neutrophil": 50,
                    "neutrophil_band": 1_633, "neutrophil_segmented": 1_646, "platelet": 2_348, "promyelocyte": 592,
                },
                {},
                "Patients are not told: any split by image may share donors. neutrophil/.DS_169665.jpg is no image.",
            ),
            DatasetFacts(
                "matek",
                "peripheral blood of AML patients and controls, 15 classes, 400 x 400 px TIFF",
                "C. Matek, S. Schwarz, C. Marr, K. Spiekermann: A single-cell morphological dataset of leukocytes from "
                "AML patients and non-malignant controls (AML-Cytomorphology_LMU). The Cancer Imaging Archive (2019)",
                "CC BY 3.0",
                "https://doi.org/10.7937/tcia.2019.36f5o9ld",
                18_365,
                {
                    "BAS": 79, "EBO": 78, "EOS": 424, "KSC": 15, "LYA": 11, "LYT": 3_937, "MMZ": 15, "MOB": 26,
                    "MON": 1_789, "MYB": 42, "MYO": 3_268, "NGB": 109, "NGS": 8_484, "PMB": 18, "PMO": 70,
                },
                {},
                "Counts per class: C. Matek et al., Nature Machine Intelligence 1, 538 (2019).",
            ),
            DatasetFacts(
                "bmc",
                "bone marrow, 21 classes, 250 x 250 px JPEG",
                "C. Matek, S. Krappe, C. Muenzenmayer, T. Haferlach, C. Marr: An expert-annotated dataset of bone "
                "marrow cytology in hematologic malignancies. The Cancer Imaging Archive (2021)",
                "CC BY 4.0",
                "https://doi.org/10.7937/TCIA.AXH3-T579",
                171_373,
                {
                    "ABE": 8, "ART": 19_630, "BAS": 441, "BLA": 11_973, "EBO": 27_395, "EOS": 5_883, "FGC": 47,
                    "HAC": 409, "KSC": 42, "LYI": 65, "LYT": 26_242, "MMZ": 3_055, "MON": 4_040, "MYB": 6_557,
                    "NGB": 9_968, "NGS": 29_424, "NIF": 3_538, "OTH": 294, "PEB": 2_740, "PLM": 7_629, "PMO": 11_994,
                },
                {},
                "Counts per class: C. Matek et al., Blood 138, 1917 (2021); they add up to 171,374, one more than the "
                "published CytoSAE tables. MYB_05527.jpg is called broken.",
            ),
            DatasetFacts(
                "hehr",
                "peripheral blood of 189 patients in 5 groups, TIFF, no cell labels",
                "M. Hehr, A. Sadafi, C. Matek, P. Lienemann, C. Pohlkamp, T. Haferlach, K. Spiekermann, C. Marr: A "
                "morphological dataset of white blood cells from patients with four different genetic AML entities and "
                "non-malignant controls (AML-Cytomorphology_MLL_Helmholtz). The Cancer Imaging Archive (2023)",
                "see the page (Data Usage Policy of The Cancer Imaging Archive)",
                "https://doi.org/10.7937/6ppe-4020",
                81_214,
                {},
                {"CBFB::MYH11": 37, "NPM1": 36, "PML::RARA": 24, "RUNX1::RUNX1T1": 32, "control": 60},
                "Keep metadata.csv beside data/: the published quality rule reads it.",
            ),
        )
    }
)  # fmt: skip
"""Facts by data set key."""


def facts_of(dataset: str) -> DatasetFacts:
    """Facts of a published data set; ConfigError names the known ones otherwise."""
    if dataset not in FACTS:
        raise ConfigError(f"nothing is published about data set '{dataset}'; known are {', '.join(FACTS)}")
    return FACTS[dataset]


def where_to_get(dataset: str) -> str:
    """Lines for people: what the data set is, its page, licence, citation, and how it must lie on disk."""
    facts, source = facts_of(dataset), SOURCES[dataset]
    layout = source.layout if source.top is None else f"{source.top}/{source.layout}"
    lines = [
        f"{dataset}: {facts.title}",
        f"  get it from  {facts.url}",
        f"  licence      {facts.licence}",
        f"  cite         {facts.citation}",
        f"  layout       {layout}",
        f"  images       {facts.n_images:,}",
    ]
    return "\n".join([*lines, f"  note         {facts.note}"] if facts.note else lines)


def compare_counts(table: ImageTable, dataset: str) -> pd.DataFrame:
    """What is there against what is published, one row per count, for any data set name.

    Columns: `what` ("all images", "images of a class", "patients of a group"), `name`, `n_found`, `n_expected`
    (missing where nothing is published) and `difference` (found - expected).
    """
    facts = FACTS.get(dataset)
    frame = table.frame
    expected_all = {} if facts is None else {dataset: facts.n_images}
    patients = frame[["patient", "diagnosis"]].drop_duplicates()["diagnosis"].value_counts()
    parts = [
        _against("all images", pd.Series({dataset: table.n_images}), expected_all),
        _against("images of a class", frame["label"].value_counts(), facts.n_per_label if facts else {}),
        _against("patients of a group", patients, facts.n_patients if facts else {}),
    ]
    return pd.concat([part for part in parts if len(part)], ignore_index=True)


def _against(what: str, found: pd.Series, expected: Mapping[str, int]) -> pd.DataFrame:
    names = sorted({*found.index, *expected})
    n_found = pd.Series([int(found.get(name, 0)) for name in names], dtype="Int64")
    n_expected = pd.Series([expected.get(name) for name in names], dtype="Int64")
    return pd.DataFrame(
        {
            "what": what,
            "name": names,
            "n_found": n_found,
            "n_expected": n_expected,
            "difference": n_found - n_expected,
        }
    )
