"""What a host sees of the app, and what nobody ever sees in a log."""

import logging
import stat
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from starlette.applications import Starlette
from starlette.testclient import TestClient

from app import log, resources
from app.api import routes
from cytosae_core.errors import ConfigError, DatabaseBusyError
from tests.app.conftest import ACCESS_CODES
from tests.app.test_api import ANSWERS, HEADERS, client, rater, submit, turn_of, unhurried

__all__ = ["client", "rater", "unhurried"]

TYPED, WRONG_CODE, NAME = "typed-by-a-rater", "wrong-access-code", "Doctor Grey"


@pytest.fixture
def written(tmp_path):
    """The log as a host keeps it, in a file; call it to read."""
    path = tmp_path / "app.log"
    handler = log.start(str(path))
    yield path.read_text
    for name in log.LOGGERS:
        logging.getLogger(name).removeHandler(handler)
        logging.getLogger(name).setLevel(logging.NOTSET)
    handler.close()


def sign_in(client, rater_code="R01", access_code=ACCESS_CODES["R01"]):
    return client.post("/api/sign-in", json={"rater_code": rater_code, "access_code": access_code})


def rater_id(client):
    return resources.repository().sessions.resume(client.cookies["cytosae_session"]).rater_id


@pytest.mark.parametrize("name", log.LOGGERS)
def test_nothing_is_logged_anywhere_unless_somebody_asks(name):
    logger = logging.getLogger(name)
    assert [type(handler) for handler in logger.handlers] == [logging.NullHandler]
    assert logger.level == logging.NOTSET
    assert log.start("") is None
    assert len(logger.handlers) == 1


def test_sign_ins_and_refused_ones_are_told_by_the_opaque_id_of_the_rater(client, site, written):
    for code, access_code in (("R01", WRONG_CODE), ("nobody-" + TYPED, WRONG_CODE)):
        assert sign_in(client, code, access_code).status_code == 401
    assert sign_in(client).status_code == 200
    told = written()
    assert f"INFO cytosae_core.judging.sessions signed in, rater {rater_id(client)}\n" in told
    assert f"sign-in refused, rater {rater_id(client)}: wrong access code\n" in told
    assert "sign-in refused, rater unknown: wrong access code\n" in told
    assert told.count("WARNING app.log sign_in 401 SignInError, rater unknown\n") == 2


def test_a_lock_is_told_with_its_end(client, site, written):
    for _ in range(6):
        sign_in(client, "R02", WRONG_CODE)
    assert "WARNING cytosae_core.judging.attempts sign-in refused: 5 failed attempts, wait until " in written()


def test_refusals_are_told_by_kind_and_rater(rater, site, unhurried, written):
    turn = turn_of(rater, site)
    assert submit(rater, site, turn, {"meaningful": TYPED}).status_code == 422
    assert submit(rater, site, {"nonce": TYPED}, ANSWERS).status_code == 409
    assert rater.get("/api/turn", params={"study": TYPED, "task": "concept"}).status_code == 404
    told = written()
    for line in ("judgement 422 AnswerError", "judgement 409 SubmitRefusedError", "turn 404 StudyError"):
        assert f"WARNING app.log {line}, rater {rater_id(rater)}\n" in told


def test_a_slow_save_is_told_and_a_quick_one_is_not(rater, site, unhurried, written, monkeypatch):
    submit(rater, site, turn_of(rater, site), ANSWERS)
    assert "was slow" not in written()
    monkeypatch.setattr(log, "SLOW_S", 0.0)
    submit(rater, site, turn_of(rater, site), ANSWERS)
    assert f"s, rater {rater_id(rater)}\n" in written().partition("WARNING app.log judgement was slow, ")[2]


def failing_desk(error):
    class Desk:
        def submit_and_show_next(self, *_, **__):
            raise error

    return Desk()


def test_failures_are_told_in_full_where_the_host_can_mend_them(rater, site, written, monkeypatch):
    busy = DatabaseBusyError(f"annotations.db: held for too long\nDETAIL: failing row contains {TYPED}")
    monkeypatch.setattr(resources.repository(), "desk", failing_desk(busy))
    assert submit(rater, site, {"nonce": "x"}, ANSWERS).status_code == 503
    told = (
        f"ERROR app.log judgement 503 DatabaseBusyError, rater {rater_id(rater)}: annotations.db: held for too long\n"
    )
    assert told in written()
    assert TYPED not in written()


def test_an_error_that_nobody_foresaw_is_told_by_its_kind_and_way_but_not_by_its_text(
    rater, site, written, monkeypatch
):
    monkeypatch.setattr(resources.repository(), "desk", failing_desk(RuntimeError(f"cannot store {TYPED}")))
    quiet = TestClient(
        Starlette(routes=routes()), headers=HEADERS, cookies=dict(rater.cookies), raise_server_exceptions=False
    )
    assert submit(quiet, site, {"nonce": "x"}, ANSWERS).status_code == 500
    told = written()
    assert f"ERROR app.log judgement failed with RuntimeError, rater {rater_id(rater)}, at " in told
    assert "_judgement > test_log.py:" in told
    assert TYPED not in told


def test_a_study_that_cannot_be_opened_is_told_with_its_reason(rater, site, written, tmp_path, monkeypatch):
    monkeypatch.setenv("CYTOSAE_ATLAS", str(tmp_path / "nowhere"))
    rater.get("/api/turn", params={"study": site.study.study_id, "task": "concept"})
    assert f"ERROR app.resources study {site.study.study_id} cannot be opened: " in written()
    assert "nowhere" in written()


def test_neither_codes_nor_answers_nor_names_come_into_a_log_at_any_level(client, site, unhurried, caplog, monkeypatch):
    """A whole session with every kind of refusal, logged by everything that logs, down to DEBUG."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(log, "SLOW_S", 0.0)
    site.repository.raters.add("R03", site.study.study_id, name=NAME)
    sign_in(client, "R03", WRONG_CODE)
    sign_in(client, WRONG_CODE, ACCESS_CODES["R03"])
    sign_in(client, "R03", ACCESS_CODES["R03"])
    turn = turn_of(client, site)
    answers = {**ANSWERS, "concept": TYPED}
    client.post("/api/draft", json={"nonce": turn["nonce"], "sequence": 1, "answers": answers})
    client.post("/api/draft", json={"nonce": turn["nonce"], "sequence": 2, "answers": {TYPED: [TYPED]}})
    submit(client, site, turn, {**answers, "confidence": TYPED})
    submit(client, site, turn, answers)
    submit(client, site, turn, {**answers, "comment": TYPED})
    client.post("/api/judgement", content=f'{{"{TYPED}": ')
    for _ in range(6):
        sign_in(client, "R04", WRONG_CODE)
    told = "\n".join(
        f"{record.name} {record.getMessage()} {record.args} {record.exc_text}" for record in caplog.records
    )
    assert {record.name for record in caplog.records} >= {
        "app.log", "cytosae_core.judging.sessions", "cytosae_core.judging.attempts"
    }  # fmt: skip
    cookies = dict(client.cookies).values()
    secrets = (WRONG_CODE, ACCESS_CODES["R03"], "R03", "R04", NAME, TYPED, "Grey", turn["nonce"], *cookies)
    assert [secret for secret in secrets if secret in told] == []


def test_an_error_of_the_database_quotes_no_value_of_its_statement(site):
    """Servers log the tracebacks of unexpected errors."""
    statement = text("INSERT INTO judgements (judgement_id, answers) VALUES ('1', :answers)")
    with pytest.raises(IntegrityError, match="NOT NULL") as caught, site.repository.store.writing() as connection:
        connection.execute(statement, {"answers": TYPED})
    assert TYPED not in str(caught.value)


def test_only_its_owner_can_read_the_file_and_it_grows_from_start_to_start(tmp_path, written):
    path = tmp_path / "app.log"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    logging.getLogger("app").warning("one")
    again = log.start(str(path))
    for name in log.LOGGERS:
        logging.getLogger(name).removeHandler(again)
    again.close()
    assert written().endswith("WARNING app one\n")


def test_times_are_utc(written):
    logging.getLogger("app").warning("one")
    stamp = written().split()[0]
    assert abs(datetime.now(UTC) - datetime.fromisoformat(stamp)) < timedelta(minutes=1)


def test_standard_error_takes_the_log_too(capsys):
    handler = log.start("stderr")
    logging.getLogger("cytosae_core").info("one")
    for name in log.LOGGERS:
        logging.getLogger(name).removeHandler(handler)
        logging.getLogger(name).setLevel(logging.NOTSET)
    assert capsys.readouterr().err.endswith("INFO cytosae_core one\n")


def test_a_log_that_cannot_be_written_names_the_setting(tmp_path):
    with pytest.raises(
        ConfigError, match=r"the log '.*nowhere/app.log' cannot be written .* let CYTOSAE_LOG name a file"
    ):
        log.start(str(tmp_path / "nowhere" / "app.log"))
