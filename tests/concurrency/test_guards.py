"""Each guard is needed: with it taken away, in a clone, what it guards against happens.

This tests the tests as much as the guards: a lock or a constraint that could go without a failure here
or elsewhere would go one day.
"""

from collections.abc import Callable
from typing import NamedTuple
from uuid import UUID, uuid4

import pytest

from tests.concurrency.world import (
    ANA,
    BEN,
    CARL,
    CLEO,
    CORA,
    OK,
    Session,
    as_owner,
    as_person,
    broken_invariants,
    clear,
    overlap,
    sessions,
    settles,
    start,
)
from tests.servers import Database

HELD, WAITING, LATER = (UUID(int=0xE0 + n) for n in range(3))


def begin(database: Database) -> None:
    """Ana, who works automatically, holds a chat; two wait; Ben and Cleo ask for themselves."""
    clear(database)
    database.owner.execute(
        f"""
        insert into operators (id, name, auto_assign) values
          ('{ANA}', 'Ana', true), ('{BEN}', 'Ben', false), ('{CLEO}', 'Cleo', false);
        insert into real_users (id) values ('{CORA}'), ('{CARL}');
        insert into chats (id, real_user_id, chat_state, assigned_operator_id) values
          ('{HELD}', '{CORA}', 'assigned', '{ANA}');
        insert into chats (id, real_user_id, chat_state) values ('{WAITING}', '{CARL}', 'waiting_assignment');
        insert into messages (chat_id, sender_type, content) values ('{WAITING}', 'real', 'anybody?');
        """
    )


def count(database: Database, state: str) -> int:
    return int(database.value("select count(*) from chats where chat_state = %s", state))


def writes(customer: UUID, chat: UUID) -> str:
    return as_person(customer, f"select send_real_user_message('{chat}', 'hello?', '{uuid4()}')")


def replies() -> str:
    return as_person(ANA, f"select send_operator_message('{HELD}', 'hi', '{uuid4()}')")


def reads(person: UUID, chat: UUID, seq: int) -> str:
    return as_person(person, f"select mark_read('{chat}', {seq})")


def asks(operator: UUID) -> str:
    return as_person(operator, f"select assign_chat_to_operator('{operator}')")


# What the guards guard: each scenario tells whether it went well.


def a_chat_and_a_hand_find_each_other(database: Database, pair: list[Session]) -> bool:
    database.owner.execute(f"delete from chats where id = '{WAITING}'")
    # Both have looked when the first one commits: its constraints are checked before that.
    starts = as_person(CARL, f"select start_chat('hello', '{uuid4()}')") + "; set constraints all immediate"
    results = overlap(pair, starts, replies())
    assert results[:2] == (OK, OK)
    return count(database, "waiting_assignment") == 0


def an_edit_without_news_costs_nobody_a_chat(database: Database, pair: list[Session]) -> bool:
    edits = as_person(CARL, f"select edit_message(id, content) from list_messages('{WAITING}')")
    assert overlap(pair, edits, replies())[:2] == (OK, OK)
    return count(database, "waiting_assignment") == 0


def a_message_beside_a_reply_is_owed_one(database: Database, pair: list[Session]) -> bool:
    first, second, _ = overlap(pair, replies(), writes(CORA, HELD))
    return (first, second, count(database, "waiting_real_user_reply")) == (OK, OK, 0)


def nobody_waits_for_a_chat_that_is_being_taken(database: Database, pair: list[Session]) -> bool:
    database.owner.execute(
        f"insert into chats (id, real_user_id, chat_state) values ('{LATER}', '{CARL}', 'waiting_assignment')"
    )
    return overlap(pair, asks(BEN), asks(CLEO)) == (OK, OK, True)


def a_chat_whose_customer_writes_is_given(database: Database, pair: list[Session]) -> bool:
    assert overlap(pair, writes(CARL, WAITING), asks(BEN))[:2] == (OK, OK)
    return bool(database.value("select assigned_operator_id from chats where id = %s", WAITING) == BEN)


def starting_twice_at_once_starts_one_chat(database: Database, pair: list[Session]) -> bool:
    starts = as_person(CARL, f"select start_chat('once', '{uuid4()}')")
    before = database.value("select count(*) from chats")
    first, second, _ = overlap(pair, starts, starts)
    return (first, second, database.value("select count(*) from chats")) == (OK, OK, before + 1)


def capacity_stays_above_what_is_held(database: Database, pair: list[Session]) -> bool:
    pair[0].run(as_owner(f"update operators set capacity = 0 where id = '{ANA}'"))
    return broken_invariants(database) == []


def a_second_open_hold_is_refused(database: Database, pair: list[Session]) -> bool:
    # As if a trigger were wrong.
    second = f"insert into chat_assignments (chat_id, operator_id, assigned_at) values ('{HELD}', '{BEN}', now())"
    off, on = (f"alter table chat_assignments {what} trigger user" for what in ("disable", "enable"))
    return pair[0].run(as_owner(f"{off}; {second}; {on}")) == "chat_assignments_one_open_key"


def a_holder_without_a_hold_is_refused(database: Database, pair: list[Session]) -> bool:
    # As if a trigger were wrong.
    assigns = f"update chats set chat_state = 'assigned', assigned_operator_id = '{BEN}', last_operator_id = '{BEN}',"
    assigns += f" assignment_time = now(), waiting_since = null where id = '{WAITING}'"
    off, on = (f"alter table chats {what} trigger user" for what in ("disable", "enable"))
    return pair[0].run(as_owner(f"{off}; {assigns}; {on}")) != OK


def a_chat_whose_customer_reads_is_given(database: Database, pair: list[Session]) -> bool:
    assert overlap(pair, reads(CARL, WAITING, 1), replies())[:2] == (OK, OK)
    return count(database, "waiting_assignment") == 0


def a_reader_without_news_costs_nobody_a_chat(database: Database, pair: list[Session]) -> bool:
    plain = "insert into messages (chat_id, sender_type, content) values"
    database.owner.execute(f"{plain} ('{WAITING}', 'real', 'anybody?')")
    with sessions(database, 1) as (ana,):
        window, other_window = pair
        assert window.begin(reads(CARL, WAITING, 2)) == OK
        work = other_window.start(lambda: other_window.begin(reads(CARL, WAITING, 1)))
        assert not settles(work, other_window, window.pid)
        assert (window.end(), work.result(20), ana.run(replies()), other_window.end()) == (OK, OK, OK, OK)
    return count(database, "waiting_assignment") == 0


def the_customer_is_not_told_how_many_read(database: Database, pair: list[Session]) -> bool:
    assert overlap(pair, reads(BEN, WAITING, 1), reads(CLEO, WAITING, 1))[:2] == (OK, OK)
    query = "select count(*) from private.events where event = 'message.read' and customer_event_seq is not null"
    return bool(database.value(query) == 1)


def no_relay_falls_asleep_beside_a_writer(database: Database, pair: list[Session]) -> bool:
    assert pair[0].begin(writes(CORA, HELD)) == OK
    may_sleep = database.value("select private.let_relay_sleep(gen_random_uuid(), '0 seconds')")
    return (may_sleep, pair[0].end()) == (False, OK)


def messages_of_many_chats_are_edited_beside_a_reply(database: Database, pair: list[Session]) -> bool:
    database.owner.execute(f"insert into messages (chat_id, sender_type, content) values ('{HELD}', 'real', 'hello?')")
    # The edit comes to the waiting chat's message first.
    editor, ana = pair
    with sessions(database, 1) as (stopper,):
        assert stopper.begin(f"select from chats where id = '{WAITING}' for update") == OK
        edits = start(editor, as_owner("update messages set content = 'edited' where true"))
        assert not settles(edits, editor, stopper.pid)
        replied = start(ana, replies())
        settles(replied, ana, editor.pid)
        assert stopper.end() == OK
        return (edits.result(20), replied.result(20)) == (OK, OK)


class Guard(NamedTuple):
    """What is taken away: out of a function some text, or by a statement; and what goes wrong then."""

    scenario: Callable[[Database, list[Session]], bool]
    function: str = ""
    text: str = ""
    instead: str = ""
    statement: str = ""


GUARDS = {
    "the gate": Guard(a_chat_and_a_hand_find_each_other, "private.pass_gate()", "lock table private.gate in", "--"),
    "the touch of a waiting chat": Guard(
        an_edit_without_news_costs_nobody_a_chat, "private.touch_waiting(uuid)", "c.id = p_chat_id", "false"
    ),
    "the chat's lock": Guard(a_message_beside_a_reply_is_owed_one, "private.lock_chat(uuid)", "for no key update", ""),
    "skip locked": Guard(
        nobody_waits_for_a_chat_that_is_being_taken, "private.try_lock_waiting(uuid)", "skip locked", ""
    ),
    "looking again": Guard(
        a_chat_whose_customer_writes_is_given, "private.assign_chat_to_operator(uuid)", "1..50", "1..1"
    ),
    "the customer's lock": Guard(
        starting_twice_at_once_starts_one_chat, "private.become_customer()", "for no key update", ""
    ),
    "the event of a read mark, which touches its chat": Guard(
        a_chat_whose_customer_reads_is_given, statement="drop trigger _200_note_read on public.read_marks"
    ),
    "the touch of a mark without news": Guard(
        a_reader_without_news_costs_nobody_a_chat,
        "private.mark_read(uuid,bigint)",
        "perform private.touch_waiting(p_chat_id)",
        "null",
    ),
    "the chat's lock for a read mark": Guard(
        the_customer_is_not_told_how_many_read,
        "private.mark_read(uuid,bigint)",
        "v_chat := private.lock_chat(p_chat_id)",
        "null",
    ),
    "the lock of those who write events": Guard(
        no_relay_falls_asleep_beside_a_writer, "private.ring()", "perform pg_advisory_xact_lock_shared", "-- "
    ),
    "the chat's lock for a plain edit": Guard(
        messages_of_many_chats_are_edited_beside_a_reply,
        "private.tg_messages__revise()",
        "for no key update",
        "",
    ),
    "the check of capacity": Guard(
        capacity_stays_above_what_is_held,
        statement="alter table private.operator_load drop constraint operator_at_capacity",
    ),
    "the key on open holds": Guard(
        a_second_open_hold_is_refused,
        statement="alter table chat_assignments drop constraint chat_assignments_one_open_key",
    ),
    "the foreign key to open holds": Guard(
        a_holder_without_a_hold_is_refused, statement="alter table chats drop constraint chats_assigned_has_open_hold"
    ),
}


def take_away(database: Database, guard: Guard) -> None:
    if guard.statement:
        database.owner.execute(guard.statement)
        return
    definition = str(database.value("select pg_get_functiondef(%s::regprocedure)", guard.function))
    assert guard.text in definition, "the guard is written otherwise now: say here how it is taken away"
    database.owner.execute(definition.replace(guard.text, guard.instead))


@pytest.mark.parametrize("name", GUARDS)
def test_without_it_things_go_wrong(database: Database, name: str) -> None:
    guard = GUARDS[name]
    with sessions(database, 2) as pair:
        begin(database)
        assert guard.scenario(database, pair)
        take_away(database, guard)
        begin(database)
        assert not guard.scenario(database, pair)
