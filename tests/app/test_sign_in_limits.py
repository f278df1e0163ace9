"""Signing in through a proxy, from known browsers, and with many at once."""

import threading
from datetime import timedelta

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from app import api, resources
from app.api import DEVICE_COOKIE, routes
from cytosae_core.judging import attempts, sessions
from cytosae_core.judging.attempts import Limit
from tests.app.conftest import ACCESS_CODES
from tests.app.test_api import HEADERS, client
from tests.conftest import CHEAP_HASHER

__all__ = ["client"]


@pytest.fixture(autouse=True)
def quick_and_strict(monkeypatch):
    """Hashes cost little, and an address that failed three times waits for an hour: no clock decides."""
    sessions._nobodys_hash.cache_clear()
    monkeypatch.setattr(sessions, "PasswordHasher", lambda: CHEAP_HASHER)
    monkeypatch.setattr(Limit, "wait", lambda self, n: timedelta(hours=n > 3 and self is attempts.OF_ADDRESS))
    yield
    sessions._nobodys_hash.cache_clear()


PROXY = "testclient"
"""What the test client calls itself."""


@pytest.fixture
def trusting(monkeypatch):
    """The settings trust the proxy that the requests come from."""
    monkeypatch.setattr(api, "trusted_proxies", lambda: frozenset({PROXY}))


def sign_in(client, code="R01", access_code="wrong-horse", **headers):
    return client.post("/api/sign-in", json={"rater_code": code, "access_code": access_code}, headers=headers)


def guess_until_refused(client, **headers):
    for k in range(30):
        if "too many" in sign_in(client, f"guess{k}", **headers).text:
            return
    raise AssertionError("thirty guesses were taken from one address")


def test_behind_a_trusted_proxy_the_forwarded_address_waits_and_no_other(client, trusting):
    guess_until_refused(client, **{"X-Forwarded-For": "192.0.2.7"})
    done = sign_in(client, "R01", ACCESS_CODES["R01"], **{"X-Forwarded-For": "192.0.2.8"})
    assert done.status_code == 200


def test_an_address_that_the_browser_made_up_before_the_proxy_is_not_believed(client, trusting):
    guess_until_refused(client, **{"X-Forwarded-For": "192.0.2.7"})
    done = sign_in(client, "R01", ACCESS_CODES["R01"], **{"X-Forwarded-For": "198.51.100.1, 192.0.2.7"})
    assert "too many" in done.text


def test_nobody_is_believed_who_is_not_named_in_the_settings(client):
    guess_until_refused(client, **{"X-Forwarded-For": "192.0.2.7"})
    done = sign_in(client, "R01", ACCESS_CODES["R01"], **{"X-Forwarded-For": "192.0.2.8"})
    assert "too many" in done.text


@pytest.mark.parametrize(("proto", "is_secure"), [("https", True), ("http", False), (None, False)])
def test_cookies_are_secure_where_a_trusted_proxy_speaks_https(client, trusting, proto, is_secure):
    headers = {"X-Forwarded-Proto": proto} if proto else {}
    done = sign_in(client, "R01", ACCESS_CODES["R01"], **headers)
    cookies = done.headers.get_list("set-cookie")
    assert len(cookies) == 2
    assert all(("secure" in cookie.lower()) is is_secure for cookie in cookies)
    assert all("httponly" in cookie.lower() for cookie in cookies)


def test_a_browser_keeps_its_device_over_signing_out_and_another_rater(client):
    sign_in(client, "R01", ACCESS_CODES["R01"])
    device = client.cookies[DEVICE_COOKIE]
    client.post("/api/sign-out", json={})
    assert client.cookies[DEVICE_COOKIE] == device
    sign_in(client, "R02", ACCESS_CODES["R02"])
    assert client.cookies[DEVICE_COOKIE] == device


def test_at_most_two_access_codes_are_checked_at_a_time_and_everybody_gets_an_answer(site, monkeypatch):
    inside, most = [], []
    verify = sessions._verify

    def counting(hashed, access_code):
        inside.append(1)
        most.append(len(inside))
        try:
            return verify(hashed, access_code)
        finally:
            inside.pop()

    monkeypatch.setattr(sessions, "_verify", counting)
    monkeypatch.setattr(Limit, "wait", lambda self, n: timedelta(0))
    answers = []
    with TestClient(Starlette(routes=routes()), headers=HEADERS) as shared:
        threads = [
            threading.Thread(target=lambda k=k: answers.append(sign_in(shared, f"guess{k}").status_code))
            for k in range(12)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert answers == [401] * 12
    assert max(most) <= api.HASHES_AT_ONCE


def test_the_settings_name_proxies_with_commas(monkeypatch):
    resources.trusted_proxies.cache_clear()
    monkeypatch.setenv("CYTOSAE_TRUSTED_PROXIES", "10.0.0.1, 10.0.0.2,")
    assert resources.trusted_proxies() == {"10.0.0.1", "10.0.0.2"}
    resources.trusted_proxies.cache_clear()
