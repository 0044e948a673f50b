"""The identity of one request is never seen by the next, whatever becomes of either on the connection they share."""

import json
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import psycopg
import pytest

from tests.http.conftest import Person
from tests.servers import Baton, Server, running_baton

ROUNDS = 15  # of each caller
SESSIONS = """
    select pid, state, wait_event_type from pg_stat_activity
    where application_name = 'baton web' and datname = current_database()
"""


@pytest.fixture(scope="module", params=["1", "2"], ids=["one connection", "two connections"])
def narrow(request: pytest.FixtureRequest, server: Server) -> Iterator[Baton]:
    """Run a server whose callers share very few connections, and whose statements are stopped soon."""
    with running_baton(server, BATON_POOL_SIZE=request.param, BATON_STATEMENT_TIMEOUT_MS="100") as baton:
        baton.database.rows("update settings set value = '0' where name = 'rate_limit_per_minute'")
        yield baton


def told(person: Person, path: str) -> httpx.Response:
    """Ask until one is told: the disturbers' statements are stopped, and now and then somebody else's."""
    while (answer := person.get(path)).status_code == 503:
        assert answer.json()["details"] == "timed_out", answer.text
    return answer


def is_about(person: Person, kind: str) -> bool:
    """Return whether all that a caller is told is about himself."""
    me = told(person, "/api/me")
    if kind == "nobody":
        return me.status_code == 401
    assert me.status_code == 200, me.text
    assert me.json() == {"id": None if kind == "service" else person.id, "kind": kind}, me.text
    chats = told(person, "/api/chats")
    assert chats.status_code == 200, chats.text
    owners = {chat["real_user_id"] for chat in chats.json()["data"]}
    return kind != "customer" or owners == {person.id}


def hangs_up(baton: Baton, person: Person, method: str, path: str, body: dict[str, Any], sent: float) -> None:
    """Send a request, or the first part of one, and be gone before it is answered."""
    address = urlsplit(baton.base_url)
    content = json.dumps(body)
    request = (
        f"{method} {path} HTTP/1.1\r\nHost: {address.netloc}\r\nAuthorization: Bearer {person.token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n{content}"
    ).encode()
    with socket.create_connection((str(address.hostname), address.port or 80)) as connection:
        connection.sendall(request[: int(len(request) * sent)])


def test_every_answer_is_for_its_caller(narrow: Baton, sign: Callable[..., str]) -> None:
    url, database = narrow.base_url, narrow.database
    customers = [Person(url, sign(sub=str(person_id)), person_id) for person_id in (uuid4() for _ in range(4))]
    chats = [customer.starts_chat() for customer in customers]
    staff = []
    for role in ("operator", "admin"):
        person_id = uuid4()
        database.rows("insert into operators (id, name, role) values (%s, 'Ana', %s)", person_id, role)
        staff.append((Person(url, sign(sub=str(person_id)), person_id), role))
    callers = [(customer, "customer") for customer in customers] + staff
    callers += [(Person(url, narrow.service_key), "service"), (Person(url, narrow.anon_key), "nobody")]

    seen: Counter[str] = Counter()
    is_over = threading.Event()

    def asks(person: Person, kind: str) -> bool:
        return all(is_about(person, kind) for _ in range(ROUNDS))

    def fails(customer: Person) -> None:
        """Be refused by the functions, by a constraint of the shape, and by the statement's time."""
        while not is_over.is_set():
            other = next(chat for chat in chats if chat["real_user_id"] != customer.id)
            own = next(chat for chat in chats if chat["real_user_id"] == customer.id)
            body = {"content": "x", "client_message_id": str(uuid4())}
            for answer in (
                customer.get(f"/api/chats/{other['id']}"),
                customer.post("/api/messages", chat_id=other["id"], **body),
                customer.post("/api/operator/assign"),
                customer.post("/api/messages", chat_id=own["id"], **body),
            ):
                assert answer.status_code >= 400, answer.text
                seen[answer.json()["details"]] += 1

    def leaves(customer: Person) -> None:
        """Hang up at every point of a request, and ask whether one is still oneself."""
        own = next(chat for chat in chats if chat["real_user_id"] == customer.id)
        while not is_over.is_set():
            body = {"chat_id": own["id"], "content": "x", "client_message_id": str(uuid4())}
            for part in (0.3, 0.9, 1):
                hangs_up(narrow, customer, "POST", "/api/messages", body, part)
                hangs_up(narrow, customer, "GET", "/api/me", {}, part)
            seen["hung up"] += 6
            assert is_about(customer, "customer")

    def cancels() -> None:
        """Cancel whatever runs, as an admin of the database does."""
        with psycopg.connect(database.url, autocommit=True) as connection:
            while not is_over.wait(0.05):
                query = f"select pg_cancel_backend(pid) from ({SESSIONS}) s where wait_event_type = 'Lock'"
                seen["cancelled"] += len(connection.execute(query.encode()).fetchall())

    # The chats are locked: who writes into his own waits until his statement is stopped.
    with database.connect(autocommit=False) as locking, ThreadPoolExecutor(20) as threads:
        locking.execute("select from chats for no key update")
        disturbing = [threads.submit(fails, customer) for customer in customers[:2]]
        disturbing += [threads.submit(leaves, customer) for customer in customers[2:]]
        disturbing.append(threads.submit(cancels))
        asking = [threads.submit(asks, *caller) for caller in callers]
        try:
            assert all(each.result() for each in asking)
        finally:
            is_over.set()
        for each in disturbing:
            each.result()

    assert min(seen[what] for what in ("chat_not_found", "not_allowed", "timed_out", "hung up", "cancelled")) > 0, seen
    assert set(seen) == {"chat_not_found", "not_allowed", "timed_out", "hung up", "cancelled"}
    # Nobody's identity is left on a connection, and no transaction.
    assert {row["state"] for row in database.rows(SESSIONS)} == {"idle"}


def test_a_request_that_was_left_is_done_as_its_caller_or_not_at_all(narrow: Baton, sign: Callable[..., str]) -> None:
    people = [Person(narrow.base_url, sign(sub=str(person_id)), person_id) for person_id in (uuid4(), uuid4())]
    ids = {str(uuid4()): people[number % 2].id for number in range(40)}
    for client_message_id, person_id in ids.items():
        person = next(each for each in people if each.id == person_id)
        body = {"content": person_id, "client_message_id": client_message_id}
        hangs_up(narrow, person, "POST", "/api/chats", body, 1)
    for person in people:
        with httpx.Client(base_url=narrow.base_url, headers={"Authorization": f"Bearer {person.token}"}) as client:
            assert client.get("/api/me").json()["id"] == person.id
            assert client.get("/api/chats").status_code == 200
    rows = narrow.database.rows(
        "select m.sender_id::text, m.content, c.real_user_id::text from messages m join chats c on c.id = m.chat_id"
        " where m.client_message_id = any(%s::uuid[])",
        list(ids),
    )
    assert all(row["sender_id"] == row["content"] == row["real_user_id"] for row in rows)
