"""Opening, transactions, what goes wrong on disk, and backups."""

import multiprocessing
import sqlite3
import time
from pathlib import Path

import pytest
from sqlalchemy import event, text

from cytosae_core.errors import (
    ConfigError,
    DatabaseBusyError,
    DatabaseError,
    StorageFullError,
)
from cytosae_core.judging import failures
from cytosae_core.judging.database import backup, open_engine, reading, writing
from cytosae_core.judging.repository import Repository
from tests.study.tiny_study import good_answers

ATTEMPT = (
    "INSERT INTO sign_in_attempts (attempt_id, code_key, attempted_at, succeeded) VALUES ('a', 'b', '2026-01-01', 0)"
)


def pragma(engine, name):
    with reading(engine) as connection:
        return connection.execute(text(f"PRAGMA {name}")).scalar_one()


def test_every_connection_has_the_settings_that_lose_nothing(engine):
    settings = {name: pragma(engine, name) for name in ("journal_mode", "foreign_keys", "synchronous", "busy_timeout")}
    assert settings == {"journal_mode": "wal", "foreign_keys": 1, "synchronous": 2, "busy_timeout": 15_000}


def test_a_path_a_text_and_a_url_name_the_same_database(tmp_path):
    path = tmp_path / "100 % ü.db"
    for name in (path, str(path), f"sqlite:///{path}"):
        open_engine(name).dispose()
    assert path.exists()
    assert {one.name for one in tmp_path.iterdir()} == {path.name}


@pytest.mark.parametrize("name", ["sqlite://", "sqlite:///:memory:", ":memory:", ""])
def test_a_database_in_memory_is_refused(name):
    with pytest.raises(ConfigError, match="would lose every judgement; name a file"):
        open_engine(name)


def test_something_that_is_no_url_is_refused():
    with pytest.raises(ConfigError, match="is neither a path nor a database URL"):
        open_engine("://")


def test_a_missing_folder_and_a_folder_are_named(tmp_path):
    with pytest.raises(DatabaseError, match=r"the folder .*nowhere of the database does not exist; make it"):
        open_engine(tmp_path / "nowhere" / "a.db")
    with pytest.raises(DatabaseError, match=r"is a folder; name a file in it, for example .*annotations.db"):
        open_engine(tmp_path)


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("my notes " * 1000)
    with pytest.raises(DatabaseError, match=r"notes.txt: the file is something else than an annotation database"):
        open_engine(path)
    assert path.read_text() == "my notes " * 1000


def test_a_database_that_cannot_be_opened_or_written_names_the_right_that_is_missing(tmp_path, database_path, engine):
    with pytest.raises(DatabaseError, match=r"the file cannot be opened or made\. Check that its folder exists"):
        open_engine(f"sqlite:///file:{tmp_path}/none.db?mode=ro&uri=true")
    with reading(engine) as connection:
        connection.execute(text("PRAGMA query_only=ON"))
    with (
        pytest.raises(DatabaseError, match=r"the database cannot be written\. Give this program the right"),
        writing(engine) as connection,
    ):
        connection.execute(text("DELETE FROM drafts"))


@pytest.mark.slow
def test_processes_that_start_together_on_a_new_file_all_open_it(tmp_path):
    context = multiprocessing.get_context("spawn")
    with context.Pool(3) as pool:
        revisions = pool.map(_open_and_ask, [str(tmp_path / "new.db")] * 6)
    assert revisions == ["0003"] * 6


def _open_and_ask(path):
    engine = open_engine(path)
    with reading(engine) as connection:
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()


def write_and_fail(engine):
    with writing(engine) as connection:
        connection.execute(text(ATTEMPT))
        raise ZeroDivisionError


def test_an_exception_rolls_everything_back(engine):
    with pytest.raises(ZeroDivisionError):
        write_and_fail(engine)
    with reading(engine) as connection:
        assert connection.execute(text("SELECT COUNT(*) FROM sign_in_attempts")).scalar_one() == 0


def test_a_reader_sees_one_snapshot_and_waits_for_nobody(engine):
    count = text("SELECT COUNT(*) FROM sign_in_attempts")
    with reading(engine) as reader:
        assert reader.execute(count).scalar_one() == 0
        with writing(engine) as writer:
            writer.execute(text(ATTEMPT))
        assert reader.execute(count).scalar_one() == 0
    with reading(engine) as reader:
        assert reader.execute(count).scalar_one() == 1


@pytest.fixture
def locked(database_path, desk):
    """The database while another program holds it for writing."""
    other = sqlite3.connect(database_path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield other
    other.close()


def test_a_locked_database_is_said_to_be_busy_and_reading_goes_on(desk, database_path, locked):
    impatient = Repository(open_engine(database_path, busy_timeout_s=0.2), clock=desk.clock)
    turn = impatient.desk.current(desk.rater_id, desk.study.study_id, "concept")
    digest = desk.study.item(turn.item_id).pictures_digest
    place = (desk.rater_id, desk.study.study_id, turn.item_id, turn.stage_id, digest, "v")
    start = time.monotonic()
    with pytest.raises(DatabaseBusyError, match=r"annotations\.db: another program held the database for too long"):
        impatient.desk.present(*place)
    assert time.monotonic() - start > 0.1  # it waited; how long at most is for the setting, not for the clock
    locked.execute("COMMIT")
    with impatient.store.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 200
    shown = impatient.desk.present(*place)
    desk.clock.wait(seconds=1)
    locked.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseBusyError, match=r"nothing of this step was stored\. Save again in a moment"):
        impatient.judgements.submit(desk.rater_id, shown.nonce, good_answers("concept"))
    locked.execute("COMMIT")
    assert impatient.judgements.submit(desk.rater_id, shown.nonce, good_answers("concept")).is_new


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_making_tables_in_a_locked_file_is_said_to_be_busy(tmp_path, mode):
    path = tmp_path / "new.db"
    other = sqlite3.connect(path, isolation_level=None)
    other.execute(f"PRAGMA journal_mode={mode}")
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseBusyError, match="another program held the database"):
        open_engine(path, busy_timeout_s=0.2)
    other.execute("COMMIT")
    open_engine(path, busy_timeout_s=0.2).dispose()
    other.close()


def limit_pages(engine, n_more):
    """Let the database grow by so many pages and no further, as on a disk that is nearly full."""
    limit = pragma(engine, "page_count") + n_more
    for connection_event in ("connect", "checkout"):
        event.listen(engine, connection_event, lambda dbapi, *_: dbapi.execute(f"PRAGMA max_page_count={limit}"))


def judge_on(desk, answers, receipts):
    while True:
        receipts.append(desk.save(desk.show_current().nonce, answers))


def test_a_full_disk_stores_all_or_nothing_says_so_and_saving_works_again_with_space(desk, engine, database_path):
    limit_pages(engine, 6)
    long_answers = {"meaningful": "no", "comment": "c" * 2000}
    receipts = []
    with pytest.raises(StorageFullError, match=r"annotations\.db: the disk is full, .* Free some space, then save"):
        judge_on(desk, long_answers, receipts)
    assert 0 < len(receipts) < 25
    with_space = Repository(open_engine(database_path), clock=desk.clock)
    stored = with_space.results.judgement_table(desk.study.study_id)
    assert list(stored["judgement_id"]) == [receipt.judgement_id for receipt in receipts]
    desk.repository = with_space
    assert desk.save(desk.show_current().nonce, long_answers).is_new


def test_a_damaged_file_names_the_backup(desk, engine, database_path):
    for _ in range(20):
        desk.judge_current()
    engine.dispose()
    size = database_path.stat().st_size
    with database_path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))
    with pytest.raises(DatabaseError, match=r"the file is damaged. .* restore the last backup"):
        Repository(open_engine(database_path)).results.judgement_table(desk.study.study_id)


@pytest.mark.parametrize(
    ("words", "kind", "remedy"),
    [
        ("disk I/O error", DatabaseError, "Check the disk"),
        ("database disk image is malformed", DatabaseError, "is damaged"),
        ("locking protocol", DatabaseError, "not on a network drive"),
        ("database table is locked: judgements", DatabaseBusyError, "Save again in a moment"),
        ("database or disk is full", StorageFullError, "Free some space"),
        ("attempt to write a readonly database", DatabaseError, "the right to write"),
        ("something new", DatabaseError, "report this message"),
    ],
)
def test_what_sqlite_says_becomes_a_kind_and_a_remedy_and_its_words_are_kept(words, kind, remedy):
    error = failures._translated(sqlite3.OperationalError(words), "a.db")
    assert type(error) is kind
    assert remedy in str(error)
    assert words in str(error)


def test_what_postgresql_says_is_told_by_its_codes():
    error = sqlite3.OperationalError("could not extend file")
    error.sqlstate = "53100"
    assert isinstance(failures._translated(error, "site"), StorageFullError)


def test_a_backup_of_a_live_database_holds_every_row(desk, engine, tmp_path, database_path):
    receipts = [desk.judge_current().judgement_id for _ in range(5)]
    copy = tmp_path / "copies ' %" / "monday.db"
    copy.parent.mkdir()
    assert Path(f"{database_path}-wal").stat().st_size > 0
    assert backup(engine, copy) == 5
    assert [one.name for one in copy.parent.iterdir()] == ["monday.db"]
    restored = Repository(open_engine(copy), clock=desk.clock)
    assert list(restored.results.judgement_table(desk.study.study_id)["judgement_id"]) == receipts
    desk.repository = restored
    assert desk.judge_current().is_new


def test_a_backup_overwrites_nothing_and_leaves_nothing_half_done(engine, tmp_path, monkeypatch):
    taken = tmp_path / "taken.db"
    taken.write_text("mine")
    with pytest.raises(DatabaseError, match="exists; a backup never overwrites a file"):
        backup(engine, taken)
    with pytest.raises(DatabaseError, match="nowhere does not exist; make it or name another one"):
        backup(engine, tmp_path / "nowhere" / "a.db")
    monkeypatch.setattr("cytosae_core.judging.database._checked_copy", _fail)
    before = {one.name for one in tmp_path.iterdir()} | {"annotations.db-shm", "annotations.db-wal"}
    with pytest.raises(DatabaseError, match="the copy is damaged"):
        backup(engine, tmp_path / "new.db")
    assert {one.name for one in tmp_path.iterdir()} == before
    assert taken.read_text() == "mine"


def _fail(_path):
    raise DatabaseError("the copy is damaged")


def test_a_backup_is_made_while_others_write(desk, engine, tmp_path):
    with writing(engine) as connection:
        connection.execute(text(ATTEMPT))
        assert backup(engine, tmp_path / "during.db") == 0
    assert desk.judge_current().is_new
