"""Automatic assignment does not lose the moment, however two commits overlap.

A transaction is stopped inside its commit, after it has looked for its counterpart and before the
other can see it: a deferred trigger that only these tests have waits there for an advisory lock.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from uuid import UUID

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
    sessions,
    settles,
)
from tests.servers import Database, Server

HELD, BENS, REPLIED, COMPLETED, WAITING, NEW = (UUID(int=0xE0 + n) for n in range(6))

PAUSE = """
create function pause() returns trigger language plpgsql as $$
begin
  if current_setting('test.pauses', true) = 'on' then
    perform pg_advisory_xact_lock_shared(1);
  end if;
  return null;
end $$;
create constraint trigger _990_pause after insert or update on chats
  deferrable initially deferred for each row
  when (new.chat_state = 'waiting_assignment') execute function pause();
create constraint trigger _990_pause after insert or update on private.operator_load
  deferrable initially deferred for each row
  when (new.is_auto and new.held < new.capacity) execute function pause();
"""

# Ana works automatically and has her one hand full; Ben and Cleo ask for themselves.
PEOPLE = f"""
insert into operators (id, name, role, auto_assign, capacity) values
  ('{ADA}', 'Ada', 'admin', false, 0), ('{ANA}', 'Ana', 'operator', true, 1),
  ('{BEN}', 'Ben', 'operator', false, 2), ('{CLEO}', 'Cleo', 'operator', false, 1);
insert into real_users (id, name) values ('{CARL}', 'Carl'), ('{CORA}', 'Cora');
insert into chats (id, real_user_id, chat_state, assigned_operator_id) values
  ('{HELD}', '{CORA}', 'assigned', '{ANA}'), ('{BENS}', '{CARL}', 'assigned', '{BEN}');
insert into chats (id, real_user_id, chat_state, operator_replied_at, last_operator_id) values
  ('{REPLIED}', '{CARL}', 'waiting_real_user_reply', now(), '{BEN}'),
  ('{COMPLETED}', '{CARL}', 'completed', now(), '{BEN}');
"""


def without_chats(ana: str) -> str:
    """SQL after which Ana holds nothing, was given nothing instead, and is as `ana` says."""
    return f"""
        update operators set status = 'away' where id = '{ANA}';
        select complete_chat('{HELD}');
        update operators set {ana} where id = '{ANA}';
    """


# How a chat comes into the queue; which one it is.
ENQUEUE = {
    "a customer starts a chat": as_person(CLEM, f"select start_chat('hello', '{NEW}')"),
    "a customer answers": as_person(CARL, f"select send_real_user_message('{REPLIED}', 'and then?', '{NEW}')"),
    "a customer reopens his chat": as_person(CARL, f"select send_real_user_message('{COMPLETED}', 'again', '{NEW}')"),
    "an operator hands back": as_person(BEN, f"select release_and_reassign_chat('{BENS}', null)"),
    "an operator is deactivated": as_owner(f"update operators set is_active = false where id = '{BEN}'"),
    "plain SQL inserts a chat": as_owner(
        f"insert into chats (real_user_id, chat_state) values ('{CARL}', 'waiting_assignment')"
    ),
    "plain SQL releases": as_owner(
        f"update chats set chat_state = 'waiting_assignment', assigned_operator_id = null where id = '{BENS}'"
    ),
    "plain SQL writes a message": as_owner(
        f"insert into messages (chat_id, sender_type, content) values ('{REPLIED}', 'real', 'hey')"
    ),
}

# How Ana's hand becomes free: what happened before, and the deed.
FREE = {
    "she replies": ("", as_person(ANA, f"select send_operator_message('{HELD}', 'hi', '{NEW}')")),
    "her customer leaves": ("", as_person(CORA, f"select complete_chat('{HELD}')")),
    "an admin takes it from her": ("", as_person(ADA, f"select reassign_chat('{HELD}', '{CLEO}')")),
    "her customer is erased": ("", as_owner(f"delete from real_users where id = '{CORA}'")),
    "plain SQL completes": (
        "",
        as_owner(f"update chats set chat_state = 'completed', assigned_operator_id = null where id = '{HELD}'"),
    ),
    "she gets another hand": ("", as_owner(f"update operators set capacity = 2 where id = '{ANA}'")),
    "she comes online": (
        without_chats("status = 'away'"),
        as_person(ANA, "select set_operator_status('online')"),
    ),
    "she wants chats from now on": (
        without_chats("status = 'online', auto_assign = false"),
        as_owner(f"update operators set auto_assign = true where id = '{ANA}'"),
    ),
    "she is activated": (
        without_chats("status = 'online', is_active = false"),
        as_owner(f"update operators set is_active = true where id = '{ANA}'"),
    ),
    "she joins": (
        f"delete from chats where id = '{HELD}'; delete from operators where id = '{ANA}'",
        as_owner(f"insert into operators (id, name, auto_assign) values ('{ANA}', 'Ana', true)"),
    ),
}


@pytest.fixture(scope="module")
def arena_of_module(server: Server) -> Iterator[Database]:
    """A database in which a commit can be stopped, and waits for one that is, however slow the machine."""
    with server.loaded_database() as database:
        database.owner.execute(PAUSE)
        database.owner.execute("alter function private.pass_gate() set lock_timeout = '20s'")
        yield database


@contextmanager
def stopped_commit(database: Database, session: Session) -> Iterator[None]:
    """Commit, up to where the transaction has looked for its counterpart; finish after the block."""
    keeper = database.owner
    keeper.execute("select pg_advisory_lock(1)")
    try:
        commit = session.start(session.end)
        assert not settles(commit, session, keeper.info.backend_pid), commit.result()
        yield
    finally:
        keeper.execute("select pg_advisory_unlock(1)")
    assert commit.result(20) == OK


def waiting(database: Database) -> int:
    return int(database.value("select count(*) from chats where chat_state = 'waiting_assignment'"))


@pytest.mark.parametrize("hand_frees", FREE)
@pytest.mark.parametrize("chat_comes", ENQUEUE)
@pytest.mark.parametrize("first", ["the chat", "the hand"])
def test_a_chat_that_comes_while_a_hand_frees_is_given(
    arena: Database, pair: list[Session], chat_comes: str, hand_frees: str, first: str
) -> None:
    before, frees = FREE[hand_frees]
    arena.owner.execute(PEOPLE + before)
    deeds = [ENQUEUE[chat_comes], frees]
    earlier, later = deeds if first == "the chat" else reversed(deeds)
    overlap_at_commit(arena, pair, earlier, later)
    assert waiting(arena) == 0
    assert broken_invariants(arena) == []


def overlap_at_commit(database: Database, pair: list[Session], earlier: str, later: str) -> None:
    """Commit both; the later one begins to commit while the earlier one has looked, but is not done."""
    one, other = pair
    assert one.begin(earlier + "; set local test.pauses = 'on'") == OK
    assert other.begin(later) == OK
    with stopped_commit(database, one):
        commit = other.start(other.end)
        settles(commit, other, one.pid)
    assert commit.result(20) == OK


# Everything that touches a waiting chat, or Ana's hands, without bringing one or freeing one.
ONLY_TOUCHES = {
    "its customer has read it": as_person(CARL, f"select mark_read('{WAITING}', 1)"),
    "its customer edits": as_person(CARL, f"select edit_message('{NEW}', 'hey there')"),
    "its customer deletes": as_person(CARL, f"select delete_message('{NEW}')"),
    "an operator has read it": as_person(BEN, f"select mark_read('{WAITING}', 1)"),
    "its customer writes": as_person(CARL, f"select send_real_user_message('{WAITING}', 'hello?', '{CLEM}')"),
    "the system writes": as_owner(
        f"insert into messages (chat_id, sender_type, content) values ('{WAITING}', 'system', 'note')"
    ),
    "plain SQL sets its priority": as_owner(f"update chats set priority = 7 where id = '{WAITING}'"),
    "plain SQL sets its headline": as_owner(f"update chats set headline = 'urgent' where id = '{WAITING}'"),
}


@pytest.mark.parametrize("hand_frees", ["she replies", "she comes online"])
@pytest.mark.parametrize("touch", ONLY_TOUCHES)
def test_a_hand_that_frees_while_somebody_touches_the_only_waiting_chat_is_filled(
    arena: Database, pair: list[Session], touch: str, hand_frees: str
) -> None:
    before, frees = FREE[hand_frees]
    arena.owner.execute(PEOPLE)
    arena.owner.execute(
        f"""
        insert into chats (id, real_user_id, chat_state) values ('{WAITING}', '{CARL}', 'waiting_assignment');
        insert into messages (id, chat_id, sender_type, content) values ('{NEW}', '{WAITING}', 'real', 'hey');
        {before}
        """
    )
    toucher, freer = pair
    assert toucher.begin(ONLY_TOUCHES[touch]) == OK
    work = freer.start(lambda: freer.run(frees))
    settles(work, freer, toucher.pid)
    assert toucher.end() == OK
    assert work.result(20) == OK
    assert waiting(arena) == 0
    assert broken_invariants(arena) == []


# Ana works automatically and has two hands free.
TWO_HANDS = PEOPLE + without_chats("status = 'online', capacity = 2")
TAKES_A_HAND = {
    "another customer starts a chat": as_person(CORA, f"select start_chat('me too', '{NEW}')"),
    "an admin gives her a chat": as_person(ADA, f"select reassign_chat('{BENS}', '{ANA}')"),
    "Ben transfers a chat to her": as_person(BEN, f"select transfer_chat('{BENS}', '{ANA}')"),
    "plain SQL gives her a chat": as_owner(
        f"update chats set chat_state = 'assigned', assigned_operator_id = '{ANA}' where id = '{REPLIED}'"
    ),
    "she asks for another hand": as_owner(f"update operators set capacity = 3 where id = '{ANA}'"),
}


@pytest.mark.parametrize("first", ["the chat", "the hand"])
@pytest.mark.parametrize("deed", TAKES_A_HAND)
def test_a_chat_that_comes_while_an_operator_is_given_another_gets_his_other_hand(
    arena: Database, pair: list[Session], deed: str, first: str
) -> None:
    arena.owner.execute(TWO_HANDS)
    deeds = [ENQUEUE["a customer starts a chat"], TAKES_A_HAND[deed]]
    earlier, later = deeds if first == "the chat" else reversed(deeds)
    overlap_at_commit(arena, pair, earlier, later)
    assert waiting(arena) == 0
    assert broken_invariants(arena) == []


# Ana and Ben work automatically, and each has his one hand full.
BOTH_BUSY = PEOPLE + f"update operators set auto_assign = true, capacity = 1 where id = '{BEN}';"


def lets_go(operator: UUID, chat: UUID) -> dict[str, str]:
    """The ways in which an operator's chat comes into the queue and his hand becomes free in one commit."""
    return {
        "by hand": as_person(operator, f"select release_and_reassign_chat('{chat}', null)"),
        "by plain SQL": as_owner(
            f"update chats set chat_state = 'waiting_assignment', assigned_operator_id = null where id = '{chat}'"
        ),
        "for another customer": as_owner(
            f"update chats set chat_state = 'completed', assigned_operator_id = null where id = '{chat}';"
            f"insert into chats (real_user_id, chat_state) values ('{CORA}', 'waiting_assignment')"
        ),
    }


@pytest.mark.parametrize("ben", lets_go(BEN, BENS))
@pytest.mark.parametrize("ana", lets_go(ANA, HELD))
def test_two_operators_who_let_go_at_once_are_given_chats_without_a_deadlock(
    arena: Database, pair: list[Session], ana: str, ben: str
) -> None:
    arena.owner.execute(BOTH_BUSY)
    overlap_at_commit(arena, pair, lets_go(ANA, HELD)[ana], lets_go(BEN, BENS)[ben])
    # What an operator let go by hand waits where the other one has his hand full again.
    assert arena.value("select private.run_assignment_sweep()") == 0
    assert broken_invariants(arena) == []


def test_two_operators_who_hand_back_at_once_have_each_other_s_chat(arena: Database, pair: list[Session]) -> None:
    arena.owner.execute(BOTH_BUSY)
    overlap_at_commit(arena, pair, lets_go(ANA, HELD)["by hand"], lets_go(BEN, BENS)["by hand"])
    holders = arena.rows("select id, assigned_operator_id from chats where chat_state = 'assigned'")
    assert {row["id"]: row["assigned_operator_id"] for row in holders} == {HELD: BEN, BENS: ANA}


def test_two_statements_that_bring_more_chats_than_there_are_hands_do_not_deadlock(
    arena: Database, pair: list[Session]
) -> None:
    arena.owner.execute(TWO_HANDS)
    brings_three = as_owner(
        f"insert into chats (real_user_id, chat_state) select '{CARL}', 'waiting_assignment' from generate_series(1, 3)"
    )
    overlap_at_commit(arena, pair, brings_three, brings_three)
    assert waiting(arena) == 4
    assert broken_invariants(arena) == []


def execute_and_finish(session: Session, deed: str) -> str:
    """Do it in the transaction that is open, and end that."""
    return session.finish(session.execute(deed))


@pytest.mark.parametrize("isolation", ["read committed", "repeatable read", "serializable"])
def test_plain_updates_from_many_connections_never_exceed_a_capacity(arena: Database, isolation: str) -> None:
    count, capacity = 12, 3
    arena.owner.execute(
        f"""
        insert into operators (id, name, capacity) values ('{BEN}', 'Ben', {capacity});
        insert into real_users (id) values ('{CARL}');
        insert into chats (real_user_id, chat_state)
          select '{CARL}', 'waiting_assignment' from generate_series(1, {count});
        """
    )
    chats = [row["id"] for row in arena.rows("select id from chats")]
    with sessions(arena, count) as all_of_them:
        for session in all_of_them:
            # The snapshot is taken before anybody has written.
            assert session.begin("select count(*) from chats", isolation) == OK
        updates = [
            f"update chats set chat_state = 'assigned', assigned_operator_id = '{BEN}' where id = '{chat}'"
            for chat in chats
        ]
        first, *others = all_of_them
        assert first.execute(updates[0]) == OK
        works = [
            session.start(partial(execute_and_finish, session, update))
            for session, update in zip(others, updates[1:], strict=True)
        ]
        for session, work in zip(others, works, strict=True):
            settles(work, session, *(one.pid for one in all_of_them))
        results = [first.end(), *(work.result(20) for work in works)]
    held = arena.value("select held from private.operator_load")
    assert held == results.count(OK) == arena.value("select count(*) from chats where chat_state = 'assigned'")
    if isolation == "read committed":
        assert (held, results.count("operator_at_capacity")) == (capacity, count - capacity)
    assert 1 <= held <= capacity
    assert set(results) <= {OK, "operator_at_capacity", "40001"}
    assert broken_invariants(arena) == []
