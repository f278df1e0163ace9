"""add_rater.py and backup_database.py, run as a coordinator runs them."""

import re

import pytest

from cytosae_core.judging.database import open_engine
from cytosae_core.judging.repository import Repository
from tests.study.tiny_study import tiny_study


@pytest.fixture
def registered(tmp_path):
    """The path of a database with one study, and the study."""
    study, path = tiny_study(), tmp_path / "annotations.db"
    Repository(open_engine(path)).studies.register(study, "atlases/tiny")
    return path, study


@pytest.mark.slow
def test_an_added_rater_can_sign_in_with_the_code_that_was_printed_and_a_second_run_prints_none(registered, forks):
    path, study = registered
    arguments = ("--study", study.study_id, "--code", "R01", "--role", "haematologist", "--years", 7)
    first = forks.run("add_rater.py", *arguments, "--database", path)
    assert first.returncode == 0, first.stderr
    (access_code,) = re.findall(r"access code   (\S+)", first.stdout)
    repository = Repository(open_engine(path))
    assert repository.sessions.sign_in("R01", access_code).rater_code == "R01"
    assert repository.raters.table(study.study_id).iloc[0].to_list() == ["R01", "haematologist", 7.0]
    second = forks.run("add_rater.py", *arguments, CYTOSAE_DATABASE=str(path))
    assert "The access code stays as it was" in second.stdout
    third = forks.run("add_rater.py", *arguments, "--new-code", CYTOSAE_DATABASE=str(path))
    (renewed,) = re.findall(r"access code   (\S+)", third.stdout)
    assert renewed != access_code
    assert repository.sessions.sign_in("R01", renewed).rater_code == "R01"


@pytest.mark.slow
def test_a_backup_is_made_checked_and_never_overwritten(registered, forks, tmp_path):
    path, study = registered
    copy = tmp_path / "copy.db"
    first = forks.run("backup_database.py", "--output", copy, "--database", path)
    assert first.returncode == 0, first.stderr
    assert f"{copy}: 0 judgements, checked" in first.stdout
    assert Repository(open_engine(copy)).studies.load(study.study_id) == study
    second = forks.run("backup_database.py", "--output", copy, "--database", path)
    assert second.returncode == 1
    assert re.fullmatch(
        r"error: .*copy\.db exists; a backup never overwrites a file, so name another one\n", second.stderr
    )


@pytest.mark.slow
@pytest.mark.parametrize("script", ["add_rater.py", "backup_database.py"])
def test_a_mistyped_database_is_an_error_and_makes_no_file(script, forks, tmp_path):
    arguments = ("--study", "s", "--code", "R01") if script == "add_rater.py" else ()
    done = forks.run(script, *arguments, "--database", tmp_path / "typo.db")
    assert done.returncode == 1
    assert re.match(r"error: there is no database '.*typo\.db'; name it with --database", done.stderr)
    assert list(tmp_path.iterdir()) == []
