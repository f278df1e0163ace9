"""One thing that was looked at."""

from dataclasses import dataclass
from enum import Enum


class State(Enum):
    """How it stands."""

    OK = "ok"
    NOTE = "note"
    """Works, or is needed for a part of the workbench only."""
    FAULT = "FAULT"
    """Something will not work until it is mended."""


@dataclass(frozen=True)
class Finding:
    """What was looked at, what was found, and how to mend it."""

    name: str
    state: State
    found: str
    remedy: str = ""
    """What to do; empty where there is nothing to do."""


def lines_of(findings: list[Finding]) -> list[str]:
    """The findings as lines for people, with the remedy below what needs one."""
    lines = []
    for one in findings:
        lines.append(f"{one.state.value:6}{one.name:16}{one.found}")
        if one.remedy:
            lines.append(f"{'':22}-> {one.remedy}")
    return lines


def is_well(findings: list[Finding]) -> bool:
    """Whether nothing is at fault."""
    return all(one.state is not State.FAULT for one in findings)
