"""A request runs as its caller and as nobody else, whatever ran on the connection before."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import LiteralString
from uuid import uuid4

import pytest
from psycopg.rows import DictRow

from tests.http.conftest import Person, refuses
from tests.servers import Baton, Database, Server, running_baton
from web import create_app
from web.config import Config
from web.db import database


@pytest.fixture(scope="module")
def one_connection(server: Server) -> Iterator[Baton]:
    """Run a server whose process has one connection for everyone."""
    with running_baton(server, BATON_POOL_SIZE="1") as baton:
        yield baton


def test_callers_who_share_a_connection_never_mix(
    one_connection: Baton, baton: Baton, sign: Callable[..., str]
) -> None:
    url = one_connection.base_url
    people = [Person(url, sign(sub=str(person_id)), person_id) for person_id in (uuid4() for _ in range(8))]
    service, nobody = Person(url, one_connection.service_key), Person(url, one_connection.anon_key)

    def ask(number: int) -> bool:
        match number % 10:
            case 8:
                return bool(service.get("/api/me").json() == {"id": None, "kind": "service"})
            case 9:
                return refuses(nobody.get("/api/me"), 401, "not_signed_in")
            case which:
                failed = people[which].get(f"/api/chats/{uuid4()}")
                me = people[which].get("/api/me").json()
                return bool(failed.status_code == 404 and me["id"] == people[which].id)

    with ThreadPoolExecutor(16) as threads:
        assert all(threads.map(ask, range(400)))


def test_nothing_of_a_request_is_left_on_its_connection(baton: Baton, sign: Callable[..., str]) -> None:
    app = create_app(Config(database_url=baton.database.url, jwt_secret=baton.jwt_secret, pool_size=1))
    left: LiteralString = """
        select pg_backend_pid() as pid, current_user, current_setting('statement_timeout') as statement_timeout,
          current_setting('timezone') as timezone, nullif(current_setting('request.jwt.claims', true), '') as claims,
          nullif(current_setting('request.headers', true), '') as headers
    """

    def look() -> DictRow | None:
        with app.test_request_context():
            return database().as_owner(lambda connection: connection.execute(left).fetchone())

    before = look()
    assert before
    for path in ("/api/me", f"/api/chats/{uuid4()}"):  # one that commits, one that rolls back
        app.test_client().get(path, headers={"Authorization": f"Bearer {sign()}"})
        assert look() == before


def test_a_connection_that_was_ended_while_idle_costs_nobody_a_request(
    one_connection: Baton, sign: Callable[..., str]
) -> None:
    person = Person(one_connection.base_url, sign())
    for _ in range(5):
        assert person.get("/api/me").status_code == 200
        ended = one_connection.database.rows(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity"
            " where application_name = 'baton web' and datname = current_database()"
        )
        assert ended


def test_a_request_that_waits_in_the_database_holds_up_nobody_else(baton: Baton, customer: Person) -> None:
    chat = customer.starts_chat()
    with ThreadPoolExecutor(1) as thread, baton.database.connect(autocommit=False) as blocker:
        blocker.execute("select from chats where id = %s for update", (chat["id"],))
        waiting = thread.submit(customer.writes, chat)
        for _ in range(20):
            assert baton.client.get("/readyz").elapsed.total_seconds() < 2
        assert not waiting.done()
        blocker.rollback()
        assert waiting.result()["chat_id"] == chat["id"]


def test_a_failed_request_has_cost_its_token(baton: Baton, customer: Person, owner: Database) -> None:
    owner.rows("update settings set value = '1' where name = 'rate_limit_per_minute'")  # or they grow again meanwhile
    for _ in range(3):
        assert refuses(customer.get(f"/api/chats/{uuid4()}"), 404, "chat_not_found")
    owner.rows("update settings set value = '600' where name = 'rate_limit_per_minute'")
    left = owner.value("select tokens from private.rate_buckets where user_id = %s", customer.id)
    assert left < owner.value("select value::text::float from settings where name = 'rate_limit_burst'") - 2


def test_a_caller_who_asks_too_often_is_told_when_to_come_back(customer: Person, owner: Database) -> None:
    assert customer.get("/api/me").status_code == 200
    owner.rows(
        "update private.rate_buckets set tokens = 0, refilled_at = now() + interval '10 s' where user_id = %s",
        customer.id,
    )
    answer = customer.get("/api/me")
    assert refuses(answer, 429, "rate_limited")
    assert int(answer.headers["Retry-After"]) >= 1


def test_the_service_has_no_such_limit(service: Person, owner: Database) -> None:
    owner.rows("delete from private.rate_buckets")
    assert service.get("/api/me").status_code == 200
    assert owner.rows("select from private.rate_buckets") == []
