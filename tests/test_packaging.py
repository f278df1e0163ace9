"""What `pip install .` gives: every file of the package, every library that it imports, in ranges around the pins."""

import ast
import importlib.util
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from cytosae_core import __version__
from cytosae_core.doctor.packages import pins_of
from tests.test_architecture import tracked_files

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PINS = {
    name.lower(): version
    for file in ("requirements-app.txt", "requirements.txt", "tests/requirements.txt")
    for name, version in pins_of(ROOT / file).items()
}
DISTRIBUTIONS = {"PIL": "pillow", "argon2": "argon2-cffi", "sklearn": "scikit-learn"}
"""Where a package is imported by another name than it is installed by."""
OWN = {"app", "cytosae_core"}


def imported_by(folder: str) -> set[str]:
    """Names under which the packages are installed that the files of this folder import."""
    files = [ROOT / name for name in tracked_files() if name.startswith(f"{folder}/") and name.endswith(".py")]
    beside = {path.stem for path in files} if folder == "scripts" else set()
    found: set[str] = set()
    for path in files:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {name.name.partition(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.partition(".")[0])
    return {DISTRIBUTIONS.get(name, name) for name in found - beside - OWN - set(sys.stdlib_module_names)}


def ranges(requirements: list[str]) -> dict[str, Requirement]:
    return {requirement.name: requirement for requirement in map(Requirement, requirements)}


BASE = ranges(PROJECT["dependencies"])
EXTRAS = {extra: ranges(listed) for extra, listed in PROJECT["optional-dependencies"].items()}


def test_the_library_depends_on_exactly_what_it_imports():
    assert {"torch", "pillow", "scikit-learn"} <= set(BASE)
    assert set(BASE) == imported_by("cytosae_core")


@pytest.mark.parametrize("extra", ["app", "scripts"])
def test_what_a_checkout_imports_on_top_is_an_extra(extra):
    others = (
        {"playwright"} if extra == "app" else {"playwright", *EXTRAS["app"]}
    )  # what screenshots and benchmarks need
    assert set(EXTRAS[extra]) == imported_by(extra) - set(BASE) - others


@pytest.mark.parametrize("folder", ["app", "cytosae_core", "scripts"])
def test_every_library_that_is_imported_is_pinned(folder):
    assert imported_by(folder) - set(PINS) == set()


def test_every_range_has_a_lower_end_and_holds_the_version_that_is_tested():
    listed = {**BASE, **{name: one for extra in EXTRAS.values() for name, one in extra.items()}}
    assert [str(one) for one in listed.values() if ">=" not in str(one)] == []
    pinned = {name: one for name, one in listed.items() if name in PINS}
    assert set(BASE) <= set(pinned)
    assert [str(one) for name, one in pinned.items() if not one.specifier.contains(PINS[name])] == []


def test_no_file_of_the_package_is_ignored_by_git_since_such_files_are_not_packed():
    named = "\n".join(name for name in tracked_files() if name.startswith("cytosae_core/"))
    command = ["git", "check-ignore", "--no-index", "--stdin"]
    done = subprocess.run(command, cwd=ROOT, input=named, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == []
    assert done.returncode == 1  # git's word for: none


@pytest.mark.skipif(importlib.util.find_spec("hatchling") is None, reason="tests/requirements.txt is not installed")
def test_the_wheel_holds_every_file_of_the_package_and_nothing_else(tmp_path):
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    (wheel,) = tmp_path.iterdir()
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
        about = next(archive.read(name) for name in archive.namelist() if name.endswith("METADATA")).decode()
    assert packed == {name for name in tracked_files() if name.startswith("cytosae_core/")}
    for part in ("backbone/weights/cytosae-small.safetensors", "atlas/FORMAT.md", "figures/page.css", "py.typed"):
        assert f"cytosae_core/{part}" in packed
    assert re.search(rf"^Version: {re.escape(__version__)}$", about, flags=re.MULTILINE)
    assert "Research use only" in about
