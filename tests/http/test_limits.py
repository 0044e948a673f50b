"""Limits per address."""

import pytest
from flask.testing import FlaskClient

from tests.http.conftest import PASSWORD
from tests.servers import Baton
from web import create_app
from web.config import Config


def client_of(baton: Baton, address_limit: str = "1000/minute", trusted_proxies: int = 0) -> FlaskClient:
    """Return a client of a new app: its counters begin at nothing."""
    config = Config(
        database_url=baton.database.url,
        jwt_secret=baton.jwt_secret,
        address_limit=address_limit,
        trusted_proxies=trusted_proxies,
    )
    return create_app(config).test_client()


def test_an_address_that_asks_too_often_is_told_when_to_come_back(baton: Baton) -> None:
    client = client_of(baton, "3/minute")
    answers = [client.get("/api/me", headers={"apikey": baton.service_key}) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[3].get_json()["details"] == "rate_limited"
    assert 1 <= int(answers[3].headers["Retry-After"]) <= 61  # rounded up


def test_watching_is_not_limited(baton: Baton) -> None:
    client = client_of(baton, "1/minute")
    for path in ("/healthz", "/readyz", "/metrics"):
        assert [client.get(path).status_code for _ in range(3)] == [200] * 3


@pytest.mark.parametrize(("trusted", "statuses"), [(0, [200, 429]), (1, [200, 200])])
def test_a_forwarded_address_counts_only_behind_a_trusted_proxy(
    baton: Baton, trusted: int, statuses: list[int]
) -> None:
    client = client_of(baton, "1/minute", trusted)
    headers = [{"apikey": baton.service_key, "X-Forwarded-For": address} for address in ("10.0.0.1", "10.0.0.2")]
    assert [client.get("/api/me", headers=header).status_code for header in headers] == statuses


def test_guessing_a_password_is_limited_per_account(baton: Baton, account: str) -> None:
    client = client_of(baton)

    def sign_in(email: str, password: str) -> int:
        body = {"email": email, "password": password}
        return client.post("/auth/v1/token?grant_type=password", json=body).status_code

    assert [sign_in(account, "wrong") for _ in range(30)] == [400] * 30
    assert sign_in(account, PASSWORD) == 429
    assert sign_in(account.upper(), PASSWORD) == 429
    assert sign_in("somebody.else@baton.example", "wrong") == 400
    assert client.post("/auth/v1/token?grant_type=refresh_token", json={"refresh_token": "x"}).status_code == 400


def test_a_limited_login_answers_in_its_own_form(baton: Baton) -> None:
    client = client_of(baton, "1/minute")
    client.post("/auth/v1/signup")
    answer = client.post("/auth/v1/signup")
    assert (answer.status_code, answer.get_json()["error_code"]) == (429, "over_request_rate_limit")
    assert "Retry-After" in answer.headers
