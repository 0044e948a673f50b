"""The demo's pages and what they may ask: only where the demo is on, and only pages that were given their seats."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.http.conftest import Person, refuses
from tests.http.test_login import sign_in
from tests.servers import Baton, Server, running_baton
from web.auth.passwords import hash_password
from web.demo_crowd import CROWD, Step, next_step
from web.demo_data import PASSWORD

ROUTES = [
    ("GET", "/demo", None),
    ("GET", "/demo/desk", None),
    ("POST", "/demo/seats", {}),
    ("POST", "/demo/say", {"chat_id": str(uuid4()), "content": "hello", "script": "x"}),
    ("POST", "/demo/crowd", {"script": "x"}),
]
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
NOOR = CROWD[0]


@pytest.fixture(scope="module")
def demo(server: Server) -> Iterator[Baton]:
    """Run a demo, with those who sit at its desks."""
    with running_baton(server, 1, BATON_DEMO="1") as baton:
        make = """
            with account as (select auth.create_user(%s, %s, false) as made)
            insert into operators (id, name, role) select (to_jsonb(made) ->> 'id')::uuid, %s, %s from account
        """
        for name, role in (("Ana", "operator"), ("Ben", "operator"), ("Ada", "admin")):
            email = f"{name.lower()}@baton.example"
            baton.database.rows(make, email, hash_password(PASSWORD), name, role)
        yield baton


def asks(baton: Baton, path: str, origin: str | None = None, **body: Any) -> httpx.Response:
    return baton.client.post(path, json=body, headers={"Origin": origin or baton.base_url})


def script_of(demo: Baton) -> str:
    return str(asks(demo, "/demo/seats").json()["script"])


@pytest.mark.parametrize(("method", "path", "body"), ROUTES, ids=[path for _, path, _ in ROUTES])
def test_without_the_demo_none_of_it_exists(baton: Baton, method: str, path: str, body: dict[str, Any] | None) -> None:
    answer = baton.client.request(method, path, json=body, headers={"Origin": baton.base_url})
    assert refuses(answer, 404, "route_not_found")


def test_its_desks_may_be_framed_by_our_own_pages_and_the_real_ones_by_none(demo: Baton) -> None:
    assert demo.client.get("/demo").status_code == 200
    for path, allowed in (("/demo/desk", "'self'"), ("/operator", "'none'")):
        policy = demo.client.get(path).headers["Content-Security-Policy"]
        assert f"frame-ancestors {allowed}" in policy


def test_each_seat_is_somebodys(demo: Baton) -> None:
    seats = asks(demo, "/demo/seats").json()["seats"]
    kinds = {}
    for name, code in seats.items():
        session = sign_in(demo, "refresh_token", refresh_token=code).json()
        kinds[name] = Person(demo.base_url, session["access_token"]).get("/api/me").json()["kind"]
    assert kinds == {"ana": "operator", "ben": "operator", "ada": "admin"}


def test_only_a_page_with_seats_makes_customers_speak(demo: Baton) -> None:
    customer = Person(demo.base_url, demo.client.post("/auth/v1/signup").json()["access_token"])
    chat = customer.starts_chat()
    script = script_of(demo)
    said = {"chat_id": chat["id"], "content": "One more thing:"}
    for path, body in (("/demo/say", said), ("/demo/crowd", {})):
        assert refuses(asks(demo, path, **body, script=f"{script}x"), 403, "not_allowed")
        assert refuses(asks(demo, path, "https://evil.example", **body, script=script), 403, "origin_not_allowed")
    assert refuses(asks(demo, "/demo/say", **{**said, "chat_id": str(uuid4())}, script=script), 404, "chat_not_found")
    assert demo.database.value("select count(*) from messages where chat_id = %s", chat["id"]) == 1
    answer = asks(demo, "/demo/say", **said, script=script)
    assert (answer.status_code, answer.json()["content"]) == (201, said["content"])
    assert demo.database.value("select count(*) from messages where chat_id = %s", chat["id"]) == 2


def test_pages_that_ask_at_once_make_one_scripted_customer_come_who_is_marked_as_such(demo: Baton) -> None:
    script = script_of(demo)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: asks(demo, "/demo/crowd", script=script).status_code, range(16)))
    assert set(answers) == {204}
    come = """
        select u.name, count(distinct c.id) as chats, count(*) as messages
        from chats c join real_users u on u.id = c.real_user_id join messages m on m.chat_id = c.id
        where c.context = '{"demo": "scripted"}' group by u.id
    """
    crowd = demo.database.rows(come)
    assert crowd  # two, where the turn has just ended
    for each in crowd:
        assert each["name"].endswith(" (scripted)")
        assert (each["chats"], each["messages"]) == (1, 1)


def line(sender_type: str, content: str, seconds: float) -> dict[str, Any]:
    return {"sender_type": sender_type, "content": content, "created_at": NOW - timedelta(seconds=seconds)}


def real(content: str, seconds: float = 60) -> dict[str, Any]:
    return line("real", content, seconds)


def reply(seconds: float = 60) -> dict[str, Any]:
    return line("operator", "How can I help?", seconds)


FIRST, SECOND = NOOR.answers


@pytest.mark.parametrize(
    ("state", "messages", "step"),
    [
        ("waiting_assignment", [real(NOOR.opening, 5)], None),
        ("waiting_assignment", [real(NOOR.opening)], Step("write", NOOR.more)),
        ("waiting_assignment", [real(NOOR.opening), real(NOOR.more)], None),
        ("waiting_real_user_reply", [real(NOOR.opening), reply(2)], None),
        ("waiting_real_user_reply", [real(NOOR.opening), reply()], Step("write", FIRST)),
        ("waiting_real_user_reply", [real(NOOR.opening), reply(), real(FIRST), reply()], Step("write", SECOND)),
        ("waiting_real_user_reply", [real(NOOR.opening), real(FIRST), real(SECOND), reply()], Step("end")),
        ("completed", [real(NOOR.opening), reply(60)], None),
        ("completed", [real(NOOR.opening), reply(600)], Step("start", NOOR.opening)),
    ],
    ids=["patient", "impatient", "waits", "reads", "answers", "answers again", "leaves", "rests", "comes back"],
)
def test_what_a_scripted_customer_does(state: str, messages: list[dict[str, Any]], step: Step | None) -> None:
    assert next_step(NOOR, {"chat_state": state}, messages, NOW) == step


def test_a_scripted_customer_comes() -> None:
    assert next_step(NOOR, None, [], NOW) == Step("start", NOOR.opening)
