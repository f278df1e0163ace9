"""The house keeps its shape: who may import whom, what may lie at the top, how long a file may be."""

import functools
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
    paths = (ROOT / package).rglob("*.py")
    names = (path.relative_to(ROOT).with_suffix("").as_posix() for path in paths)
    return sorted(name.removesuffix("/__init__").replace("/", ".") for name in names if "migrations" not in name)


@functools.cache
def loaded_by(*modules: str) -> set[str]:
    """Packages and modules in `sys.modules` of a fresh process that imports these modules."""
    code = (
        f"import importlib, sys\nfor name in {modules!r}: importlib.import_module(name)\nprint('\\n'.join(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    names = set(done.stdout.split())
    return names | {name.partition(".")[0] for name in names}


TORCH_FREE = ["annotation", "analysis", "images"]


def test_the_core_knows_neither_streamlit_nor_the_app():
    loaded = loaded_by(*modules_of("cytosae_core"))
    assert not loaded & {"streamlit", "app"}


@pytest.mark.parametrize("package", TORCH_FREE)
def test_these_packages_load_without_torch(package):
    loaded = loaded_by(*modules_of(f"cytosae_core/{package}"))
    assert not loaded & {"torch", "timm", "torchvision"}


def test_annotation_knows_neither_sae_nor_backbone():
    loaded = loaded_by(*modules_of("cytosae_core/annotation"))
    assert not loaded & {"cytosae_core.sae", "cytosae_core.backbone"}


def test_analysis_knows_neither_annotation_nor_its_database():
    loaded = loaded_by(*modules_of("cytosae_core/analysis"))
    assert "cytosae_core.analysis.sampling" in loaded
    assert not {name for name in loaded if name.startswith(("cytosae_core.annotation", "sqlalchemy"))}


def test_sae_and_backbone_do_not_know_annotation():
    loaded = loaded_by(*modules_of("cytosae_core/sae"), *modules_of("cytosae_core/backbone"))
    assert "cytosae_core.annotation" not in loaded
    assert not loaded & {"sqlalchemy"}


def test_the_app_starts_without_torch():
    loaded = loaded_by(*[name for name in modules_of("app") if name != "app.main"])
    assert "app.api" in loaded
    assert not loaded & {"torch", "timm", "torchvision"}


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
