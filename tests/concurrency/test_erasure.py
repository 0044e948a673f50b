"""Somebody is erased while he, or somebody else, does something: nothing is left, nothing is half-left."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from random import Random
from uuid import UUID, uuid4

import pytest

from tests.concurrency.test_races import asks, replies, writes
from tests.concurrency.world import (
    ADA,
    ANA,
    BEN,
    CARL,
    CORA,
    OK,
    Session,
    as_owner,
    as_person,
    as_service,
    broken_invariants,
    overlap,
    refusals,
    sessions,
    settles,
    start,
)
from tests.servers import Database

HELD, WAITING, OTHERS = UUID(int=0xE2), UUID(int=0xE1), UUID(int=0xE3)
LOGIN = UUID(int=0xF1)

ERASES = as_person(CORA, "select erase_user_data()")
ERASES_HER = as_person(ADA, f"select erase_user_data('{CORA}')")
STARTS = as_person(CORA, "select start_chat('me again', gen_random_uuid())")


@pytest.fixture
def arena(arena: Database) -> Database:
    """Cora has a login, a chat that Ana holds and one that waits; Carl has one that waits behind them."""
    arena.owner.execute(
        f"""
        delete from auth.users where true;
        insert into operators (id, name, role, capacity) values
          ('{ANA}', 'Ana', 'operator', 2), ('{BEN}', 'Ben', 'operator', 1), ('{ADA}', 'Ada', 'admin', 1);
        insert into real_users (id) values ('{CORA}'), ('{CARL}');
        insert into chats (id, real_user_id, chat_state, assigned_operator_id) values
          ('{HELD}', '{CORA}', 'assigned', '{ANA}');
        insert into chats (id, real_user_id, waiting_since) values
          ('{WAITING}', '{CORA}', now() - interval '2 minutes'), ('{OTHERS}', '{CARL}', now() - interval '1 minute');
        insert into messages (chat_id, sender_type, content) select id, 'real', 'hello?' from chats;
        select auth.create_user('cora@shop.example', null, false, '{{}}', '{CORA}');
        insert into auth.sessions (id, user_id) values ('{LOGIN}', '{CORA}');
        insert into auth.refresh_tokens (token_hash, session_id, user_id) values ('one', '{LOGIN}', '{CORA}');
        """
    )
    return arena


def left_of_her(database: Database) -> list[str]:
    """Return the tables in which something of Cora is left."""
    looks = {
        "real_users": f"id = '{CORA}'",
        "chats": f"real_user_id = '{CORA}'",
        "messages": f"chat_id <> '{OTHERS}'",
        "chat_assignments": f"chat_id <> '{OTHERS}'",
        "chat_history": f"chat_id <> '{OTHERS}'",
        "operator_activity": f"chat_id <> '{OTHERS}'",
        "read_marks": "true",
        "chat_notes": "true",
        "chat_mentions": "true",
        "private.events": f"event_seq is not null and chat_id <> '{OTHERS}'",
        "private.connections": f"person_id = '{CORA}'",
        "private.rate_buckets": f"user_id = '{CORA}'",
        "auth.users": "true",
        "auth.sessions": "true",
        "auth.refresh_tokens": "true",
    }
    return [
        table
        for table, condition in looks.items()
        if database.value(f"select exists (select from {table} where {condition})")
    ]


def is_well(database: Database) -> bool:
    """Whether nothing of her is left, and all is well with the others."""
    assert left_of_her(database) == []
    assert broken_invariants(database) == []
    assert database.rows("select * from check_audit_log()") == []
    assert database.value("select count(*) from messages where chat_id = %s", OTHERS) == 1
    return True


# Beside what she does herself


@pytest.mark.parametrize("erases", [ERASES, ERASES_HER], ids=["by herself", "by an admin"])
def test_she_writes_first(arena: Database, pair: list[Session], erases: str) -> None:
    assert overlap(pair, writes(CORA, HELD), erases) == (OK, OK, False)
    assert is_well(arena)


@pytest.mark.parametrize("chat", [HELD, WAITING], ids=["held", "waiting"])
def test_she_writes_meanwhile(arena: Database, pair: list[Session], chat: UUID) -> None:
    assert overlap(pair, ERASES_HER, writes(CORA, chat)) == (OK, "chat_not_found", False)
    assert is_well(arena)


@pytest.mark.parametrize("has_written", [True, False], ids=["she has written before", "she never wrote"])
def test_she_starts_a_chat_first(arena: Database, pair: list[Session], has_written: bool) -> None:
    if not has_written:
        arena.owner.execute(f"delete from real_users where id = '{CORA}'")
    assert overlap(pair, STARTS, ERASES_HER) == (OK, OK, False)
    assert is_well(arena)


@pytest.mark.parametrize("has_written", [True, False], ids=["she has written before", "she never wrote"])
def test_she_starts_a_chat_meanwhile(arena: Database, pair: list[Session], has_written: bool) -> None:
    if not has_written:
        arena.owner.execute(f"delete from real_users where id = '{CORA}'")
    assert overlap(pair, ERASES_HER, STARTS) == (OK, "not_signed_in", False)
    assert is_well(arena)


def test_an_erasure_that_is_rolled_back_costs_nothing(arena: Database, pair: list[Session]) -> None:
    assert overlap(pair, ERASES_HER, STARTS, "rollback") == (OK, OK, False)
    assert arena.value("select count(*) from chats where real_user_id = %s", CORA) == 3
    assert arena.value("select count(*) from auth.refresh_tokens") == 1


def test_she_starts_a_chat_while_her_erasure_waits_for_another_one(arena: Database) -> None:
    with sessions(arena, 3) as (stopper, admin, cora):
        assert stopper.begin(f"select from chats where id = '{HELD}' for update") == OK
        erased = start(admin, ERASES_HER)
        assert not settles(erased, admin, stopper.pid)
        # Her row is locked, not deleted yet.
        started = start(cora, STARTS)
        assert not settles(started, cora, admin.pid)
        assert stopper.end() == OK
        assert (erased.result(20), started.result(20)) == (OK, "not_signed_in")
    assert is_well(arena)


def test_she_starts_a_chat_while_plain_sql_deletes_her_row(arena: Database, pair: list[Session]) -> None:
    owner, cora = pair
    assert owner.begin(as_owner(f"select from real_users where id = '{CORA}' for update")) == OK
    started = start(cora, STARTS)
    assert not settles(started, cora, owner.pid)
    assert owner.execute(f"delete from real_users where id = '{CORA}'") == OK
    assert owner.end() == OK
    assert started.result(20) == "conflict"
    assert cora.run(STARTS) == OK


def test_she_is_erased_by_two_at_once(arena: Database, pair: list[Session]) -> None:
    assert overlap(pair, ERASES, ERASES_HER) == (OK, OK, False)
    assert is_well(arena)
    assert arena.value("select count(*) from audit_log where action = 'user.erased' and subject_id = %s", CORA) >= 1


# Beside the staff


@pytest.mark.parametrize(
    ("deed", "result"),
    [
        (replies(ANA, HELD), "chat_not_found"),
        (as_person(ANA, f"select mark_read('{HELD}', 1)"), "chat_not_found"),
        (
            as_person(ANA, f"select add_note('{HELD}', 'she is ill', gen_random_uuid(), array['{ADA}']::uuid[])"),
            "chat_not_found",
        ),
        (as_person(ANA, f"select transfer_chat('{HELD}', '{BEN}')"), "chat_not_found"),
        (as_person(ADA, f"select reassign_chat('{WAITING}', '{BEN}')"), "chat_not_found"),
        (as_person(ADA, f"select complete_chat('{HELD}')"), "chat_not_found"),
        (as_owner(f"update operators set is_active = false where id = '{ANA}'"), OK),
        (asks(BEN), OK),
    ],
    ids=["a reply", "reading", "a note", "transfer", "reassigning", "completing", "deactivating", "assigning"],
)
@pytest.mark.parametrize("is_first", [True, False], ids=["first", "meanwhile"])
def test_the_staff_work_on_her_chats(
    arena: Database, pair: list[Session], deed: str, result: str, is_first: bool
) -> None:
    if is_first:
        assert overlap(pair, deed, ERASES)[:2] == (OK, OK)
    else:
        assert overlap(pair, ERASES, deed)[:2] == (OK, result)
    assert is_well(arena)
    held = arena.rows("select operator_id, held from private.operator_load where held > 0")
    assert [row["operator_id"] for row in held] == ([BEN] if deed == asks(BEN) and not is_first else [])


def test_her_chats_are_locked_in_the_order_in_which_others_lock_them(arena: Database) -> None:
    # Deactivating Ana locks WAITING before HELD; that is not how they are stored.
    arena.owner.execute(
        f"update chats set chat_state = 'assigned', assigned_operator_id = '{ANA}' where id = '{WAITING}'"
    )
    with sessions(arena, 3) as (stopper, admin, cora):
        assert stopper.begin(f"select from chats where id = '{WAITING}' for update") == OK
        erased = start(cora, ERASES)
        assert not settles(erased, cora, stopper.pid)
        deactivated = start(admin, as_owner(f"update operators set is_active = false where id = '{ANA}'"))
        assert not settles(deactivated, admin, stopper.pid, cora.pid)
        # Whoever waits for the first chat has not got the second.
        assert stopper.execute(f"select from chats where id = '{HELD}' for update nowait") == OK
        assert stopper.end() == OK
        assert (erased.result(20), deactivated.result(20)) == (OK, OK)
    assert is_well(arena)


def test_her_tickets_are_locked_before_a_hand_is_freed(arena: Database) -> None:
    arena.owner.execute(f"insert into tickets (real_user_id, type, title) values ('{CORA}', 'support', 'A lamp')")
    with sessions(arena, 2) as (stopper, cora):
        assert stopper.begin("select from tickets for update") == OK
        erased = start(cora, ERASES)
        assert not settles(erased, cora, stopper.pid)
        # Whoever has a ticket may ask for hands: who waits for the ticket has not got them.
        assert stopper.execute("select from private.operator_load for update nowait") == OK
        assert stopper.end() == OK
        assert erased.result(20) == OK
    assert is_well(arena)
    assert arena.value("select count(*) from tickets") == 0


# Beside the login


SIGNS_IN = as_service(f"select auth.start_session('{CORA}', 'two')")
REFRESHES = as_service("select auth.rotate_refresh_token('one', 'two')")
SIGNS_OUT = as_service(f"select auth.end_session('{LOGIN}')")


@pytest.mark.parametrize("deed", [SIGNS_IN, REFRESHES, SIGNS_OUT], ids=["in", "again", "out"])
def test_she_signs_in_or_out_first(arena: Database, pair: list[Session], deed: str) -> None:
    assert overlap(pair, deed, ERASES_HER) == (OK, OK, False)
    assert is_well(arena)


@pytest.mark.parametrize(
    ("deed", "result"),
    [(SIGNS_IN, "sessions_user_id_fkey"), (REFRESHES, OK), (SIGNS_OUT, OK)],
    ids=["in", "again", "out"],
)
def test_she_signs_in_or_out_meanwhile(arena: Database, pair: list[Session], deed: str, result: str) -> None:
    assert overlap(pair, ERASES_HER, deed) == (OK, result, False)
    assert is_well(arena)


def test_who_refreshes_a_token_does_not_wait_in_a_circle_with_the_erasure(arena: Database) -> None:
    with sessions(arena, 3) as (stopper, login, admin):
        assert stopper.begin("select from auth.refresh_tokens where token_hash = 'one' for update") == OK
        refreshed = start(login, REFRESHES)  # has the session, and will ask for the account
        assert not settles(refreshed, login, stopper.pid)
        erased = start(admin, ERASES_HER)
        assert not settles(erased, admin, login.pid, stopper.pid)
        assert stopper.end() == OK
        assert (refreshed.result(20), erased.result(20)) == (OK, OK)
    assert is_well(arena)


def test_a_socket_that_she_opens_meanwhile_leaves_nothing_for_long(arena: Database, pair: list[Session]) -> None:
    opens = as_service(f"select private.open_connection('{uuid4()}', '{CORA}')")
    assert overlap(pair, opens, ERASES)[:2] == (OK, OK)
    arena.owner.execute("select private.run_clean_up()")
    assert is_well(arena)


def test_a_lease_that_is_renewed_meanwhile_is_gone_with_her_socket(arena: Database, pair: list[Session]) -> None:
    process, hers = uuid4(), f"array['{CORA}'::uuid]"
    arena.owner.execute(f"select private.open_connection('{process}', '{CORA}')")
    renews = as_service(f"select private.renew_connections('{process}', {hers})")
    assert overlap(pair, ERASES, renews) == (OK, OK, False)
    arena.owner.execute(f"select private.close_connections('{process}', {hers})")
    assert is_well(arena)


# The audit log


def test_who_is_logged_waits_for_nobody_who_has_not_come_to_his_end(arena: Database, pair: list[Session]) -> None:
    changes = [as_owner(f"update operators set capacity = 3 where id = '{person}'") for person in (ANA, BEN)]
    assert overlap(pair, *changes) == (OK, OK, True)
    rows = arena.rows("select subject_id from audit_log where action = 'operator.capacity_changed' order by id")
    assert [row["subject_id"] for row in rows][-2:] == [BEN, ANA]
    assert is_whole(arena)


def test_at_their_end_they_come_one_after_the_other(arena: Database, pair: list[Session]) -> None:
    changes = [as_owner(f"update operators set capacity = 3 where id = '{person}'") for person in (ANA, BEN)]
    assert overlap(pair, f"{changes[0]}; set constraints all immediate", changes[1]) == (OK, OK, False)
    assert is_whole(arena)
    assert overlap(pair, f"{changes[0]}; set constraints all immediate", changes[1], "rollback")[0] == OK
    assert is_whole(arena)


@pytest.mark.parametrize("isolation", ["repeatable read", "serializable"])
def test_a_chain_is_not_built_on_an_old_look(arena: Database, pair: list[Session], isolation: str) -> None:
    changes = [as_owner(f"update operators set capacity = 4 where id = '{person}'") for person in (ANA, BEN)]
    first, second, _ = overlap(pair, changes[0], changes[1], isolation=isolation)
    assert sorted((first, second)) in ([OK, OK], ["40001", OK])
    assert is_whole(arena)


def is_whole(database: Database) -> bool:
    """Whether the log has no gap and no fork."""
    assert database.rows("select * from check_audit_log()") == []
    return True


# Retention


def test_a_customer_who_writes_into_an_old_chat_keeps_it(arena: Database, pair: list[Session]) -> None:
    arena.owner.execute(
        "update settings set value = '1' where name = 'chat_retention_days';"
        f"update chats set chat_state = 'completed', assigned_operator_id = null where id = '{HELD}'"
    )
    later = as_owner(
        "select set_config('baton.now', (now() + interval '3 days')::text, true); select private.run_retention()"
    )
    assert overlap(pair, writes(CORA, HELD), later) == (OK, OK, True)
    assert arena.value("select chat_state from chats where id = %s", HELD) == "waiting_assignment"
    arena.owner.execute(f"update chats set chat_state = 'completed' where id = '{HELD}'")
    assert overlap(pair, later, writes(CORA, HELD)) == (OK, "chat_not_found", False)
    arena.owner.execute("update settings set value = '0' where name = 'chat_retention_days'")
    assert broken_invariants(arena) == []


# All of it at once

GUESTS = [UUID(int=0xC000 + n) for n in range(40)]
TEAM = [UUID(int=0xA000 + n) for n in range(4)]


def deeds(random: Random) -> Iterator[str]:
    """Yield what guests and staff do, and how guests are erased, each somewhere among the others."""
    while True:
        guest, operator, other = random.choice(GUESTS), random.choice(TEAM), random.choice(TEAM)
        his = f"(select id from chats where real_user_id = '{guest}' limit 1)"
        held = f"(select id from chats where assigned_operator_id = '{operator}' limit 1)"
        yield random.choice(
            [
                as_person(guest, "select start_chat('hello', gen_random_uuid())"),
                as_person(guest, "select start_chat('hello', gen_random_uuid())"),
                as_owner(f"insert into messages (chat_id, sender_type, content) select {his}, 'real', 'more'"),
                asks(operator),
                as_owner(f"insert into messages (chat_id, sender_type, content) select {held}, 'operator', 'hi'"),
                as_person(ADA, f"select reassign_chat(c.id, '{other}') from list_chats(null, null, 1) c"),
                as_owner(f"update operators set is_active = not is_active where id = '{operator}'"),
                as_owner(
                    "update settings set value = to_jsonb((value::text)::integer + 1) where name = 'rate_limit_burst'"
                ),
                as_person(guest, "select erase_user_data()"),
                as_person(ADA, f"select erase_user_data('{guest}')"),
                as_service("select private.run_retention()"),
                as_service("select private.run_assignment_sweep()"),
            ]
        )


def test_guests_are_erased_while_everybody_does_everything(arena: Database) -> None:
    for number, operator in enumerate(TEAM):
        arena.owner.execute(
            "insert into operators (id, name, capacity, auto_assign) values (%s, 'Op', 3, %s)", (operator, number > 1)
        )
    arena.owner.execute("update settings set value = '0.000001' where name = 'chat_retention_days'")

    def work(number: int, session: Session) -> Counter[str]:
        return Counter(session.run(deed) for deed in islice(deeds(Random(number)), 120))  # noqa: S311 - repeatable

    with sessions(arena, 12) as all_of_them, ThreadPoolExecutor(12) as threads:
        told: Counter[str] = sum(threads.map(work, range(12), all_of_them), Counter())
    arena.owner.execute("update settings set value = '0' where name = 'chat_retention_days'")
    assert set(told) <= refusals(arena) | {OK}, told
    assert told[OK] > 400, told
    assert broken_invariants(arena) == []
    assert is_whole(arena)
    erased = "select id from private.erased_people"
    for table, column in (("real_users", "id"), ("chats", "real_user_id"), ("messages", "sender_id")):
        assert arena.value(f"select count(*) from {table} where {column} in ({erased})") == 0
    assert arena.value("select count(*) from private.erased_people") > 10
