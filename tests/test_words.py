"""One word, one meaning (`cytosae_core/GLOSSARY.md`): the few rules of it that a machine can see."""

import ast
import re
import subprocess
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CORE = ROOT / "cytosae_core"
GLOSSARY = CORE / "GLOSSARY.md"

RATE = re.compile(
    r"\b(?:[Oo]ne|[Tt]wo|[Rr]ows?|columns?|values?|vectors?|bits?|lines?|points?|sheets?|folders?|files?|bars?"
    r"|[Tt]okens|[Ii]mages|latents|active|[Pp]atches|numbers?|bytes|kB|MB|GB|ms|s|once|\d+)\s+an?\s+"
    r"(?:image|token|patient|latent|second|minute|step|cell|group|batch|rater|patch|core|task|study|seed|cluster|shard"
    r"|row|line|run|side|screen|data set|process|session|pass|block|column|file|folder|figure|page|picture|question"
    r"|direction|method|fold|value|setting|variant|channel|attribute|stratum|mask|sample|type|item)\b(?! has\b| sees\b)"
)
"""What "51 active per token" must not be again."""
RECORDED = ("one row a cell: what was asked for", "with one bit a mask, `names` in the order")
"""Text of version 1 in every folder of rendered cells, whose digest stands in its manifest."""
LEFT_ALONE = ("on an image a latent is active",)


def tracked(*patterns: str) -> list[Path]:
    listing = subprocess.run(["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=True)
    return [path for name in listing.stdout.splitlines() if (path := ROOT / name).exists() and "fixtures" not in name]


def parsed(*folders: str) -> list[tuple[str, ast.Module]]:
    return [
        (str(path.relative_to(ROOT)), ast.parse(path.read_text())) for path in tracked(*(f"{f}/*.py" for f in folders))
    ]


def names_in(tree: ast.Module) -> set[str]:
    """Whatever code gives a name to."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
    return found


def public_kinds(tree: ast.Module) -> list[str]:
    """Classes of a module, and names for a choice of words (`Literal`)."""
    classes = [node.name for node in tree.body if isinstance(node, ast.ClassDef)]
    choices = [
        node.targets[0].id
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Subscript)
        if getattr(node.value.value, "id", "") == "Literal" and isinstance(node.targets[0], ast.Name)
    ]
    return [name for name in classes + choices if not name.startswith("_")]


def test_no_two_public_classes_or_choices_of_the_core_share_a_name():
    homes = Counter(name for _, tree in parsed("cytosae_core") for name in public_kinds(tree))
    assert {"LatentAtlas", "Study", "Stage", "Ranking"} <= homes.keys()
    assert {name for name, n_homes in homes.items() if n_homes > 1} == set()


def test_a_latent_is_called_neither_neuron_nor_feature():
    wrong = {
        f"{path}: {name}"
        for path, tree in parsed("cytosae_core", "app", "scripts")
        for name in names_in(tree)
        if "neuron" in name.lower() or ("feature" in name.lower() and not path.startswith("cytosae_core/patients/"))
    }
    assert wrong == set()


def test_no_function_draws_since_that_could_be_sampling_rendering_or_plotting():
    wrong = {
        f"{path}: {node.name}"
        for path, tree in parsed("cytosae_core", "app", "scripts")
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and "draw" in node.name.lower()
    }
    assert wrong == set()


def test_rates_say_per():
    found = []
    for path in tracked("*.py", "*.md"):
        text = path.read_text()
        for allowed in RECORDED + LEFT_ALONE:
            text = text.replace(allowed, "")
        if path != Path(__file__):
            found += [f"{path.relative_to(ROOT)}: {match[0]}" for match in RATE.finditer(text)]
    assert found == []


def test_the_rule_for_rates_sees_what_it_should_and_nothing_else():
    for wrong in ("51 active a token", "one row a latent", "12 a group", "once\na pass", "16.4 ms an image"):
        assert RATE.search(wrong), wrong
    for right in ("51 active per token", "which images a step sees", "of a token", "two images of a patient"):
        assert not RATE.search(right), right


def rows_of_glossary() -> list[list[str]]:
    lines = [
        line for line in GLOSSARY.read_text().splitlines() if line.startswith("| ") and not line.startswith("| form")
    ]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if not line.startswith("| word")]


def test_every_word_of_the_glossary_stands_there_once_with_a_place_that_exists():
    rows = rows_of_glossary()
    words = [word for row in rows for word in row[0].split(", ")]
    assert len(words) > 50
    assert [word for word, n in Counter(words).items() if n > 1] == []
    homes = [home for row in rows if len(row) == 3 for home in re.findall(r"`([^`]+)`", row[2])]
    assert [home for home in homes if not ((CORE / home).exists() or (CORE / f"{home}.py").exists())] == []
