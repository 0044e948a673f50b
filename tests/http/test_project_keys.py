"""A Baton that believes the tokens of a Supabase project, which another Baton plays: by its published keys."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import jwt
import pytest

from tests.http.conftest import Person, refuses
from tests.keys import KeyFile, ec_file, rsa_file
from tests.live.line import Line, live_on, session_on
from tests.live.world import wait_until
from tests.servers import Baton, Server, free_port, running_baton
from web import project_keys
from web.errors import ApiError
from web.keys import published, read_key_files
from web.project_keys import ProjectKeys
from web.tokens import Tokens

SECRET = "the secret of the project, which nobody else knows"


def claims(**given: Any) -> dict[str, Any]:
    """Return the claims of a person, as a project signs them."""
    return {
        "sub": str(uuid4()),
        "role": "authenticated",
        "aud": "authenticated",
        "exp": int(time.time()) + 600,
        **given,
    }


def signs_up(project: Baton) -> str:
    """Return the access token of a new visitor of the project."""
    answer = project.client.post("/auth/v1/signup")
    assert answer.status_code == 200, answer.text
    text: str = answer.json()["access_token"]
    return text


@contextmanager
def running_project(server: Server, port: int, *keys: Path) -> Iterator[Baton]:
    """Run the Baton that plays the project."""
    files = ",".join(map(str, keys))
    with running_baton(server, SUPABASE_JWT_SECRET=SECRET, BATON_JWT_KEY_FILE=files, PORT=str(port)) as baton:
        yield baton


def is_taken_soon(user: Person) -> bool:
    """Return whether the user's token is taken as soon as its key may be asked for."""
    wait_until(lambda: user.get("/api/me").status_code == 200, 2 * project_keys.PAUSE)
    return True


def test_tokens_of_a_project_are_believed_by_its_keys(server: Server, tmp_path: Path) -> None:
    first, second = ec_file(tmp_path, "first"), rsa_file(tmp_path, "second")
    port = free_port()
    keys = {"SUPABASE_ANON_KEY": "-", "SUPABASE_SERVICE_ROLE_KEY": "-"}
    with running_baton(server, 1, SUPABASE_URL=f"http://127.0.0.1:{port}", **keys) as baton:
        early = Person(baton.base_url, first.sign(claims()))
        answer = early.get("/api/me")
        assert refuses(answer, 503, "keys_unavailable")
        assert int(answer.headers["Retry-After"]) >= 1
        own = Person(baton.base_url, jwt.encode(claims(), baton.jwt_secret))
        assert own.get("/api/me").status_code == 200

        with running_project(server, port, first.path) as project:
            visitor = Person(baton.base_url, signs_up(project))
            assert is_taken_soon(visitor)
            assert early.get("/api/me").status_code == 200
            assert visitor.starts_chat()["real_user_id"] == visitor.get("/api/me").json()["id"]
            by_secret = Person(baton.base_url, project.service_key)
            assert refuses(by_secret.get("/api/me"), 401, "token_invalid")  # a secret is not published
            stranger = rsa_file(tmp_path, "stranger")
            forged = Person(baton.base_url, stranger.sign(claims(role="service_role")))
            assert refuses(forged.get("/api/me"), 401, "token_invalid")
            forged = Person(baton.base_url, stranger.sign(claims(role="service_role"), kid=first.kid))
            assert refuses(forged.get("/api/me"), 401, "token_invalid")

        # The project has ended, and what was known stays good.
        assert Person(baton.base_url, first.sign(claims())).get("/api/me").status_code == 200

        with running_project(server, port, second.path, first.path) as project:
            renewed = Person(baton.base_url, signs_up(project))
            assert is_taken_soon(renewed)
            assert visitor.get("/api/me").status_code == 200


class Publisher:
    """An address that publishes keys, counts how often it was asked, and can be slow or broken."""

    def __init__(self) -> None:
        self.asked = 0
        self.answer: tuple[int, bytes] = (200, b'{"keys": []}')
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.was_asked = threading.Event()
        publisher = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                publisher.asked += 1
                publisher.was_asked.set()
                assert self.path == "/auth/v1/.well-known/jwks.json"
                publisher.may_answer.wait(20)
                status, body = publisher.answer
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def publish(self, *keys: KeyFile) -> None:
        """Publish these keys."""
        self.answer = (200, httpx.Response(200, json=published(read_key_files(key.path for key in keys))).content)

    def stop(self) -> None:
        """End it."""
        self.may_answer.set()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    """Return an address that publishes keys."""
    publisher = Publisher()
    yield publisher
    publisher.stop()


class Clock:
    """A time that stands still, but for the test."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """Return a time that stands still."""
    return Clock()


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> list[KeyFile]:
    """Return two keys."""
    folder = tmp_path_factory.mktemp("keys")
    return [ec_file(folder, "one"), ec_file(folder, "two")]


def found(project: ProjectKeys, kid: str | None) -> list[str | None]:
    """Return the ids of the keys that the project has for a token."""
    return [key.kid for key in project.find("ES256", kid)]


def test_an_unknown_key_is_asked_for_once_in_a_while(publisher: Publisher, clock: Clock, keys: list[KeyFile]) -> None:
    project = ProjectKeys(publisher.url, clock)
    publisher.publish(keys[0])
    assert found(project, keys[0].kid) == [keys[0].kid]
    for _ in range(5):
        assert found(project, keys[0].kid) == [keys[0].kid]
        assert found(project, keys[1].kid) == []
        assert found(project, None) == [keys[0].kid]
    assert publisher.asked == 1
    publisher.publish(*keys)
    clock.now += project_keys.PAUSE - 0.1
    assert found(project, keys[1].kid) == []
    clock.now += 0.2
    assert found(project, keys[1].kid) == [keys[1].kid]
    assert publisher.asked == 2


def test_many_who_need_the_keys_ask_one_question(publisher: Publisher, clock: Clock, keys: list[KeyFile]) -> None:
    project = ProjectKeys(publisher.url, clock)
    publisher.publish(keys[0])
    publisher.may_answer.clear()
    with ThreadPoolExecutor(8) as threads:
        asking = [threads.submit(found, project, keys[0].kid) for _ in range(8)]
        publisher.was_asked.wait(20)
        publisher.may_answer.set()
        assert [each.result() for each in asking] == [[keys[0].kid]] * 8
    assert publisher.asked == 1


def test_old_keys_are_looked_at_again_and_one_that_is_gone_is_gone(
    publisher: Publisher, clock: Clock, keys: list[KeyFile]
) -> None:
    project = ProjectKeys(publisher.url, clock)
    publisher.publish(*keys)
    assert found(project, keys[0].kid)
    generation = project.generation
    publisher.publish(keys[1])
    clock.now += project_keys.LIFETIME - 1
    project.freshen()
    assert found(project, keys[0].kid)
    clock.now += 2
    project.freshen()
    assert found(project, keys[0].kid) == []
    assert project.generation != generation  # what it has signed is not remembered any more
    project.freshen()
    assert publisher.asked == 2


def test_what_a_key_has_signed_ends_with_it(publisher: Publisher, clock: Clock, keys: list[KeyFile]) -> None:
    tokens = Tokens("", project=ProjectKeys(publisher.url, clock))
    publisher.publish(*keys)
    text = keys[0].sign(claims())
    assert tokens.check(text).role == "authenticated"
    publisher.publish(keys[1])
    clock.now += project_keys.LIFETIME + 1
    with pytest.raises(ApiError) as refusal:
        tokens.check(text)
    assert (refusal.value.status, refusal.value.code) == (401, "token_invalid")


@pytest.mark.parametrize(
    "answer", [(500, b"{}"), (404, b"{}"), (302, b"{}"), (200, b"<html>"), (200, b"[]"), (200, b"")], ids=str
)
def test_while_the_project_does_not_answer_its_keys_stay_good(
    publisher: Publisher, clock: Clock, keys: list[KeyFile], answer: tuple[int, bytes]
) -> None:
    project = ProjectKeys(publisher.url, clock)
    publisher.publish(keys[0])
    assert found(project, keys[0].kid)
    publisher.answer = answer
    clock.now += project_keys.LIFETIME + 1
    for _ in range(3):
        project.freshen()
        assert found(project, keys[0].kid) == [keys[0].kid]
        with pytest.raises(ApiError) as refusal:
            found(project, keys[1].kid)
        assert (refusal.value.status, refusal.value.code) == (503, "keys_unavailable")
    assert publisher.asked == 2
    publisher.publish(*keys)
    clock.now += project_keys.PAUSE
    assert found(project, keys[1].kid) == [keys[1].kid]


def test_without_any_answer_no_token_is_judged(clock: Clock, keys: list[KeyFile]) -> None:
    project = ProjectKeys(f"http://127.0.0.1:{free_port()}", clock)
    for kid in (keys[0].kid, None):
        with pytest.raises(ApiError) as refusal:
            found(project, kid)
        assert refusal.value.status == 503
    assert "127.0.0.1" not in refusal.value.message


def test_a_socket_whose_token_cannot_be_judged_is_told_to_come_back(baton: Baton, keys: list[KeyFile]) -> None:
    line = Line([{"type": "auth", "token": keys[0].sign(claims())}])
    with live_on(baton, supabase_url=f"http://127.0.0.1:{free_port()}") as live:
        session_on(line, live).run()
    assert (line.close_code, line.told[0]["details"]) == (1012, "keys_unavailable")
