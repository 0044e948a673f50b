"""People who call the running server over HTTP."""

import re
import time
from collections.abc import Callable, Iterator
from functools import cache
from threading import Lock
from typing import Any
from uuid import UUID, uuid4

import httpx
import jsonschema_rs
import jwt
import pytest
from werkzeug.exceptions import HTTPException
from werkzeug.routing import MapAdapter

from tests.servers import NO_AUTHORITIES, Baton, Database
from web import create_app
from web.auth.passwords import hash_password
from web.config import Config

PASSWORD = "correct horse battery staple"


@cache
def description() -> tuple[MapAdapter, dict[str, Any]]:
    """Return the routes, and what /docs says of them."""
    app = create_app(Config(jwt_secret="only to read the description"))
    return app.url_map.bind("localhost"), app.test_client().get("/docs/openapi.json").get_json()


# Many threads may ask first: a cache alone would have each of them make an app.
DESCRIBING = Lock()


def check_answer(answer: httpx.Response) -> None:
    """Fail unless the answer is one that /docs describes, field by field."""
    with DESCRIBING:
        routes, document = description()
    method = answer.request.method
    try:
        rule, _ = routes.match(answer.request.url.path, method, return_rule=True)
    except HTTPException:
        return  # no route of ours
    path = re.sub(r"<(?:[^:>]+:)?([^>]+)>", r"{\1}", rule.rule)
    described = document["paths"].get(path, {}).get(method.lower())
    if described is None:
        return
    answer.read()
    assert str(answer.status_code) in described["responses"], f"{method} {path} answers {answer.status_code}"
    content = described["responses"][str(answer.status_code)].get("content")
    if content is None:
        assert answer.content == b"" or "Content-Disposition" in answer.headers  # a file, of whatever type
    else:
        schema = {**content["application/json"]["schema"], "components": document["components"]}
        jsonschema_rs.validate(schema, answer.json(), validate_formats=True)


class Person:
    """Someone with a token (or without one) and the server's address."""

    def __init__(self, base_url: str, token: str | None, person_id: UUID | None = None) -> None:
        self.id = str(person_id)
        self.token = token
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        # Nothing is kept alive: a connection that stays open keeps the server from stopping.
        none = httpx.Limits(max_keepalive_connections=0)
        self.http = httpx.Client(base_url=base_url, headers=headers, timeout=30, limits=none, verify=NO_AUTHORITIES)
        self.http.event_hooks["response"] = [check_answer]

    def get(self, path: str, **params: Any) -> httpx.Response:
        return self.http.get(path, params=params)

    def post(self, path: str, **body: Any) -> httpx.Response:
        return self.http.post(path, json=body)

    def patch(self, path: str, **body: Any) -> httpx.Response:
        return self.http.patch(path, json=body)

    def put(self, path: str, **body: Any) -> httpx.Response:
        return self.http.put(path, json=body)

    def delete(self, path: str) -> httpx.Response:
        return self.http.delete(path)

    def starts_chat(self, content: str = "hello") -> dict[str, Any]:
        """Start a chat, as a customer, and return it."""
        answer = self.post("/api/chats", content=content, client_message_id=str(uuid4()))
        assert answer.status_code == 201, answer.text
        chat: dict[str, Any] = answer.json()
        return chat

    def writes(self, chat: dict[str, Any], content: str = "and another thing") -> dict[str, Any]:
        """Write into a chat, as its customer, and return the message."""
        answer = self.post("/api/messages", chat_id=chat["id"], content=content, client_message_id=str(uuid4()))
        assert answer.status_code == 201, answer.text
        message: dict[str, Any] = answer.json()
        return message

    def replies(self, chat: dict[str, Any], content: str = "how can I help?") -> httpx.Response:
        """Reply to a chat, as an operator."""
        return self.post("/api/operator/messages", chat_id=chat["id"], content=content, client_message_id=str(uuid4()))

    def takes_next(self) -> httpx.Response:
        """Ask for the next chat, as an operator."""
        return self.post("/api/operator/assign")


def refuses(answer: httpx.Response, status: int, code: str) -> bool:
    """Return whether the answer is this refusal, in the form that every error has; say so if not."""
    body = answer.json()
    assert (answer.status_code, body["details"]) == (status, code), answer.text
    # Under /functions/v1, the sentence once more.
    assert set(body) - {"error"} == {"code", "message", "details", "hint"}
    assert body.get("error", body["message"]) == body["message"]
    assert len(body["code"]) == 5
    assert body["message"]
    return True


@pytest.fixture
def sign(baton: Baton) -> Callable[..., str]:
    """Sign claims as the login does; those given replace the usual ones, None takes one away."""

    def sign(secret: str = baton.jwt_secret, algorithm: str = "HS256", **claims: Any) -> str:
        usual = {"sub": str(uuid4()), "role": "authenticated", "aud": "authenticated", "exp": int(time.time()) + 600}
        wanted = {name: value for name, value in {**usual, **claims}.items() if value is not None}
        return jwt.encode(wanted, secret, algorithm=algorithm)

    return sign


@pytest.fixture
def owner(baton: Baton) -> Database:
    """Return the server's database; what other tests have left in the queue is completed first."""
    baton.database.rows("select public.complete_chat(id) from public.chats where is_active")
    return baton.database


@pytest.fixture
def new_customer(baton: Baton, sign: Callable[..., str], owner: Database) -> Callable[[], Person]:
    """Make customers: anybody with a token is one."""

    def make() -> Person:
        customer_id = uuid4()
        return Person(baton.base_url, sign(sub=str(customer_id), is_anonymous=True), customer_id)

    return make


@pytest.fixture
def new_operator(baton: Baton, sign: Callable[..., str], owner: Database) -> Iterator[Callable[..., Person]]:
    """Make operators and admins, online and with one hand each; they are deactivated afterwards."""
    made: list[UUID] = []

    def make(name: str = "Ana", role: str = "operator") -> Person:
        operator_id = uuid4()
        owner.rows("insert into operators (id, name, role) values (%s, %s, %s)", operator_id, name, role)
        made.append(operator_id)
        return Person(baton.base_url, sign(sub=str(operator_id)), operator_id)

    yield make
    owner.rows("select public.complete_chat(id) from public.chats where assigned_operator_id = any(%s)", made)
    owner.rows("update operators set is_active = false where id = any(%s)", made)


@pytest.fixture
def customer(new_customer: Callable[[], Person]) -> Person:
    """Return a customer."""
    return new_customer()


@pytest.fixture
def operator(new_operator: Callable[..., Person]) -> Person:
    """Return an operator with one hand, online."""
    return new_operator()


@pytest.fixture
def admin(new_operator: Callable[..., Person]) -> Person:
    """Return an admin."""
    return new_operator("Ada", "admin")


@pytest.fixture
def service(baton: Baton) -> Person:
    """Return the service: whoever has its key."""
    return Person(baton.base_url, baton.service_key)


@pytest.fixture
def account(owner: Database) -> str:
    """Make an account that can sign in with PASSWORD; return its email."""
    email = f"{uuid4().hex}@baton.example"
    owner.rows("select auth.create_user(%s, %s, false)", email, hash_password(PASSWORD))
    return email
