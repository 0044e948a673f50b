"""A process's live part inside the test's own, and sockets of it that are no sockets."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, cast
from uuid import uuid4

import orjson

from tests.servers import Baton
from web import create_app
from web.config import Config
from web.live.connection import Connection, ConnectionClosed
from web.live.process import Live
from web.live.session import Session

Frame = dict[str, Any]


class Line:
    """What a session knows of its connection: its peer says these frames, then hangs up; what it is told is kept."""

    queued = 0

    def __init__(self, says: Iterable[Frame] = ()) -> None:
        self.told: list[Frame] = []
        self.close_code: int | None = None
        self._says = iter(says)

    @property
    def is_open(self) -> bool:
        return self.close_code is None

    def receive(self) -> str:
        frame = next(self._says, None) if self.is_open else None
        if frame is None:
            raise ConnectionClosed(self.close_code or 1006)
        return orjson.dumps(frame).decode()

    def send(self, frame: bytes) -> None:
        if self.is_open:
            self.told.append(orjson.loads(frame[{126: 4, 127: 10}.get(frame[1], 2) :]))

    def close(self, code: int, reason: str = "") -> None:
        if self.is_open:
            self.close_code = code


def session_on(line: Line, live: Live | None = None) -> Session:
    """Return the session of such a line; without `live` it is one that nobody runs."""
    return Session(cast("Live", live), cast("Connection", line), {})


@contextmanager
def live_on(baton: Baton, **settings: Any) -> Iterator[Live]:
    """Give a live part on the server's database, as if its relay had come up; nothing of it runs before `start`."""
    url = baton.database.url
    live: Live = create_app(Config(url, url, jwt_secret=baton.jwt_secret, **settings)).extensions["baton_live"]
    live.hub.epoch = uuid4()
    try:
        yield live
    finally:
        live.end()
        live.store.close()
