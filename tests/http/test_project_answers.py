"""What a Supabase project may answer that a Baton would not: its gateway's errors, older forms, pages, nothing."""

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from web.config import Config
from web.errors import ApiError
from web.project import Project

PAGE = "<html>Bad gateway</html>"
NO_KEY = {"message": "Invalid API key", "hint": "Double check your API key."}


class Gateway:
    """An address that answers everything in one way."""

    def __init__(self) -> None:
        self.status = 200
        self.body = ""
        self.headers: dict[str, str] = {}
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(gateway.status)
                for name, value in {"Content-Length": str(len(gateway.body)), **gateway.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(gateway.body.encode())

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.project = project_at(self._server.server_port)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def answers(self, status: int, body: object, **headers: str) -> None:
        """Have it answer like this."""
        self.status, self.headers = status, headers
        self.body = body if isinstance(body, str) else json.dumps(body)

    def stop(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()


def project_at(port: int) -> Project:
    """Return the project at a port of this machine."""
    url = f"http://127.0.0.1:{port}"
    return Project(Config(supabase_url=url, supabase_anon_key="anon", supabase_service_role_key="service"))


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    """Return such an address."""
    gateway = Gateway()
    yield gateway
    gateway.stop()


def login(code: int, name: str) -> dict[str, object]:
    """Return an error in the form of Supabase's login."""
    return {"code": code, "error_code": name, "msg": "A sentence"}


def storage(code: int, name: str) -> dict[str, object]:
    """Return an error in the form of Supabase's storage."""
    return {"statusCode": str(code), "error": name, "message": "A sentence"}


@pytest.mark.parametrize(
    ("status", "body", "seen"),
    [
        (401, NO_KEY, (503, "project_key_refused")),
        (403, login(403, "bad_jwt"), (503, "project_key_refused")),
        (429, login(429, "over_request_rate_limit"), (429, "over_request_rate_limit")),
        (422, login(422, "anonymous_provider_disabled"), (422, "anonymous_provider_disabled")),
        (400, {"error": "invalid_grant", "error_description": "No"}, (400, "unexpected_failure")),
        (500, login(500, "unexpected_failure"), (500, "unexpected_failure")),
        (502, PAGE, (503, "project_unavailable")),
        (503, login(503, "database_unavailable"), (503, "project_unavailable")),
        (500, PAGE, (503, "project_unavailable")),
        (200, PAGE, (503, "project_unavailable")),
        (200, {"access_token": 1}, (503, "project_unavailable")),
        (301, "", (503, "project_unavailable")),
    ],
    ids=str,
)
def test_what_the_login_answers(gateway: Gateway, status: int, body: object, seen: tuple[int, str]) -> None:
    gateway.answers(status, body)
    with pytest.raises(ApiError) as refusal, gateway.project.as_nobody() as client:
        client.auth.sign_in_anonymously()
    assert (refusal.value.status, refusal.value.code) == seen
    assert "html" not in refusal.value.message


@pytest.mark.parametrize(
    ("status", "body", "seen"),
    [
        (400, storage(404, "not_found"), (404, "NoSuchKey")),
        (400, storage(404, "Bucket not found"), (404, "NoSuchBucket")),
        (400, storage(409, "Duplicate"), (409, "ResourceAlreadyExists")),
        (409, {**storage(409, "Duplicate"), "code": "KeyAlreadyExists"}, (409, "KeyAlreadyExists")),
        (413, storage(413, "Payload too large"), (413, "EntityTooLarge")),
        (400, storage(403, "Unauthorized"), (503, "project_key_refused")),
        (401, NO_KEY, (503, "project_key_refused")),
        (502, PAGE, (503, "project_unavailable")),
        (500, {"message": "no form at all"}, (503, "project_unavailable")),
        (400, [], (503, "project_unavailable")),
        (200, PAGE, (503, "project_unavailable")),
    ],
    ids=str,
)
def test_what_the_storage_answers(gateway: Gateway, status: int, body: object, seen: tuple[int, str]) -> None:
    gateway.answers(status, body)
    with pytest.raises(ApiError) as refusal, gateway.project.as_service() as client:
        client.storage.from_("attachments").list("folder")
    assert (refusal.value.status, refusal.value.code) == seen
    assert "html" not in refusal.value.message


def test_when_to_try_again_is_passed_on(gateway: Gateway) -> None:
    gateway.answers(429, login(429, "over_request_rate_limit"), **{"Retry-After": "17"})
    with pytest.raises(ApiError) as refusal, gateway.project.as_nobody() as client:
        client.auth.sign_in_anonymously()
    assert refusal.value.headers == {"Retry-After": "17"}


def test_a_project_that_does_not_answer_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        with (
            pytest.raises(ApiError) as refusal,
            project_at(silent.getsockname()[1]).as_service(seconds=0.1) as client,
        ):
            client.storage.from_("attachments").list("folder")
        assert (refusal.value.status, refusal.value.code) == (503, "project_unavailable")
