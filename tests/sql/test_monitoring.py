"""The views and functions that staff watch the system with; the numbers are computed by hand."""

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from psycopg.rows import DictRow

from tests.sql.helpers import STATES, Operator, World, noon, refused

WAITING, ASSIGNED, WAITING_REPLY, COMPLETED = STATES


def number(value: float | None) -> float | None:
    """Return a number of seconds or hours as a test compares it."""
    return None if value is None else round(float(value), 3)


@pytest.fixture
def _noon(world: World) -> None:
    world.clock(noon())


# chat_state_summary


def summary(world: World) -> dict[str, tuple[int, float | None, float | None]]:
    rows = world.owner.rows("select * from chat_state_summary")
    assert [row["chat_state"] for row in rows] == list(STATES)
    return {
        row["chat_state"]: (row["chat_count"], number(row["oldest_seconds"]), number(row["average_seconds"]))
        for row in rows
    }


def test_the_summary_has_four_rows_always(world: World) -> None:
    assert summary(world) == dict.fromkeys(STATES, (0, None, None))


@pytest.mark.usefixtures("_noon")
def test_the_summary_counts_chats_and_the_time_in_their_state(world: World) -> None:
    ana = world.operator(speaks_as=None, capacity=9)
    first, second = world.chat(), world.chat()
    world.clock(noon(1))
    world.gives(first, ana)
    third = world.chat()
    world.clock(noon(2))
    ana.replies(first)
    world.clock(noon(3))
    world.gives(second, ana)
    fourth = world.chat(COMPLETED)
    world.clock(noon(5))
    world.writes(third)  # changes no state, and no time in it
    world.chat()
    assert summary(world) == {
        WAITING: (2, 240, 120),
        ASSIGNED: (1, 120, 120),
        WAITING_REPLY: (1, 180, 180),
        COMPLETED: (1, 120, 120),
    }
    world.clock(noon(6))
    world.writes(fourth)
    assert summary(world)[COMPLETED] == (0, None, None)


# assignment_queue, get_assignment_queue_status, get_queue_position


@pytest.mark.usefixtures("_noon")
def test_the_queue_in_its_order(world: World) -> None:
    ana = world.operator()
    late = world.waiting_chat(waiting_since=noon(-1))
    early = world.waiting_chat(waiting_since=noon(-10), last_operator_id=ana.id)
    urgent = world.waiting_chat(priority=2)
    world.chat(COMPLETED)
    rows = world.owner.rows("select * from assignment_queue")
    assert [
        (r["position"], r["chat_id"], r["priority"], number(r["wait_seconds"]), r["last_operator_id"]) for r in rows
    ] == [(1, urgent, 2, 0, None), (2, early, 0, 600, ana.id), (3, late, 0, 60, None)]
    assert [r["waiting_since"] for r in rows] == [noon(), noon(-10), noon(-1)]


def queue_status(world: World) -> DictRow:
    row = world.owner.call("get_assignment_queue_status")
    for name in ("oldest_wait_seconds", "average_wait_seconds"):
        row[name] = number(row[name])
    return row


def test_the_status_of_an_empty_queue(world: World) -> None:
    assert queue_status(world) == {
        "waiting_count": 0,
        "assigned_count": 0,
        "waiting_reply_count": 0,
        "oldest_wait_seconds": None,
        "average_wait_seconds": None,
        "available_operators": 0,
        "free_capacity": 0,
    }


@pytest.mark.usefixtures("_noon")
def test_the_status_of_the_queue(world: World) -> None:
    ana = world.operator("Ana", capacity=3)
    full = world.operator("Full", capacity=1)
    world.operator("Away", status="away")
    world.operator("Offline", status="offline", capacity=5)
    world.operator("Gone", is_active=False, capacity=5)
    world.operator("Handless", capacity=0)
    world.admin(capacity=2)
    world.chat(ASSIGNED, full)
    world.chat(ASSIGNED, ana)
    world.chat(WAITING_REPLY, ana)
    world.chat(COMPLETED)
    for minutes in (1, 2, 6):
        world.waiting_chat(waiting_since=noon(-minutes))
    assert queue_status(world) == {
        "waiting_count": 3,
        "assigned_count": 2,
        "waiting_reply_count": 1,
        "oldest_wait_seconds": 360,
        "average_wait_seconds": 180,
        "available_operators": 2,
        "free_capacity": 4,
    }


def test_the_status_of_the_queue_is_for_staff(world: World) -> None:
    world.chat()
    for caller in (world.operator(), world.admin(), world.service):
        assert caller.call("get_assignment_queue_status")["waiting_count"] == 1
    with refused("PT403", "not_allowed"):
        world.customer().call("get_assignment_queue_status")


def test_the_place_in_the_queue(world: World) -> None:
    kim = world.customer()
    chats = [
        world.waiting_chat(waiting_since=noon(1)),
        world.insert("chats", real_user_id=kim.id, waiting_since=noon(2)),
        world.insert("chats", real_user_id=kim.id, priority=1),
    ]
    places = {chat: world.service.call("get_queue_position", p_chat_id=chat)["position"] for chat in chats}
    assert places == {chats[2]: 1, chats[0]: 2, chats[1]: 3}
    assert kim.call("get_queue_position", p_chat_id=chats[1])["position"] == 3
    world.completes(chats[2])
    assert kim.call("get_queue_position", p_chat_id=chats[1])["position"] == 2
    assert world.operator().call("get_queue_position", p_chat_id=chats[1])["position"] == 2


@pytest.mark.parametrize("state", [ASSIGNED, WAITING_REPLY, COMPLETED])
def test_a_chat_that_is_not_in_the_queue_has_no_place(world: World, state: str) -> None:
    kim = world.customer()
    chat = world.chat(state, world.operator(), kim)
    assert kim.call("get_queue_position", p_chat_id=chat) == {"position": None, "expected_wait_seconds": None}


@pytest.mark.usefixtures("_noon")
def test_the_expected_wait_is_unknown_below_five_samples(world: World) -> None:
    ana = world.operator(capacity=9)
    for minutes in range(4):
        world.clock(noon(minutes))
        world.gives(world.chat(), ana)
    first, second = world.waiting_chat(), world.waiting_chat()
    world.clock(noon(5))
    for chat in (first, second):
        assert world.owner.call("get_queue_position", p_chat_id=chat)["expected_wait_seconds"] is None
    world.gives(first, ana)
    third = world.waiting_chat()
    # Five assignments since noon, five minutes ago: one a minute.
    waits = [
        number(world.owner.call("get_queue_position", p_chat_id=c)["expected_wait_seconds"]) for c in (second, third)
    ]
    assert waits == [60, 120]


# operator_assignment_history, repeated_assignments, operator_performance, assignment_metrics


@pytest.mark.usefixtures("_noon")
def test_the_history_of_an_operators_assignments(world: World) -> None:
    ana, ben = world.operator("Ana", speaks_as=None, capacity=9), world.operator("Ben", speaks_as=None)
    world.operator("Cleo")
    old = world.chat(ASSIGNED, ana)
    ana.hands_back(old, "lunch")
    world.clock(noon(25 * 60))
    replied = world.chat(ASSIGNED, ana)
    ana.replies(replied)
    moved = world.chat(ASSIGNED, ana)
    ana.transfers(moved, ben)
    world.chat(ASSIGNED, ana)
    again = world.chat(ASSIGNED, ana)
    ana.replies(again)
    rows = {row["operator_name"]: row for row in world.owner.rows("select * from operator_assignment_history")}
    assert list(rows) == ["Ana", "Ben", "Cleo"]
    told = {
        name: (row["operator_id"], row["total_assignments"], row["completed"], row["active"], row["by_reason"])
        for name, row in rows.items()
    }
    assert told["Ana"] == (ana.id, 5, 4, 1, {"lunch": 1, "replied": 2, "transferred": 1})
    assert told["Ben"] == (ben.id, 1, 0, 1, {})
    assert told["Cleo"][1:] == (0, 0, 0, {})
    ana_24h = {name: rows["Ana"][f"{name}_24h"] for name in ("total_assignments", "completed", "by_reason")}
    assert ana_24h == {"total_assignments": 4, "completed": 3, "by_reason": {"replied": 2, "transferred": 1}}


def test_a_chat_that_one_operator_had_more_than_three_times_is_repeated(world: World) -> None:
    ana, ben = world.operator("Ana"), world.operator("Ben")
    three, four = world.chat(), world.chat()
    for chat, operator, times in ((three, ana, 3), (three, ben, 3), (four, ana, 4), (four, ben, 1)):
        for _ in range(times):
            world.gives(chat, operator)
            operator.hands_back(chat)
    assert world.owner.rows("select * from repeated_assignments") == [
        {"chat_id": four, "operator_id": ana.id, "assignment_count": 4}
    ]


@pytest.mark.usefixtures("_noon")
def test_the_performance_of_an_operator(world: World) -> None:
    ana = world.operator("Ana", speaks_as=None, capacity=9)
    chats = [world.chat(ASSIGNED, ana) for _ in range(4)]
    for chat, minutes in zip(chats, (1, 2, 3, 10), strict=True):
        world.clock(noon(minutes))
        ana.replies(chat)
    # A second turn: its reply is not the first of its chat.
    world.writes(chats[0])
    world.gives(chats[0], ana)
    world.clock(noon(11))
    ana.replies(chats[0])
    idle = world.chat(ASSIGNED, ana)
    world.clock(noon(30))
    world.owner.call_all("release_idle_assignments")
    assert world.state(idle) == WAITING
    (row,) = world.owner.rows("select * from operator_performance")
    assert (row["operator_id"], row["operator_name"], row["date"]) == (ana.id, "Ana", noon().date())
    assert (row["messages_sent"], row["chats_handled"], row["idle_incidents"], row["chats_missed"]) == (5, 4, 1, 0)
    # First replies after 60, 120, 180, 600 s: the middle is 150; 95% lies 0.85 of the way from 180 to 600.
    assert number(row["first_reply_median_seconds"]) == 150
    assert number(row["first_reply_p95_seconds"]) == 537
    # All replies: 60, 60, 120, 180, 600.
    assert number(row["reply_median_seconds"]) == 120
    assert number(row["reply_p95_seconds"]) == 516


@pytest.mark.usefixtures("_noon")
def test_a_reply_that_nobody_was_owed_has_no_reply_time(world: World) -> None:
    ana = world.operator(speaks_as=None)
    chat = world.chat(ASSIGNED, ana, handling="session")
    world.clock(noon(1))
    ana.replies(chat)
    world.clock(noon(60))
    ana.replies(chat, "anything else?")
    (row,) = world.owner.rows("select * from operator_performance")
    assert (row["messages_sent"], number(row["reply_p95_seconds"])) == (2, 60)


@pytest.mark.usefixtures("_noon")
def test_the_metrics_of_all_assignments(world: World) -> None:
    ana, ben = world.operator("Ana", speaks_as=None, capacity=9), world.operator("Ben", speaks_as=None, capacity=9)
    for minutes, operator in ((1, ana), (2, ana), (3, ana), (10, ben)):
        world.clock(noon())
        chat = world.chat()
        world.clock(noon(minutes))
        world.gives(chat, operator)
    stuck = world.chat(WAITING)
    world.clock(noon(66))
    row = world.owner.row("select * from assignment_metrics")
    assert (row["assignments"], row["operators"]) == (4, 2)
    assert (row["fewest_per_operator"], row["most_per_operator"], row["average_per_operator"]) == (1, 3, 2)
    assert row["distribution"] == {str(ana.id): 3, str(ben.id): 1}
    assert (number(row["wait_median_seconds"]), number(row["wait_p95_seconds"])) == (150, 537)
    assert (row["repeats"], row["stuck"]) == (0, 3)  # held since 12:01, 12:02 and 12:03, at 13:06
    world.clock(noon(70))
    assert world.owner.value("select stuck from assignment_metrics") == 5
    assert world.state(stuck) == WAITING


def test_the_metrics_of_nothing(world: World) -> None:
    row = world.owner.row("select * from assignment_metrics")
    assert (row["assignments"], row["operators"], row["distribution"]) == (0, 0, {})
    assert (row["wait_median_seconds"], row["repeats"], row["stuck"]) == (None, 0, 0)
    for view in ("assignment_queue", "operator_assignment_history", "repeated_assignments", "operator_performance"):
        assert world.owner.rows(f"select * from {view}") == []


# To whom the numbers are shown

METRICS = ("operator_assignment_history", "repeated_assignments", "operator_performance")


@pytest.fixture
def busy(world: World) -> tuple[Operator, Operator]:
    """Two operators with a row each in every view."""
    operators = world.operator("Ana"), world.operator("Ben")
    for operator in operators:
        chat = world.chat()
        for _ in range(4):
            world.gives(chat, operator)
            operator.hands_back(chat)
        world.gives(chat, operator)
        operator.replies(chat)
    return operators


@pytest.mark.parametrize("view", METRICS)
def test_metrics_show_admins_everything_an_operator_his_own_and_customers_nothing(
    world: World, busy: tuple[Operator, Operator], view: str
) -> None:
    ana, ben = busy
    query = f"select operator_id from {view}"

    def seen(caller: object) -> set[UUID]:
        return {row["operator_id"] for row in caller.rows(query)}  # type: ignore[attr-defined]

    gone = world.operator("Gone", is_active=False)
    ada = world.admin()
    for caller in (ada, world.service, world.owner):
        assert seen(caller) - {ada.id, gone.id} == {ana.id, ben.id}
    assert (seen(ana), seen(ben)) == ({ana.id}, {ben.id})
    for person in (world.customer(), world.stranger(), gone):
        assert seen(person) == set()
    with refused("42501"):
        world.anonymous.rows(query)


def test_the_one_row_of_metrics_holds_only_ones_own(world: World, busy: tuple[Operator, Operator]) -> None:
    ana, ben = busy
    query = "select assignments, distribution, repeats, stuck from assignment_metrics"
    assert world.admin().row(query)["distribution"] == {str(ana.id): 5, str(ben.id): 5}
    assert ana.row(query)["distribution"] == {str(ana.id): 5}
    for person in (world.customer(), world.stranger()):
        assert person.row(query) == {"assignments": 0, "distribution": {}, "repeats": 0, "stuck": 0}


def test_the_summary_and_the_queue_show_what_the_reader_may_see(world: World, busy: tuple[Operator, Operator]) -> None:
    ana, _ = busy
    world.waiting_chat()
    counts = "select chat_count from chat_state_summary where chat_state = 'waiting_real_user_reply'"
    assert [caller.value(counts) for caller in (world.admin(), ana, world.customer())] == [2, 1, 0]
    queue = "select count(*) from assignment_queue"
    assert [caller.value(queue) for caller in (world.admin(), ana, world.customer())] == [1, 1, 0]


# detect_stuck_chats


def stuck(caller: object, **arguments: object) -> set[tuple[UUID, str]]:
    rows = caller.call_all("detect_stuck_chats", **arguments)  # type: ignore[attr-defined]
    return {(row["chat_id"], row["problem"]) for row in rows}


@pytest.mark.usefixtures("_noon")
def test_chats_that_wait_or_are_held_for_too_long_are_stuck(world: World) -> None:
    ana = world.operator(capacity=9)
    waits, held = world.chat(), world.chat(ASSIGNED, ana)
    world.chat(WAITING_REPLY, ana)
    world.chat(COMPLETED)
    world.clock(noon(59))
    assert stuck(world.owner) == set()
    world.clock(noon(60))
    assert stuck(world.owner) == {(waits, "waiting_too_long"), (held, "assigned_too_long")}
    assert stuck(world.owner, p_hours=2) == set()
    assert stuck(world.owner, p_hours=Decimal("0.5")) == stuck(world.owner, p_hours=0) == stuck(world.owner)
    rows = {row["chat_id"]: row for row in world.owner.call_all("detect_stuck_chats")}
    assert (rows[waits]["chat_state"], rows[waits]["since"], rows[waits]["assigned_operator_id"]) == (
        WAITING,
        noon(),
        None,
    )
    assert (rows[held]["chat_state"], rows[held]["since"], rows[held]["assigned_operator_id"]) == (
        ASSIGNED,
        noon(),
        ana.id,
    )
    assert number(rows[held]["hours_in_state"]) == 1


@pytest.mark.usefixtures("_noon")
def test_a_chat_completed_or_waiting_for_its_customer_is_never_stuck(world: World) -> None:
    ana = world.operator()
    world.chat(WAITING_REPLY, ana)
    world.chat(COMPLETED, ana)
    world.clock(noon(60 * 24 * 1000))
    assert stuck(world.owner, p_hours=0) == set()


def test_a_chat_whose_holder_is_inactive_is_stuck(world: World) -> None:
    ana = world.operator()
    chat = world.chat(ASSIGNED, ana)
    with world.owner.connection.transaction(force_rollback=True):
        world.owner.connection.execute("set local session_replication_role = replica")
        world.owner.connection.execute("update operators set is_active = false where true")
        rows = world.owner.connection.execute("select chat_id, problem from detect_stuck_chats()").fetchall()
        assert {"chat_id": chat, "problem": "holder_inactive"} in rows


def test_a_chat_that_breaks_an_invariant_is_stuck(world: World) -> None:
    ana = world.operator()
    chat = world.chat(ASSIGNED, ana)
    with world.owner.connection.transaction(force_rollback=True):
        world.owner.connection.execute("set local session_replication_role = replica")
        world.owner.connection.execute("delete from chat_assignments where true")
        rows = world.owner.connection.execute("select chat_id, problem from detect_stuck_chats()").fetchall()
        assert rows == [{"chat_id": chat, "problem": "invariant_broken"}]


@pytest.mark.usefixtures("_noon")
def test_stuck_chats_show_admins_everything_an_operator_his_own_and_customers_nothing(world: World) -> None:
    ana, ben, customer = world.operator("Ana"), world.operator("Ben"), world.customer()
    waits, hers, his = world.chat(customer=customer), world.chat(ASSIGNED, ana), world.chat(ASSIGNED, ben)
    everything = {(waits, "waiting_too_long"), (hers, "assigned_too_long"), (his, "assigned_too_long")}
    for caller in (world.owner, world.service, world.admin()):
        world.clock(noon(90))
        assert stuck(caller, p_hours=1) == everything
    assert stuck(ana) == {(hers, "assigned_too_long")}
    for person in (customer, world.stranger(), world.operator("Gone", is_active=False)):
        assert stuck(person) == set()


@pytest.mark.parametrize("hours", [-1, None, "NaN", "Infinity"])
def test_a_span_that_is_none_is_refused(world: World, hours: object) -> None:
    with refused("PT400", "invalid_argument"):
        world.owner.call_all("detect_stuck_chats", p_hours=hours)


# check_invariants

# How each is broken, by a superuser who has switched off triggers and dropped the constraints in the way.
BROKEN = {
    "assigned_iff_holder": [
        "alter table chats drop constraint chats_holder_matches_state",
        "update chats set assigned_operator_id = null where chat_state = 'assigned'",
    ],
    "assigned_has_one_open_assignment": ["delete from chat_assignments where true"],
    "open_assignment_names_holder": ["update chat_assignments set operator_id = '{ben}' where true"],
    "waiting_reply_has_operator_replied_at": [
        "alter table chats drop constraint chats_replied_when_waiting_for_reply",
        "update chats set operator_replied_at = null where chat_state = 'waiting_real_user_reply'",
    ],
    "waiting_is_in_queue": [
        "alter table chats drop constraint chats_waiting_is_in_queue",
        "update chats set waiting_since = null where chat_state = 'waiting_assignment'",
    ],
    "held_is_counted": ["update private.operator_load set held = 0 where true"],
    "within_capacity": ["update private.operator_load set capacity = 77 where true"],
    "hold_has_activity": ["delete from operator_activity where true"],
    "seq_without_gaps": ["delete from messages where seq = 1"],
    "history_ends_in_state": ["delete from chat_history where to_state = 'assigned'"],
}


@pytest.fixture
def four(world: World) -> Operator:
    """A chat in each state; returns another operator."""
    ana, ben = world.operator("Ana", capacity=2), world.operator("Ben")
    for state in STATES:
        world.chat(state, ana if state in (ASSIGNED, WAITING_REPLY) else None)
    return ben


@pytest.mark.parametrize("invariant", BROKEN)
def test_a_broken_invariant_is_reported(world: World, four: Operator, invariant: str) -> None:
    connection = world.owner.connection
    with connection.transaction(force_rollback=True):
        connection.execute("set local session_replication_role = replica")
        for statement in BROKEN[invariant]:
            assert connection.execute(statement.format(ben=four.id)).rowcount != 0
        told = connection.execute("select * from check_invariants()").fetchall()
        assert invariant in {row["invariant"] for row in told}


def test_two_open_holds_of_a_chat_are_reported(world: World, four: Operator) -> None:
    connection = world.owner.connection
    with connection.transaction(force_rollback=True):
        connection.execute("alter table chats drop constraint chats_assigned_has_open_hold")
        connection.execute("alter table chat_assignments drop constraint chat_assignments_one_open_key")
        connection.execute("alter table chat_assignments drop constraint chat_assignments_open_key")
        connection.execute("set local session_replication_role = replica")
        connection.execute(
            "insert into chat_assignments (chat_id, operator_id, assigned_at)"
            " select chat_id, operator_id, now() from chat_assignments where released_at is null"
        )
        told = connection.execute("select invariant from check_invariants()").fetchall()
        assert "assigned_has_one_open_assignment" in {row["invariant"] for row in told}


def test_an_operator_beyond_his_capacity_is_reported(world: World, four: Operator) -> None:
    connection = world.owner.connection
    with connection.transaction(force_rollback=True):
        connection.execute("set local session_replication_role = replica")
        connection.execute("update operators set capacity = 0 where true")
        told = connection.execute("select invariant from check_invariants()").fetchall()
        assert "within_capacity" in {row["invariant"] for row in told}


def test_sound_chats_have_no_broken_invariant(world: World, four: Operator) -> None:
    for caller in (world.owner, world.service, world.admin()):
        assert caller.call_all("check_invariants") == []


# get_operator_inbox


def test_the_inbox_of_an_operator(world: World) -> None:
    ana = world.operator("Ana", capacity=2)
    first, second, waits = world.chat(), world.chat(), world.chat()
    assert ana.takes_next() == first
    assert ana.takes_next() == second
    ana.replies(first)
    inbox = ana.ask("get_operator_inbox")
    assert {"operator", "chats", "next", "queue", "numbers"} <= set(inbox)
    assert (inbox["operator"]["id"], inbox["operator"]["held"]) == (str(ana.id), 1)
    assert [chat["id"] for chat in inbox["chats"]] == [str(second)]
    assert (inbox["next"]["chat_id"], inbox["next"]["rank"]) == (str(waits), 1)
    assert inbox["queue"]["waiting_count"] == 1
    assert (inbox["numbers"]["messages_sent"], inbox["numbers"]["chats_handled"]) == (1, 1)


def test_the_inbox_of_one_who_has_nothing(world: World) -> None:
    inbox = world.operator().ask("get_operator_inbox")
    assert (inbox["chats"], inbox["next"], inbox["numbers"]) == ([], None, None)


# The queries of the reference documents, as printed there

SEED_QUERIES = {
    "verify the columns": """
        SELECT column_name, data_type
        FROM information_schema.columns
        WHERE table_name = 'chats'
        AND column_name IN ('chat_state', 'last_operator_id', 'operator_replied_at');
    """,
    "chat state distribution": "SELECT * FROM chat_state_summary;",
    "assignment queue status": "SELECT * FROM get_assignment_queue_status();",
    "stuck chats": "SELECT * FROM detect_stuck_chats(1);",
    "chats waiting too long": """
        SELECT
          id,
          chat_state,
          EXTRACT(EPOCH FROM (NOW() - created_at)) / 60 as wait_minutes,
          last_message_at
        FROM chats
        WHERE chat_state = 'waiting_assignment'
        AND is_active = true
        ORDER BY created_at ASC
        LIMIT 10;
    """,
    "operator assignment history": """
        SELECT
          o.name as operator_name,
          COUNT(*) as total_assignments,
          COUNT(CASE WHEN ca.released_at IS NOT NULL THEN 1 END) as completed,
          COUNT(CASE WHEN ca.released_at IS NULL THEN 1 END) as active
        FROM chat_assignments ca
        JOIN operators o ON ca.operator_id = o.id
        WHERE ca.assigned_at > NOW() - INTERVAL '24 hours'
        GROUP BY o.id, o.name
        ORDER BY total_assignments DESC;
    """,
    "problematic patterns": """
        SELECT
          c.id,
          c.chat_state,
          c.last_operator_id,
          o.name as last_operator_name,
          COUNT(ca.id) as assignment_count
        FROM chats c
        LEFT JOIN operators o ON c.last_operator_id = o.id
        LEFT JOIN chat_assignments ca ON c.id = ca.chat_id
        WHERE c.is_active = true
        GROUP BY c.id, c.chat_state, c.last_operator_id, o.name
        HAVING COUNT(ca.id) > 3
        ORDER BY assignment_count DESC;
    """,
    "same chat again": """
        SELECT id, chat_state, last_operator_id, operator_replied_at
        FROM chats
        WHERE id = 'problematic-chat-id';
    """,
    "not in the queue": """
        SELECT id, chat_state, assigned_operator_id, is_active
        FROM chats
        WHERE id = 'missing-chat-id';
        -- Should be: chat_state = 'waiting_assignment', is_active = true
    """,
    "operators actively working": """
        SELECT c.id, o.name, c.assignment_time
        FROM chats c
        JOIN operators o ON c.assigned_operator_id = o.id
        WHERE c.chat_state = 'assigned';
    """,
    "waiting for user reply": """
        SELECT c.id, o.name as last_operator, c.operator_replied_at
        FROM chats c
        LEFT JOIN operators o ON c.last_operator_id = o.id
        WHERE c.chat_state = 'waiting_real_user_reply';
    """,
    "the function exists": """
        SELECT routine_name FROM information_schema.routines
        WHERE routine_name = 'should_keep_assignment';
    """,
    "still losing chats": """
        SELECT id, chat_state, assigned_operator_id, last_operator_id
        FROM chats
        WHERE id = 'problematic-chat-id';
    """,
    "count assignments": """
        SELECT chat_id, COUNT(*) as assignment_count
        FROM chat_assignments
        GROUP BY chat_id
        HAVING COUNT(*) > 3;
    """,
    "duplicate active assignments": """
        SELECT chat_id, COUNT(*) as active_count
        FROM chat_assignments
        WHERE released_at IS NULL
        GROUP BY chat_id
        HAVING COUNT(*) > 1;
    """,
}


@pytest.fixture
def seeded(world: World) -> dict[str, UUID]:
    """Chats for the seeds' queries, by their state; the first one went from hand to hand."""
    ana = world.operator("Ana", capacity=3)
    chats = {state: world.chat(state, ana if state in (ASSIGNED, WAITING_REPLY) else None) for state in STATES}
    for _ in range(4):
        world.gives(chats[WAITING], ana)
        ana.hands_back(chats[WAITING])
    return chats


# What each finds in `seeded`: how many rows.
SEED_ROWS = {
    "verify the columns": 3,
    "chat state distribution": 4,
    "assignment queue status": 1,
    "stuck chats": 0,
    "chats waiting too long": 1,
    "operator assignment history": 1,
    "problematic patterns": 1,
    "same chat again": 1,
    "not in the queue": 1,
    "operators actively working": 1,
    "waiting for user reply": 1,
    "the function exists": 2,  # the public one and the one in private behind it
    "still losing chats": 1,
    "count assignments": 1,
    "duplicate active assignments": 0,
}


@pytest.mark.parametrize("name", SEED_QUERIES)
def test_a_query_of_the_seeds_runs_as_printed(world: World, seeded: dict[str, UUID], name: str) -> None:
    query = SEED_QUERIES[name]
    for placeholder in ("problematic-chat-id", "missing-chat-id"):
        query = query.replace(placeholder, str(seeded[WAITING]))
    for caller in (world.owner, world.service, world.admin()):
        assert len(caller.rows(query)) == SEED_ROWS[name]


def test_the_numbers_of_the_seeds_queries(world: World, seeded: dict[str, UUID]) -> None:
    history = world.owner.row(SEED_QUERIES["operator assignment history"])
    assert history == {"operator_name": "Ana", "total_assignments": 6, "completed": 5, "active": 1}
    pattern = world.owner.row(SEED_QUERIES["problematic patterns"])
    assert (pattern["id"], pattern["assignment_count"], pattern["last_operator_name"]) == (seeded[WAITING], 4, "Ana")
    working = world.owner.row(SEED_QUERIES["operators actively working"])
    assert (working["id"], working["name"]) == (seeded[ASSIGNED], "Ana")
    assert working["assignment_time"] <= datetime.now(UTC)


def test_the_seeds_way_of_releasing_a_stuck_chat(world: World, seeded: dict[str, UUID]) -> None:
    world.owner.rows(
        "SELECT release_and_reassign_chat('chat-id-here', 'manual_fix');".replace("chat-id-here", str(seeded[ASSIGNED]))
    )
    assert world.holds(seeded[ASSIGNED])[-1][1] == "manual_fix"
    assert world.state(seeded[ASSIGNED]) == WAITING


def test_the_test_cases_of_the_seeds(world: World) -> None:
    """The three test cases of "Concurrent Messages Fix", as printed but for the ids."""
    user, persona, operator, chat = (str(uuid4()) for _ in range(4))

    def sql(text: str) -> list[DictRow]:
        ids = {"test-chat-1": chat, "user-1": user, "fictional-1": persona, "operator-1": operator}
        for name, value in ids.items():
            text = text.replace(name, value)
        return world.owner.rows(text)

    sql("insert into real_users (id, name) values ('user-1', 'Kim')")
    sql("insert into fictional_users (id, name) values ('fictional-1', 'Ava')")
    sql("insert into operators (id, name) values ('operator-1', 'Ana')")

    # Test Case 1: Rapid User Messages
    sql("""
        INSERT INTO chats (id, real_user_id, fictional_user_id, chat_state)
        VALUES ('test-chat-1', 'user-1', 'fictional-1', 'waiting_assignment');
    """)
    sql("insert into messages (chat_id, sender_type, content) values ('test-chat-1', 'real', 'hey')")
    sql("SELECT assign_chat_to_operator('operator-1');")
    sql("insert into messages (chat_id, sender_type, content) values ('test-chat-1', 'real', 'how are you?')")
    (row,) = sql("""
        SELECT id, chat_state, assigned_operator_id
        FROM chats WHERE id = 'test-chat-1';
    """)
    assert (row["chat_state"], str(row["assigned_operator_id"])) == ("assigned", operator)

    # Test Case 3: Stats Verification
    (row,) = sql("""
        SELECT COUNT(*) as assignment_count
        FROM chat_assignments
        WHERE chat_id = 'test-chat-1'
        AND released_at IS NULL;
    """)
    assert row["assignment_count"] == 1
    (row,) = sql("""
        SELECT COUNT(*) as message_count
        FROM messages
        WHERE chat_id = 'test-chat-1'
        AND sender_type = 'real';
    """)
    assert row["message_count"] == 2
    sql("insert into messages (chat_id, sender_type, content) values ('test-chat-1', 'operator', 'hello')")
    (row,) = sql("""
        SELECT messages_sent, chats_handled
        FROM operator_stats
        WHERE operator_id = 'operator-1'
        AND date = CURRENT_DATE;
    """)
    assert row == {"messages_sent": 1, "chats_handled": 1}

    # Test Case 2: User Reply After Operator
    sql("insert into messages (chat_id, sender_type, content) values ('test-chat-1', 'real', 'and?')")
    sql("SELECT assign_chat_to_operator('operator-1');")
    sql("""
        UPDATE chats
        SET chat_state = 'waiting_real_user_reply',
            operator_replied_at = NOW(),
            assigned_operator_id = NULL,
            last_operator_id = 'operator-1'
        WHERE id = 'test-chat-1';
    """)
    sql("insert into messages (chat_id, sender_type, content) values ('test-chat-1', 'real', 'I see')")
    assert world.state(UUID(chat)) == "waiting_assignment"
    sql("SELECT assign_chat_to_operator('operator-1');")
    assert world.state(UUID(chat)) == "assigned"
