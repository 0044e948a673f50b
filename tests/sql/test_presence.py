"""Who is there: leases of live connections, and what follows when an operator is gone; by a clock of the test's."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from uuid import UUID, uuid4

import pytest

from tests.sql.helpers import NOON, Caller, Operator, World, noon
from tests.sql.replay import events

HERE, THERE = uuid4(), uuid4()  # two web processes


@pytest.fixture(autouse=True)
def _noon(world: World) -> None:
    world.clock(noon())


@pytest.fixture
def ana(world: World) -> Operator:
    """An operator who calls as the owner does, so that her time is the test's."""
    return world.operator("Ana", speaks_as=None)


def seconds(count: float) -> datetime:
    """Return so many seconds after noon."""
    return noon(count / 60)


def opens(world: World, person: Caller, process: UUID = HERE) -> str:
    """Open a connection; return what the person is."""
    return str(world.service.value("select private.open_connection(%s, %s)", process, person.id))


def renews(world: World, *people: Caller, process: UUID = HERE) -> None:
    world.service.rows("select private.renew_connections(%s, %s)", process, [person.id for person in people])


def closes(world: World, *people: Caller, process: UUID = HERE) -> None:
    world.service.rows("select private.close_connections(%s, %s)", process, [person.id for person in people])


def is_connected(world: World, person: Caller) -> bool:
    row = world.service.row("select is_connected from private.list_presence(%s)", [person.id])
    return bool(row["is_connected"])


def signals(world: World) -> int:
    """How often relays were told that an operator has come or left."""
    return int(world.owner.value("select count(*) from private.events where event = 'connection.changed'"))


def gone(world: World, at: datetime) -> int:
    """Set the clock, and return how many operators are found to be gone."""
    world.clock(at)
    return int(world.service.value("select private.run_gone_detection()"))


def status(world: World, operator: Operator) -> tuple[str, str | None]:
    row = world.owner.row("select status, status_reason from operators where id = %s", operator.id)
    return row["status"], row["status_reason"]


# Connections


def test_whoever_connects_is_told_what_he_is(world: World, ana: Operator) -> None:
    people: dict[str, list[Caller]] = {
        "operator": [ana],
        "admin": [world.admin()],
        "customer": [world.customer(), world.stranger()],
        "inactive": [world.operator(is_active=False), world.admin(is_active=False)],
    }
    for kind, callers in people.items():
        assert [opens(world, person) for person in callers] == [kind] * len(callers)
    kept = {row["person_id"] for row in world.owner.rows("select person_id from private.connections")}
    assert kept == {person.id for kind, callers in people.items() if kind != "inactive" for person in callers}


@pytest.mark.parametrize(("after", "is_there"), [(0, True), (29.99, True), (30, False), (3600, False)])
def test_a_connection_lasts_half_a_minute_unless_it_is_renewed(
    world: World, ana: Operator, after: float, is_there: bool
) -> None:
    assert not is_connected(world, ana)
    opens(world, ana)
    world.clock(seconds(after))
    assert is_connected(world, ana) == is_there
    renews(world, ana)
    assert is_connected(world, ana)
    world.clock(seconds(after + 29))
    assert is_connected(world, ana)


def test_a_person_is_connected_while_any_process_has_a_connection(world: World, ana: Operator) -> None:
    opens(world, ana)
    opens(world, ana, THERE)
    closes(world, ana)
    assert is_connected(world, ana)
    closes(world, ana, process=THERE)
    assert not is_connected(world, ana)
    closes(world, ana)
    opens(world, ana)
    assert is_connected(world, ana)


def test_relays_are_told_when_an_operator_comes_and_when_he_leaves(world: World, ana: Operator) -> None:
    steps: list[tuple[Callable[[], object], int]] = [
        (lambda: opens(world, ana), 1),
        (lambda: opens(world, ana), 1),
        (lambda: opens(world, ana, THERE), 1),
        (lambda: renews(world, ana), 1),
        (lambda: closes(world, ana), 2),
        (lambda: closes(world, ana, process=THERE), 3),
        (lambda: closes(world, ana, process=THERE), 3),
        (lambda: closes(world, ana, process=uuid4()), 3),
        (lambda: renews(world, ana), 4),
    ]
    for act, count in steps:
        act()
        assert signals(world) == count
    row = world.owner.row("select distinct person_id, chat_id, event_seq from private.events where event like 'conn%'")
    assert tuple(row.values()) == (ana.id, None, None)


def test_many_come_and_leave_at_once(world: World, ana: Operator) -> None:
    ben, kim = world.operator("Ben"), world.customer()
    opens(world, ben, THERE)
    renews(world, ana, ben, kim, ana)
    assert signals(world) == 2
    closes(world, kim, ben, ana)
    assert signals(world) == 4
    assert (is_connected(world, ana), is_connected(world, ben)) == (False, True)
    renews(world)
    closes(world)
    assert signals(world) == 4


def test_nobody_is_told_of_customers(world: World) -> None:
    kim = world.customer()
    opens(world, kim)
    closes(world, kim)
    assert signals(world) == 0


def test_presence_lists_active_operators(world: World, ana: Operator) -> None:
    ben = world.operator("Ben", status="away", status_reason="lunch")
    world.operator("Gone", is_active=False)
    opens(world, ana)
    opens(world, world.customer())
    rows = [tuple(row.values()) for row in world.service.rows("select * from private.list_presence()")]
    assert rows == [(ana.id, "Ana", "online", None, True), (ben.id, "Ben", "away", "lunch", False)]
    some = world.service.rows("select operator_id from private.list_presence(%s)", [ben.id, uuid4()])
    assert [row["operator_id"] for row in some] == [ben.id]
    assert world.service.rows("select * from private.list_presence('{}')") == []


def test_with_a_person_go_his_connections(world: World) -> None:
    kim, ben = world.customer(), world.operator("Ben")
    opens(world, kim)
    opens(world, ben)
    world.owner.does("delete from real_users where id = %s", kim.id)
    world.owner.does("delete from operators where id = %s", ben.id)
    assert world.owner.value("select count(*) from private.connections") == 0


def test_what_ended_a_day_ago_is_cleaned_up(world: World, ana: Operator) -> None:
    ben = world.operator("Ben")
    opens(world, ana)
    closes(world, ana)
    opens(world, ben)
    world.clock(noon(24 * 60 + 1))
    renews(world, ben)
    world.owner.rows("select private.run_clean_up()")
    assert [row["person_id"] for row in world.owner.rows("select person_id from private.connections")] == [ben.id]


# Gone


@pytest.fixture
def chat(world: World, ana: Operator) -> UUID:
    """A chat that waits since noon, the first of two, and that Ana takes at once; she is connected."""
    chat = world.chat()
    assert ana.takes_next() == chat
    opens(world, ana)
    world.clock(seconds(1))
    world.chat()
    world.clock(NOON)
    return chat


@pytest.mark.parametrize(("after", "is_gone"), [(0, False), (59.99, False), (60, True), (3600, True)])
def test_an_operator_is_gone_a_minute_after_his_last_connection(
    world: World, ana: Operator, chat: UUID, after: float, is_gone: bool
) -> None:
    world.clock(seconds(100))
    renews(world, ana)
    closes(world, ana)
    assert gone(world, seconds(100 + after)) == is_gone
    assert (world.holder(chat) is None) == is_gone
    assert (status(world, ana) == ("offline", "gone")) == is_gone


def test_the_holds_of_one_who_is_gone_end_and_his_chats_go_back_to_their_place(
    world: World, ana: Operator, chat: UUID
) -> None:
    closes(world, ana)
    assert gone(world, seconds(60)) == 1
    row = world.get(chat)
    assert (row["chat_state"], row["waiting_since"], row["let_go_by"]) == ("waiting_assignment", NOON, ana.id)
    assert world.queue()[0] == chat
    assert world.holds(chat) == [(ana.id, "gone")]
    assert world.history(chat)[-1] == ("assigned", "waiting_assignment", "gone")
    assert world.last_change(chat)["actor_id"] is None
    assert world.stats(ana) == (0, 0, 0), "not an idle incident"
    assert events(world.service, chat)[-1]["event"] == "chat.released"
    with world.unchanged():
        assert gone(world, seconds(3600)) == 0


def test_a_chat_that_is_owed_nothing_waits_for_its_customer(world: World, ana: Operator) -> None:
    chat = world.chat("assigned", ana, handling="session")
    ana.replies(chat)
    opens(world, ana)
    closes(world, ana)
    assert gone(world, seconds(60)) == 1
    assert world.state(chat) == "waiting_real_user_reply"
    assert world.holds(chat) == [(ana.id, "gone")]


def test_what_one_who_is_gone_let_go_is_given_to_others_and_not_back_to_him(world: World, ana: Operator) -> None:
    world.owner.does("update operators set auto_assign = true where id = %s", ana.id)
    chat = world.chat()
    assert world.holder(chat) == ana.id
    opens(world, ana)
    closes(world, ana)
    assert gone(world, seconds(60)) == 1
    assert world.state(chat) == "waiting_assignment"
    ana.call("set_operator_status", p_status="online")
    assert world.owner.value("select private.run_assignment_sweep()") == 0
    assert world.state(chat) == "waiting_assignment"
    ben = world.operator("Ben", auto_assign=True)
    assert world.holder(chat) == ben.id


def test_others_are_given_his_chats_in_the_same_transaction(world: World, ana: Operator, chat: UUID) -> None:
    ben = world.operator("Ben", auto_assign=True, capacity=1)
    world.owner.does("update operators set capacity = 2 where id = %s", ben.id)
    closes(world, ana)
    assert gone(world, seconds(60)) == 1
    assert world.holder(chat) == ben.id


def test_who_still_has_one_connection_is_not_gone(world: World, ana: Operator, chat: UUID) -> None:
    opens(world, ana, THERE)
    closes(world, ana)
    for minute in range(1, 10):
        world.clock(noon(minute))
        renews(world, ana, process=THERE)
        assert gone(world, noon(minute)) == 0
    assert world.holder(chat) == ana.id


def test_who_never_had_a_connection_is_not_gone(world: World) -> None:
    ben = world.operator("Ben")
    chat = world.chat("assigned", ben)
    with world.unchanged():
        assert gone(world, noon(24 * 60)) == 0
    assert world.holder(chat) == ben.id


@pytest.mark.parametrize("process", [HERE, THERE])
def test_who_comes_back_in_time_is_not_gone(world: World, ana: Operator, chat: UUID, process: UUID) -> None:
    closes(world, ana)
    assert gone(world, seconds(50)) == 0
    opens(world, ana, process)
    for after in (60, 79):
        assert gone(world, seconds(after)) == 0
    closes(world, ana, process=process)  # at 79
    assert gone(world, seconds(79 + 59)) == 0
    assert world.holder(chat) == ana.id
    assert gone(world, seconds(79 + 60)) == 1


def test_who_comes_back_late_but_before_anyone_looked_is_not_gone(world: World, ana: Operator, chat: UUID) -> None:
    closes(world, ana)
    world.clock(seconds(600))
    opens(world, ana)
    assert gone(world, seconds(601)) == 0
    assert world.holder(chat) == ana.id


def test_who_comes_back_while_it_is_looked_is_not_gone(world: World, ana: Operator, chat: UUID) -> None:
    closes(world, ana)
    locker, job = world.connect(), world.connect()
    world.now_is(job, seconds(60))
    locker.execute("begin")
    locker.execute("select from operators where id = %s for update", (ana.id,))
    with ThreadPoolExecutor(1) as thread:
        looks = thread.submit(lambda: job.execute("select private.run_gone_detection() as count").fetchone())
        world.until(lambda: world.waits_for_a_lock(job))
        world.clock(seconds(60))
        opens(world, ana)
        locker.execute("commit")
        assert looks.result(20) == {"count": 0}
    assert world.holder(chat) == ana.id
    assert status(world, ana) == ("online", None)


def test_a_killed_process_s_connections_end_with_their_leases(world: World, ana: Operator, chat: UUID) -> None:
    ben = world.operator("Ben")
    opens(world, ben)
    opens(world, ben, THERE)
    before = signals(world)
    world.clock(seconds(25))
    renews(world, ana, ben)  # the last that HERE is heard of
    renews(world, ben, process=THERE)
    for at in (54, 55, 84):
        world.clock(seconds(at))
        renews(world, ben, process=THERE)
        assert gone(world, seconds(at)) == 0
        # Told once, when the lease is over, and of the one alone who was nowhere else.
        assert signals(world) == before + (at >= 55)
    assert gone(world, seconds(25 + 60)) == 1
    assert world.holder(chat) is None
    assert status(world, ana) == ("offline", "gone")
    assert status(world, ben) == ("online", None)


def test_a_process_that_was_merely_slow_brings_its_people_back(world: World, ana: Operator, chat: UUID) -> None:
    assert gone(world, seconds(40)) == 0
    assert not is_connected(world, ana)
    before = signals(world)
    renews(world, ana)
    assert is_connected(world, ana)
    assert signals(world) == before + 1
    assert gone(world, seconds(69)) == 0
    assert world.holder(chat) == ana.id


@pytest.mark.parametrize("grace", [60, 10])
def test_after_an_outage_there_is_time_to_come_back(world: World, ana: Operator, chat: UUID, grace: int) -> None:
    world.set("grace_period", f"{grace} seconds")
    ben = world.operator("Ben", speaks_as=None)
    opens(world, ben)
    # For ten minutes nobody could renew anything, nor look.
    assert gone(world, noon(10)) == 0
    renews(world, ana)
    left = 30 if grace == 60 else 5
    assert gone(world, seconds(600 + left - 1)) == 0
    assert gone(world, seconds(600 + left)) == 1, "who has not come back"
    assert (status(world, ana), status(world, ben)) == (("online", None), ("offline", "gone"))
    assert world.holder(chat) == ana.id


def test_connections_wait_for_no_flush(world: World, ana: Operator) -> None:
    for function, who in (
        ("open_connection", ana.id),
        ("renew_connections", [ana.id]),
        ("close_connections", [ana.id]),
    ):
        with world.service.transaction() as connection:
            connection.execute("set local synchronous_commit = on")
            connection.execute(f"select private.{function}(%s, %s)", (HERE, who))
            assert connection.execute("show synchronous_commit").fetchone() == {"synchronous_commit": "off"}


def test_the_grace_period_is_a_setting(world: World, ana: Operator, chat: UUID) -> None:
    world.set("grace_period", "10 minutes")
    closes(world, ana)
    assert gone(world, seconds(599)) == 0
    assert gone(world, seconds(600)) == 1


def test_who_was_gone_and_works_on_without_a_connection_is_not_gone_again(
    world: World, ana: Operator, chat: UUID
) -> None:
    closes(world, ana)
    assert gone(world, seconds(60)) == 1
    ana.call("set_operator_status", p_status="online")
    world.gives(chat, ana)
    assert gone(world, seconds(3600)) == 0
    assert world.holder(chat) == ana.id


def test_who_is_offline_or_away_is_gone_as_well(world: World, ana: Operator, chat: UUID) -> None:
    ben = world.operator("Ben", status="away", status_reason="lunch")
    bens = world.chat("assigned", ben)
    ana.call("set_operator_status", p_status="offline", p_reason="train")
    opens(world, ben)
    closes(world, ana, ben)
    assert gone(world, seconds(60)) == 2
    assert world.holder(chat) is None
    assert world.holder(bens) is None
    assert status(world, ana) == ("offline", "train")
    assert status(world, ben) == ("offline", "gone")


def test_one_who_is_deactivated_is_not_gone_too(world: World, ana: Operator, chat: UUID) -> None:
    closes(world, ana)
    world.owner.does("update operators set is_active = false where id = %s", ana.id)
    assert gone(world, seconds(60)) == 0
    assert world.holds(chat) == [(ana.id, "deactivated")]


def test_customers_are_never_gone(world: World) -> None:
    kim = world.customer()
    chat = world.chat("assigned", world.operator(), kim)
    opens(world, kim)
    closes(world, kim)
    assert gone(world, noon(60)) == 0
    assert world.state(chat) == "assigned"


# A customer who is connected is not idle


@pytest.fixture
def session(world: World, ana: Operator) -> UUID:
    """A session chat whose customer writes at noon, and is quiet from then on."""
    return world.chat("assigned", ana, customer=world.customer("Kim", speaks_as=None), handling="session")


def quiet(world: World, at: datetime) -> int:
    """Set the clock, and return how many chats are released because their customer has gone quiet."""
    world.clock(at)
    return int(world.service.value("select private.run_customer_idle()"))


def customer_of(world: World, chat: UUID) -> Caller:
    return Caller(world.owner.connection, None, world.get(chat)["real_user_id"])


def test_a_connected_customer_is_not_idle_however_quiet(world: World, session: UUID) -> None:
    limit = world.owner.value("select extract(epoch from private.setting('customer_idle')::interval)::int") / 60
    kim = customer_of(world, session)
    opens(world, kim)
    world.clock(noon(limit + 30))
    renews(world, kim)
    assert quiet(world, noon(limit + 30)) == 0
    closes(world, kim)
    # From then on he has so long again.
    assert quiet(world, noon(2 * limit + 29.99)) == 0
    assert quiet(world, noon(2 * limit + 30)) == 1
    assert world.holds(session)[0][1] == "customer_idle"


def test_a_customer_whose_connection_was_lost_is_idle_in_time(world: World, session: UUID) -> None:
    limit = world.owner.value("select extract(epoch from private.setting('customer_idle')::interval)::int") / 60
    opens(world, customer_of(world, session))
    assert quiet(world, noon(limit - 0.01)) == 0
    assert quiet(world, noon(limit)) == 1


def test_somebody_else_s_connection_keeps_no_chat(world: World, session: UUID, ana: Operator) -> None:
    limit = world.owner.value("select extract(epoch from private.setting('customer_idle')::interval)::int") / 60
    world.clock(noon(limit))
    renews(world, ana, world.customer())
    assert quiet(world, noon(limit)) == 1
