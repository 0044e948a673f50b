"""Web processes learn of everything from the database, whatever becomes of their connection to it."""

import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import jwt
import psycopg
import pytest
from psycopg import Connection
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier

from tests.http.conftest import Person
from tests.live.conftest import ENVIRONMENT, Socket
from tests.live.world import SECRET, Web, wait_until
from tests.servers import NO_AUTHORITIES, Database, Server
from web import loader
from web.postgres import EmbeddedPostgres

SWEEP = 2.0  # seconds: web/live/relay.py
MOST_CHANGES = 10_000
LIST_EVENTS = "public.list_events(uuid, bigint, integer)"
READ_EVENTS = "private.read_events(uuid[], bigint[], boolean[], integer)"


Watched = tuple[Person, dict[str, str], list[Socket]]


@pytest.fixture(scope="module")
def webs(server: Server) -> Iterator[tuple[Database, list[Web]]]:
    """Run two web servers on one database, as on two machines."""
    with (
        server.loaded_database() as database,
        tempfile.TemporaryDirectory(prefix="baton-test-") as folder,
        ExitStack() as stack,
    ):
        database.rows("update settings set value = '0' where name = 'rate_limit_per_minute'")
        # Times are in UTC wherever they come from, and whatever the database has by default.
        database.rows(
            SQL("alter database {} set timezone = 'Asia/Tokyo'").format(Identifier(database.name)).as_string()
        )
        both = [Web(database.url, Path(folder), ENVIRONMENT) for _ in range(2)]
        for web in both:
            stack.callback(web.stop)
            web.start()
        yield database, both


@pytest.fixture
def two(webs: tuple[Database, list[Web]]) -> list[Web]:
    """Return the two web servers, ready."""
    _, both = webs
    for web in both:
        wait_until(lambda web=web: problem(web.base_url) is None, what="the server is ready")  # type: ignore[misc]
    return both


@pytest.fixture
def database(webs: tuple[Database, list[Web]]) -> Database:
    """Return the database of both."""
    return webs[0]


@pytest.fixture
def watched(
    two: list[Web], database: Database, sign: Callable[..., str]
) -> Iterator[tuple[Person, dict[str, str], list[Socket]]]:
    """Return a customer of the first server, his chat, and a socket of his on each server that watches it."""
    customer_id = uuid4()
    customer = Person(two[0].base_url, sign(sub=str(customer_id)), customer_id)
    chat = customer.starts_chat()
    with ExitStack() as stack:
        sockets = [stack.enter_context(Socket(web.base_url)) for web in two]
        for socket in sockets:
            socket.send(type="auth", token=customer.token)
            socket.subscribe(chat["id"])
        yield customer, chat, sockets


def token() -> str:
    """Return the token of a new customer, where there is no fixture for it."""
    claims = {"sub": str(uuid4()), "role": "authenticated", "aud": "authenticated", "exp": int(time.time()) + 600}
    return jwt.encode(claims, SECRET, "HS256")


def write_until(database: Database, chat_id: str, last: int) -> int:
    """Write messages, each in a transaction of its own, up to event `last`; return its number."""
    number = 0
    with database.connect() as connection:
        while number < last:
            connection.execute(
                "insert into messages (chat_id, sender_type, content) values (%s, 'real', 'x')", (chat_id,)
            )
            row = connection.execute("select event_seq from chats where id = %s", (chat_id,)).fetchone()
            assert row
            number = row["event_seq"]
    return number


def read_until(socket: Socket, chat_id: str, last: int) -> int:
    """Read up to event `last`, subscribing again after every few; return how often. Fails at a gap, and at a double."""
    seen = socket.subscribe(chat_id, 0)["event_seq"]
    subscribed = 1
    while seen < last:
        frame = socket.receive()
        if frame["type"] == "event":
            assert frame["event_seq"] == seen + 1
            seen += 1
            if seen % 30 == 0:
                socket.send(type="subscribe", chat_id=chat_id, after_event=seen)
                while (frame := socket.receive())["type"] != "subscribed":
                    assert frame.get("details") != "rate_limited"
                assert frame["event_seq"] == seen
                subscribed += 1
    return subscribed


@contextmanager
def held_up(database: Database, gate: Connection[Any], function: str) -> Iterator[None]:
    """Have every call of a function that reads wait, after it has read, until the gate's transaction ends."""
    gate.execute("select pg_advisory_xact_lock(42)")
    name, _, types = function.partition("(")
    arguments = ", ".join(f"${number}" for number in range(1, types.count(",") + 2))
    definition = database.value("select pg_get_functiondef(%s::regprocedure)", function)
    database.rows(definition.replace(name, f"{name}_at_once", 1))
    database.rows(f"grant execute on function {name}_at_once({types} to public")
    database.rows(
        f"{definition.partition('LANGUAGE')[0]} language plpgsql set search_path = '' as $$ begin"
        f" return query select * from {name}_at_once({arguments});"
        " perform pg_advisory_xact_lock_shared(42); end $$"
    )
    try:
        yield
    finally:
        gate.rollback()
        database.rows(definition)
        database.rows(f"drop function {name}_at_once")


def is_somebody_held_up(database: Database) -> bool:
    """Whether a reading waits at the gate."""
    query = "select exists (select from pg_locks where locktype = 'advisory' and objid = 42 and not granted)"
    return bool(database.value(query))


def problem(base_url: str) -> str | None:
    """Return what a server says is missing."""
    found: str | None = httpx.get(f"{base_url}/readyz", timeout=10, verify=NO_AUTHORITIES).json().get("problem")
    return found


def wait_until_asleep(database: Database, relays: int = 2) -> None:
    """Return when every relay waits for the doorbell."""
    query = "select count(*) from private.relays where is_asleep and lease_until > clock_timestamp()"
    wait_until(lambda: database.value(query) == relays, what="the relays sleep")


@contextmanager
def doorbell_cut(database: Database) -> Iterator[None]:
    """Let no writer ring."""
    bell = database.value("select pg_get_functiondef('private.ring()'::regprocedure)")
    database.rows("create or replace function private.ring() returns void language sql set search_path = '' as ''")
    try:
        yield
    finally:
        database.rows(bell)


def test_what_is_written_through_one_process_is_seen_through_all(watched: Watched) -> None:
    customer, chat, sockets = watched
    written = [customer.writes(chat, f"message {number}")["id"] for number in range(30)]
    for socket in sockets:
        events = [socket.next_event() for _ in written]
        assert [event["data"]["id"] for event in events] == written
        assert [event["event_seq"] for event in events] == list(range(2, 32))
        page = customer.get(f"/api/chats/{chat['id']}/events", after_event=1).json()["data"]
        assert [(event["at"], event["data"]) for event in events] == [(event["at"], event["data"]) for event in page]
        assert {event["at"][-6:] for event in events} == {"+00:00"}


def test_a_relay_that_sleeps_is_woken(watched: Watched, database: Database) -> None:
    customer, chat, sockets = watched
    delays = []
    for _ in range(5):
        wait_until_asleep(database)
        customer.writes(chat)
        written_at = time.monotonic()
        for socket in sockets:
            socket.next_event()
        delays.append(time.monotonic() - written_at)
    assert max(delays) < SWEEP / 2


def test_a_ring_while_the_relay_is_at_work_is_heard(watched: Watched, database: Database) -> None:
    customer, chat, sockets = watched
    with database.connect(autocommit=False) as gate:
        wait_until_asleep(database)
        with held_up(database, gate, READ_EVENTS):
            customer.writes(chat)
            wait_until(lambda: is_somebody_held_up(database), what="a relay reads")
            customer.writes(chat)
            gate.rollback()
            released_at = time.monotonic()
            for socket in sockets:
                socket.next_event()
                socket.next_event()
            assert time.monotonic() - released_at < SWEEP / 2


def test_a_flood_of_changes_is_given_by_number(watched: Watched, database: Database) -> None:
    customer, chat, sockets = watched
    wait_until_asleep(database)
    with database.connect(autocommit=False) as connection:
        flood = "insert into private.events (event) select 'chat.created' from generate_series(1, %s)"
        connection.execute(flood, [MOST_CHANGES])
        connection.execute("update chats set headline = 'seen' where id = %s", [chat["id"]])
        connection.commit()
    for socket in sockets:
        assert socket.next_event()["chat"]["headline"] == "seen"
    customer.writes(chat)
    for socket in sockets:
        assert socket.next_event()["event"] == "message.created"


def test_without_any_notification_everything_comes_a_sweep_later(watched: Watched, database: Database) -> None:
    customer, chat, sockets = watched
    with doorbell_cut(database):
        wait_until_asleep(database)
        written = [customer.writes(chat)["id"] for _ in range(5)]
        began = time.monotonic()
        for socket in sockets:
            assert [socket.next_event()["data"]["id"] for _ in written] == written
        assert time.monotonic() - began < SWEEP + 2


def test_a_rolled_back_change_is_never_told(watched: Watched, database: Database) -> None:
    customer, chat, sockets = watched
    insert = "insert into messages (chat_id, sender_type, content) values (%s, 'real', %s)"
    with database.connect(autocommit=False) as connection:
        connection.execute(insert, (chat["id"], "stays"))
        connection.execute("savepoint one")
        connection.execute(insert, (chat["id"], "never"))
        connection.execute("rollback to one")
        connection.commit()
        connection.execute(insert, (chat["id"], "never"))
        connection.rollback()
    customer.writes(chat, "the last")
    for socket in sockets:
        assert [socket.next_event()["data"]["content"] for _ in range(2)] == ["stays", "the last"]


def test_a_transaction_that_stays_open_keeps_nobody_else_waiting(watched: Watched, database: Database) -> None:
    customer, chat, sockets = watched
    other = customer.starts_chat()
    for socket in sockets:
        socket.subscribe(other["id"])
    with database.connect(autocommit=False) as connection:
        connection.execute(
            "insert into messages (chat_id, sender_type, content) values (%s, 'real', 'late')", (other["id"],)
        )
        for _ in range(3):
            written = customer.writes(chat)
            for socket in sockets:
                assert socket.next_event()["data"]["id"] == written["id"]
        connection.commit()
    for socket in sockets:
        event = socket.next_event()
        assert (event["chat_id"], event["data"]["content"]) == (other["id"], "late")


def test_subscribing_again_and_again_loses_and_doubles_nothing(watched: Watched, database: Database) -> None:
    _, chat, sockets = watched
    last = 1500
    with ThreadPoolExecutor(len(sockets) + 1) as threads:
        writing = threads.submit(write_until, database, chat["id"], last)
        reading = [threads.submit(read_until, socket, chat["id"], last) for socket in sockets]
        assert writing.result(60) == last
        for each in reading:
            assert each.result(60) > 5


@pytest.mark.parametrize("is_alone", [True, False], ids=["alone", "beside another"])
def test_what_happens_while_somebody_subscribes_reaches_him(
    watched: Watched, database: Database, is_alone: bool
) -> None:
    customer, chat, (_, socket) = watched
    other = customer.starts_chat()
    with Socket(socket.base_url) as late, database.connect(autocommit=False) as gate:
        late.send(type="auth", token=customer.token)
        late.expect("ready")
        late.subscribe(other["id"])
        if is_alone:
            socket.send(type="unsubscribe", chat_id=chat["id"])
            socket.expect("unsubscribed")
        with held_up(database, gate, LIST_EVENTS):
            late.send(type="subscribe", chat_id=chat["id"], after_event=0)
            wait_until(lambda: is_somebody_held_up(database), what="it has read, and is not live yet")
            missed = customer.writes(chat)
            # What comes after it tells that the relay has passed on what it could.
            customer.writes(other)
            assert late.next_event()["chat_id"] == other["id"]
            if not is_alone:
                assert socket.next_event()["data"]["id"] == missed["id"]
            gate.commit()
            assert late.expect("subscribed")["event_seq"] == 0
            assert [late.next_event()["event_seq"] for _ in range(2)] == [1, 2]
        assert [frame for frame in late.all_until_pong() if frame["type"] != "queue"] == []


def test_what_happens_while_no_relay_listens_is_read_afterwards(watched: Watched, database: Database) -> None:
    customer, chat, sockets = watched
    database.rows("alter function private.begin_relay(uuid) rename to begin_no_relay")
    try:
        database.rows(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity"
            " where application_name = 'baton relay' and datname = current_database()"
        )
        written = [customer.writes(chat)["id"] for _ in range(3)]
    finally:
        database.rows("alter function private.begin_no_relay(uuid) rename to begin_relay")
    for socket in sockets:
        assert [socket.next_event()["data"]["id"] for _ in written] == written


def test_a_relay_whose_backend_is_ended_reads_what_it_missed(watched: Watched, database: Database) -> None:
    customer, chat, sockets = watched
    written = []
    for _ in range(5):
        ended = database.rows(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity"
            " where application_name = 'baton relay' and datname = current_database()"
        )
        assert ended
        written += [customer.writes(chat)["id"] for _ in range(3)]
    for socket in sockets:
        assert [socket.next_event()["data"]["id"] for _ in written] == written


def test_a_new_epoch_makes_every_client_fetch_afresh(watched: Watched, database: Database, two: list[Web]) -> None:
    customer, chat, sockets = watched
    before = customer.get(f"/api/chats/{chat['id']}/snapshot").json()["epoch"]
    database.rows("update private.epoch set server = 'another one' where is_only")
    database.rows(
        "select pg_terminate_backend(pid, 5000) from pg_stat_activity"
        " where application_name = 'baton relay' and datname = current_database()"
    )
    for socket in sockets:
        reset = socket.expect("reset", chat_id=chat["id"])
        assert reset["epoch"] != before
        assert socket.receive() == {"type": "subscribed", "chat_id": chat["id"], "event_seq": 1}
    customer.writes(chat)
    for socket in sockets:
        assert socket.next_event()["event_seq"] == 2
    with Socket(two[0].base_url) as late:
        late.send(type="auth", token=customer.token)
        assert late.expect("ready")["epoch"] == reset["epoch"]
        late.send(type="subscribe", chat_id=chat["id"], after_event=1, epoch=before)
        assert late.expect("reset")["event_seq"] == 2


def test_a_process_on_a_standby_waits_until_it_is_promoted() -> None:
    with tempfile.TemporaryDirectory(prefix="baton-test-", ignore_cleanup_errors=True) as name, ExitStack() as stack:
        folder = Path(name)
        postgres = EmbeddedPostgres(folder / "postgres")
        stack.callback(postgres.stop)
        postgres.start()
        with psycopg.connect(postgres.url, autocommit=True) as connection:
            connection.execute("create database baton template template0 encoding 'UTF8'")
        url = make_conninfo(postgres.url, dbname="baton")
        loader.load(url)
        postgres.stop()
        (folder / "postgres" / "standby.signal").touch()
        postgres.start()

        web = Web(url, folder, ENVIRONMENT)
        stack.callback(web.stop)
        web.start()
        assert problem(web.base_url) == "listener"
        with Socket(web.base_url) as socket:
            socket.send(type="auth", token=token())
            assert socket.refusal() == "database_unavailable"
            assert socket.closing_code() == 1012

        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("select pg_promote()")
        wait_until(lambda: problem(web.base_url) is None, what="it is ready after the promotion")
        customer = Person(web.base_url, token())
        chat = customer.starts_chat()
        with Socket(web.base_url) as socket:
            socket.send(type="auth", token=customer.token)
            socket.subscribe(chat["id"])
            written = customer.writes(chat)
            assert socket.next_event()["data"]["id"] == written["id"]
        assert web.log.read_text().count("the relay has lost the database") == 1


def test_readiness_tells_of_a_relay_that_cannot_follow(two: list[Web], database: Database) -> None:
    bell = database.value("select pg_get_functiondef('private.poll_events(text, integer)'::regprocedure)")
    database.rows("drop function private.poll_events(text, integer)")
    try:
        wait_until(lambda: problem(two[0].base_url) == "listener", what="it says so")
        assert httpx.get(f"{two[0].base_url}/healthz", timeout=10).status_code == 200
    finally:
        database.rows(bell)
        database.rows("revoke execute on function private.poll_events(text, integer) from public, anon, authenticated")
        database.rows("grant execute on function private.poll_events(text, integer) to service_role")
    wait_until(lambda: problem(two[0].base_url) is None, what="it is ready again")
