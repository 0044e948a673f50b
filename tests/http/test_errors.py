"""Every failure has one form, whatever raised it, and says nothing about our insides."""

from collections.abc import Iterator

import httpx
import psycopg
import pytest
from flask import Flask, g

from tests.http.conftest import Person, refuses
from tests.servers import Baton, Database
from web import create_app
from web.config import Config
from web.db import call
from web.errors import from_database


@pytest.fixture
def app(baton: Baton) -> Iterator[Flask]:
    """Make the app in this process, inside a request of a signed-in person."""
    app = create_app(Config(database_url=baton.database.url, jwt_secret=baton.jwt_secret))
    with app.test_request_context():
        g.role = "authenticated"
        yield app


def raised(database: Database, statement: str) -> psycopg.Error:
    """Return what Postgres raises for a statement."""
    with pytest.raises(psycopg.Error) as error:
        database.rows(statement)
    return error.value


def test_an_unknown_address_is_not_found(baton: Baton) -> None:
    assert refuses(baton.client.get("/api/nothing"), 404, "route_not_found")
    assert refuses(baton.client.get("/nothing"), 404, "route_not_found")


@pytest.mark.parametrize(
    ("path", "accept", "is_page"),
    [
        ("/nothing", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", True),
        ("/api/nothing", "text/html", True),
        ("/nothing", "*/*", False),
        ("/nothing", "application/json, text/plain, */*", False),
        ("/nothing", "", False),
    ],
)
def test_in_a_browser_it_is_a_page(baton: Baton, path: str, accept: str, is_page: bool) -> None:
    answer = baton.client.get(path, headers={"Accept": accept, "Accept-Language": "ar"})
    assert answer.status_code == 404
    assert answer.headers["Content-Type"].startswith("text/html" if is_page else "application/json")
    assert "Accept" in answer.headers["Vary"]
    assert ('dir="rtl"' in answer.text) == is_page
    assert "route_not_found" in answer.text
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]


def test_an_unknown_method_is_not_allowed(baton: Baton) -> None:
    answer = baton.client.put("/api/chats")
    assert refuses(answer, 405, "method_not_allowed")
    assert set(answer.headers["Allow"].split(", ")) >= {"GET", "POST"}


@pytest.mark.parametrize(
    ("sqlstate", "status", "code"),
    [
        ("PT404", 404, "refused"),
        ("PT418", 418, "refused"),
        ("PT200", 500, "internal_error"),
        ("22P02", 400, "invalid_input"),
        ("22003", 400, "invalid_input"),
        ("23502", 400, "constraint_violated"),
        ("23503", 409, "reference_missing"),
        ("23505", 409, "already_there"),
        ("23514", 400, "constraint_violated"),
        ("25006", 503, "database_unavailable"),
        ("40001", 409, "conflict"),
        ("40P01", 409, "conflict"),
        ("42501", 403, "not_allowed"),
        ("42883", 500, "internal_error"),
        ("53300", 503, "database_unavailable"),
        ("54001", 400, "invalid_input"),
        ("55P03", 409, "conflict"),
        ("57014", 503, "timed_out"),
        ("57P01", 503, "database_unavailable"),
        ("P0001", 500, "internal_error"),
        ("XX000", 500, "internal_error"),
    ],
)
def test_every_sqlstate_has_its_answer(app: Flask, baton: Baton, sqlstate: str, status: int, code: str) -> None:
    refusal = from_database(
        raised(baton.database, f"do $$ begin raise 'a secret' using errcode = '{sqlstate}'; end $$")
    )
    assert (refusal.status, refusal.code, refusal.sqlstate) == (status, code, sqlstate)
    if not sqlstate.startswith("PT"):
        assert "secret" not in refusal.message
    assert ("Retry-After" in refusal.headers) == (status == 503)


def test_a_constraint_is_named_by_the_code(app: Flask, baton: Baton, operator: Person, owner: Database) -> None:
    negative = raised(owner, f"update operators set capacity = -1 where id = '{operator.id}'")
    assert (from_database(negative).status, from_database(negative).code) == (400, "operators_capacity_check")
    twice = raised(owner, f"insert into operators (id, name) values ('{operator.id}', 'Ana')")
    assert (from_database(twice).status, from_database(twice).code) == (409, "operators_pkey")


def test_capacity_is_a_conflict_by_constraint_too(
    app: Flask, baton: Baton, customer: Person, operator: Person, owner: Database
) -> None:
    chats = [customer.starts_chat()["id"] for _ in range(2)]
    operator.takes_next()
    statement = (
        f"update chats set chat_state = 'assigned', assigned_operator_id = '{operator.id}' where id = '{chats[1]}'"
    )
    refusal = from_database(raised(owner, statement))
    assert (refusal.status, refusal.code) == (409, "operator_at_capacity")


def test_who_may_nothing_yet_is_not_signed_in(app: Flask, baton: Baton) -> None:
    g.role = "anon"
    refusal = from_database(raised(baton.database, "do $$ begin raise '' using errcode = '42501'; end $$"))
    assert (refusal.status, refusal.code) == (401, "not_signed_in")


def test_an_unexpected_failure_says_nothing_but_its_request_id(baton: Baton) -> None:
    app = create_app(Config(database_url=baton.database.url, jwt_secret=""))  # no secret: cannot check a token
    answer = app.test_client().get("/api/me", headers={"apikey": baton.service_key, "X-Request-Id": "given-by-me"})
    body = answer.get_json()
    assert (answer.status_code, body["details"]) == (500, "internal_error")
    assert "given-by-me" in body["hint"]
    assert "Traceback" not in answer.text
    assert "SECRET" not in answer.text


def test_without_a_database_one_is_asked_to_come_back(baton: Baton) -> None:
    url = "postgresql://postgres@127.0.0.1:1/nowhere?connect_timeout=1"
    app = create_app(Config(database_url=url, jwt_secret=baton.jwt_secret))
    app.extensions["baton_database"].pool.timeout = 0.5
    client = app.test_client()
    answer = client.get("/api/me", headers={"apikey": baton.service_key})
    assert (answer.status_code, answer.get_json()["details"]) == (503, "database_unavailable")
    assert answer.headers["Retry-After"] == "1"
    assert "127.0.0.1" not in answer.text
    assert client.get("/readyz").get_json() == {"status": "unavailable", "problem": "database"}
    assert client.get("/healthz").status_code == 200
    login = client.post("/auth/v1/signup")
    assert (login.status_code, login.get_json()["error_code"]) == (503, "database_unavailable")


def test_a_request_that_takes_too_long_is_stopped(baton: Baton, service: Person, owner: Database) -> None:
    app = create_app(Config(database_url=baton.database.url, jwt_secret=baton.jwt_secret, statement_timeout_ms=100))
    owner.rows("create function public.who_am_i_slowly() returns void language sql as 'select pg_sleep(5)'")
    try:
        with app.test_request_context(headers={"apikey": baton.service_key}), pytest.raises(psycopg.Error) as error:
            call("who_am_i_slowly")
    finally:
        owner.rows("drop function public.who_am_i_slowly()")
    assert error.value.sqlstate == "57014"


def test_a_refusal_has_a_request_id(baton: Baton) -> None:
    answer: httpx.Response = baton.client.get("/api/me", headers={"X-Request-Id": "abc-123.DEF"})
    assert answer.headers["X-Request-Id"] == "abc-123.DEF"
    for odd in ("short", "x" * 65, 'evil"id here', "<script>"):
        answer = baton.client.get("/api/me", headers={"X-Request-Id": odd})
        assert answer.headers["X-Request-Id"] != odd
