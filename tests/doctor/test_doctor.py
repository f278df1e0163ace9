"""The doctor finds what is missing or broken, says how to mend it, and touches nothing."""

import hashlib
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from cytosae_core.doctor import machine, packages
from cytosae_core.doctor.examine import examine_all
from cytosae_core.doctor.finding import Finding, State, is_well, lines_of
from cytosae_core.doctor.studies import check_studies
from tests.app.conftest import Site, copied_site, prepared, site

__all__ = ["prepared", "site"]

ROOT = Path(__file__).resolve().parents[2]


def test_only_a_fault_makes_an_installation_unwell():
    findings = [Finding("a", State.OK, "there"), Finding("b", State.NOTE, "none", "make one")]
    assert is_well(findings)
    assert not is_well([*findings, Finding("c", State.FAULT, "broken", "mend it")])
    assert lines_of(findings) == [
        "ok    a               there", "note  b               none", "                      -> make one",
    ]  # fmt: skip


@pytest.mark.parametrize(("version", "state"), [((3, 10, 9), State.FAULT), ((3, 11, 0), State.OK), ((4, 0), State.OK)])
def test_an_old_python_is_a_fault(version, state):
    assert machine.check_python(version).state is state


@pytest.mark.parametrize(("gib", "state"), [(0.5, State.FAULT), (3, State.NOTE), (50, State.OK)])
def test_little_space_on_the_disk_is_said_in_two_steps(gib, state):
    found = machine.check_disk(ROOT, int(gib * 2**30))
    assert found.state is state
    assert f"{gib:.1f} GiB free" in found.found


def test_memory_is_read_from_this_machine_and_little_of_it_is_noted():
    assert machine.available_memory() > 2**20
    assert machine.check_memory(2**30).state is State.NOTE
    assert machine.check_memory(None).state is State.NOTE


def test_an_interrupted_installation_is_a_fault(tmp_path):
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / ".installing").touch()
    found = machine.check_environment(tmp_path)
    assert found.state is State.FAULT
    assert "start.sh" in found.remedy


def test_a_torch_that_does_not_start_is_a_finding_and_not_a_crash(tmp_path, monkeypatch):
    (tmp_path / "torch.py").write_text("raise ImportError('libcudart.so is missing')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    found = machine.check_torch()
    assert found.state is State.FAULT
    assert "libcudart.so is missing" in found.found


def test_missing_and_other_versions_of_packages_are_named(tmp_path, monkeypatch):
    (tmp_path / "tests").mkdir()
    (tmp_path / "requirements-app.txt").write_text("# app\nnumpy==0.0.1\npytest==9.2.0  # here\n")
    (tmp_path / "requirements.txt").write_text("-r requirements-app.txt\nno-such-package==1.0\n")
    (tmp_path / "tests" / "requirements.txt").write_text("numpy==1.2+cu132\n")
    versions = {"numpy": "1.2", "pytest": "9.2.0"}

    def version(name):
        if name not in versions:
            raise packages.PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(packages, "version", version)
    app, torch, tests = packages.check_packages(tmp_path)
    assert (app.state, app.found) == (State.NOTE, "other versions than were tested: numpy 1.2 instead of 0.0.1")
    assert (torch.state, torch.found) == (State.NOTE, "missing: no-such-package")
    assert tests.state is State.NOTE
    versions.clear()
    assert packages.check_packages(tmp_path)[0].state is State.FAULT


def test_the_pins_of_this_project_are_read():
    assert {"streamlit", "sqlalchemy"} <= packages.pins_of(ROOT / "requirements-app.txt").keys()
    assert "torch" in packages.pins_of(ROOT / "requirements.txt")


def test_a_whole_database_is_found_with_its_study_and_atlas_and_stays_as_it_is(site: Site):
    before = digest(site.database_path)
    database, study, judgements = check_studies(ROOT, str(site.database_path))
    assert database.state is State.OK
    assert "newest schema, 0 judgements" in database.found
    assert study.state is State.OK
    assert site.study.study_id in study.found
    assert judgements.state is State.OK
    assert f"{site.study.study_id}: 0 as they were saved, chained since" in judgements.found
    assert digest(site.database_path) == before


def test_judgements_that_were_changed_behind_the_apps_back_are_a_fault(tmp_path, prepared):
    made = copied_site(prepared, tmp_path)
    with sqlite3.connect(made.database_path) as connection:
        connection.execute("UPDATE study_states SET n_judgements = 2")
    fault = check_studies(ROOT, str(made.database_path))[-1]
    assert fault.state is State.FAULT
    assert "the last 2 of 2 judgements are missing" in fault.found
    assert "scripts/verify_study.py" in fault.remedy


def test_an_atlas_with_a_changed_byte_is_a_fault_unless_it_is_only_opened(tmp_path, prepared, monkeypatch):
    made = copied_site(prepared, tmp_path)
    picture = next(path for path in (made.atlas.path / "display").rglob("*.webp"))
    content = picture.read_bytes()
    picture.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    try:
        found = check_studies(ROOT, str(made.database_path))[1]
        assert found.state is State.FAULT
        assert picture.name in found.found
        assert check_studies(ROOT, str(made.database_path), is_quick=True)[1].state is State.OK
    finally:
        picture.write_bytes(content)


def test_an_atlas_that_has_moved_is_a_fault_that_names_the_remedy(site: Site, tmp_path):
    found = check_studies(ROOT, str(site.database_path), str(tmp_path / "elsewhere"))[1]
    assert found.state is State.FAULT
    assert "CYTOSAE_ATLAS" in found.remedy


def test_a_file_that_is_no_database_is_a_fault_and_none_a_note(tmp_path):
    (tmp_path / "x.db").write_text("no database at all" * 100)
    assert check_studies(ROOT, str(tmp_path / "x.db"))[0].state is State.FAULT
    assert check_studies(ROOT, str(tmp_path / "none.db"))[0].state is State.NOTE
    assert not (tmp_path / "none.db").exists()


def test_an_empty_database_is_noted_and_not_migrated(tmp_path):
    path = tmp_path / "empty.db"
    path.touch()
    (found,) = check_studies(ROOT, str(path))
    assert found.state is State.NOTE
    assert path.stat().st_size == 0


def test_the_doctor_starts_under_a_python_that_has_nothing_and_says_what_is_missing(tmp_path):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    plain = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [tmp_path / "bare" / "bin" / "python", ROOT / "scripts" / "doctor.py", "--database", tmp_path / "none.db"]
    done = subprocess.run(command, cwd=tmp_path, env=plain, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "missing: streamlit, starlette, anyio, sqlalchemy" in done.stdout
    assert "-> bash scripts/start.sh" in done.stdout


def test_without_the_app_packages_everything_else_is_still_looked_at(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "cytosae_core.doctor.studies", None)
    monkeypatch.setattr(machine, "check_torch", lambda: Finding("torch and GPU", State.NOTE, "no torch"))
    findings = examine_all(ROOT, str(tmp_path / "none.db"))
    assert findings[-1].name == "database"
    assert "not looked at" in findings[-1].found
    assert len(findings) == 10


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
