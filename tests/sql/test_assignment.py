"""Section 3 of the specification: who gets which chat, by asking and automatically."""

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest
from psycopg import Connection
from psycopg.rows import DictRow

from tests.sql.helpers import Operator, World, noon

# The order


def test_the_highest_priority_comes_first(world: World) -> None:
    ana = world.operator(capacity=9)
    low, none, high = (world.waiting_chat(priority=p) for p in (-5, 0, 7))
    assert [ana.takes_next() for _ in range(4)] == [high, none, low, None]


def test_among_equals_the_longest_wait_comes_first(world: World) -> None:
    ana = world.operator(capacity=9)
    young, old = (world.waiting_chat(waiting_since=noon(minutes)) for minutes in (2, 1))
    oldest = world.waiting_chat(created_at=noon())
    assert [ana.takes_next() for _ in range(3)] == [oldest, old, young]


def test_priority_beats_the_longest_wait(world: World) -> None:
    ana = world.operator()
    world.waiting_chat(waiting_since=noon())
    urgent = world.waiting_chat(priority=1, waiting_since=noon(60))
    assert ana.takes_next() == urgent


def test_at_the_same_priority_and_wait_the_id_decides(world: World) -> None:
    ana = world.operator(capacity=9)
    ids = [UUID(int=n) for n in (3, 1, 2)]
    for chat in ids:
        world.waiting_chat(id=chat, waiting_since=noon())
    assert [ana.takes_next() for _ in range(3)] == sorted(ids)


def test_a_changed_priority_moves_a_waiting_chat(world: World) -> None:
    ana = world.operator()
    world.waiting_chat()
    last = world.waiting_chat()
    world.owner.does("update chats set priority = 1 where id = %s", last)
    assert ana.takes_next() == last


def test_when_nothing_waits_the_answer_is_no_row(world: World) -> None:
    ana = world.operator()
    world.chat("completed")
    assert ana.call_all("assign_chat_to_operator", p_operator_id=ana.id) == []


# His own comes last


def test_a_chat_that_he_was_the_last_to_handle_comes_after_all_others(world: World) -> None:
    ana, ben = world.operator("Ana", capacity=9), world.operator("Ben")
    own = world.waiting_chat(last_operator_id=ana.id, priority=9, waiting_since=noon())
    foreign = world.waiting_chat(last_operator_id=ben.id, waiting_since=noon(2))
    nobodys = world.waiting_chat(waiting_since=noon(1))
    assert [ana.takes_next() for _ in range(4)] == [nobodys, foreign, own, None]


def test_his_own_comes_when_nothing_else_waits(world: World) -> None:
    ana, customer = world.operator(), world.customer()
    chat = world.chat("waiting_real_user_reply", ana, customer)
    customer.writes(chat)
    assert ana.takes_next() == chat


def test_his_own_come_in_the_order_of_the_queue(world: World) -> None:
    ana = world.operator(capacity=9)
    second, first, third = (
        world.waiting_chat(last_operator_id=ana.id, priority=p, waiting_since=noon(m))
        for p, m in ((1, 5), (2, 9), (0, 0))
    )
    assert [ana.takes_next() for _ in range(3)] == [first, second, third]


def test_a_chat_without_a_last_handler_is_nobodys_own(world: World) -> None:
    ana, ben = world.operator("Ana"), world.operator("Ben")
    nobodys = world.waiting_chat(priority=1)
    bens = world.waiting_chat(last_operator_id=ben.id)
    assert (ana.takes_next(), ben.takes_next()) == (nobodys, bens)


def test_what_he_handled_before_somebody_else_is_not_his_own(world: World) -> None:
    ana, ben = world.operator("Ana"), world.operator("Ben")
    chat = world.chat()
    world.gives(chat, ana)
    ana.transfers(chat, ben)
    ben.hands_back(chat)
    world.waiting_chat()
    assert ana.takes_next() == chat


@pytest.mark.parametrize("own_in_front", [63, 64, 65, 700])
@pytest.mark.parametrize("last_handler", ["nobody", "somebody", "many"])
def test_a_head_that_is_all_his_own_hides_nothing_behind_it(world: World, own_in_front: int, last_handler: str) -> None:
    ana = world.operator("Ana")
    handlers = [world.operator(f"Ben {n}") for n in range(12 if last_handler == "many" else 1)]
    world.owner.does(
        "insert into chats (real_user_id, priority, waiting_since, last_operator_id)"
        " select %s, 5, %s::timestamptz + n * interval '1 s', %s from generate_series(1, %s) n",
        world.customer().id,
        noon(),
        ana.id,
        own_in_front,
    )
    behind = [
        world.waiting_chat(
            priority=n, waiting_since=noon(60), last_operator_id=None if last_handler == "nobody" else handler.id
        )
        for n, handler in enumerate(handlers, start=-len(handlers))
    ]
    assert ana.takes_next() == behind[-1]


def test_the_best_behind_his_own_is_the_best_of_all_other_handlers(world: World) -> None:
    ana, ben = world.operator("Ana", capacity=9), world.operator("Ben", is_active=False)
    world.owner.does(
        "insert into chats (real_user_id, priority, last_operator_id) select %s, 5, %s from generate_series(1, 100)",
        world.customer().id,
        ana.id,
    )
    second = world.waiting_chat(last_operator_id=ben.id, waiting_since=noon(1))
    first = world.waiting_chat(waiting_since=noon())
    third = world.waiting_chat(last_operator_id=ben.id, waiting_since=noon(2))
    assert [ana.takes_next() for _ in range(3)] == [first, second, third]


def test_many_of_the_best_foreign_chats_may_be_locked(world: World) -> None:
    ana, ben = world.operator("Ana"), world.operator("Ben", capacity=20)
    world.owner.does(
        "insert into chats (real_user_id, priority, last_operator_id) select %s, 5, %s from generate_series(1, 70)",
        world.customer().id,
        ana.id,
    )
    foreign = [world.waiting_chat(waiting_since=noon(n)) for n in range(12)]
    other = world.connect()
    with other.transaction():
        locked = other.execute("select id from chats where id = any (%s) for update", (foreign[:11],)).fetchall()
        assert len(locked) == 11
        # Ana is given a chat without waiting, and not one of the locked ones.
        assert impatient(world, ana).takes_next() == foreign[11]
    assert ben.takes_next() is not None


# Explained


@pytest.mark.parametrize("seed", range(5))
def test_explain_assignment_says_what_assign_then_does(world: World, seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311 - a test that can be repeated
    ana = world.operator("Ana", capacity=1000)
    handlers = [ana.id, None, world.operator("Ben").id, world.operator("Cleo").id]
    for _ in range(dice.randint(1, 90)):
        world.waiting_chat(
            priority=dice.randint(0, 2),
            waiting_since=noon(dice.randint(0, 3)),
            last_operator_id=dice.choice(handlers),
        )
    count = world.owner.value("select count(*) from chats")
    told = ana.call_all("explain_assignment", p_operator_id=ana.id)
    assert [row["rank"] for row in told] == list(range(1, min(count, 50) + 1))
    assert [row["decision"] for row in told] == ["next"] + ["later"] * (len(told) - 1)
    for row in told:
        chat = world.get(row["chat_id"])
        assert all(row[name] == chat[name] for name in ("priority", "waiting_since", "last_operator_id"))
        assert row["reason"]
    given = [ana.takes_next() for _ in range(count)]
    assert given[:50] == [row["chat_id"] for row in told]
    assert len(set(given)) == count
    # And the rest, by the rule's own words.
    by_rule = world.owner.rows(
        "select c.id from chats c join chat_assignments a on a.chat_id = c.id order by a.assigned_at, c.priority desc"
    )
    assert [row["id"] for row in by_rule] == given


def test_explain_assignment_changes_nothing_and_shows_no_chat_that_does_not_wait(world: World) -> None:
    ana, ben = world.operator("Ana"), world.operator("Ben", capacity=2)
    for state in ("assigned", "waiting_real_user_reply", "completed"):
        world.chat(state, ben)
    with world.unchanged():
        assert ana.call_all("explain_assignment", p_operator_id=ana.id) == []


def test_explain_assignment_says_that_his_hands_are_full(world: World) -> None:
    ana = world.operator()
    world.chat("assigned", ana)
    waiting = world.waiting_chat()
    (row,) = ana.call_all("explain_assignment", p_operator_id=ana.id)
    assert (row["chat_id"], row["decision"]) == (waiting, "refused")


def test_explain_assignment_is_for_himself_admins_and_the_service(world: World) -> None:
    ana, ben, ada = world.operator("Ana"), world.operator("Ben"), world.admin()
    world.waiting_chat()
    for person in (ana, ada, world.service, world.owner):
        assert len(person.call_all("explain_assignment", p_operator_id=ana.id)) == 1
    for person in (ben, world.customer()):
        with world.refused("PT403", "not_allowed"):
            person.call_all("explain_assignment", p_operator_id=ana.id)


# Refused


@pytest.mark.parametrize("function", ["assign_chat_to_operator", "explain_assignment"])
def test_an_unknown_or_inactive_operator_is_given_nothing(world: World, function: str) -> None:
    ada, gone = world.admin(), world.operator("Gone", is_active=False)
    world.waiting_chat()
    for caller in (ada, world.service):
        with world.refused("PT404", "operator_not_found"):
            caller.call_all(function, p_operator_id=uuid4())
        with world.refused("PT404", "operator_not_found"):
            caller.call_all(function, p_operator_id=None)
        with world.refused("PT403", "operator_inactive"):
            caller.call_all(function, p_operator_id=gone.id)
    with world.refused("PT403", "operator_inactive"):
        gone.call_all(function, p_operator_id=gone.id)


def test_one_who_asks_for_someone_else_is_refused(world: World) -> None:
    ana, ben = world.operator("Ana"), world.operator("Ben")
    world.waiting_chat()
    for person in (ben, world.customer(), world.stranger()):
        with world.refused("PT403", "not_allowed"):
            person.call_all("assign_chat_to_operator", p_operator_id=ana.id)


def test_admins_and_the_service_may_ask_for_someone_else(world: World) -> None:
    ana, ada = world.operator(capacity=2), world.admin()
    chats = [world.waiting_chat(), world.waiting_chat()]
    for caller, chat in zip((ada, world.service), chats, strict=True):
        given = caller.call("assign_chat_to_operator", p_operator_id=ana.id)
        assert (given["id"], given["assigned_operator_id"]) == (chat, ana.id)
    assert world.last_change(chats[0])["actor_id"] == ada.id


def test_one_who_is_not_signed_in_is_refused(world: World) -> None:
    ana = world.operator()
    nobody = Operator(ana.connection, "authenticated", claims={"role": "authenticated"})
    with world.refused("PT401", "not_signed_in"):
        nobody.call_all("assign_chat_to_operator", p_operator_id=ana.id)


@pytest.mark.parametrize("capacity", [0, 1, 3])
def test_one_whose_hands_are_full_is_refused(world: World, capacity: int) -> None:
    ana = world.operator(capacity=capacity)
    for _ in range(capacity + 1):
        world.waiting_chat()
    for _ in range(capacity):
        ana.takes_next()
    with world.refused("PT409", "operator_at_capacity"):
        ana.takes_next()
    with world.refused("PT409", "operator_at_capacity"):
        world.service.call_all("assign_chat_to_operator", p_operator_id=ana.id)


def test_full_hands_are_refused_also_when_nothing_waits(world: World) -> None:
    ana = world.operator()
    world.chat("assigned", ana)
    with world.refused("PT409", "operator_at_capacity"):
        ana.takes_next()


# A chosen chat


def test_a_chosen_chat_is_taken_only_where_that_is_allowed(world: World) -> None:
    ana = world.operator()
    world.waiting_chat(priority=5)
    chosen = world.chat()
    with world.refused("PT403", "not_allowed"):
        ana.call("take_chat", p_chat_id=chosen)
    world.set("allow_take", True)
    taken = ana.call("take_chat", p_chat_id=chosen)
    assert (taken["id"], taken["chat_state"], taken["assigned_operator_id"]) == (chosen, "assigned", ana.id)
    assert world.history(chosen)[-1] == ("waiting_assignment", "assigned", "taken")


def test_a_chosen_chat_has_the_same_refusals(world: World) -> None:
    world.set("allow_take", True)
    ana, ben, gone = world.operator("Ana"), world.operator("Ben"), world.operator("Gone", is_active=False)
    chat, customer = world.waiting_chat(), world.customer()
    with world.refused("PT404", "chat_not_found"):
        ana.call("take_chat", p_chat_id=uuid4())
    with world.refused("PT403", "operator_inactive"):
        gone.call("take_chat", p_chat_id=chat)
    with world.refused("PT403", "not_allowed"):
        customer.call("take_chat", p_chat_id=chat)
    ben.call("take_chat", p_chat_id=chat)
    with world.refused("PT404", "chat_not_found"):  # held by another, never by her
        ana.call("take_chat", p_chat_id=chat)
    other = world.waiting_chat()
    with world.refused("PT409", "operator_at_capacity"):
        ben.call("take_chat", p_chat_id=other)


# At the same moment


def impatient(world: World, operator: Operator) -> Operator:
    """Return the operator on a connection of his own that refuses to wait for any lock."""
    person = world.elsewhere(operator)
    person.connection.execute("set lock_timeout = '1ms'")
    return person


def test_two_who_ask_at_once_get_two_chats_and_neither_waits(world: World) -> None:
    ana, ben = world.operator("Ana"), impatient(world, world.operator("Ben"))
    first, second = world.waiting_chat(), world.waiting_chat()
    elsewhere = world.elsewhere(ana)
    with elsewhere.transaction() as connection:
        got = connection.execute("select id from assign_chat_to_operator(%s)", (ana.id,)).fetchone()
        assert got == {"id": first}
        assert ben.takes_next() == second
    assert (world.holder(first), world.holder(second)) == (ana.id, ben.id)


def test_a_chat_that_another_is_taking_is_neither_returned_nor_waited_for(world: World) -> None:
    ana, ben = world.operator("Ana"), impatient(world, world.operator("Ben"))
    only = world.waiting_chat()
    with world.elsewhere(ana).transaction() as connection:
        connection.execute("select assign_chat_to_operator(%s)", (ana.id,))
        assert ben.takes_next() is None
    assert world.holder(only) == ana.id


def test_his_own_is_not_given_because_a_foreign_one_is_being_taken_and_let_go_again(world: World) -> None:
    ana, ben = world.operator("Ana"), world.operator("Ben")
    world.waiting_chat(last_operator_id=ben.id, priority=1)
    foreign = world.waiting_chat()
    asker = impatient(world, ben)
    locker = world.connect()
    with ThreadPoolExecutor(1) as pool:
        with locker.transaction():
            locker.execute("select from chats where id = %s for update", (foreign,))
            got = pool.submit(asker.takes_next)
            world.until(lambda: sleeps(world, asker.connection))
        assert got.result(10) == foreign
    assert ana.takes_next() is not None


def sleeps(world: World, connection: Connection[DictRow]) -> bool:
    """Whether the connection's backend has found nothing and looks again in a moment."""
    event = world.owner.value("select wait_event from pg_stat_activity where pid = %s", connection.info.backend_pid)
    return bool(event == "PgSleep")


@pytest.mark.parametrize("own", [False, True])
def test_a_customer_who_is_just_writing_in_the_only_chat_does_not_make_the_answer_nothing(
    world: World, own: bool
) -> None:
    ana, customer = world.operator(), world.customer()
    chat = world.chat("waiting_assignment", customer=customer)
    if own:
        world.gives(chat, ana)
        ana.hands_back(chat)
    asker = impatient(world, ana)
    with ThreadPoolExecutor(1) as pool:
        with world.elsewhere(customer).transaction() as connection:
            connection.execute("select send_real_user_message(%s, 'one more thing', %s)", (chat, uuid4()))
            got = pool.submit(asker.takes_next)
            world.until(lambda: sleeps(world, asker.connection))
        assert got.result(10) == chat


# Automatic assignment: in the same commit, for each cause


def auto(world: World, name: str = "Ana", **columns: Any) -> Operator:
    """Make an operator who is given chats automatically."""
    return world.operator(name, auto_assign=True, **columns)


def test_a_chat_that_a_customer_starts_is_given_in_the_same_commit(world: World) -> None:
    ana, customer = auto(world), world.customer()
    chat = customer.starts()["id"]
    assert world.holder(chat) == ana.id
    change = world.last_change(chat)
    assert (change["from_state"], change["to_state"]) == ("waiting_assignment", "assigned")


@pytest.mark.parametrize("state", ["waiting_real_user_reply", "completed"])
def test_a_chat_in_which_a_customer_writes_is_given_in_the_same_commit(world: World, state: str) -> None:
    ana, ben, customer = auto(world), world.operator("Ben"), world.customer()
    world.owner.does("update operators set status = 'offline' where id = %s", ana.id)
    chat = world.chat(state, ben, customer)
    world.owner.does("update operators set status = 'online' where id = %s", ana.id)
    assert world.state(chat) == state
    customer.writes(chat)
    assert world.holder(chat) == ana.id


def test_a_chat_that_comes_by_plain_sql_is_given_in_the_same_commit(world: World) -> None:
    ana = auto(world, capacity=2)
    chats = [world.waiting_chat(), world.waiting_chat(), world.waiting_chat()]
    assert [world.holder(chat) for chat in chats] == [ana.id, ana.id, None]


@pytest.mark.parametrize("way", ["replied", "handed back", "transferred", "completed", "reassigned", "deleted", "sql"])
def test_a_hand_that_a_hold_frees_gets_a_chat_in_the_same_commit(world: World, way: str) -> None:
    ana, ben, ada = auto(world), world.operator("Ben"), world.admin()
    chat, next_one = world.chat(), world.chat()
    assert world.holder(chat) == ana.id
    match way:
        case "replied":
            ana.replies(chat)
        case "handed back":
            ana.hands_back(chat)
        case "transferred":
            ana.transfers(chat, ben)
        case "completed":
            ana.call("complete_chat", p_chat_id=chat)
        case "reassigned":
            ada.reassigns(chat, ben)
        case "deleted":
            world.owner.does("delete from chats where id = %s", chat)
        case "sql":
            world.completes(chat)
    assert world.holder(next_one) == ana.id


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"status": "away"}, "status = 'online'"),
        ({"status": "offline"}, "status = 'online'"),
        ({"auto_assign": False}, "auto_assign = true"),
        ({"capacity": 0}, "capacity = 1"),
        ({"is_active": False}, "is_active = true"),
    ],
)
def test_an_operator_who_becomes_ready_is_given_a_chat_in_the_same_commit(
    world: World, before: dict[str, Any], after: str
) -> None:
    ana = world.operator("Ana", **{"auto_assign": True, **before})
    chat = world.chat()
    assert world.holder(chat) is None
    world.owner.does(f"update operators set {after} where id = %s", ana.id)
    assert world.holder(chat) == ana.id


def test_coming_online_by_the_function_brings_a_chat(world: World) -> None:
    ana = auto(world, status="offline")
    chat = world.chat()
    ana.call("set_operator_status", p_status="online")
    assert world.holder(chat) == ana.id


def test_a_new_operator_is_given_a_chat_in_the_same_commit(world: World) -> None:
    chat = world.chat()
    ana = auto(world)
    assert world.holder(chat) == ana.id


def test_all_his_hands_are_filled_and_not_one_more(world: World) -> None:
    chats = [world.chat() for _ in range(4)]
    ana = auto(world, capacity=3)
    assert [world.holder(chat) for chat in chats] == [ana.id] * 3 + [None]
    world.owner.does("update operators set capacity = 4 where id = %s", ana.id)
    assert world.holder(chats[3]) == ana.id


@pytest.mark.parametrize(
    "columns",
    [{"auto_assign": False}, {"status": "away"}, {"status": "offline"}, {"is_active": False}, {"capacity": 0}],
)
def test_nobody_else_is_given_anything(world: World, columns: dict[str, Any]) -> None:
    world.operator("Ana", **{"auto_assign": True, **columns})
    assert world.state(world.chat()) == "waiting_assignment"


def test_what_he_is_given_is_the_queues_next_for_him(world: World) -> None:
    ana = auto(world, status="away", capacity=2)
    own = world.waiting_chat(last_operator_id=ana.id, priority=9)
    world.waiting_chat()
    old, urgent = world.waiting_chat(waiting_since=noon()), world.waiting_chat(priority=1)
    world.owner.does("update operators set status = 'online' where id = %s", ana.id)
    assert (world.holder(own), world.holder(urgent), world.holder(old)) == (None, ana.id, ana.id)


# To whom


def test_a_chat_goes_first_to_one_who_was_not_its_last_handler(world: World) -> None:
    customer = world.customer()
    chat = world.chat(customer=customer)
    ana = auto(world, "Ana")
    ana.replies(chat)
    ben = auto(world, "Ben")  # free for a shorter time than Ana
    customer.writes(chat)
    assert world.holder(chat) == ben.id


def test_a_chat_goes_to_its_last_handler_when_nobody_else_is_free(world: World) -> None:
    customer = world.customer()
    chat = world.chat(customer=customer)
    ana = auto(world, "Ana")
    ana.replies(chat)
    customer.writes(chat)
    assert world.holder(chat) == ana.id


def test_among_the_free_it_goes_to_whoever_has_been_free_longest(world: World) -> None:
    ana, ben, cleo = (auto(world, name) for name in ("Ana", "Ben", "Cleo"))
    first, second, third = (world.chat() for _ in range(3))
    assert [world.holder(chat) for chat in (first, second, third)] == [ana.id, ben.id, cleo.id]
    for operator, chat in ((cleo, third), (ana, first), (ben, second)):
        operator.replies(chat)
    assert [world.holder(world.chat()) for _ in range(3)] == [cleo.id, ana.id, ben.id]


def test_who_comes_online_has_been_free_since_then(world: World) -> None:
    ana, ben = auto(world, "Ana"), auto(world, "Ben")
    ana.call("set_operator_status", p_status="away")
    ana.call("set_operator_status", p_status="online")
    assert world.holder(world.chat()) == ben.id


def test_who_is_given_more_capacity_has_been_free_since_then(world: World) -> None:
    ana = auto(world, "Ana")
    world.chat()
    ben = auto(world, "Ben")
    world.owner.does("update operators set capacity = 2 where id = %s", ana.id)
    assert world.holder(world.chat()) == ben.id


# Never back to the one who just let it go


def handed_back(world: World, ana: Operator, chat: UUID) -> None:
    ana.hands_back(chat)


def taken_from_her(world: World, ana: Operator, chat: UUID) -> None:
    world.admin().hands_back(chat, "wrong one")


def idle(world: World, ana: Operator, chat: UUID) -> None:
    world.service.call_all("release_idle_assignments", p_idle="0 s")
    assert world.owner.value("select status from operators where id = %s", ana.id) == "away"
    ana.call("set_operator_status", p_status="online")


LETTING_GO: list[Callable[[World, Operator, UUID], None]] = [handed_back, taken_from_her, idle]


@pytest.mark.parametrize("let_go", LETTING_GO)
class TestAChatThatWasLetGo:
    """Is not given back unasked."""

    @pytest.fixture
    def ana(self, world: World) -> Operator:
        return auto(world)

    @pytest.fixture
    def chat(self, world: World, ana: Operator, let_go: Callable[[World, Operator, UUID], None]) -> UUID:
        chat = world.chat()
        assert world.holder(chat) == ana.id
        let_go(world, ana, chat)
        return chat

    def test_is_not_given_back(self, world: World, ana: Operator, chat: UUID) -> None:
        assert world.state(chat) == "waiting_assignment"

    def test_nor_when_its_customer_writes_again(self, world: World, ana: Operator, chat: UUID) -> None:
        world.writes(chat)
        assert world.state(chat) == "waiting_assignment"

    def test_nor_when_she_comes_online(self, world: World, ana: Operator, chat: UUID) -> None:
        ana.call("set_operator_status", p_status="away")
        ana.call("set_operator_status", p_status="online")
        assert world.state(chat) == "waiting_assignment"

    def test_nor_when_she_gets_more_hands(self, world: World, ana: Operator, chat: UUID) -> None:
        world.owner.does("update operators set capacity = 5 where id = %s", ana.id)
        assert world.state(chat) == "waiting_assignment"

    def test_nor_after_another_chat(self, world: World, ana: Operator, chat: UUID) -> None:
        other = world.chat()
        assert world.holder(other) == ana.id
        ana.replies(other)
        assert world.state(chat) == "waiting_assignment"

    def test_nor_by_the_sweep(self, world: World, ana: Operator, chat: UUID) -> None:
        assert world.owner.value("select private.run_assignment_sweep()") == 0
        assert world.state(chat) == "waiting_assignment"

    def test_but_to_another(self, world: World, ana: Operator, chat: UUID) -> None:
        ben = auto(world, "Ben")
        assert world.holder(chat) == ben.id

    def test_and_to_her_when_she_asks(self, world: World, ana: Operator, chat: UUID) -> None:
        assert ana.takes_next() == chat

    def test_and_to_her_after_it_was_answered_by_another(self, world: World, ana: Operator, chat: UUID) -> None:
        ben = world.operator("Ben")
        world.gives(chat, ben)
        ben.replies(chat)
        world.writes(chat)
        assert world.holder(chat) == ana.id


def test_a_chat_that_is_let_go_goes_to_the_next_free_one_in_the_same_commit(world: World) -> None:
    ana, ben = auto(world, "Ana"), auto(world, "Ben")
    chat = world.chat()
    assert world.holder(chat) == ana.id
    ana.hands_back(chat)
    assert world.holder(chat) == ben.id


def test_two_who_let_go_do_not_pass_a_chat_to_and_fro(world: World) -> None:
    ana, ben = auto(world, "Ana"), world.operator("Ben")
    chat = world.chat()
    ana.hands_back(chat)
    assert ben.takes_next() == chat
    ben.hands_back(chat)
    # Ben was the last to let it go; Ana may have it.
    assert world.holder(chat) == ana.id


def test_a_deactivated_operators_chat_goes_to_another(world: World) -> None:
    ana = auto(world, "Ana")
    chat = world.chat()
    ben = auto(world, "Ben")
    world.owner.does("update operators set is_active = false where id = %s", ana.id)
    assert world.holder(chat) == ben.id


# What the commit missed


def test_the_sweep_gives_what_was_left_behind(own_world: World) -> None:
    world = own_world
    ana, ben = auto(world, "Ana"), auto(world, "Ben", capacity=2)
    world.owner.does("alter table chats disable trigger _950_dispatch")
    chats = [world.waiting_chat(last_operator_id=ana.id if n == 0 else None) for n in range(4)]
    world.owner.does("alter table chats enable trigger _950_dispatch")
    assert {world.state(chat) for chat in chats} == {"waiting_assignment"}
    assert world.owner.value("select private.run_assignment_sweep()") == 3
    assert world.holder(chats[0]) == ben.id  # not to its last handler
    assert [world.holder(chat) is None for chat in chats] == [False, False, False, True]
    assert world.owner.value("select private.run_assignment_sweep()") == 0
    assert world.broken() == []


def test_the_sweep_finds_a_chat_behind_a_long_head_that_nobody_may_have(own_world: World) -> None:
    world = own_world
    ana = auto(world)
    world.owner.does("alter table chats disable trigger _950_dispatch")
    world.owner.does(
        "insert into chats (real_user_id, priority, last_operator_id) select %s, 5, %s from generate_series(1, 200)",
        world.customer().id,
        ana.id,
    )
    world.owner.does("alter table chats disable trigger _050_guard_derived")
    world.owner.does("update chats set let_go_by = %s where true", ana.id)
    deep = world.waiting_chat()
    world.owner.does("alter table chats enable trigger _950_dispatch")
    assert world.owner.value("select private.run_assignment_sweep()") == 1
    assert world.holder(deep) == ana.id


def test_the_sweep_passes_over_a_locked_chat(own_world: World) -> None:
    world = own_world
    ana = auto(world)
    world.owner.does("alter table chats disable trigger _950_dispatch")
    locked, free = world.waiting_chat(), world.waiting_chat()
    world.owner.does("alter table chats enable trigger _950_dispatch")
    other, sweeper = world.connect(), world.connect()
    sweeper.execute("set lock_timeout = '1ms'")
    with other.transaction():
        other.execute("select from chats where id = %s for update", (locked,))
        assert sweeper.execute("select private.run_assignment_sweep() as n").fetchone() == {"n": 1}
    assert world.holder(free) == ana.id
