"""How web processes learn of events: polls that see each row once, the doorbell, epochs, typing."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import NamedTuple
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import Connection
from psycopg.rows import DictRow

from tests.servers import Database, Server
from tests.sql.helpers import Caller, World, refused
from tests.sql.replay import events

CHANGE = "update chats set priority = priority + 1 where id = %s"


class Relay:
    """What a web process does: one connection that listens and polls."""

    def __init__(self, database: Database) -> None:
        self.id = uuid4()
        self.connection = database.connect("service_role")
        self._notifier = database.connect()
        self.connection.execute("listen baton")
        row = self.connection.execute("select * from private.begin_relay(%s)", (self.id,)).fetchone()
        assert row
        self.epoch: UUID = row["epoch"]
        self.snapshot: str = row["snapshot"]

    def poll(self) -> list[DictRow]:
        """Return what has become visible since the last time."""
        rows = self.connection.execute("select * from private.poll_events(%s)", (self.snapshot,)).fetchall()
        assert rows, "the new snapshot comes also when there is nothing new"
        assert len({row["snapshot"] for row in rows}) == 1
        self.snapshot = rows[0]["snapshot"]
        return [row for row in rows if row["event"] is not None]

    def numbers(self) -> list[tuple[UUID, int]]:
        """Poll, and return the events of chats that there were: chat and number."""
        return [(row["chat_id"], row["event_seq"]) for row in self.poll() if row["event_seq"] is not None]

    def signals(self) -> list[tuple[str, UUID | None]]:
        """Poll, and return the signals that there were: what, and whom or which chat it is about."""
        return [(row["event"], row["chat_id"] or row["person_id"]) for row in self.poll() if row["event_seq"] is None]

    def falls_asleep(self, lease: str = "30 seconds") -> bool:
        """Try to fall asleep; return whether it may."""
        row = self.connection.execute("select private.let_relay_sleep(%s, %s) as may", (self.id, lease)).fetchone()
        assert row
        return bool(row["may"])

    def wakes(self) -> None:
        """Be awake again."""
        self.connection.execute("select private.wake_relay(%s)", (self.id,))

    def heard(self) -> list[str]:
        """Return what was notified until now. Notifications come in the order of commits, so a last one tells when."""
        last = str(uuid4())
        self._notifier.execute("select pg_notify('baton', %s)", (last,))
        payloads: list[str] = []
        for notification in self.connection.notifies(timeout=20):
            if notification.payload == last:
                return payloads
            payloads.append(notification.payload)
        raise AssertionError("the last notification did not come")


@pytest.fixture
def relay(world: World) -> Iterator[Relay]:
    """A relay that is awake."""
    relay = Relay(world.database)
    yield relay
    relay.connection.execute("select private.end_relay(%s)", (relay.id,))


@pytest.fixture
def max_prepared(world: World) -> Iterator[int]:
    """How many transactions this server lets be prepared; what a test leaves is rolled back."""
    yield int(world.owner.value("show max_prepared_transactions"))
    for row in world.owner.rows("select gid from pg_prepared_xacts where database = current_database()"):
        world.owner.connection.execute(f"rollback prepared '{row['gid']}'")


@pytest.fixture
def chat(world: World, relay: Relay) -> UUID:
    """A chat, of which the relay knows everything so far."""
    chat = world.chat()
    relay.poll()
    return chat


def rows_in(database: Database) -> Counter[tuple[UUID, int]]:
    """Every event that is visible now: chat and number."""
    rows = database.rows("select chat_id, event_seq from private.events where event_seq is not null")
    return Counter((row["chat_id"], row["event_seq"]) for row in rows)


# What a poll sees


def test_an_event_is_polled_once(world: World, relay: Relay, chat: UUID) -> None:
    assert relay.poll() == []
    world.owner.does(CHANGE, chat)
    (row,) = relay.poll()
    assert (row["chat_id"], row["event_seq"], row["event"]) == (chat, 2, "chat.updated")
    assert relay.poll() == []


def test_a_poll_says_who_gets_has_and_loses_a_chat(world: World, relay: Relay, chat: UUID) -> None:
    kim = world.customer()
    ana, ben = world.operator("Ana"), world.operator("Ben")
    chat = kim.starts()["id"]
    relay.poll()

    def polled() -> list[tuple[str, UUID | None, UUID | None]]:
        return [(r["event"], r["person_id"], r["from_person_id"]) for r in relay.poll() if r["chat_id"] == chat]

    world.gives(chat, ana)
    assert polled() == [("chat.assigned", ana.id, None)]
    kim.writes(chat)
    assert polled() == [("message.created", None, None)]
    kim.call("mark_read", p_chat_id=chat, p_seq=1)
    assert polled() == [("message.read", kim.id, None)]
    ana.transfers(chat, ben)
    assert polled() == [("chat.transferred", ben.id, ana.id)]
    ben.hands_back(chat)
    assert polled() == [("chat.released", ben.id, None)]
    world.gives(chat, ben)
    world.completes(chat)
    assert polled() == [("chat.assigned", ben.id, None), ("chat.completed", ben.id, None)]


def test_what_is_rolled_back_is_never_polled(world: World, relay: Relay, chat: UUID) -> None:
    connection = world.connect()
    connection.execute("begin")
    connection.execute(CHANGE, (chat,))
    assert relay.poll() == []
    connection.execute("rollback")
    assert relay.poll() == []
    connection.execute("begin")
    connection.execute("savepoint s")
    connection.execute(CHANGE, (chat,))
    connection.execute("rollback to s")
    connection.execute(CHANGE, (chat,))
    connection.execute("commit")
    assert relay.numbers() == [(chat, 2)]


def test_what_commits_late_is_polled_late_and_once(world: World, relay: Relay) -> None:
    slow, quick = world.chat(), world.chat()
    relay.poll()
    connection = world.connect()
    connection.execute("begin")
    connection.execute(CHANGE, (slow,))
    for number in range(2, 6):
        world.owner.does(CHANGE, quick)
        assert relay.numbers() == [(quick, number)]
    connection.execute("commit")
    assert relay.numbers() == [(slow, 2)]
    assert relay.poll() == []


def test_a_transaction_that_began_first_and_wrote_last_is_polled(world: World, relay: Relay, chat: UUID) -> None:
    connection = world.connect()
    connection.execute("begin")
    connection.execute("select pg_current_xact_id()")
    world.owner.does(CHANGE, chat)
    assert relay.numbers() == [(chat, 2)]
    connection.execute(CHANGE, (chat,))
    assert relay.poll() == []
    connection.execute("commit")
    assert relay.numbers() == [(chat, 3)]


def test_more_savepoints_than_a_snapshot_lists_are_polled_with_their_transaction(
    world: World, relay: Relay, chat: UUID
) -> None:
    connection = world.connect()
    connection.execute("begin")
    for n in range(80):
        connection.execute("savepoint s")
        connection.execute(CHANGE, (chat,))
        if n % 4 == 0:
            connection.execute("rollback to s")
    assert relay.poll() == []
    connection.execute("commit")
    assert relay.numbers() == [(chat, number) for number in range(2, 62)]


class Writer:
    """A connection that begins, writes into a chat of its own, and ends, as a die has it."""

    def __init__(self, world: World, dice: Random, may_prepare: bool) -> None:
        self.connection = world.connect()
        self.chat = world.chat()
        self.dice = dice
        self.ends = ["commit", "commit", "rollback"] + ["prepare"] * may_prepare
        self.prepared: str | None = None
        self.savepoints = 0

    def acts(self) -> None:
        """Do the next thing."""
        if self.prepared:
            self.connection.execute(f"{self.dice.choice(['commit', 'rollback'])} prepared '{self.prepared}'")
            self.prepared = None
        elif self.connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE:
            self.connection.execute("begin")
            self.connection.execute(CHANGE, (self.chat,))
            self.savepoints = 0
        else:
            self._goes_on()

    def _goes_on(self) -> None:
        action = self.dice.choice(["write", "write", "savepoint", "rollback to", "end", "end"])
        if action == "write":
            self.connection.execute(CHANGE, (self.chat,))
        elif action == "savepoint":
            self.connection.execute("savepoint s")
            self.savepoints += 1
        elif action == "rollback to" and self.savepoints:
            self.connection.execute("rollback to s")
        elif action == "end":
            how = self.dice.choice(self.ends)
            if how == "prepare":
                self.prepared = str(uuid4())
                how = f"prepare transaction '{self.prepared}'"
            self.connection.execute(how)

    def ends_all(self) -> None:
        """Commit what is open."""
        self.connection.execute(f"commit prepared '{self.prepared}'" if self.prepared else "commit")


@pytest.mark.parametrize("seed", range(4))
def test_each_event_is_polled_once_in_whatever_order_transactions_end(
    world: World, max_prepared: int, seed: int
) -> None:
    dice = Random(seed)  # noqa: S311 - a test that can be repeated
    relays = [Relay(world.database), Relay(world.database)]
    seen: list[Counter[tuple[UUID, int]]] = [Counter(), Counter()]
    writers = [Writer(world, dice, max_prepared >= 8) for _ in range(8)]
    for _ in range(250):
        dice.choice(writers).acts()
        number = dice.randrange(6)
        if number < 2:
            seen[number].update(relays[number].numbers())
            assert seen[number] == rows_in(world.database)
    for writer in writers:
        writer.ends_all()
    for relay, counter in zip(relays, seen, strict=True):
        counter.update(relay.numbers())
        assert counter == rows_in(world.database)
        assert relay.poll() == []
        relay.connection.execute("select private.end_relay(%s)", (relay.id,))


def test_each_event_is_polled_once_while_many_write(world: World, relay: Relay) -> None:
    chats = [world.chat() for _ in range(4)]
    connections = [world.connect() for _ in range(12)]
    seen: Counter[tuple[UUID, int]] = Counter(relay.numbers())

    def work(number: int) -> None:
        for n in range(25):
            connection, chat = connections[number], chats[(number + n) % len(chats)]
            with connection.transaction(force_rollback=n % 5 == 4):
                connection.execute(CHANGE, (chat,))

    with ThreadPoolExecutor(len(connections)) as threads:
        works = [threads.submit(work, number) for number in range(len(connections))]
        while not all(work.done() for work in works):
            seen.update(relay.numbers())
        for done in works:
            done.result()
    seen.update(relay.numbers())
    assert seen == rows_in(world.database)
    assert sum(seen.values()) == len(chats) + 12 * 20


def test_a_prepared_transaction_is_polled_when_it_is_committed(world: World, relay: Relay, max_prepared: int) -> None:
    if not max_prepared:
        pytest.skip("this server prepares no transactions: max_prepared_transactions is 0")
    kept, dropped = world.chat(), world.chat()
    relay.poll()
    connection = world.connect()
    for chat, name in ((kept, "baton_kept"), (dropped, "baton_dropped")):
        connection.execute("begin")
        connection.execute(CHANGE, (chat,))
        connection.execute(f"prepare transaction '{name}'")
    assert relay.poll() == []
    assert not relay.falls_asleep(), "it would not be rung for"
    world.owner.connection.execute("commit prepared 'baton_kept'")
    assert relay.numbers() == [(kept, 2)]
    assert not relay.falls_asleep()
    world.owner.connection.execute("rollback prepared 'baton_dropped'")
    assert relay.poll() == []
    assert relay.falls_asleep()


# Signals


OF_OPERATORS = {
    "his name": "name = 'Anna'",
    "his status": "status = 'away', status_reason = 'lunch'",
    "his hands": "capacity = 9",
    "his role": "role = 'admin'",
    "he is deactivated": "is_active = false",
    "nothing": "name = name, status = status",
}


@pytest.mark.parametrize("what", OF_OPERATORS)
def test_relays_are_told_what_changes_of_an_operator(world: World, relay: Relay, what: str) -> None:
    ana = world.operator()
    relay.poll()
    world.owner.does(f"update operators set {OF_OPERATORS[what]} where id = %s", ana.id)
    assert relay.signals() == ([] if what == "nothing" else [("operator.changed", ana.id)])


def test_relays_are_told_who_comes_and_goes(world: World, relay: Relay) -> None:
    ana = world.operator()
    assert relay.signals() == [("operator.changed", ana.id)]
    chat = world.waiting_chat()
    assert relay.signals() == [("chat.created", chat)]
    world.owner.does("delete from operators where id = %s", ana.id)
    assert relay.signals() == [("person.deleted", ana.id), ("operator.changed", ana.id)]


def test_relays_are_told_of_each_operator_that_a_statement_changes(world: World, relay: Relay) -> None:
    people = {world.operator(name).id for name in ("Ana", "Ben", "Cleo")}
    relay.poll()
    world.owner.does("update operators set status = 'away'  where name <> 'Cleo'")
    world.owner.does("update operators set status = 'away' where true")
    signals = relay.signals()
    assert len(signals) == 3
    assert set(signals) == {("operator.changed", person) for person in people}


def test_relays_are_told_of_chats_and_customers_that_are_deleted(world: World, relay: Relay) -> None:
    kim, ana = world.customer(), world.operator()
    chats = [world.chat("assigned", ana, kim), *(world.chat(customer=kim) for _ in range(2))]
    relay.poll()
    world.owner.does("delete from chats where id = %s", chats[0])
    (row,) = relay.poll()
    assert (row["event"], row["chat_id"], row["event_seq"]) == ("chat.deleted", chats[0], None)
    assert row["person_id"] == ana.id, "the list of whoever had it has changed"
    world.owner.does("delete from real_users where id = %s", kim.id)
    assert Counter(relay.signals()) == Counter(
        [("chat.deleted", chats[1]), ("chat.deleted", chats[2]), ("person.deleted", kim.id)]
    )


# The doorbell


def test_while_all_relays_are_awake_nobody_rings(world: World, relay: Relay, chat: UUID) -> None:
    world.owner.does(CHANGE, chat)
    assert relay.heard() == []


def test_a_relay_that_sleeps_is_rung_for(world: World, relay: Relay, chat: UUID) -> None:
    assert relay.falls_asleep()
    with ThreadPoolExecutor(1) as thread:
        waits = thread.submit(lambda: [n.payload for n in relay.connection.notifies(timeout=20, stop_after=1)])
        world.owner.does(CHANGE, chat)
        assert waits.result() == [""]
    assert relay.numbers() == [(chat, 2)]


def test_every_way_to_write_rings(world: World, relay: Relay, chat: UUID) -> None:
    kim, ana = world.customer(), world.operator()
    relay.falls_asleep()
    chat = kim.starts()["id"]
    deeds: list[Callable[[], object]] = [
        lambda: kim.writes(chat),
        lambda: kim.call("mark_read", p_chat_id=chat, p_seq=1),
        lambda: world.gives(chat, ana),
        lambda: ana.replies(chat),
        lambda: ana.call("set_operator_status", p_status="away"),
        lambda: world.service.rows("select private.open_connection(%s, %s)", uuid4(), ana.id),
        lambda: world.owner.does("delete from real_users where id = %s", kim.id),
    ]
    assert relay.heard() == [""]
    for deed in deeds:
        deed()
        assert relay.heard() == [""]


def test_a_transaction_rings_once_and_the_next_one_again(world: World, relay: Relay, chat: UUID) -> None:
    relay.falls_asleep()
    for _ in range(2):
        with world.owner.transaction() as connection:
            for _ in range(3):
                connection.execute(CHANGE, (chat,))
        assert relay.heard() == [""]


def test_what_is_rolled_back_does_not_ring(world: World, relay: Relay, chat: UUID) -> None:
    relay.falls_asleep()
    connection = world.connect()
    connection.execute("begin")
    connection.execute(CHANGE, (chat,))
    connection.execute("rollback")
    assert relay.heard() == []


def test_a_ring_that_a_savepoint_took_back_is_rung_again(world: World, relay: Relay, chat: UUID) -> None:
    relay.falls_asleep()
    connection = world.connect()
    connection.execute("begin")
    connection.execute("savepoint s")
    connection.execute(CHANGE, (chat,))
    connection.execute("rollback to s")
    connection.execute(CHANGE, (chat,))
    assert not Relay(world.database).falls_asleep(), "the lock was taken again with the ring"
    connection.execute("commit")
    assert relay.heard() == [""]


@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_no_relay_falls_asleep_while_somebody_writes(world: World, relay: Relay, chat: UUID, end: str) -> None:
    other = world.chat()
    connection = world.connect()
    connection.execute("begin")
    connection.execute(CHANGE, (chat,))
    assert not relay.falls_asleep()
    # Nor does its trying stand in anybody's way.
    world.owner.does(CHANGE, other)
    assert not relay.falls_asleep()
    connection.execute(end)
    assert relay.heard() == []
    assert relay.falls_asleep()


def test_who_writes_while_a_relay_falls_asleep_rings(world: World, relay: Relay, chat: UUID) -> None:
    writer = world.connect()
    relay.connection.execute("begin")
    assert relay.falls_asleep()
    with ThreadPoolExecutor(1) as thread:
        writes = thread.submit(writer.execute, CHANGE, (chat,))
        world.until(lambda: world.waits_for_a_lock(writer))
        relay.connection.execute("commit")
        writes.result(20)
    assert relay.heard() == [""]


def test_who_had_looked_before_a_relay_fell_asleep_rings(world: World, relay: Relay, chat: UUID) -> None:
    writer = world.connect()
    writer.execute("begin")
    writer.execute("select count(*) from chats")
    assert relay.falls_asleep()
    writer.execute(CHANGE, (chat,))
    writer.execute("commit")
    assert relay.heard() == [""]


@pytest.mark.parametrize("isolation", ["repeatable read", "serializable"])
def test_who_cannot_see_whether_a_relay_sleeps_rings(world: World, relay: Relay, chat: UUID, isolation: str) -> None:
    writer = world.connect()
    for falls_asleep in (False, True):
        writer.execute(f"begin isolation level {isolation}")
        writer.execute("select count(*) from chats")
        if falls_asleep:
            assert relay.falls_asleep()
        writer.execute(CHANGE, (chat,))
        writer.execute("commit")
        assert relay.heard() == [""]


def test_a_relay_whose_lease_is_over_is_not_rung_for(world: World, relay: Relay, chat: UUID) -> None:
    assert relay.falls_asleep("0 seconds")
    world.owner.does(CHANGE, chat)
    assert relay.heard() == []
    assert relay.falls_asleep("1 minute"), "it renews its lease"
    world.owner.does(CHANGE, chat)
    assert relay.heard() == [""]


def test_a_relay_that_is_awake_again_or_ended_is_not_rung_for(world: World, relay: Relay, chat: UUID) -> None:
    other = Relay(world.database)
    assert relay.falls_asleep()
    assert other.falls_asleep()
    relay.wakes()
    world.owner.does(CHANGE, chat)
    assert relay.heard() == [""], "the other one sleeps"
    other.connection.execute("select private.end_relay(%s)", (other.id,))
    world.owner.does(CHANGE, chat)
    assert relay.heard() == []


def test_a_relay_that_begins_again_is_awake(world: World, relay: Relay, chat: UUID) -> None:
    assert relay.falls_asleep()
    relay.connection.execute("select private.begin_relay(%s)", (relay.id,))
    world.owner.does(CHANGE, chat)
    assert relay.heard() == []


def test_relays_that_were_killed_are_forgotten_in_time(world: World) -> None:
    dead = Relay(world.database)
    assert dead.falls_asleep()
    others = "select count(*) from private.relays where id = %s"
    new = Relay(world.database)
    assert world.owner.value(others, dead.id) == 1
    world.owner.does("update private.relays set lease_until = now() - interval '61 minutes' where id = %s", dead.id)
    new.connection.execute("select private.begin_relay(%s)", (new.id,))
    assert world.owner.value(others, dead.id) == 0
    new.connection.execute("select private.end_relay(%s)", (new.id,))


# Epochs


def test_the_epoch_lasts(world: World, relay: Relay, chat: UUID) -> None:
    other = Relay(world.database)
    assert other.epoch == relay.epoch
    row = relay.connection.execute("select * from private.begin_relay(%s)", (relay.id,)).fetchone()
    assert row
    assert row["epoch"] == relay.epoch
    assert len(events(world.service, chat)) == 1


def test_a_relay_polls_from_when_it_began(world: World, chat: UUID) -> None:
    connection = world.connect()
    connection.execute("begin")
    connection.execute(CHANGE, (chat,))
    relay = Relay(world.database)
    assert relay.poll() == []
    connection.execute("commit")
    assert relay.numbers() == [(chat, 2)]


def test_relays_that_begin_at_once_have_one_epoch(database: Database) -> None:
    with ThreadPoolExecutor(6) as threads:
        relays = list(threads.map(lambda _: Relay(database), range(6)))
    assert len({relay.epoch for relay in relays}) == 1


def test_another_server_is_another_epoch_without_a_history(own_world: World) -> None:
    world = own_world
    kim, ada = world.customer(), world.admin()
    chat = kim.starts()["id"]
    kim.writes(chat)
    epoch = Relay(world.database).epoch
    world.owner.does("update private.epoch set server = 'another' where true")
    assert Relay(world.database).epoch != epoch
    for person in (kim, ada):
        assert person.call("get_chat", p_chat_id=chat)["event_seq"] == 2
        assert events(person, chat, 2) == []
        for after in (0, 1, 3):
            with refused("PT410", "events_gone"):
                events(person, chat, after)
    kim.writes(chat)
    for person in (kim, ada):
        assert [e["event_seq"] for e in events(person, chat, 2)] == [3]
    assert world.broken() == []


def test_a_copy_of_a_database_is_another_epoch(server: Server, database: Database) -> None:
    world = World(database)
    chat = world.chat()
    epoch = Relay(database).epoch
    database.close()
    name = f"{database.name}_copy"
    server.execute(f"create database {name} template {database.name} strategy file_copy")
    copy = Database(server.url(name), name)
    try:
        assert copy.value("select id from private.epoch") == epoch
        assert Relay(copy).epoch != epoch
        assert copy.value("select count(*) from private.events") == 0
        assert copy.value("select event_seq from chats where id = %s", chat) == 1
    finally:
        copy.close()
        server.execute(f"drop database {name} with (force)")
    original = Database(database.url, database.name)
    assert Relay(original).epoch == epoch
    assert original.value("select count(*) from private.events") > 0
    original.close()


def test_a_relay_does_not_begin_where_nothing_can_be_written(world: World) -> None:
    # As on a standby, which takes a second server: every transaction there is read only.
    with world.service.transaction() as connection:
        connection.execute("set transaction read only")
        with refused("25006"), connection.transaction():
            connection.execute("select * from private.begin_relay(gen_random_uuid())")


# Who may still see what, and what lists show


def test_who_sees_tells_who_may_see_a_chat(world: World) -> None:
    ana, ben, ada = world.operator("Ana"), world.operator("Ben"), world.admin()
    gone = world.operator("Gone", is_active=False)
    kim, lee, stranger = world.customer("Kim"), world.customer("Lee"), world.stranger()
    held, waiting, over = world.chat("assigned", ana, kim), world.chat(customer=lee), world.chat("completed", ben, lee)
    people = [ana, ben, ada, gone, kim, lee, stranger]
    pairs = [(chat, person.id) for chat in (held, waiting, over, uuid4()) for person in people]
    rows = world.service.rows("select * from private.who_sees(%s, %s)", *map(list, zip(*pairs, strict=True)))
    assert Counter((row["chat_id"], row["person_id"]) for row in rows) == Counter(
        [(held, p.id) for p in (ana, ada, kim)]
        + [(waiting, p.id) for p in (ana, ben, ada, lee)]
        + [(over, p.id) for p in (ben, ada, lee)]
    )
    for chat, person in ((chat, person) for chat in (held, waiting, over) for person in people):
        assert ({"chat_id": chat, "person_id": person.id} in rows) == gets_events(person, chat)


def gets_events(person: Caller, chat: UUID) -> bool:
    """Whether list_events answers this person."""
    try:
        events(person, chat)
    except psycopg.Error as error:
        if error.sqlstate != "PT404":
            raise
        return False
    return True


def test_holds_are_listed_by_operator_oldest_first(world: World) -> None:
    ana, ben = world.operator("Ana", capacity=3), world.operator("Ben")
    chats = [world.chat("assigned", ana) for _ in range(3)]
    world.chat("waiting_real_user_reply", ben)
    query = "select operator_id, (chat).id from private.list_holds(%s)"
    rows = world.service.rows(query, [ben.id, ana.id, uuid4()])
    assert [(row["operator_id"], row["id"]) for row in rows] == [(ana.id, chat) for chat in chats]


def test_the_places_of_waiting_chats(world: World) -> None:
    chats = [world.waiting_chat() for _ in range(4)]
    world.owner.does("update chats set priority = 1 where id = %s", chats[2])
    world.completes(chats[1])
    asked = [*chats, uuid4()]
    rows = world.service.rows("select * from private.queue_positions(%s)", asked)
    assert {row["chat_id"]: row["position"] for row in rows} == {chats[2]: 1, chats[0]: 2, chats[3]: 3}
    for row in rows:
        alone = world.service.call("get_queue_position", p_chat_id=row["chat_id"])
        assert (alone["position"], alone["expected_wait_seconds"]) == (row["position"], row["expected_wait_seconds"])


def test_nobody_but_the_service_is_a_relay(world: World) -> None:
    calls = [
        "private.begin_relay(gen_random_uuid())",
        "private.poll_events('1:1:')",
        "private.let_relay_sleep(gen_random_uuid(), '1 day')",
        "private.wake_relay(gen_random_uuid())",
        "private.end_relay(gen_random_uuid())",
        "private.who_sees('{}', '{}')",
        "private.list_holds('{}')",
        "private.queue_positions('{}')",
        "private.list_presence()",
        "private.open_connection(gen_random_uuid(), gen_random_uuid())",
        "private.renew_connections(gen_random_uuid(), '{}')",
        "private.close_connections(gen_random_uuid(), '{}')",
        "private.run_gone_detection()",
    ]
    for person in (world.anonymous, world.customer(), world.operator(), world.admin()):
        for call in calls:
            with refused("42501"):
                person.rows(f"select * from {call}")


# Typing


def test_the_customer_and_the_holder_tell_that_they_type(world: World, relay: Relay) -> None:
    kim, ana = world.customer(), world.operator()
    chat = world.chat("assigned", ana, kim)
    for person, sender_type in ((kim, "real"), (ana, "operator")):
        for is_typing in (True, False):
            with world.unchanged():
                person.call("set_typing", p_chat_id=chat, p_is_typing=is_typing)
            (payload,) = relay.heard()
            assert json.loads(payload) == {
                "type": "typing",
                "chat_id": str(chat),
                "sender_type": sender_type,
                "sender_id": str(person.id),
                "is_typing": is_typing,
            }
    assert relay.numbers() == [(chat, 1), (chat, 2)], "of its beginning alone"


@pytest.mark.parametrize("state", ["waiting_assignment", "waiting_real_user_reply", "completed"])
def test_the_customer_types_also_where_nobody_holds_the_chat(world: World, relay: Relay, state: str) -> None:
    kim, ana = world.customer(), world.operator()
    chat = world.chat(state, ana if state == "waiting_real_user_reply" else None, kim)
    kim.call("set_typing", p_chat_id=chat, p_is_typing=True)
    assert len(relay.heard()) == 1


def test_nobody_else_tells_that_he_types(world: World, relay: Relay) -> None:
    ana, ben, ada = world.operator("Ana", capacity=2), world.operator("Ben"), world.admin()
    held, waiting = world.chat("assigned", ana), world.chat()
    had, over = world.chat("assigned", ben), world.chat("completed", ana)
    world.gives(had, ada)
    cases: list[tuple[Caller, UUID | None, object, str, str]] = [
        (ada, held, True, "PT409", "not_the_holder"),
        (ben, had, True, "PT409", "not_the_holder"),
        (ben, held, True, "PT404", "chat_not_found"),
        (ben, waiting, True, "PT409", "chat_not_assigned"),
        (ada, over, True, "PT409", "chat_completed"),
        (world.customer("Lee"), held, True, "PT404", "chat_not_found"),
        (world.stranger(), waiting, True, "PT404", "chat_not_found"),
        (world.operator("Gone", is_active=False), waiting, True, "PT404", "chat_not_found"),
        (ana, uuid4(), True, "PT404", "chat_not_found"),
        (ana, None, True, "PT404", "chat_not_found"),
        (ana, held, None, "PT400", "invalid_argument"),
        (world.service, held, True, "PT401", "not_signed_in"),
    ]
    for person, chat, is_typing, sqlstate, code in cases:
        with refused(sqlstate, code):
            person.call("set_typing", p_chat_id=chat, p_is_typing=is_typing)
    with refused("42501"):
        world.anonymous.call("set_typing", p_chat_id=held, p_is_typing=True)
    assert relay.heard() == []


# What it costs, where there are many events and the planner knows of none


class Crowd(NamedTuple):
    """A database with 200,000 events, 100 messages of each of these chats, and a session that was there before them."""

    database: Database
    chats: list[UUID]
    service: Connection[DictRow]


POLL = "select * from private.poll_events(%s)"
READ = "select * from private.read_events(%s, %s, %s, 100)"
LIST = "select * from list_events(%s, %s, 100)"


@pytest.fixture(scope="module")
def crowd(server: Server) -> Iterator[Crowd]:
    """Its statistics, and the plans of its session, are of a time when there were a few events."""
    with server.loaded_database() as database:
        database.owner.execute(
            """
            alter table private.events set (autovacuum_enabled = false);
            alter table messages set (autovacuum_enabled = false);
            insert into real_users (id) values ('00000000-0000-0000-0000-0000000000c1');
            insert into chats (real_user_id) select '00000000-0000-0000-0000-0000000000c1' from generate_series(1, 100);
            analyze private.events, messages;
            """
        )
        chats = [row["id"] for row in database.rows("select id from chats order by id")]
        service = database.connect("service_role")
        snapshot = str(database.value("select pg_current_snapshot()"))
        calls: list[tuple[str, list[object]]] = [
            (POLL, [snapshot]),
            (READ, [chats[:1] * 2, [0, 0], [True, False]]),
            (LIST, [chats[0], 0]),
        ]
        for query, parameters in calls:
            pages(service, query, *parameters)
        database.owner.execute(
            """
            insert into private.events (chat_id, event_seq, customer_event_seq, xid, event, message_seq)
            select
              case when c % 20 = 0 then chats.ids[1 + c / 20] else md5(c::text)::uuid end,
              n, n, (3 + (c + 17 * n) % 500)::text::xid8, 'message.created', n
            from generate_series(1, 100) n, generate_series(0, 1999) c, (select array_agg(id) as ids from chats) chats;
            set session_replication_role = replica;
            insert into messages (chat_id, seq, sender_type, sender_id, content, created_at)
            select chats.id, n, 'real', chats.real_user_id, 'Hello?', now() from chats, generate_series(1, 100) n;
            update chats set event_seq = 100, customer_event_seq = 100;
            reset session_replication_role;
            """
        )
        yield Crowd(database, chats, service)


def pages(connection: Connection[DictRow], query: str, *parameters: object) -> int:
    """Return how many pages a query touches, once its plans are made and settled."""
    for _ in range(7):
        row = connection.execute(f"explain (analyze, buffers, format json) {query}", parameters).fetchone()
    assert row
    (plan,) = row["QUERY PLAN"]
    return int(plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"])


def test_a_poll_touches_few_pages(crowd: Crowd) -> None:
    database, chats, service = crowd
    relay = Relay(database)
    for connection in (service, relay.connection):
        relay.poll()
        assert pages(connection, POLL, relay.snapshot) < 20
        database.owner.execute("update chats set priority = priority + 1 where id = any(%s)", (chats[:10],))
        assert len(connection.execute(POLL, (relay.snapshot,)).fetchall()) == 10
        assert pages(connection, POLL, relay.snapshot) < 50
    # Ten that have written and are still at it, and one that is done.
    for _ in range(10):
        database.connect(autocommit=False).execute("select pg_current_xact_id()")
    database.owner.execute("select pg_current_xact_id()")
    relay.poll()
    assert relay.snapshot.count(",") == 9
    assert pages(service, POLL, relay.snapshot) < 80


def test_reading_events_touches_few_pages(crowd: Crowd) -> None:
    database, chats, service = crowd
    for connection in (service, database.connect("service_role")):
        for count in (1, 80):
            for after, page in ((80, 20), (100, 0)):
                asked = (chats[-count:] * 2, [after] * 2 * count, [True] * count + [False] * count)
                assert len(connection.execute(READ, asked).fetchall()) == 2 * count * page
                assert pages(connection, READ, *asked) < count * (10 * page + 30)
        assert len(connection.execute(LIST, (chats[-1], 80)).fetchall()) == 20
        assert pages(connection, LIST, chats[-1], 80) < 140
