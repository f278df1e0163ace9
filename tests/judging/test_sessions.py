import re
import threading
from datetime import timedelta

import pytest
from argon2 import PasswordHasher, extract_parameters
from sqlalchemy import text

from cytosae_core.errors import AnnotationError, ConfigError, SignInError
from cytosae_core.judging import attempts, sessions
from cytosae_core.judging.attempts import Caller
from cytosae_core.judging.raters import access_hash, new_access_code

WRONG = "do not belong together; check both and try again"


@pytest.fixture(autouse=True)
def cheap_hashes(monkeypatch, request):
    """Real argon2, but with little work, except where the work is what is tested."""
    sessions._nobodys_hash.cache_clear()
    if "same_work" not in request.node.name:
        cheap = lambda: PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)  # noqa: E731
        monkeypatch.setattr("cytosae_core.judging.sessions.PasswordHasher", cheap)
        monkeypatch.setattr("cytosae_core.judging.raters.PasswordHasher", cheap)
    yield
    sessions._nobodys_hash.cache_clear()


@pytest.fixture
def hasher():
    """None: what a repository takes by itself, for `cheap_hashes` to make cheap or not."""


@pytest.fixture
def rater(repository, study):
    repository.raters.add("Anna-1", study.study_id, access_code="correct-horse")
    return repository


def fail(repository, times, code="Anna-1"):
    for _ in range(times):
        with pytest.raises(SignInError, match=WRONG):
            repository.sessions.sign_in(code, "wrong-horse-battery")


def test_codes_may_be_typed_in_any_case_and_the_access_code_without_hyphens(rater):
    session = rater.sessions.sign_in(" anna-1 ", "correcthorse")
    assert session.rater_code == "Anna-1"
    assert rater.sessions.resume(session.token) == session


def test_a_generated_access_code_works_and_is_not_in_the_database(repository, study, database_path):
    access_code = repository.raters.add("R02", study.study_id)
    assert re.fullmatch(r"[A-HJ-NP-Z2-9]{4}(-[A-HJ-NP-Z2-9]{4}){2}", access_code)
    token = repository.sessions.sign_in("R02", access_code.lower().replace("-", " ")).token
    stored = b"".join(path.read_bytes() for path in database_path.parent.iterdir())
    assert access_code.encode() not in stored
    assert access_code.replace("-", "").encode() not in stored
    assert token.encode() not in stored
    assert b"$argon2id$" in stored


def test_unknown_codes_and_wrong_access_codes_get_the_same_message(rater):
    messages = set()
    for code in ("Anna-1", "nobody", "", "x" * 10_000, "\ud83d", "'; DROP TABLE raters"):
        with pytest.raises(SignInError) as caught:
            rater.sessions.sign_in(code, "wrong-horse-\udc00")
        messages.add(str(caught.value))
    assert len(messages) == 1


def test_unknown_codes_and_wrong_access_codes_cost_one_check_of_a_hash_of_the_same_work(rater, monkeypatch):
    """Time is that of argon2, which the parameters in the hash decide; the clock of a busy machine says less."""
    checked = []

    class Counting(PasswordHasher):
        def verify(self, stored, given):
            checked.append(stored)
            return super().verify(stored, given)

    monkeypatch.setattr("cytosae_core.judging.sessions.PasswordHasher", Counting)
    work = []
    for code in ("nobody", "Anna-1", "nobody", "Anna-1"):
        fail(rater, 1, code)
        work.append([extract_parameters(stored) for stored in checked])
        checked.clear()
    own = extract_parameters(PasswordHasher().hash("any"))
    assert work == [[own]] * 4


@pytest.mark.parametrize("code", ["Anna-1", "nobody"])
def test_five_failures_are_free_and_each_further_one_doubles_the_wait(rater, clock, code):
    fail(rater, 5, code)
    for seconds in (1, 2, 4, 8, 16):
        with pytest.raises(SignInError, match=r"too many failed attempts .* wait until 12:\d\d:\d\d UTC"):
            rater.sessions.sign_in(code.upper(), "correct-horse")
        clock.wait(seconds=seconds)
        fail(rater, 1, code)
    clock.wait(minutes=5)
    fail(rater, 1, code)


def test_waiting_is_never_longer_than_five_minutes_and_not_made_longer_by_trying(rater, clock, study):
    rater.raters.add("R02", study.study_id, access_code="another-horse")
    for wait in (0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128):
        clock.wait(seconds=wait)
        fail(rater, 1)
    clock.wait(seconds=256)
    fail(rater, 1)
    for _ in range(9):
        with pytest.raises(SignInError, match="too many"):
            rater.sessions.sign_in("Anna-1", "correct-horse")
        clock.wait(seconds=30)
    assert rater.sessions.sign_in("R02", "another-horse")
    clock.wait(seconds=31)
    assert rater.sessions.sign_in("Anna-1", "correct-horse")


def test_whoever_guesses_a_raters_code_elsewhere_does_not_hold_up_the_rater_at_a_known_desk(rater, clock):
    desk = Caller("10.0.0.1", "the cookie of the desk")
    assert rater.sessions.sign_in("Anna-1", "correct-horse", desk)
    for _ in range(30):
        clock.wait(seconds=1)
        with pytest.raises(SignInError):
            rater.sessions.sign_in("Anna-1", "wrong-horse-battery", Caller("10.9.9.9"))
    with pytest.raises(SignInError, match="too many"):
        rater.sessions.sign_in("Anna-1", "correct-horse", Caller("10.9.9.9"))
    assert rater.sessions.sign_in("Anna-1", "correct-horse", desk)


def test_a_device_that_the_rater_never_used_is_a_stranger_whatever_it_says(rater):
    for k in range(5):
        with pytest.raises(SignInError, match=WRONG):
            rater.sessions.sign_in("Anna-1", "wrong-horse-battery", Caller("10.9.9.9", f"made up {k}"))
    with pytest.raises(SignInError, match="too many"):
        rater.sessions.sign_in("Anna-1", "correct-horse", Caller("10.9.9.9", "made up"))


def test_a_known_device_waits_after_failures_of_its_own(rater, clock):
    desk = Caller("10.0.0.1", "the cookie of the desk")
    rater.sessions.sign_in("Anna-1", "correct-horse", desk)
    clock.wait(seconds=1)
    for _ in range(5):
        with pytest.raises(SignInError, match=WRONG):
            rater.sessions.sign_in("Anna-1", "wrong-horse-battery", desk)
    with pytest.raises(SignInError, match="too many"):
        rater.sessions.sign_in("Anna-1", "correct-horse", desk)
    clock.wait(seconds=1)
    assert rater.sessions.sign_in("Anna-1", "correct-horse", desk)


def test_one_address_that_guesses_many_codes_waits_and_other_addresses_do_not(rater):
    for k in range(20):
        with pytest.raises(SignInError, match=WRONG):
            rater.sessions.sign_in(f"guess{k}", "wrong-horse-battery", Caller("10.9.9.9"))
    with pytest.raises(SignInError, match="too many"):
        rater.sessions.sign_in("another", "wrong-horse-battery", Caller("10.9.9.9"))
    assert rater.sessions.sign_in("Anna-1", "correct-horse", Caller("10.0.0.1"))


def test_a_new_access_code_and_unlocking_end_the_wait_at_once(rater, study):
    fail(rater, 5)
    rater.raters.add("Anna-1", study.study_id, access_code="another-horse")
    assert rater.sessions.sign_in("Anna-1", "another-horse")
    rater.raters.unlock("anna-1")
    fail(rater, 5)
    rater.raters.unlock("anna-1")
    assert rater.sessions.sign_in("Anna-1", "another-horse")
    with pytest.raises(AnnotationError, match="there is no rater 'ghost'"):
        rater.raters.unlock("ghost")


def test_neither_addresses_nor_devices_are_in_the_database(rater, database_path):
    rater.sessions.sign_in("Anna-1", "correct-horse", Caller("192.0.2.77", "the cookie of the desk"))
    fail(rater, 1)
    stored = b"".join(path.read_bytes() for path in database_path.parent.iterdir())
    assert b"192.0.2.77" not in stored
    assert b"the cookie of the desk" not in stored


def test_the_lock_outlives_a_restart_of_the_app(rater, engine, clock):
    fail(rater, 5)
    with pytest.raises(SignInError, match="too many"):
        type(rater)(engine, clock=clock).sessions.sign_in("Anna-1", "correct-horse")


def test_signing_in_forgives_earlier_failures(rater, clock):
    for _ in range(3):
        fail(rater, 4)
        clock.wait(seconds=1)
        assert rater.sessions.sign_in("Anna-1", "correct-horse")
        clock.wait(seconds=1)


def test_failures_of_any_codes_never_lock_everybody(rater):
    for k in range(150):
        with pytest.raises(SignInError):
            rater.sessions.sign_in(f"guess{k}", "wrong-horse-battery", Caller(f"10.0.{k % 3}.9"))
    assert rater.sessions.sign_in("Anna-1", "correct-horse", Caller("10.0.7.7"))


def test_attempts_made_at_the_same_time_are_all_counted(rater):
    outcomes = []
    start = threading.Barrier(12)

    def guess():
        start.wait()
        try:
            rater.sessions.sign_in("Anna-1", "wrong-horse-battery")
        except SignInError as error:
            outcomes.append("too many" if "too many" in str(error) else "wrong")

    threads = [threading.Thread(target=guess) for _ in range(12)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert sorted(outcomes) == ["too many"] * 7 + ["wrong"] * 5


def test_a_session_slides_for_twelve_hours_from_its_last_use_and_then_ends(rater, clock):
    token = rater.sessions.sign_in("Anna-1", "correct-horse").token
    for _ in range(3):
        clock.wait(hours=11, minutes=59)
        assert rater.sessions.resume(token)
    clock.wait(hours=12, seconds=1)
    assert rater.sessions.resume(token) is None


def test_resuming_often_writes_seldom(rater, clock):
    def expiry():
        with rater.store.reading() as connection:
            return connection.execute(text("SELECT expires_at FROM sessions")).scalar_one()

    token = rater.sessions.sign_in("Anna-1", "correct-horse").token
    first = expiry()
    clock.wait(minutes=4)
    rater.sessions.resume(token)
    assert expiry() == first
    clock.wait(minutes=2)
    rater.sessions.resume(token)
    assert expiry() > first


def test_signing_out_ends_this_session_only_and_may_be_repeated(rater):
    one, other = (rater.sessions.sign_in("Anna-1", "correct-horse").token for _ in range(2))
    rater.sessions.sign_out(one)
    rater.sessions.sign_out(one)
    assert rater.sessions.resume(one) is None
    assert rater.sessions.resume(other)


@pytest.mark.parametrize("token", ["", "x", "\ud83d", "a" * 100_000])
def test_a_token_that_never_was_is_nobody(rater, token):
    assert rater.sessions.resume(token) is None


def test_a_new_access_code_ends_sessions_and_the_old_code(rater, study):
    token = rater.sessions.sign_in("Anna-1", "correct-horse").token
    assert rater.raters.add("anna-1", study.study_id, access_code="another-horse") == "another-horse"
    assert rater.sessions.resume(token) is None
    fail(rater, 1)
    assert rater.sessions.sign_in("Anna-1", "another-horse")


def test_old_attempts_and_ended_sessions_are_cleared_away(rater, clock):
    fail(rater, 3, "nobody")
    rater.sessions.sign_in("Anna-1", "correct-horse")
    clock.wait(days=2)
    rater.sessions.sign_in("Anna-1", "correct-horse")
    with rater.store.reading() as connection:
        counts = [
            connection.execute(text(f"SELECT COUNT(*) FROM {t}")).scalar_one() for t in ("sessions", "sign_in_attempts")
        ]
    assert counts == [1, 1]


@pytest.mark.parametrize("access_code", ["", "short", "a-b-c-d-e-f-g", "x" * 201])
def test_an_access_code_that_is_too_short_or_too_long_is_refused(rater, study, access_code):
    with pytest.raises(ConfigError, match="needs 8 to 200 characters"):
        rater.raters.add("R05", study.study_id, access_code=access_code)
    assert "R05" not in set(rater.raters.table(study.study_id)["rater_code"])


@pytest.mark.parametrize("code", ["", " R1", "a b", "x" * 33, "ä", "-a", "a\n", "../x"])
def test_a_rater_code_that_cannot_work_is_refused(repository, study, code):
    with pytest.raises(ConfigError, match="is no rater code; use 1 to 32 letters"):
        repository.raters.add(code, study.study_id)


def test_hashes_are_salted_and_generated_codes_differ():
    assert access_hash("correct-horse") != access_hash("correct-horse")
    assert len({new_access_code() for _ in range(100)}) == 100
    assert timedelta(minutes=15) == attempts.WINDOW


def test_an_unknown_rater_id_can_do_nothing(rater, study):
    item = study.items[0]
    with pytest.raises(AnnotationError, match="there is no rater 'ghost'"):
        rater.desk.present("ghost", study.study_id, item.item_id, "concept", item.pictures_digest, "v")
    with pytest.raises(AnnotationError, match="there is no rater 'ghost'"):
        rater.judgements.submit("ghost", "nonce", {})
