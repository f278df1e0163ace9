"""Installed packages against the pinned ones."""

from __future__ import annotations  # an older Python must get far enough to be told that it is too old

import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from cytosae_core.doctor.finding import Finding, State

_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s#;]+)", re.MULTILINE)
_START = "bash scripts/start.sh installs what is pinned"
KINDS = (
    ("app packages", "requirements-app.txt", State.FAULT, _START + " (with --labelling-only: only these)"),
    (
        "torch packages",
        "requirements.txt",
        State.NOTE,
        f"to train and to build atlases: {_START}; to label, none needed",
    ),
    ("test packages", "tests/requirements.txt", State.NOTE, "for tests and screenshots only: bash scripts/test.sh"),
)
"""What is looked at: name, file of pins, how bad it is when one is missing, remedy."""


def pins_of(file: Path) -> dict[str, str]:
    """Package -> pinned version, of the lines of one requirement file (not of those it includes)."""
    return dict(_PIN.findall(file.read_text(encoding="utf-8")))


def check_packages(root: Path) -> list[Finding]:
    """One finding a requirement file below `root`."""
    return [_compare(name, pins_of(root / file), worst, remedy) for name, file, worst, remedy in KINDS]


def _compare(name: str, pins: dict[str, str], if_missing: State, remedy: str) -> Finding:
    installed = {package: _installed(package) for package in pins}
    missing = [package for package, found in installed.items() if found is None]
    others = [
        f"{package} {found} instead of {pins[package]}"
        for package, found in installed.items()
        if found is not None and found.partition("+")[0] != pins[package]  # a build for one GPU says so after a +
    ]
    if missing:
        return Finding(name, if_missing, f"missing: {', '.join(missing)}", remedy)
    if others:
        return Finding(name, State.NOTE, f"other versions than were tested: {', '.join(others)}", remedy)
    return Finding(name, State.OK, f"all {len(pins)} as pinned")


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
