"""Words for what a latent may show.

Seeded from the ICSH recommendations for the standardisation of nomenclature and grading of peripheral blood
cell morphological features (Palmer et al., Int J Lab Hematol 37, 287, 2015) and from terms of the ELN
recommendations for acute myeloid leukaemia. A study stores the list that its raters saw, so the list may
grow without touching old studies. Free text is kept beside it, as typed.
"""

from cytosae_core.study.protocol import Option

TERMS: tuple[Option, ...] = (
    Option("cell_type", "Cell type"),
    Option("cell_size", "Cell size"),
    Option("nucleus_shape", "Nucleus shape"),
    Option("chromatin", "Chromatin"),
    Option("nucleoli", "Nucleoli"),
    Option("cytoplasm", "Cytoplasm"),
    Option("granules", "Granules"),
    Option("vacuoles", "Vacuoles"),
    Option("auer_rods", "Auer rods"),
    Option("inclusions", "Inclusions"),
    Option("red_cells", "Red cells around"),
    Option("platelets", "Platelets"),
    Option("several_cells", "Several cells"),
    Option("damaged_cell", "Damaged cell"),
    Option("staining", "Staining"),
)
"""What a concept is about; a rater may choose several."""
