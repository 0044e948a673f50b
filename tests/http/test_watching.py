"""Health, numbers, logs, and what browsers are told."""

import json
import re

import httpx
import pytest

from tests.http.conftest import PASSWORD, Person
from tests.servers import Baton, Server
from web import create_app
from web.config import Config


def test_alive_and_ready(baton: Baton) -> None:
    assert baton.client.get("/healthz").json() == {"status": "ok"}
    assert baton.client.get("/readyz").json() == {"status": "ok"}


def test_not_ready_before_the_migrations_are_loaded(server: Server) -> None:
    with server.empty_database() as database:
        client = create_app(Config(database_url=database.url, jwt_secret="x" * 32)).test_client()
        answer = client.get("/readyz")
        assert (answer.status_code, answer.get_json()["problem"]) == (503, "migrations")
        client.application.extensions["baton_database"].pool.close()


def test_requests_are_counted_by_route(baton: Baton, customer: Person) -> None:
    chat = customer.starts_chat()
    customer.get(f"/api/chats/{chat['id']}")
    numbers = baton.client.get("/metrics").text
    assert re.search(
        r'baton_http_requests_total\{method="GET",route="/api/chats/<uuid:chat_id>",status="200"\} \d', numbers
    )
    assert "baton_http_request_seconds_bucket" in numbers
    assert chat["id"] not in numbers


def test_a_request_is_one_line_of_json_without_secrets(baton: Baton, customer: Person, account: str) -> None:
    customer.http.post("/api/chats", json={"content": "my secret text"}, headers={"X-Request-Id": "find-this-line"})
    baton.client.post("/auth/v1/token?grant_type=password", json={"email": account, "password": PASSWORD})
    log = baton.log.read_text()
    lines = [json.loads(line) for line in log.split("\n") if line.startswith("{")]
    (line,) = [line for line in lines if line.get("request_id") == "find-this-line"]
    assert (line["method"], line["path"], line["status"], line["role"]) == ("POST", "/api/chats", 400, "authenticated")
    assert line["duration_ms"] > 0
    for secret in ("my secret text", customer.token, PASSWORD, baton.jwt_secret):
        assert str(secret) not in log


@pytest.mark.parametrize("path", ["/api/me", "/docs", "/healthz", "/nothing", "/static/docs.css"])
def test_every_answer_is_protected(baton: Baton, path: str) -> None:
    headers = baton.client.get(path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "script-src" not in headers["Content-Security-Policy"]


def test_other_origins_are_told_nothing_unless_allowed(baton: Baton) -> None:
    answer = baton.client.get("/healthz", headers={"Origin": "https://shop.example"})
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize(
    ("allowed", "origin", "answer"),
    [
        (("https://shop.example",), "https://shop.example", "https://shop.example"),
        (("https://shop.example",), "https://evil.example", None),
        (("https://shop.example",), "https://shop.example.evil.example", None),
        (("*",), "https://any.example", "https://any.example"),
    ],
)
def test_allowed_origins_may_ask(baton: Baton, allowed: tuple[str, ...], origin: str, answer: str | None) -> None:
    client = create_app(Config(jwt_secret=baton.jwt_secret, allowed_origins=allowed)).test_client()
    asked = client.options("/api/chats", headers={"Origin": origin, "Access-Control-Request-Method": "POST"})
    assert asked.status_code == 200
    assert asked.headers.get("Access-Control-Allow-Origin") == answer
    assert ("authorization" in asked.headers.get("Access-Control-Allow-Headers", "")) == (answer is not None)
    refused = client.get("/api/me", headers={"Origin": origin})
    assert refused.headers.get("Access-Control-Allow-Origin") == answer  # or a page could not read the refusal
    assert "Origin" in refused.headers["Vary"]
    assert "Access-Control-Allow-Credentials" not in refused.headers


@pytest.mark.parametrize(
    "path", ["/auth/v1/token", "/rest/v1/rpc/who_am_i", "/rest/v1/chats", "/functions/v1/idle-detection"]
)
def test_a_page_may_send_all_that_supabase_js_sends(baton: Baton, path: str) -> None:
    origin = "https://shop.example"
    client = create_app(Config(jwt_secret=baton.jwt_secret, allowed_origins=(origin,))).test_client()
    sent = {"apikey", "authorization", "content-profile", "content-type", "prefer", "x-client-info", "x-retry-count"}
    asking = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    asked = client.options(path, headers={**asking, "Access-Control-Request-Headers": ",".join(sorted(sent))})
    assert asked.status_code == 200
    assert sent <= set(asked.headers["Access-Control-Allow-Headers"].split(", "))
    allowed = set(asked.headers["Access-Control-Allow-Methods"].split(", "))
    assert allowed >= {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}
    exposed = set(asked.headers["Access-Control-Expose-Headers"].split(", "))
    assert exposed >= {"Content-Range", "Proxy-Status"}


def test_a_folder_of_static_files_gives_nothing_else(baton: Baton) -> None:
    for path in ("/static/../config.py", "/static/%2e%2e/config.py", "/static/"):
        request = httpx.Request("GET", baton.base_url + path)
        assert baton.client.send(request).status_code == 404
