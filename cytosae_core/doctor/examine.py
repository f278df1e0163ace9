"""The whole examination."""

from pathlib import Path

from cytosae_core.doctor.finding import Finding, State
from cytosae_core.doctor.machine import check_machine
from cytosae_core.doctor.packages import check_packages


def examine_all(root: Path, database: str, atlas: str = "", *, is_quick: bool = False) -> list[Finding]:
    """Every finding about this installation; what needs packages that are missing is left out, and says so."""
    findings = [*check_machine(root), *check_packages(root)]
    try:
        from cytosae_core.doctor.studies import check_studies
    except ImportError as error:
        remedy = "install the app packages first, then run this again"
        return [*findings, Finding("database", State.NOTE, f"not looked at: {error}", remedy)]
    return [*findings, *check_studies(root, database, atlas, is_quick=is_quick)]
