"""The house keeps its shape: who may import whom, what may lie at the top, how long a file may be."""

import ast
import functools
import json
import re
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
    "CHANGELOG.md",
    "CITATION.cff",
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
    "cytosae_core/concepts", "cytosae_core/patients", "cytosae_core/images", "cytosae_core/study",
    "cytosae_core/judging", "cytosae_core/evaluation", "cytosae_core/figures/make.py", "app",
)  # fmt: skip
"""In this order in one process, from the ground up: what must not be loaded yet is asked for before it may be."""
JUDGEMENTS = ("cytosae_core/study", "cytosae_core/judging", "cytosae_core/evaluation")
EXTRACTION = ("cytosae_core/tokens/extract.py", "cytosae_core/backbone/choose.py")
WITH_TORCH = (*EXTRACTION, "cytosae_core/sae", "cytosae_core/backbone", "cytosae_core")
TORCH = {"torch", "timm", "torchvision"}


@pytest.mark.parametrize("package", TORCH_FREE)
def test_these_packages_load_without_torch(package):
    loaded = loaded_after(*TORCH_FREE)[package]
    assert modules_of(package)[0] in loaded
    assert not loaded & TORCH


def test_a_study_and_its_judgements_know_neither_sae_nor_backbone():
    loaded = loaded_after(*JUDGEMENTS)["cytosae_core/evaluation"]
    assert {
        "cytosae_core.study.protocol",
        "cytosae_core.judging.repository",
        "cytosae_core.evaluation.export",
    } <= loaded
    assert not loaded & {"cytosae_core.sae", "cytosae_core.backbone", "cytosae_core.tokens"}


def test_concepts_and_patients_know_neither_studies_nor_their_database():
    loaded = loaded_after(*TORCH_FREE)["cytosae_core/patients"]
    assert {"cytosae_core.concepts.scoring", "cytosae_core.patients.probing"} <= loaded
    assert not loaded & {"cytosae_core.study", "cytosae_core.judging", "sqlalchemy"}


def test_sae_and_backbone_do_not_know_judgements():
    loaded = loaded_after(*WITH_TORCH)["cytosae_core/backbone"]
    assert {"cytosae_core.sae.train", "cytosae_core.tokens.extract"} <= loaded
    assert not loaded & {"cytosae_core.study", "cytosae_core.judging", "sqlalchemy"}


def test_extraction_imports_neither_the_app_nor_the_database():
    loaded = loaded_after(*WITH_TORCH)[EXTRACTION[-1]]
    assert "cytosae_core.tokens.extract" in loaded
    assert not loaded & {"streamlit", "sqlalchemy", "app", "sklearn", "openvino"}


def test_the_core_knows_neither_streamlit_nor_the_app():
    loaded = loaded_after(*WITH_TORCH)["cytosae_core"]
    assert "cytosae_core.pipeline" in loaded
    assert not loaded & {"streamlit", "app"}


FLOORS = (
    ("errors", "progress", "markdown"),
    ("geometry", "processes", "rendering"),
    ("artifacts", "method"),
    ("images",),
    ("simulated",),
    ("backbone",),
    ("small_backbone", "tokens"),
    ("sae",),
    ("atlas",),
    ("atlas.build", "atlas.release"),
    ("atlas.merge",),
    ("concepts",),
    ("patients",),
    ("study",),
    ("judging",),
    ("evaluation",),
    ("figures",),
    ("pipeline", "doctor", "bench"),
)
"""The rooms of the core from the ground up; a room imports from lower floors and from itself, and from nowhere else."""
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}


def room_of(module: str) -> str:
    """`atlas.build` of `cytosae_core.atlas.build.collect`."""
    words = module.split(".")[1:]
    inner = ".".join(words[:2])
    return inner if inner in FLOOR else words[0]


def imported_modules(path: Path) -> set[str]:
    """Modules of the core that a file imports anywhere, functions included; `from package import module` too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{name.name}" for name in node.names]
            found |= {name if is_module(name) else node.module for name in names}
        elif isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
    return {name for name in found if name.startswith("cytosae_core.")}


def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


def imports_between_rooms() -> set[tuple[str, str, str]]:
    """(room, imported room, module that imports)."""
    found = set()
    for path in (ROOT / "cytosae_core").rglob("*.py"):
        module = path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__")
        if module == "cytosae_core":
            continue
        rooms = {room_of(name) for name in imported_modules(path)} - {room_of(module)}
        found |= {(room_of(module), room, module) for room in rooms}
    return found


def test_every_room_of_the_core_has_a_floor():
    rooms = {path.stem for path in (ROOT / "cytosae_core").iterdir() if path.suffix == ".py" or path.is_dir()}
    assert rooms - {"__init__", "__pycache__"} == {room.partition(".")[0] for room in FLOOR}


def test_the_plan_of_the_house_shows_the_same_floors():
    plan = (ROOT / "cytosae_core" / "ARCHITECTURE.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in plan.splitlines() if line.startswith("| `")]
    rooms = [re.findall(r"`([\w.]+)`", row) for row in rows]
    assert [FLOOR[room] for row in rooms for room in row] == sorted(FLOOR.values())
    assert {room for row in rooms for room in row} == set(FLOOR)


def test_no_import_runs_upward_and_no_two_rooms_import_each_other():
    found = imports_between_rooms()
    assert ("judging", "study") in {(room, imported) for room, imported, _ in found}
    assert sorted(one for one in found if FLOOR[one[1]] >= FLOOR[one[0]]) == []


GROUND_FLOOR = {
    r"\bfsync\(": "artifacts/files.py",
    r"\bfile_digest\(": "artifacts/files.py",
    r"\b(fcntl|msvcrt|filelock)\b": "artifacts/folders.py",
    r"\.(rename|replace)\((\w*path|target|folder)\)|\bos\.(rename|replace)\(": "artifacts/",
    r"[\"'](manifest|plan)\.json[\"']": "artifacts/manifest.py",
    r"json\.loads?\(.*(read_text|read_bytes|\.open)\(|json\.load\(": "artifacts/manifest.py",
    r"sort_keys=": "artifacts/manifest.py",
    r"importlib\.metadata": "artifacts/manifest.py",
    r"\.to_csv\(": "artifacts/tables.py",
    r"[\"']SIMULATED[\"']": "artifacts/tables.py",
    r"Not for diagnosis\.": "artifacts/tables.py",
}
"""What is written about disk exists once: a pattern, and the only place of the core that may hold it."""
ELSEWHERE = {
    (
        r"\.(rename|replace)\((\w*path|target|folder)\)|\bos\.(rename|replace)\(",
        "backbone/download.py",
    ): "names what another library wrote whole",
    (
        r"json\.loads?\(.*(read_text|read_bytes|\.open)\(|json\.load\(",
        "backbone/download.py",
    ): "what a web address answered, and no document of ours",
    (r"importlib\.metadata", "doctor/packages.py"): "compares what is installed with the pins, for people",
    (r"\.to_csv\(", "tokens/source.py"): "no table on disk: the digest of the images belongs to the settings of runs",
    (r"[\"']SIMULATED[\"']", "evaluation/codebook_text.py"): "the codebook explains the word",
}
"""Exceptions, and why."""


def lines_of_code(path: Path) -> list[str]:
    """Source lines without comments and without texts that document a module, a class, a function or a constant."""
    tree = ast.parse(path.read_text())
    documentation = {
        line
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    lines = path.read_text().splitlines()
    return [line.partition("  #")[0] for number, line in enumerate(lines, 1) if number not in documentation]


@pytest.mark.parametrize("pattern", GROUND_FLOOR)
def test_the_ground_floor_for_disk_stands_once(pattern):
    found = set()
    for package in ("cytosae_core", "app", "scripts"):
        for path in (ROOT / package).rglob("*.py"):
            if any(re.search(pattern, line) for line in lines_of_code(path)):
                found.add(path.relative_to(ROOT).as_posix().removeprefix("cytosae_core/"))
    home = GROUND_FLOOR[pattern]
    assert {name for name in found if name.startswith(home)}, "the pattern finds nothing any more where it should"
    assert {name for name in found if not name.startswith(home)} == {name for key, name in ELSEWHERE if key == pattern}


def test_only_what_the_house_allows_lies_at_the_top():
    top = {name.partition("/")[0] for name in tracked_files()}
    assert {name for name in top if not name.startswith(".")} <= TOP_LEVEL


def test_no_database_and_no_artifact_is_committed():
    assert not [name for name in tracked_files() if name.startswith("artifacts/") or ".db" in Path(name).suffixes]


def test_no_file_is_longer_than_a_reader_can_hold():
    sizes = {name: len((ROOT / name).read_text().splitlines()) for name in tracked_files() if name.endswith(".py")}
    assert {name: size for name, size in sizes.items() if size > LONGEST_FILE} == {}


def test_nothing_but_the_environment_decides_what_can_be_imported():
    own = [name for name in tracked_files() if name.startswith(("app/", "cytosae_core/", "scripts/"))]
    texts = {name: (ROOT / name).read_text() for name in own if name.endswith(".py")}
    assert "app/server.py" in texts
    assert [name for name, text in texts.items() if "sys.path" in text] == []


def scripts() -> list[str]:
    return sorted(path.name for path in (ROOT / "scripts").glob("[!_]*.py"))


@pytest.mark.parametrize("script", scripts())
def test_scripts_are_thin(script):
    lines = (ROOT / "scripts" / script).read_text().splitlines()
    assert script.startswith("bench_") or len(lines) <= 60
