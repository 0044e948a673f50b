"""People with a socket: what the tests of the protocol, the relay and presence have in common."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, Self

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.http.conftest import (  # noqa: F401 - the same people as over HTTP
    Person,
    admin,
    customer,
    new_customer,
    new_operator,
    operator,
    owner,
    service,
    sign,
)
from tests.servers import Baton, Server, running_baton

Frame = dict[str, Any]
PATIENCE = 10.0  # seconds for what must come
ENVIRONMENT = {
    "BATON_SOCKET_AUTH_SECONDS": "1",
    "BATON_SOCKETS_PER_USER": "5",
    "BATON_ALLOWED_ORIGINS": "https://shop.example",
    "BATON_ADDRESS_LIMIT": "1000000/minute",
}


class Socket:
    """A socket of the test's own, that says and is told one frame at a time."""

    def __init__(self, base_url: str, **options: Any) -> None:
        self.base_url = base_url
        address = base_url.replace("http", "ws", 1) + "/ws"
        self.raw = connect(address, compression=None, max_size=4 * 1024 * 1024, proxy=None, **options)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.raw.close()

    def send(self, **frame: Any) -> None:
        """Say something."""
        self.raw.send(json.dumps(frame, default=str))

    def receive(self, timeout: float = PATIENCE) -> Frame:
        """Return the next frame, whatever it is."""
        frame: Frame = json.loads(self.raw.recv(timeout=timeout))
        return frame

    def expect(self, kind: str, timeout: float = PATIENCE, **fields: Any) -> Frame:
        """Return the next frame of this kind that has these fields; others, and other kinds, are passed over."""
        deadline = time.monotonic() + timeout
        passed: list[Frame] = []
        while True:
            try:
                frame = self.receive(max(deadline - time.monotonic(), 0.01))
            except TimeoutError:
                raise AssertionError(f"no {kind} {fields} within {timeout:g} s, but {passed}") from None
            if frame["type"] == kind and fields.items() <= frame.items():
                return frame
            passed.append(frame)

    def next_event(self) -> Frame:
        """Return the next event; a frame that says that there is something wrong with the chat fails."""
        while True:
            frame = self.receive()
            assert frame["type"] not in ("error", "reset", "unsubscribed", "subscribed"), frame
            if frame["type"] == "event":
                return frame

    def receive_but_news(self) -> Frame:
        """Return the next frame that is not about presence, the inbox or the queue."""
        while True:
            frame = self.receive()
            if frame["type"] not in ("presence", "inbox", "queue"):
                return frame

    def all_until_pong(self) -> list[Frame]:
        """Return all that the server has said up to now."""
        self.send(type="ping")
        frames = []
        while (frame := self.receive())["type"] != "pong":
            frames.append(frame)
        return frames

    def subscribe(self, chat_id: str, after_event: int | None = None, **more: Any) -> Frame:
        """Subscribe, and return `subscribed`."""
        fields = {} if after_event is None else {"after_event": after_event}
        self.send(type="subscribe", chat_id=chat_id, **fields, **more)
        return self.expect("subscribed", chat_id=chat_id)

    def refusal(self) -> str:
        """Return the machine code of the next error, in the form that every error has."""
        frame = self.expect("error")
        assert {"type", "code", "message", "details", "hint"} <= set(frame) <= {*frame, "chat_id"}
        assert len(frame["code"]) == 5
        details: str = frame["details"]
        return details

    def closing_code(self, timeout: float = PATIENCE) -> int | None:
        """Return the code with which the server closes; what it says before is passed over."""
        return self.all_until_closed(timeout)[1]

    def all_until_closed(self, timeout: float = PATIENCE) -> tuple[list[Frame], int | None]:
        """Return all that the server says until it closes, and the code with which it does (None: it was lost)."""
        deadline = time.monotonic() + timeout
        frames = []
        while True:
            try:
                frames.append(self.receive(max(deadline - time.monotonic(), 0.01)))
            except ConnectionClosed as end:
                return frames, end.rcvd.code if end.rcvd else None


Connect = Callable[..., Socket]


@pytest.fixture(scope="session")
def baton(server: Server) -> Iterator[Baton]:
    """Run one process with a short patience, whose users may ask as often as they like."""
    with running_baton(server, 1, **ENVIRONMENT) as baton:
        baton.database.rows("update settings set value = '0' where name = 'rate_limit_per_minute'")
        yield baton


@pytest.fixture
def open_socket(baton: Baton) -> Iterator[Connect]:
    """Open sockets that nobody has signed in on; they are closed after the test."""
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(Socket(options.pop("base_url", baton.base_url), **options))


@pytest.fixture
def connected(open_socket: Connect) -> Callable[..., Socket]:
    """Open a socket of a person, signed in."""

    def open_for(person: Person, says: Frame | None = None, **options: Any) -> Socket:
        socket = open_socket(**options)
        socket.send(type="auth", token=person.token, **(says or {}))
        assert socket.receive()["type"] == "ready"
        return socket

    return open_for


def holds(operator: Person, customer: Person) -> dict[str, Any]:  # noqa: F811 - people, not fixtures
    """Have the operator hold a new chat of the customer; return the chat."""
    chat = customer.starts_chat()
    answer = operator.takes_next()
    assert answer.json()["id"] == chat["id"], answer.text
    return chat
