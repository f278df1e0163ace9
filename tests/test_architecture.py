"""The house keeps its shape: who may import whom, what may lie at the top, how long a file may be."""

import functools
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TOP_LEVEL = {
    "app",
    "cytosae_core",
    "scripts",
    "tests",
    "requirements.txt",
    "requirements-app.txt",
    "README.md",
    "LICENSE",
    "BENCHMARKS.md",
    "pyproject.toml",
}
LONGEST_FILE = 400


def tracked_files() -> list[str]:
    listing = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in listing.stdout.splitlines() if (ROOT / name).exists()]


def modules_of(package: str) -> list[str]:
    paths = [ROOT / package] if package.endswith(".py") else (ROOT / package).rglob("*.py")
    names = (path.relative_to(ROOT).with_suffix("").as_posix() for path in paths)
    return sorted(name.removesuffix("/__init__").replace("/", ".") for name in names if "migrations" not in name)


@functools.cache
def loaded_after(*packages: str) -> dict[str, set[str]]:
    """Packages and modules in `sys.modules` of one fresh process after each of these packages, imported in this order.

    What an earlier package loads counts for the later ones too: this forbids more, never less, than a process each.
    """
    steps = {package: [name for name in modules_of(package) if name != "app.main"] for package in packages}
    code = (
        f"import importlib, json, sys\nloaded = {{}}\nfor package, modules in {steps!r}.items():\n"
        "    for name in modules: importlib.import_module(name)\n    loaded[package] = list(sys.modules)\n"
        "print(json.dumps(loaded))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = {package: set(names) for package, names in json.loads(done.stdout).items()}
    return {package: names | {name.partition(".")[0] for name in names} for package, names in loaded.items()}


TORCH_FREE = (
    "cytosae_core/analysis", "cytosae_core/images", "cytosae_core/annotation", "cytosae_core/figures/make.py", "app",
)  # fmt: skip
"""In this order in one process: analysis comes first, since it must not load annotation, and the app last."""
EXTRACTION = ("cytosae_core/backbone/extract.py", "cytosae_core/backbone/choose.py")
WITH_TORCH = (*EXTRACTION, "cytosae_core/sae", "cytosae_core/backbone", "cytosae_core")
TORCH = {"torch", "timm", "torchvision"}


@pytest.mark.parametrize("package", TORCH_FREE)
def test_these_packages_load_without_torch(package):
    loaded = loaded_after(*TORCH_FREE)[package]
    assert modules_of(package)[0] in loaded
    assert not loaded & TORCH


def test_annotation_knows_neither_sae_nor_backbone():
    loaded = loaded_after(*TORCH_FREE)["cytosae_core/annotation"]
    assert "cytosae_core.annotation.repository" in loaded
    assert not loaded & {"cytosae_core.sae", "cytosae_core.backbone"}


def test_analysis_knows_neither_annotation_nor_its_database():
    loaded = loaded_after(*TORCH_FREE)["cytosae_core/analysis"]
    assert "cytosae_core.analysis.sampling" in loaded
    assert not {name for name in loaded if name.startswith(("cytosae_core.annotation", "sqlalchemy"))}


def test_sae_and_backbone_do_not_know_annotation():
    loaded = loaded_after(*WITH_TORCH)["cytosae_core/backbone"]
    assert {"cytosae_core.sae.train", "cytosae_core.backbone.extract"} <= loaded
    assert not loaded & {"cytosae_core.annotation", "sqlalchemy"}


def test_extraction_imports_neither_the_app_nor_the_database():
    loaded = loaded_after(*WITH_TORCH)[EXTRACTION[-1]]
    assert "cytosae_core.backbone.extract" in loaded
    assert not loaded & {"streamlit", "sqlalchemy", "app", "sklearn", "openvino"}


def test_the_core_knows_neither_streamlit_nor_the_app():
    loaded = loaded_after(*WITH_TORCH)["cytosae_core"]
    assert "cytosae_core.pipeline" in loaded
    assert not loaded & {"streamlit", "app"}


def test_only_what_the_house_allows_lies_at_the_top():
    top = {name.partition("/")[0] for name in tracked_files()}
    assert {name for name in top if not name.startswith(".")} <= TOP_LEVEL


def test_no_database_and_no_artifact_is_committed():
    assert not [name for name in tracked_files() if name.startswith("artifacts/") or ".db" in Path(name).suffixes]


def test_no_file_is_longer_than_a_reader_can_hold():
    sizes = {name: len((ROOT / name).read_text().splitlines()) for name in tracked_files() if name.endswith(".py")}
    assert {name: size for name, size in sizes.items() if size > LONGEST_FILE} == {}


def scripts() -> list[str]:
    return sorted(path.name for path in (ROOT / "scripts").glob("[!_]*.py"))


@pytest.mark.parametrize("script", scripts())
def test_scripts_are_thin(script):
    lines = (ROOT / "scripts" / script).read_text().splitlines()
    assert script.startswith("bench_") or len(lines) <= 60
