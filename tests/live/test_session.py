"""A session in the moment in which its token ends, or while it keeps its peer waiting."""

import socket
import threading
import time
from collections.abc import Callable, Iterator

import orjson
import pytest

from tests.http.conftest import Person
from tests.live.conftest import PATIENCE
from tests.live.line import Frame, Line, live_on, session_on
from tests.live.test_connection import TEXT, masked
from tests.live.world import wait_until
from tests.servers import Baton, Database
from web.live import process
from web.live.connection import Connection
from web.live.process import Live


def test_nothing_is_done_for_a_token_that_has_ended(baton: Baton, customer: Person) -> None:
    def peer() -> Iterator[Frame]:
        yield {"type": "auth", "token": customer.token}
        session.expires_at = time.time()
        yield {"type": "ping"}
        yield {"type": "ping"}

    with live_on(baton) as live:
        session = session_on(line := Line(peer()), live)
        session.run()
    assert [frame.get("details", frame["type"]) for frame in line.told] == ["ready", "token_expired"]
    assert line.close_code == 4401


def test_a_token_that_has_just_ended_can_still_be_renewed(
    baton: Baton, customer: Person, sign: Callable[..., str]
) -> None:
    def peer() -> Iterator[Frame]:
        yield {"type": "auth", "token": customer.token}
        session.expires_at = time.time()
        yield {"type": "auth", "token": sign(sub=customer.id)}
        yield {"type": "ping"}

    with live_on(baton) as live:
        session = session_on(line := Line(peer()), live)
        session.run()
    assert [frame["type"] for frame in line.told] == ["ready", "ready", "pong"]
    assert line.close_code is None


def served(live: Live) -> tuple[Connection, socket.socket]:
    """Return a connection that the process serves, and the peer's end of it."""
    ours, theirs = socket.socketpair()
    theirs.settimeout(PATIENCE)
    connection = Connection(ours, b"", max_message=1000, outbox_limit=1000)
    threading.Thread(target=live.serve, args=(connection, {}), daemon=True).start()
    return connection, theirs


def test_who_is_not_listened_to_is_not_given_up(
    baton: Baton, owner: Database, customer: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "SILENCE", 0.1)
    with live_on(baton) as live, owner.connect(autocommit=False) as locking:
        locking.execute("lock table private.connections")
        waiting, his = served(live)
        his.sendall(masked(TEXT, orjson.dumps({"type": "auth", "token": customer.token})))
        query = (
            "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like '%open_connection%'"
        )
        wait_until(lambda: owner.value(query) > 0, what="he is being signed in")
        live.start(is_ending=lambda: False)
        _, silent = served(live)
        assert silent.recv(100) == b""  # given up, without a close frame
        assert waiting.is_open
        locking.rollback()
        assert b"ready" in his.recv(1000)
