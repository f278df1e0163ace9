"""What environment.sh prepares: an environment whose programs import the checkout that they are started in."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = "import cytosae_core\nprint(cytosae_core.WHERE)\n"


@pytest.fixture
def checkout(tmp_path):
    """Makes checkouts with a package that says where it is; their requirements are empty, and installed."""

    def make(name):
        folder = tmp_path / name
        for part in ("scripts", "cytosae_core"):
            (folder / part).mkdir(parents=True)
        (folder / "cytosae_core" / "__init__.py").write_text("WHERE = __file__\n")
        (folder / "scripts" / "where.py").write_text(SCRIPT)
        (folder / "scripts" / "environment.sh").write_bytes((ROOT / "scripts" / "environment.sh").read_bytes())
        for file in ("requirements.txt", "requirements-app.txt"):
            (folder / file).touch()
        return folder

    return make


def prepare(folder):
    """Make the environment ready, as a finished installation leaves it, and let environment.sh find it so."""
    stamp = subprocess.run(["cksum"], input="", capture_output=True, text=True, check=True).stdout.split()[0]
    if not (folder / ".venv").exists():
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / ".venv"], check=True)
    (folder / ".venv" / f".ready-{stamp}").touch()
    command = "set -euo pipefail; source scripts/environment.sh; prepare_environment requirements.txt"
    done = subprocess.run(["bash", "-c", command], cwd=folder, capture_output=True, text=True, check=True)
    assert done.stdout == ""


def imported_in(folder, elsewhere):
    """File of the package that a script of this checkout imports, started from another folder."""
    plain = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [folder / ".venv" / "bin" / "python", folder / "scripts" / "where.py"]
    done = subprocess.run(command, cwd=elsewhere, env=plain, capture_output=True, text=True, check=True)
    return Path(done.stdout.strip())


def test_a_script_imports_its_own_checkout_from_any_folder_and_after_a_move(checkout, tmp_path):
    here = checkout("here")
    prepare(here)
    assert imported_in(here, tmp_path) == here / "cytosae_core" / "__init__.py"
    moved = here.rename(tmp_path / "moved")
    assert imported_in(moved, tmp_path) == moved / "cytosae_core" / "__init__.py"


def test_checkouts_that_link_to_one_environment_import_their_own_packages(checkout, tmp_path):
    first, second = checkout("first"), checkout("second")
    (second / ".venv").symlink_to(first / ".venv")
    prepare(first)
    prepare(second)
    assert {imported_in(folder, tmp_path).parents[1] for folder in (first, second)} == {first, second}


def test_what_is_written_once_is_left_alone(checkout):
    here = checkout("here")
    prepare(here)
    (path,) = here.glob(".venv/lib/python3*/site-packages/cytosae_checkout.pth")
    before = path.stat().st_mtime_ns
    prepare(here)
    assert path.stat().st_mtime_ns == before
