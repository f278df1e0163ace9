"""What the README says exists, and what exists is in the README."""

import re
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


def options_of(script: str) -> str:
    """The help text of a script, options in both spellings."""
    import subprocess
    import sys

    command = [sys.executable, ROOT / "scripts" / script, "--help"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


COMMANDS = re.findall(r"^(?:python|bash) scripts/(\w+)\.(?:py|sh)(.*?)(?:\s{2,}#.*)?$", README, flags=re.MULTILINE)


@pytest.mark.slow
@pytest.mark.parametrize(("script", "arguments"), [one for one in COMMANDS if one[0] != "test"])
def test_every_option_in_a_command_of_the_readme_is_known_to_its_script(script, arguments):
    known = options_of(f"{script}.py")
    for option in re.findall(r"--[a-z][a-z-]*", arguments):
        assert option in known or option == "--help", f"{script}.py does not know {option}"


def test_the_readme_says_research_use_only():
    assert "Research use only" in README
