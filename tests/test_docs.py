"""What the README says exists, and what exists is in the README."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_script_of_the_readme_exists():
    named = set(re.findall(r"scripts/(\w+\.(?:py|sh))", README))
    assert {"start.sh", "test.sh"} <= named
    assert [name for name in named if not (ROOT / "scripts" / name).is_file()] == []


def test_every_file_that_the_readme_links_to_exists():
    links = re.findall(r"\]\((?!http)([^)#]+)\)", README)
    assert [link for link in links if not (ROOT / link).is_file()] == []


COMMANDS = re.findall(r"^(?:python|bash) scripts/(\w+)\.(?:py|sh)(.*?)(?:\s{2,}#.*)?$", README, flags=re.MULTILINE)
SCRIPTS = sorted(path.stem for path in (ROOT / "scripts").glob("[!_]*.py"))


@pytest.mark.slow
def test_every_script_says_what_it_does_and_knows_the_options_that_the_readme_gives_it(tmp_path):
    done = subprocess.run(
        [sys.executable, ROOT / "tests" / "help_texts.py", *SCRIPTS],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert list(told) == SCRIPTS
    assert {name: text for name, (status, text) in told.items() if status or "usage:" not in text.lower()} == {}
    options = {(name, option) for name, rest in COMMANDS for option in re.findall(r"--[a-z][a-z-]*", rest)}
    assert {(name, option) for name, option in options if name in told and option not in told[name][1]} == set()


def test_the_commands_of_the_readme_were_found():
    assert {"start", "import_release", "create_study", "export_study", "add_rater"} <= {name for name, _ in COMMANDS}


def test_the_readme_says_research_use_only():
    assert "Research use only" in README
