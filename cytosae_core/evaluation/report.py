"""The report of a study: what GRRAS (Kottner et al., J Clin Epidemiol 64, 96, 2011) asks for, from the tables."""

from collections.abc import Callable, Mapping

import pandas as pd

from cytosae_core.artifacts.tables import RESEARCH_USE_ONLY
from cytosae_core.evaluation import report_design, report_reading, report_results
from cytosae_core.study.protocol import Study

Tables = Mapping[str, pd.DataFrame]
Section = Callable[[Study, Tables], str]

SECTIONS: tuple[tuple[str, Section], ...] = (
    ("Study", report_design.study),
    ("Raters", report_design.raters),
    ("How items were sampled", report_design.sampling),
    ("What raters saw", report_design.presentation),
    ("Missing answers", report_design.missing),
    ("Meaningful latents", report_results.meaningful),
    ("Disease-specific latents", report_results.disease),
    ("Agreement between raters", report_results.agreement),
    ("Hidden controls", report_results.controls),
    ("How to read the numbers", report_reading.how_to_read),
)

SIMULATED_NOTICE = (
    "**SIMULATED.** The pictures of this study were rendered by a program. Nothing in this report is about real cells, "
    "patients or diseases."
)


def report(study: Study, tables: Tables) -> str:
    """The report as Markdown.

    `tables` holds the exported tables by name: raters, strata, judgements_latest, shares, disease, agreement, controls.
    """
    title = f"# {'SIMULATED: ' if study.simulated else ''}{study.title}: report of expert judgements"
    notices = [f"**{RESEARCH_USE_ONLY}**", *([SIMULATED_NOTICE] if study.simulated else [])]
    sections = [f"## {heading}\n\n{section(study, tables)}" for heading, section in SECTIONS]
    return "\n\n".join([title, *notices, *sections]) + "\n"
