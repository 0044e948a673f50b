"""Two or three callers at the same moment, and exactly what must come of it."""

from uuid import UUID, uuid4

import pytest

from tests.concurrency.world import (
    ADA,
    ANA,
    BEN,
    CARL,
    CLEM,
    CLEO,
    CORA,
    OK,
    Session,
    as_owner,
    as_person,
    broken_invariants,
    overlap,
    sessions,
    settles,
    start,
)
from tests.servers import Database

HELD, WAITING, LATER, BENS, SENT = (UUID(int=0xE0 + n) for n in range(5))

AT_CAPACITY = "operator_at_capacity"


@pytest.fixture
def arena(arena: Database) -> Database:
    """Ana holds a chat whose customer waits for her reply; two more wait in the queue; Ben and Cleo are free."""
    arena.owner.execute(
        f"""
        insert into operators (id, name, role, capacity) values
          ('{BEN}', 'Ben', 'operator', 1), ('{ANA}', 'Ana', 'operator', 2),
          ('{CLEO}', 'Cleo', 'operator', 1), ('{ADA}', 'Ada', 'admin', 1);
        insert into real_users (id) values ('{CORA}'), ('{CARL}'), ('{CLEM}');
        insert into chats (id, real_user_id, chat_state, assigned_operator_id, operator_replied_at) values
          ('{HELD}', '{CORA}', 'assigned', '{ANA}', now());
        insert into chats (id, real_user_id, chat_state, waiting_since) values
          ('{WAITING}', '{CARL}', 'waiting_assignment', now() - interval '2 minutes'),
          ('{LATER}', '{CLEM}', 'waiting_assignment', now() - interval '1 minute');
        insert into messages (id, chat_id, sender_type, content) values
          ('{SENT}', '{HELD}', 'real', 'hello?'), (gen_random_uuid(), '{WAITING}', 'real', 'anybody?');
        update settings set value = 'true' where name = 'allow_take';
        """
    )
    return arena


def holders(database: Database) -> dict[UUID, UUID | None]:
    rows = database.rows("select id, assigned_operator_id from chats")
    return {row["id"]: row["assigned_operator_id"] for row in rows}


def state_of(database: Database, chat: UUID) -> str:
    return str(database.value("select chat_state from chats where id = %s", chat))


def asks(operator: UUID) -> str:
    return as_person(operator, f"select assign_chat_to_operator('{operator}')")


def writes(customer: UUID, chat: UUID, content: str = "more", client_message_id: UUID | None = None) -> str:
    return as_person(
        customer, f"select send_real_user_message('{chat}', '{content}', '{client_message_id or uuid4()}')"
    )


def replies(operator: UUID, chat: UUID, content: str = "hi", client_message_id: UUID | None = None) -> str:
    return as_person(operator, f"select send_operator_message('{chat}', '{content}', '{client_message_id or uuid4()}')")


def test_two_who_ask_at_once_get_two_chats_and_do_not_wait(arena: Database, pair: list[Session]) -> None:
    assert overlap(pair, asks(BEN), asks(CLEO)) == (OK, OK, True)
    assert holders(arena) == {HELD: ANA, WAITING: BEN, LATER: CLEO}


def test_one_who_asks_from_two_windows_gets_no_more_than_he_can_hold(arena: Database, pair: list[Session]) -> None:
    assert overlap(pair, asks(BEN), asks(BEN)) == (OK, AT_CAPACITY, False)
    assert holders(arena) == {HELD: ANA, WAITING: BEN, LATER: None}


def test_the_only_chat_is_given_although_its_customer_is_just_writing(arena: Database, pair: list[Session]) -> None:
    arena.owner.execute("delete from chats where id = %s", (LATER,))
    assert overlap(pair, writes(CARL, WAITING), asks(BEN)) == (OK, OK, False)
    assert holders(arena)[WAITING] == BEN


def test_the_first_chat_is_passed_over_when_its_customer_is_just_writing(arena: Database, pair: list[Session]) -> None:
    assert overlap(pair, writes(CARL, WAITING), asks(BEN)) == (OK, OK, True)
    assert holders(arena)[LATER] == BEN


def test_his_own_chat_does_not_come_because_the_other_s_customer_is_just_writing(
    arena: Database, pair: list[Session]
) -> None:
    arena.owner.execute("update chats set last_operator_id = %s where id = %s", (BEN, LATER))
    assert overlap(pair, writes(CARL, WAITING), asks(BEN)) == (OK, OK, False)
    assert holders(arena)[WAITING] == BEN


def test_nobody_waits_for_a_chat_that_another_is_taking(arena: Database, pair: list[Session]) -> None:
    arena.owner.execute("delete from chats where id = %s", (LATER,))
    assert overlap(pair, asks(BEN), asks(CLEO)) == (OK, OK, False)
    assert holders(arena) == {HELD: ANA, WAITING: BEN}


def test_a_customer_who_writes_beside_the_reply_waits_for_the_next_one(arena: Database, pair: list[Session]) -> None:
    assert overlap(pair, replies(ANA, HELD), writes(CORA, HELD)) == (OK, OK, False)
    assert state_of(arena, HELD) == "waiting_assignment"


def test_a_reply_beside_the_customer_s_message_answers_it(arena: Database, pair: list[Session]) -> None:
    assert overlap(pair, writes(CORA, HELD), replies(ANA, HELD)) == (OK, OK, False)
    assert state_of(arena, HELD) == "waiting_real_user_reply"
    handled = arena.rows(
        "select handled_by_operator_id from messages where chat_id = %s and sender_type = 'real'", HELD
    )
    assert [row["handled_by_operator_id"] for row in handled] == [ANA, ANA]


@pytest.mark.parametrize(("first", "second"), [("real", "operator"), ("operator", "real")])
def test_plain_inserts_at_once_do_the_same(arena: Database, pair: list[Session], first: str, second: str) -> None:
    def inserts(sender_type: str) -> str:
        return as_owner(
            f"insert into messages (chat_id, sender_type, content) values ('{HELD}', '{sender_type}', 'at once')"
        )

    assert overlap(pair, inserts(first), inserts(second)) == (OK, OK, False)
    assert state_of(arena, HELD) == ("waiting_assignment" if second == "real" else "waiting_real_user_reply")
    assert [row["seq"] for row in arena.rows("select seq from messages where chat_id = %s order by seq", HELD)] == [
        1,
        2,
        3,
    ]


@pytest.mark.parametrize("isolation", ["repeatable read", "serializable"])
@pytest.mark.parametrize("first_is_reply", [True, False])
def test_under_stricter_isolation_the_later_of_reply_and_message_is_told_to_retry(
    arena: Database, pair: list[Session], first_is_reply: bool, isolation: str
) -> None:
    first, second = replies(ANA, HELD), writes(CORA, HELD)
    if not first_is_reply:
        first, second = second, first
    assert overlap(pair, first, second, isolation=isolation) == (OK, "40001", False)
    assert pair[1].run(second, isolation) == OK
    assert state_of(arena, HELD) == ("waiting_assignment" if first_is_reply else "waiting_real_user_reply")


TO_BEN = {
    "asks": asks(BEN),
    "takes": as_person(BEN, f"select take_chat('{LATER}')"),
    "is given by an admin": as_person(ADA, f"select reassign_chat('{LATER}', '{BEN}')"),
    "is given by transfer": as_person(ANA, f"select transfer_chat('{HELD}', '{BEN}')"),
    "is given by plain SQL": as_owner(
        f"update chats set chat_state = 'assigned', assigned_operator_id = '{BEN}' where id = '{LATER}'"
    ),
}


@pytest.mark.parametrize("second", TO_BEN)
def test_of_two_who_want_the_last_hand_one_wins(arena: Database, pair: list[Session], second: str) -> None:
    first = as_person(ADA, f"select reassign_chat('{WAITING}', '{BEN}')")
    assert overlap(pair, first, TO_BEN[second]) == (OK, AT_CAPACITY, False)
    assert list(holders(arena).values()).count(BEN) == 1
    assert broken_invariants(arena) == []


@pytest.mark.parametrize("second", TO_BEN)
def test_the_last_hand_goes_to_the_second_when_the_first_gives_up(
    arena: Database, pair: list[Session], second: str
) -> None:
    first = as_person(ADA, f"select reassign_chat('{WAITING}', '{BEN}')")
    assert overlap(pair, first, TO_BEN[second], "rollback") == (OK, OK, False)
    assert list(holders(arena).values()).count(BEN) == 1
    assert broken_invariants(arena) == []


def test_of_two_who_take_the_same_chat_one_wins(arena: Database, pair: list[Session]) -> None:
    # Cleo has held it before: she may still see that somebody has it.
    arena.owner.execute(
        f"update chats set chat_state = 'assigned', assigned_operator_id = '{CLEO}' where id = '{LATER}';"
        f"update chats set chat_state = 'waiting_assignment', assigned_operator_id = null where id = '{LATER}'"
    )
    takes = [as_person(operator, f"select take_chat('{LATER}')") for operator in (BEN, CLEO)]
    assert overlap(pair, *takes) == (OK, "chat_not_waiting", False)
    assert holders(arena)[LATER] == BEN


SAME_ID, NEWCOMER = uuid4(), UUID(int=0xC9)
ONE_MESSAGE = {
    "a customer's message": (writes(CORA, HELD, "once", SAME_ID), writes(CORA, HELD, "other", SAME_ID)),
    "a reply that ends the hold": (replies(ANA, HELD, "once", SAME_ID), replies(ANA, HELD, "other", SAME_ID)),
    "a new chat": (
        as_person(CARL, f"select start_chat('once', '{SAME_ID}')"),
        as_person(CARL, f"select start_chat('other', '{SAME_ID}')"),
    ),
    "a newcomer's chat": (
        as_person(NEWCOMER, f"select start_chat('once', '{SAME_ID}')"),
        as_person(NEWCOMER, f"select start_chat('other', '{SAME_ID}')"),
    ),
}


@pytest.mark.parametrize("how", ["commit", "rollback"])
@pytest.mark.parametrize("message", ONE_MESSAGE)
def test_the_same_client_message_id_twice_at_once_is_one_message(
    arena: Database, pair: list[Session], message: str, how: str
) -> None:
    chats = len(holders(arena))
    once, _ = ONE_MESSAGE[message]
    assert overlap(pair, once, once, how) == (OK, OK, False)
    assert arena.value("select count(*) from messages where content = 'once'") == 1
    assert len(holders(arena)) == chats + ("chat" in message)
    assert broken_invariants(arena) == []


@pytest.mark.parametrize("message", ONE_MESSAGE)
def test_the_same_client_message_id_with_other_content_at_once_is_refused(
    arena: Database, pair: list[Session], message: str
) -> None:
    assert overlap(pair, *ONE_MESSAGE[message]) == (OK, "client_message_id_reused", False)
    assert arena.value("select count(*) from messages where content = 'other'") == 0
    assert broken_invariants(arena) == []


def test_an_idle_hold_that_is_just_being_answered_is_left_alone(arena: Database, pair: list[Session]) -> None:
    releases = as_owner(
        "select set_config('baton.now', (now() + interval '1 hour')::text, true), release_idle_assignments()"
    )
    assert overlap(pair, replies(ANA, HELD), releases) == (OK, OK, True)
    assert arena.value("select status from operators where id = %s", ANA) == "online"
    assert [row["release_reason"] for row in arena.rows("select release_reason from chat_assignments")] == ["replied"]


def test_an_operator_who_is_given_a_chat_while_he_is_deactivated_keeps_nothing(
    arena: Database, pair: list[Session]
) -> None:
    deactivates = as_owner(f"update operators set is_active = false where id = '{ANA}'")
    gives = as_person(ADA, f"select reassign_chat('{WAITING}', '{ANA}')")
    assert overlap(pair, gives, deactivates) == (OK, OK, False)
    assert ANA not in holders(arena).values()
    assert broken_invariants(arena) == []


def test_an_operator_who_is_being_deactivated_is_given_nothing(arena: Database, pair: list[Session]) -> None:
    deactivates = as_owner(f"update operators set is_active = false where id = '{ANA}'")
    gives = as_person(ADA, f"select reassign_chat('{WAITING}', '{ANA}')")
    assert overlap(pair, deactivates, gives) == (OK, "operator_inactive", False)
    assert ANA not in holders(arena).values()
    assert broken_invariants(arena) == []


def test_deactivating_many_beside_a_transfer_between_them_does_not_deadlock(arena: Database) -> None:
    # The deactivation is stopped after Ana and before Ben's second chat, which the transfer gives her.
    stop, moved = sorted((BENS, UUID(int=0xEF)))
    arena.owner.execute(
        f"""
        update operators set capacity = 2 where id = '{BEN}';
        insert into chats (id, real_user_id, chat_state, assigned_operator_id) values
          ('{stop}', '{CARL}', 'assigned', '{BEN}'), ('{moved}', '{CARL}', 'assigned', '{BEN}');
        """
    )
    with sessions(arena, 3) as (stopper, admin, ben):
        assert stopper.begin(f"select from chats where id = '{stop}' for update") == OK
        deactivates = start(
            admin,
            as_owner(
                "update operators o set is_active = false from (select id from operators"
                f" where id in ('{ANA}', '{BEN}') order by id for no key update) sorted where sorted.id = o.id"
            ),
        )
        assert not settles(deactivates, admin, stopper.pid)
        transfers = start(ben, as_person(BEN, f"select transfer_chat('{moved}', '{ANA}')"))
        settles(transfers, ben, admin.pid)
        assert stopper.end() == OK
        assert deactivates.result(20) == OK
        assert transfers.result(20) in {OK, "operator_inactive"}
    assert broken_invariants(arena) == []


@pytest.mark.parametrize("change", ["capacity = 3", "auto_assign = true, status = 'online'", "is_active = false"])
def test_changing_many_operators_beside_a_reassignment_between_them_does_not_deadlock(
    arena: Database, change: str
) -> None:
    # Operators are stored as Ben, Ana; a reassignment moves their counters as Ana, Ben.
    arena.owner.execute(f"update operators set capacity = 2 where id = '{BEN}'")
    with sessions(arena, 3) as (stopper, admin, service):
        assert stopper.begin(f"select from private.operator_load where operator_id = '{ANA}' for update") == OK
        reassigns = start(admin, as_person(ADA, f"select reassign_chat('{HELD}', '{BEN}')"))
        assert not settles(reassigns, admin, stopper.pid)
        changes = start(service, as_owner(f"update operators set {change} where id in ('{ANA}', '{BEN}')"))
        settles(changes, service, stopper.pid, admin.pid)
        assert stopper.end() == OK
        assert (reassigns.result(20), changes.result(20)) == (OK, OK)
    assert broken_invariants(arena) == []


def test_renaming_and_deactivating_in_one_statement_does_not_deadlock(arena: Database) -> None:
    # A changed email locks the operator against foreign keys too; Ana's chat is completed meanwhile,
    # and her hand, which that frees, is given another chat.
    arena.owner.execute(f"update operators set capacity = 1, auto_assign = true where id = '{ANA}'")
    with sessions(arena, 2) as (customer, service):
        assert customer.begin(as_person(CORA, f"select complete_chat('{HELD}')")) == OK
        changes = start(
            service,
            as_owner(f"update operators set email = 'gone@baton.example', is_active = false where id = '{ANA}'"),
        )
        assert not settles(changes, service, customer.pid)
        assert customer.end() == OK
        assert changes.result(20) == OK
    assert broken_invariants(arena) == []


def test_a_reply_beside_an_idle_release_of_the_same_operator_does_not_deadlock(database: Database) -> None:
    # The release is stopped where it has moved the operator's counter, before it counts the incident.
    database.owner.execute(
        f"""
        insert into operators (id, name, capacity) values ('{ANA}', 'Ana', 2);
        insert into real_users (id) values ('{CORA}'), ('{CARL}');
        insert into chats (id, real_user_id, chat_state, assigned_operator_id, created_at) values
          ('{HELD}', '{CORA}', 'assigned', '{ANA}', now()),
          ('{LATER}', '{CARL}', 'assigned', '{ANA}', now() - interval '1 hour');
        update operator_activity set last_activity_at = now() - interval '1 hour' where chat_id = '{LATER}';
        create function pause() returns trigger language plpgsql as $$
        begin
          if current_setting('test.pauses', true) = 'on' then
            perform pg_advisory_xact_lock_shared(1);
          end if;
          return null;
        end $$;
        create trigger _990_pause after update on private.operator_load for each statement execute function pause();
        """
    )
    with sessions(database, 3) as (stopper, service, ana):
        assert stopper.begin("select pg_advisory_xact_lock(1)") == OK
        releases = start(service, as_owner("set local test.pauses = 'on'; select release_idle_assignments()"))
        assert not settles(releases, service, stopper.pid)
        replied = start(ana, replies(ANA, HELD))
        settles(replied, ana, service.pid)
        assert stopper.end() == OK
        assert (releases.result(20), replied.result(20)) == (OK, OK)
    assert broken_invariants(database) == []
