"""Two or three callers at the same moment, and exactly what must come of it."""

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import pytest

from tests.concurrency.follower import Follower
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
    as_service,
    broken_invariants,
    overlap,
    sessions,
    settles,
    start,
)
from tests.servers import Database

HELD, WAITING, LATER, BENS, SENT = (UUID(int=0xE0 + n) for n in range(5))
PROCESS = UUID(int=0xF1)  # of the web

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


# Reading locks the chat too, where it is news.


def reads(person: UUID, chat: UUID, seq: int) -> str:
    return as_person(person, f"select mark_read('{chat}', {seq})")


def told(database: Database, chat: UUID) -> list[tuple[str, int, int | None]]:
    """Return the events of a chat: what, and the numbers for the staff and for the customer."""
    query = "select * from private.events where chat_id = %s and event_seq is not null order by event_seq"
    return [(row["event"], row["event_seq"], row["customer_event_seq"]) for row in database.rows(query, chat)]


def test_the_only_chat_is_given_although_its_customer_is_just_reading(arena: Database, pair: list[Session]) -> None:
    arena.owner.execute("delete from chats where id = %s", (LATER,))
    assert overlap(pair, reads(CARL, WAITING, 1), asks(BEN)) == (OK, OK, False)
    assert holders(arena)[WAITING] == BEN


def test_the_first_chat_is_passed_over_when_its_customer_is_just_reading(arena: Database, pair: list[Session]) -> None:
    assert overlap(pair, reads(CARL, WAITING, 1), asks(BEN)) == (OK, OK, True)
    assert holders(arena)[LATER] == BEN


@pytest.mark.parametrize("how", ["commit", "rollback"])
@pytest.mark.parametrize("seq", [0, 1])
def test_a_chat_whose_customer_reads_while_a_hand_becomes_free_is_given(
    arena: Database, pair: list[Session], seq: int, how: str
) -> None:
    arena.owner.execute(
        f"""
        delete from chats where id = '{LATER}';
        update operators set auto_assign = true, capacity = 1 where id = '{ANA}';
        """
    )
    assert overlap(pair, reads(CARL, WAITING, seq), replies(ANA, HELD), how)[:2] == (OK, OK)
    if how == "commit":
        assert holders(arena)[WAITING] == ANA
    else:
        # What is undone offers nothing: that is what the sweep is for.
        arena.rows("select private.run_assignment_sweep()")
        assert holders(arena)[WAITING] == ANA


def test_a_reader_who_has_no_news_after_all_costs_nobody_a_chat(arena: Database) -> None:
    arena.owner.execute(
        f"""
        delete from chats where id = '{LATER}';
        insert into messages (chat_id, sender_type, content) values ('{WAITING}', 'real', 'anybody?');
        update operators set auto_assign = true, capacity = 1 where id = '{ANA}';
        """
    )
    with sessions(arena, 3) as (window, other_window, ana):
        # His other window has looked before the first one has told that it has read further.
        assert window.begin(reads(CARL, WAITING, 2)) == OK
        work = other_window.start(lambda: other_window.begin(reads(CARL, WAITING, 1)))
        assert not settles(work, other_window, window.pid)
        assert window.end() == OK
        assert work.result(20) == OK
        assert ana.run(replies(ANA, HELD)) == OK
        assert other_window.end() == OK
    assert holders(arena)[WAITING] == ANA
    assert arena.value("select seq from read_marks") == 2


def test_two_of_the_staff_who_read_as_far_at_once_are_one_event_to_the_customer(
    arena: Database, pair: list[Session]
) -> None:
    assert overlap(pair, reads(BEN, WAITING, 1), reads(CLEO, WAITING, 1)) == (OK, OK, False)
    assert told(arena, WAITING)[1:] == [("message.read", 2, 2), ("message.read", 3, None)]


def test_the_customer_reads_beside_the_reply(arena: Database, pair: list[Session]) -> None:
    assert overlap(pair, reads(CORA, HELD, 1), replies(ANA, HELD)) == (OK, OK, False)
    assert [name for name, *_ in told(arena, HELD)[2:]] == ["message.read", "message.created", "chat.released"]
    assert broken_invariants(arena) == []


# Events are numbered under the chat's lock, and under no other.


@pytest.mark.parametrize("how", ["commit", "rollback"])
@pytest.mark.parametrize("second", ["a reply", "a mark", "a column", "a transfer", "an end"])
def test_numbers_follow_each_other_whoever_comes_second(
    arena: Database, pair: list[Session], second: str, how: str
) -> None:
    deed = {
        "a reply": replies(ANA, HELD),
        "a mark": reads(ANA, HELD, 1),
        "a column": as_owner(f"update chats set priority = 3 where id = '{HELD}'"),
        "a transfer": as_person(ANA, f"select transfer_chat('{HELD}', '{BEN}')"),
        "an end": as_person(CORA, f"select complete_chat('{HELD}')"),
    }[second]
    before = len(told(arena, HELD))
    assert overlap(pair, writes(CORA, HELD), deed, how) == (OK, OK, False)
    after = told(arena, HELD)
    assert [number for _, number, _ in after] == list(range(1, len(after) + 1))
    hers = [number for _, _, number in after if number]
    assert hers == list(range(1, len(hers) + 1))
    assert (after[before][0] == "message.created") == (how == "commit" or second == "a reply")
    assert broken_invariants(arena) == []


@pytest.mark.parametrize("is_asleep", [False, True])
def test_who_writes_into_different_chats_does_not_wait(arena: Database, pair: list[Session], is_asleep: bool) -> None:
    if is_asleep:
        arena.owner.execute("select private.let_relay_sleep(gen_random_uuid(), '1 minute')")
    assert overlap(pair, writes(CARL, WAITING), writes(CLEM, LATER)) == (OK, OK, True)
    arena.owner.execute("delete from private.relays where true")


def test_many_who_write_into_one_chat_are_told_of_in_order(arena: Database) -> None:
    arena.owner.execute(f"update chats set handling = 'session' where id = '{HELD}'")
    deeds = [writes(CORA, HELD), replies(ANA, HELD), reads(ANA, HELD, 99), reads(CORA, HELD, 99), reads(ADA, HELD, 99)]
    follower = Follower(arena.connect())
    with sessions(arena, 10) as many, ThreadPoolExecutor(len(many)) as threads:

        def work(number: int) -> set[str]:
            return {many[number].run(deeds[(number + n) % 5].replace("'more'", f"'{n}'")) for n in range(15)}

        works = [threads.submit(work, number) for number in range(len(many))]
        while not all(done.done() for done in works):
            follower.look()
        results = set().union(*(done.result() for done in works))
    assert results <= {OK, "client_message_id_reused"}
    follower.look()
    follower.end()
    assert broken_invariants(arena) == []


@pytest.mark.parametrize("first_is_write", [True, False])
def test_nothing_is_told_of_a_chat_that_was_deleted_meanwhile(
    arena: Database, pair: list[Session], first_is_write: bool
) -> None:
    deletes = as_owner(f"delete from chats where id = '{WAITING}'")
    if first_is_write:
        assert overlap(pair, writes(CARL, WAITING), deletes) == (OK, OK, False)
    else:
        assert overlap(pair, deletes, writes(CARL, WAITING)) == (OK, "chat_not_found", False)
    left = arena.rows("select event, event_seq from private.events where chat_id = %s", WAITING)
    assert [tuple(row.values()) for row in left] == [("chat.deleted", None)]


@pytest.mark.parametrize("change", ["content = 'edited'", "deleted_at = now()", 'metadata = \'{"tone": "kind"}\''])
def test_changing_messages_of_many_chats_beside_a_reply_does_not_deadlock(arena: Database, change: str) -> None:
    arena.owner.execute(
        f"update chats set chat_state = 'assigned', assigned_operator_id = '{BEN}' where id = '{WAITING}'"
    )
    # The statement comes to Cora's message first: it is stopped there, while Ben replies to Carl.
    with sessions(arena, 3) as (stopper, service, ben):
        assert stopper.begin(f"select from chats where id = '{HELD}' for update") == OK
        changes = start(service, as_owner(f"update messages set {change} where sender_type = 'real'"))
        assert not settles(changes, service, stopper.pid)
        replied = start(ben, replies(BEN, WAITING))
        settles(replied, ben, service.pid)
        assert stopper.end() == OK
        assert (changes.result(20), replied.result(20)) == (OK, OK)
    assert broken_invariants(arena) == []


# Connections


@pytest.mark.parametrize(
    ("beside", "are_open"),
    [
        ("private.run_gone_detection()", True),
        (f"private.close_connections('{PROCESS}', array['{ANA}', '{BEN}', '{CLEO}']::uuid[])", False),
    ],
    ids=["gone-detection", "closing"],
)
def test_renewing_connections_beside_another_change_of_them_does_not_deadlock(
    arena: Database, beside: str, are_open: bool
) -> None:
    # Stored as Cleo, Ana, Ben, all lost; renewed in the order of their ids, and stopped at Ben. The other
    # finds them as they are stored, as it does in a table that is worth no index.
    for person in (CLEO, ANA, BEN):
        arena.owner.execute(
            "insert into private.connections (person_id, process_id, seen_at, lease_until)"
            f" values ('{person}', '{PROCESS}', now() - interval '40 seconds', now() - interval '10 seconds')"
        )
    with sessions(arena, 3) as (stopper, web, other):
        assert stopper.begin(f"select from private.connections where person_id = '{BEN}' for update") == OK
        people = f"array['{ANA}', '{BEN}', '{CLEO}']::uuid[]"
        renews = start(web, as_service(f"select private.renew_connections('{PROCESS}', {people})"))
        assert not settles(renews, web, stopper.pid)
        changes = start(other, as_service(f"set local enable_indexscan = off; select {beside}"))
        settles(changes, other, web.pid, stopper.pid)
        assert stopper.end() == OK
        assert (renews.result(20), changes.result(20)) == (OK, OK)
    assert arena.rows("select distinct is_open from private.connections") == [{"is_open": are_open}]


def test_relays_are_told_when_an_operator_s_last_connections_close_at_once(
    arena: Database, pair: list[Session]
) -> None:
    here, there = uuid4(), uuid4()
    for process in (here, there):
        arena.owner.execute(f"select private.open_connection('{process}', '{ANA}')")
    arena.owner.execute("delete from private.events where event = 'connection.changed'")
    closes = [as_service(f"select private.close_connections('{p}', array['{ANA}']::uuid[])") for p in (here, there)]
    assert overlap(pair, *closes)[:2] == (OK, OK)
    assert arena.value("select count(*) from private.events where event = 'connection.changed'") >= 1


NOTE, KEY = UUID(int=0xF2), UUID(int=0xF3)


def test_two_tries_to_add_a_note_are_one_note(arena: Database, pair: list[Session]) -> None:
    adds = as_person(BEN, f"select add_note('{WAITING}', 'careful', '{KEY}')")
    assert overlap(pair, adds, adds) == (OK, OK, False)
    assert arena.value("select count(*) from chat_notes") == 1
    assert arena.value("select count(*) from private.events where event = 'note.created'") == 1


@pytest.fixture
def noted(arena: Database) -> Database:
    """Ben has noted something about the one chat that waits; Ana is given it when her hand is free."""
    arena.owner.execute(
        f"""
        delete from chats where id = '{LATER}';
        insert into chat_notes (id, chat_id, author_id, content) values ('{NOTE}', '{WAITING}', '{BEN}', 'careful');
        update operators set auto_assign = true, capacity = 1 where id = '{ANA}';
        """
    )
    return arena


@pytest.mark.parametrize("deed", [f"edit_note('{NOTE}', 'careful')", f"delete_note('{NOTE}')"], ids=["edit", "delete"])
def test_a_note_that_is_as_it_was_costs_nobody_a_chat(noted: Database, pair: list[Session], deed: str) -> None:
    if deed.startswith("delete"):
        noted.owner.execute(f"update chat_notes set deleted_at = now() where id = '{NOTE}'")
    # Her hand is free while the chat is locked: she passes over it, and has it when the note is done with.
    assert overlap(pair, as_person(BEN, f"select {deed}"), replies(ANA, HELD)) == (OK, OK, True)
    assert holders(noted)[WAITING] == ANA


def test_a_second_try_to_add_a_note_costs_nobody_a_chat(noted: Database) -> None:
    adds = as_person(BEN, f"select add_note('{WAITING}', 'careful', '{KEY}')")
    with sessions(noted, 3) as (first, second, ana):
        assert first.begin(adds) == OK
        work = second.start(lambda: second.begin(adds))
        assert not settles(work, second, first.pid)
        assert first.end() == OK
        assert work.result(20) == OK
        assert ana.run(replies(ANA, HELD)) == OK
        assert second.end() == OK
    assert holders(noted)[WAITING] == ANA


def test_what_two_screens_change_at_once_is_both_kept(arena: Database, pair: list[Session]) -> None:
    sets = 'select set_preferences(\'{{"{}": "{}"}}\')'
    first, second = (as_person(ANA, sets.format(*change)) for change in (("theme", "dark"), ("density", "compact")))
    assert overlap(pair, first, second) == (OK, OK, False)
    assert arena.rows("select theme, density from agent_preferences") == [{"theme": "dark", "density": "compact"}]
    assert overlap(pair, as_person(ANA, sets.format("theme", "light")), second) == (OK, OK, False)
    assert arena.rows("select theme, density from agent_preferences") == [{"theme": "light", "density": "compact"}]


# act_on_chats

BOTH = as_person(ADA, f"select act_on_chats('release', array['{HELD}', '{WAITING}']::uuid[])")


@pytest.fixture
def crossed(arena: Database) -> Database:
    """Cleo holds the chat that comes first, Ana the one after it: their hands come the other way round."""
    arena.owner.execute(
        f"update chats set assigned_operator_id = '{CLEO}' where id = '{HELD}';"
        f" update chats set chat_state = 'assigned', assigned_operator_id = '{ANA}' where id = '{WAITING}'"
    )
    return arena


def test_who_acts_on_many_chats_has_all_of_them_before_any_hands(crossed: Database, pair: list[Session]) -> None:
    stopper, other = pair
    assert stopper.begin(f"select from chats where id = '{WAITING}' for no key update") == OK
    work = start(other, BOTH)
    assert not settles(work, other, stopper.pid)
    assert stopper.execute("select from private.operator_load for no key update nowait") == OK
    assert (stopper.end(), work.result(20)) == (OK, OK)
    assert set(holders(crossed).values()) == {None}


@pytest.mark.parametrize(
    "deed",
    [BOTH, as_person(ADA, f"select act_on_chats('reassign', array['{HELD}']::uuid[], '{ANA}')")],
    ids=["of those who have them", "and of whoever gets them"],
)
def test_who_acts_on_many_chats_takes_all_hands_in_their_order(
    crossed: Database, pair: list[Session], deed: str
) -> None:
    stopper, other = pair
    hands = "select from private.operator_load where operator_id = '{}' for no key update nowait"
    assert stopper.begin(hands.format(CLEO)) == OK
    work = start(other, deed)
    assert not settles(work, other, stopper.pid)
    assert stopper.execute(hands.format(ANA)) == "55P03"  # taken already, though Cleo's is the first chat
    assert (stopper.end("rollback"), work.result(20)) == (OK, OK)
    assert CLEO not in holders(crossed).values()
