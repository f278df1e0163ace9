"""An acknowledgement is true: a save into a file that is no longer at its place is refused, whatever was done to it."""

import shutil
import stat

import pytest

from cytosae_core.errors import DatabaseError, DatabaseGoneError
from cytosae_core.judging.database import backup, open_engine, reading
from cytosae_core.judging.repository import Repository
from tests.conftest import CHEAP_HASHER
from tests.study.tiny_study import good_answers


def shown_now(desk):
    turn = desk.repository.desk.current(desk.rater_id, desk.study.study_id, "concept")
    return desk.show(turn.item_id, turn.stage_id)


def deleted(path):
    path.unlink()


def renamed(path):
    path.rename(path.with_name("moved.db"))


def replaced_by_a_copy(path):
    shutil.copy(path, path.with_name("copy.db"))
    path.with_name("copy.db").replace(path)


def folder_renamed(path):
    path.parent.rename(path.parent.with_name("elsewhere"))


@pytest.mark.parametrize("harm", [deleted, renamed, replaced_by_a_copy, folder_renamed])
def test_a_save_into_a_file_that_is_no_longer_there_is_refused_with_what_to_do(desk, tmp_path, harm):
    folder = tmp_path / "study"
    folder.mkdir()
    other = Repository(open_engine(folder / "annotations.db"), clock=desk.clock, hasher=CHEAP_HASHER)
    other.studies.register(desk.study, "atlases/tiny")
    other.raters.add("R01", desk.study.study_id, access_code="correct-horse")
    desk.repository, desk.rater_id = other, other.sessions.sign_in("R01", "correct-horse").rater_id
    desk.judge_current()
    presentation = shown_now(desk)
    harm(folder / "annotations.db")
    with pytest.raises(
        DatabaseGoneError, match=r"(no longer there|was replaced).*nothing was saved\. Keep this page open"
    ):
        desk.save(presentation.nonce, good_answers("concept"))


def test_a_backup_put_in_its_place_while_the_app_runs_is_not_written_into(desk, database_path, tmp_path):
    backup(desk.repository.store.engine, tmp_path / "backup.db")
    presentation = shown_now(desk)
    (tmp_path / "backup.db").replace(database_path)
    with pytest.raises(
        DatabaseGoneError, match="was replaced by another file while the app runs, so nothing was saved"
    ):
        desk.save(presentation.nonce, good_answers("concept"))
    with pytest.raises(DatabaseGoneError, match="was replaced"):
        desk.repository.studies.all()


def test_a_log_that_was_removed_while_the_app_runs_is_noticed(desk, database_path):
    presentation = shown_now(desk)
    log = database_path.with_name("annotations.db-wal")
    log.unlink()
    with pytest.raises(DatabaseGoneError, match=r"annotations\.db-wal (is no longer there|was replaced)"):
        desk.save(presentation.nonce, good_answers("concept"))


def test_whoever_may_not_make_a_database_makes_none(tmp_path):
    with pytest.raises(
        DatabaseError, match=r"there is no database at .*new\.db; make one with scripts/create_study\.py"
    ):
        open_engine(tmp_path / "new.db", may_create=False)
    assert list(tmp_path.iterdir()) == []


def test_a_new_database_can_be_read_by_its_owner_only(tmp_path):
    engine = open_engine(tmp_path / "new.db")
    with reading(engine) as connection:
        connection.exec_driver_sql("SELECT 1")
    for path in tmp_path.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    engine.dispose()
