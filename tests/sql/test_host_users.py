"""Users of the host page: whoever it vouches for is the same person every time, and each token counts once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import Connection
from psycopg.rows import DictRow

from tests.servers import Database

IDENTIFY = """
    select private.identify_host_user(%(subject)s, %(nonce)s, now() + %(issued)s::interval, now() + %(ends)s::interval,
      %(name)s, %(email)s, %(visitor)s) as id
"""
USUAL = {"subject": "42", "issued": "0 s", "ends": "5 minutes", "name": None, "email": None, "visitor": None}

Identify = Callable[..., UUID]


def asking(service: Connection[DictRow]) -> Identify:
    """Ask as the service who a host's user is; what is given replaces the usual."""

    def ask(**given: Any) -> UUID:
        row = service.execute(IDENTIFY, {**USUAL, "nonce": str(uuid4()), **given}).fetchone()
        assert row
        found: UUID = row["id"]
        return found

    return ask


@pytest.fixture
def identify(database: Database) -> Identify:
    """Return how the service asks."""
    return asking(database.connect(role="service_role"))


def code_of(error: psycopg.Error) -> str | None:
    """Return the stable code of a refusal."""
    return error.diag.constraint_name or error.diag.message_detail


def refuses(code: str, identify: Identify, **given: Any) -> bool:
    """Return whether asking is refused with this code."""
    with pytest.raises(psycopg.Error) as refusal:
        identify(**given)
    assert code_of(refusal.value) == code, refusal.value
    return True


def test_a_user_of_the_host_is_the_same_person_every_time(database: Database, identify: Identify) -> None:
    kim, sam = identify(), identify(subject="43")
    assert kim != sam
    assert identify() == kim
    assert database.value("select count(*) from real_users") == 2


def test_his_name_and_email_are_those_that_the_host_said_last(database: Database, identify: Identify) -> None:
    kim = identify(name="Kim", email="kim@shop.example")
    identify(name="Kim Lee", email="")
    row = database.row("select name, email, is_anonymous from real_users where id = %s", kim)
    assert row == {"name": "Kim Lee", "email": "kim@shop.example", "is_anonymous": False}


def test_a_visitor_becomes_the_hosts_user_and_keeps_his_chats(database: Database, identify: Identify) -> None:
    visitor_id = uuid4()
    visitor = database.connect(role="authenticated", sub=visitor_id, is_anonymous=True)
    visitor.execute("select start_chat('hello', gen_random_uuid())")
    assert database.value("select is_anonymous from real_users") is True
    assert identify(visitor=visitor_id, name="Kim") == visitor_id
    assert database.row("select name, is_anonymous from real_users") == {"name": "Kim", "is_anonymous": False}
    chats = visitor.execute("select id from list_chats()").fetchall()
    assert len(chats) == 1


def test_who_is_known_stays_who_he_is(identify: Identify) -> None:
    kim = identify()
    assert identify(visitor=uuid4()) == kim


def test_a_visitor_who_is_somebody_already_is_nobody_elses(identify: Identify) -> None:
    visitor_id = uuid4()
    assert identify(visitor=visitor_id) == visitor_id
    assert identify(subject="43", visitor=visitor_id) != visitor_id


def test_an_operator_is_reached_by_no_token(database: Database, identify: Identify) -> None:
    ana = uuid4()
    database.rows("insert into operators (id, name) values (%s, 'Ana')", ana)
    assert identify(visitor=ana) != ana
    kim = identify(subject="43")
    database.rows("insert into operators (id, name, is_active) values (%s, 'Kim', false)", kim)
    assert refuses("not_allowed", identify, subject="43", name="Eve")
    assert database.value("select name from real_users where id = %s", kim) is None


def test_a_token_counts_once(database: Database, identify: Identify) -> None:
    identify(nonce="n", name="Kim")
    assert refuses("identity_token_used", identify, nonce="n", name="Eve")
    assert refuses("identity_token_used", identify, nonce="n", subject="43")
    assert database.value("select array_agg(name) from real_users") == ["Kim"]


def test_what_was_refused_has_not_used_the_token(database: Database, identify: Identify) -> None:
    assert refuses("host_users_subject_length", identify, nonce="n", subject="")
    assert identify(nonce="n")


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"ends": "601 seconds"}, "identity_token_invalid"),
        ({"issued": "-1 hour"}, "identity_token_invalid"),
        ({"ends": "0 s"}, "identity_token_invalid"),
        ({"issued": "-9 minutes", "ends": "-1 second"}, "identity_token_invalid"),
        ({"issued": "61 seconds"}, "identity_token_invalid"),
        ({"ends": None}, "identity_token_invalid"),
        ({"issued": None}, "identity_token_invalid"),
        ({"nonce": ""}, "identity_token_invalid"),
        ({"nonce": None}, "identity_token_invalid"),
        ({"nonce": "x" * 256}, "identity_token_invalid"),
        ({"subject": ""}, "host_users_subject_length"),
        ({"subject": "x" * 256}, "host_users_subject_length"),
        ({"name": "x" * 201}, "real_users_name_length"),
        ({"email": "x" * 321}, "real_users_email_length"),
    ],
    ids=range(14),
)
def test_what_a_token_may_not_say_is_refused_and_leaves_nothing(
    database: Database, identify: Identify, given: dict[str, Any], code: str
) -> None:
    assert refuses(code, identify, **given)
    for table in ("private.host_users", "private.host_nonces", "real_users"):
        assert database.value(f"select count(*) from {table}") == 0


@pytest.mark.parametrize(
    "given",
    [
        {"ends": "10 minutes"},
        {"issued": "-9 minutes", "ends": "1 minute"},
        {"issued": "59 seconds"},
        {"nonce": "x" * 255, "subject": "é" * 255},
        {"name": "x" * 200, "email": "x" * 320},
    ],
    ids=lambda given: " ".join(given),
)
def test_what_a_token_may_just_say_is_taken(identify: Identify, given: dict[str, Any]) -> None:
    assert identify(**given)


def waits_for(database: Database, holder: Connection[Any], waiter: Connection[Any]) -> None:
    """Return when the waiter waits for the holder."""
    while not database.value("select %s = any(pg_blocking_pids(%s))", holder.info.backend_pid, waiter.info.backend_pid):
        pass


@pytest.mark.parametrize(
    ("first", "second", "outcome"),
    [
        ({"nonce": "n"}, {"nonce": "n", "subject": "43"}, "identity_token_used"),
        ({"subject": "42"}, {"subject": "42"}, "same"),
        ({"subject": "42", "visitor": UUID(int=1)}, {"subject": "43", "visitor": UUID(int=1)}, "another"),
        ({"subject": "42", "visitor": UUID(int=1)}, {"subject": "42", "visitor": UUID(int=2)}, "same"),
    ],
    ids=["one nonce", "one subject", "one visitor", "one subject, two visitors"],
)
def test_two_at_the_same_moment_come_one_after_the_other(
    database: Database, first: dict[str, Any], second: dict[str, Any], outcome: str
) -> None:
    one = database.connect(role="service_role", autocommit=False)
    other = database.connect(role="service_role")
    with ThreadPoolExecutor(1) as thread:
        winner = asking(one)(**first)
        late = thread.submit(asking(other), **second)
        waits_for(database, one, other)
        one.commit()
        if outcome == "identity_token_used":
            with pytest.raises(psycopg.Error) as refusal:
                late.result()
            assert code_of(refusal.value) == outcome
        else:
            assert (late.result() == winner) == (outcome == "same")


def test_a_nonce_is_forgotten_when_its_token_has_long_ended(database: Database, identify: Identify) -> None:
    for nonce in ("old", "new"):
        identify(nonce=nonce)
    database.rows(
        "update private.host_nonces set expires_at = now() - interval '61 minutes' where nonce_hash = sha256('old')"
    )
    assert database.value("select private.run_clean_up()") == 1
    assert refuses("identity_token_used", identify, nonce="new")


def test_who_is_erased_is_nobodys_any_more(database: Database, identify: Identify) -> None:
    kim = identify(name="Kim")
    database.rows("delete from real_users where id = %s", kim)
    assert database.value("select count(*) from private.host_users") == 0
    assert identify() != kim


@pytest.mark.parametrize("role", ["anon", "authenticated"])
def test_nobody_but_the_service_identifies_anyone(database: Database, role: str) -> None:
    caller = asking(database.connect(role=role, sub=uuid4()))
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        caller()
    for table in ("host_users", "host_nonces"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            database.connect(role="service_role").execute(f"select from private.{table}")
