"""The console's lists, one deed for many chats, and what stands beside a chat."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from psycopg.types.json import Jsonb

from tests.sql.helpers import STATES, World, noon, refused

WAITING, ASSIGNED, WAITING_REPLY, COMPLETED = STATES


@pytest.fixture
def _noon(world: World) -> None:
    world.clock(noon())


# get_console


@pytest.mark.usefixtures("_noon")
def test_the_console_shows_numbers_lanes_and_queue(world: World) -> None:
    ana = world.operator("Ana", capacity=2)
    ben = world.operator("Ben", status="away")
    world.operator("Gone", is_active=False)
    held = world.chat(ASSIGNED, ana)
    first = world.waiting_chat(waiting_since=noon(-70), last_operator_id=ben.id)
    urgent = world.waiting_chat(priority=1)
    console = world.service.ask("get_console")
    numbers = world.service.call("get_assignment_queue_status")
    for name in ("waiting_count", "assigned_count", "waiting_reply_count", "free_capacity", "available_operators"):
        assert console["numbers"][name] == numbers[name]
    assert [(q["position"], q["id"], q["last_operator_name"]) for q in console["queue"]] == [
        (1, str(urgent), None),
        (2, str(first), "Ben"),
    ]
    lanes = {lane["name"]: lane for lane in console["operators"]}
    assert list(lanes) == ["Ana", "Ben"]
    assert (lanes["Ana"]["held"], lanes["Ana"]["capacity"], lanes["Ben"]["chats"]) == (1, 2, [])
    (chat,) = lanes["Ana"]["chats"]
    assert (chat["id"], chat["customer_name"]) == (str(held), "Kim")
    # Given and owed at noon, and the limit is five minutes.
    assert world.owner.value("select %s::timestamptz", chat["idle_at"]) == noon(5)
    assert console["stuck_count"] == 1  # the first in the queue, for more than an hour
    world.clock(noon(61))
    assert world.owner.ask("get_console")["stuck_count"] == 3


@pytest.mark.usefixtures("_noon")
def test_a_hold_that_owes_nothing_never_becomes_idle(world: World) -> None:
    ana = world.operator()
    world.replies(world.chat(ASSIGNED, ana, handling="session"), ana)
    (lane,) = world.owner.ask("get_console")["operators"]
    assert [chat["idle_at"] for chat in lane["chats"]] == [None]


CONSOLE: dict[str, dict[str, Any]] = {
    "get_console": {},
    "list_console_chats": {},
    "act_on_chats": {"p_action": "complete", "p_chat_ids": [uuid4()]},
    "get_metrics": {},
    "list_audit_log": {},
    "begin_export": {"p_what": "chats", "p_format": "csv"},
}


@pytest.mark.parametrize("function", CONSOLE)
def test_the_console_is_for_admins(world: World, function: str) -> None:
    gone = world.admin("Gone", is_active=False)
    for caller, code in (
        (world.operator(), "not_allowed"),
        (world.customer(), "not_allowed"),
        (gone, "operator_inactive"),
    ):
        with world.refused("PT403", code):
            caller.call_all(function, **CONSOLE[function])
    world.admin().call_all(function, **CONSOLE[function])
    with refused("42501"):
        world.anonymous.call_all(function, **CONSOLE[function])


# list_console_chats


def listed(world: World, wanted: dict[str, object], **page: object) -> list[UUID]:
    rows = world.owner.call_all("list_console_chats", p_filter=wanted, **page)
    return [UUID(row["chat"]["id"]) for row in rows]


@pytest.fixture
def chats(world: World, _noon: None) -> dict[str, UUID]:
    """A chat in each state, started a minute apart."""
    ana, ben = world.operator("Ana", capacity=5), world.operator("Ben", capacity=5)
    zoe = world.customer("Zoe Zimmer")
    made = {"waits": world.chat(priority=2)}
    world.clock(noon(1))
    made["held"] = world.chat(ASSIGNED, ana, headline="Where is order-1042?")
    world.clock(noon(2))
    made["answered"] = world.chat(WAITING_REPLY, ben, zoe)
    world.clock(noon(3))
    made["done"] = world.chat(COMPLETED, priority=5)
    world.clock(noon(10))
    return made


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        ({}, ["waits", "held", "answered", "done"]),
        ({"state": ASSIGNED}, ["held"]),
        ({"state": [ASSIGNED, WAITING], "sort": "created"}, ["held", "waits"]),
        ({"min_wait_seconds": 570}, ["waits"]),
        ({"text": "zim"}, ["answered"]),
        ({"text": "1042"}, ["held"]),
        ({"text": "zoe 1042"}, []),
        ({"priority": 0, "sort": "created"}, ["answered", "held"]),
        ({"from": noon(1).isoformat(), "to": noon(3).isoformat(), "sort": "created"}, ["answered", "held"]),
        ({"sort": "priority"}, ["done", "waits", "held", "answered"]),
        ({"sort": "last_message"}, ["done", "answered", "held", "waits"]),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
def test_chats_are_filtered_and_sorted(
    world: World, chats: dict[str, UUID], wanted: dict[str, object], names: list[str]
) -> None:
    found = listed(world, wanted)
    if not wanted:  # those who are owed nothing come after the others, in no order of their own
        assert found[:2] == [chats["waits"], chats["held"]]
        assert set(found) == set(chats.values())
    else:
        assert found == [chats[name] for name in names]


def test_chats_are_filtered_by_their_holder(world: World, chats: dict[str, UUID]) -> None:
    holder = world.holder(chats["held"])
    assert listed(world, {"operator_id": str(holder)}) == [chats["held"]]
    assert listed(world, {"operator_id": str(uuid4())}) == []


SORTS = ("wait", "priority", "created", "last_message")


def ends(world: World, number: int) -> None:
    """Have chats that have ended, one a minute from a day ago on, several of each priority, some at the same moment."""
    world.owner.does(
        "insert into chats (real_user_id, chat_state, priority, created_at, last_message_at, state_since)"
        " select %s, 'completed', n %% 3 - 1, at, at, at from generate_series(1, %s) n,"
        " lateral (select %s + n / 2 * interval '1 minute' as at) t",
        *(world.customer().id, number, noon(-24 * 60)),
    )


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("wanted", [{}, {"state": [WAITING, COMPLETED]}, {"priority": 1}], ids=lambda f: "-".join(f))
def test_page_after_page_gives_every_chat_once(
    world: World, chats: dict[str, UUID], sort: str, wanted: dict[str, object]
) -> None:
    ends(world, 20)
    wanted = wanted | {"sort": sort}
    whole = listed(world, wanted)
    lost = {"held", "answered"} if "state" in wanted else set(chats) if "priority" in wanted else set()
    assert set(chats.values()) & set(whole) == {chats[name] for name in set(chats) - lost}
    assert len(whole) == (7 if "priority" in wanted else len(chats) - len(lost) + 20)
    pages: list[UUID] = []
    cursor = None
    for _ in range(len(whole)):
        row = world.owner.call("list_console_chats", p_filter=wanted, p_limit=1, p_cursor=cursor)
        pages.append(UUID(row["chat"]["id"]))
        cursor = row["cursor"]
    assert pages == whole
    assert listed(world, wanted, p_cursor=cursor) == []


def test_an_ended_chat_stands_where_it_ended(world: World, chats: dict[str, UUID]) -> None:
    world.clock(noon(20))
    world.completes(chats["waits"])
    assert listed(world, {"sort": "last_message"}) == [chats[name] for name in ("waits", "done", "answered", "held")]
    assert listed(world, {"sort": "wait"})[0] == chats["held"]


def test_a_page_reads_no_more_ended_chats_than_it_shows(own_world: World) -> None:
    world = own_world
    world.clock(noon())
    ends(world, 400)
    world.chat()
    rows_read = """
        select sum(pg_stat_get_xact_tuples_returned(t.id)) as number
        from (
          select 'chats'::regclass union all select x.indexrelid from pg_index x where x.indrelid = 'chats'::regclass
        ) t (id)
    """
    world.owner.does("analyze chats")
    for sort in SORTS:
        cursor = world.owner.call_all("list_console_chats", p_filter={"sort": sort}, p_limit=200)[-1]["cursor"]
        with world.owner.transaction() as connection:
            connection.execute("set local enable_seqscan = off")  # of so few chats it would read all
            before = connection.execute(rows_read).fetchall()[0]["number"]
            for after in (None, Jsonb(cursor)):
                connection.execute("select list_console_chats(%s, %s, 10)", (Jsonb({"sort": sort}), after))
            assert connection.execute(rows_read).fetchall()[0]["number"] - before < 200, sort


def test_a_row_has_the_names_and_times_that_a_person_reads(world: World, chats: dict[str, UUID]) -> None:
    (row,) = world.owner.call_all("list_console_chats", p_filter={"state": ASSIGNED})
    chat = row["chat"]
    assert (chat["customer_name"], chat["holder_name"], chat["last_operator_name"]) == ("Kim", "Ana", "Ana")
    assert (chat["wait_seconds"], chat["state_seconds"], chat["message_count"]) == (540, 540, 1)
    assert "context" not in chat


@pytest.mark.parametrize(
    "wanted",
    [
        {"colour": 1},
        {"state": "asleep"},
        {"state": [WAITING, None]},
        {"operator_id": "Ana"},
        {"min_wait_seconds": -1},
        {"min_wait_seconds": "long"},
        {"priority": 1e30},
        {"from": "yesterday or so"},
        {"sort": "colour"},
    ],
    ids=lambda wanted: "-".join(f"{key}-{value}"[:30] for key, value in wanted.items()),
)
def test_a_filter_that_says_nothing_is_refused(world: World, wanted: dict[str, object]) -> None:
    with refused("PT400", "invalid_argument"):
        listed(world, wanted)


@pytest.mark.parametrize(
    "arguments",
    [
        {"p_filter": Jsonb([])},
        {"p_limit": 0},
        {"p_limit": 201},
        {"p_cursor": {"sort": "wait"}},
        {"p_cursor": {"sort": "created", "priority": 0, "at": "2026-01-01", "id": str(UUID(int=1))}},
        {"p_cursor": {"sort": "wait", "priority": 0, "at": "noon or so", "id": str(UUID(int=1))}},
    ],
    ids=str,
)
def test_a_page_that_is_none_is_refused(world: World, arguments: dict[str, object]) -> None:
    with refused("PT400", "invalid_argument"):
        world.owner.call_all("list_console_chats", **arguments)


# act_on_chats


@pytest.fixture
def act(world: World) -> Callable[..., dict[UUID, str | None]]:
    """Act on chats as an admin; return the code of each refusal."""
    ada = world.admin()

    def act(action: str, chats: list[UUID], **how: object) -> dict[UUID, str | None]:
        rows = ada.call_all("act_on_chats", p_action=action, p_chat_ids=chats, **how)
        for row in rows:
            assert row["is_done"] == (row["code"] is None) == (row["message"] is None)
        return {row["chat_id"]: row["code"] for row in rows}

    return act


Act = Callable[..., dict[UUID, str | None]]


def test_each_chat_is_acted_on_for_itself(world: World, act: Act) -> None:
    ana, ben = world.operator("Ana", capacity=9), world.operator("Ben", capacity=2)
    held, waits, done = world.chat(ASSIGNED, ana), world.chat(), world.chat(COMPLETED)
    unknown = uuid4()
    assert act("release", [held, waits, done, unknown, held]) == {
        held: None,
        waits: "chat_not_assigned",
        done: "chat_completed",
        unknown: "chat_not_found",
    }
    assert (world.state(held), world.state(waits), world.state(done)) == (WAITING, WAITING, COMPLETED)
    more = world.chat()
    given = act("reassign", [held, waits, more, done], p_operator_id=ben.id, p_reason="all Ben's")
    # Two hands: of three, the one that comes last is refused, and nothing of it is left.
    assert sorted(str(code) for code in given.values()) == ["None", "None", "chat_completed", "operator_at_capacity"]
    assert [world.holder(chat) == ben.id for chat in given] == [code is None for code in given.values()]
    assert act("complete", [held, waits, more]) == dict.fromkeys(sorted([held, waits, more]), None)
    assert world.last_change(held)["reason"] == "completed"


def test_chats_are_prioritised(world: World, act: Act) -> None:
    first, second = world.chat(), world.chat()
    assert act("prioritise", [second], p_priority=7) == {second: None}
    assert world.queue() == [second, first]
    before = world.get(second)["event_seq"]
    assert act("prioritise", [second], p_priority=7) == {second: None}
    assert world.get(second)["event_seq"] == before  # it had it: nothing has happened


def test_what_is_no_refusal_of_ours_ends_the_whole(own_world: World) -> None:
    first, second = own_world.chat(), own_world.chat(priority=7)
    own_world.owner.does("alter table chats add constraint chats_not_so_urgent check (priority <> 5)")
    with own_world.refused("23514", "chats_not_so_urgent"):
        own_world.service.call_all("act_on_chats", p_action="prioritise", p_chat_ids=[first, second], p_priority=5)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"p_action": "hide"}, "invalid_argument"),
        ({"p_action": None}, "invalid_argument"),
        ({"p_chat_ids": []}, "invalid_argument"),
        ({"p_chat_ids": [None]}, "invalid_argument"),
        ({"p_chat_ids": [uuid4() for _ in range(201)]}, "invalid_argument"),
        ({"p_action": "reassign"}, "invalid_argument"),
        ({"p_operator_id": UUID(int=1)}, "invalid_argument"),
        ({"p_action": "reassign", "p_operator_id": UUID(int=1)}, "operator_not_found"),
        ({"p_action": "prioritise"}, "invalid_argument"),
        ({"p_priority": 1}, "invalid_argument"),
        ({"p_reason": "x" * 501}, "content_too_long"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
def test_what_makes_no_sense_is_refused_as_a_whole(world: World, arguments: dict[str, object], code: str) -> None:
    chat = world.chat(ASSIGNED, world.operator())
    wanted = {"p_action": "release", "p_chat_ids": [chat], **arguments}
    with world.refused("PT404" if code == "operator_not_found" else "PT400", code):
        world.owner.rows(
            "select * from act_on_chats(%s, %s::uuid[], %s, %s, %s)",
            *(wanted.get(name) for name in ("p_action", "p_chat_ids", "p_operator_id", "p_reason", "p_priority")),
        )


# get_chat_panel


@pytest.mark.usefixtures("_noon")
def test_the_panel_tells_who_the_customer_is_and_what_was_before(world: World) -> None:
    ana, ben = world.operator("Ana", capacity=9), world.operator("Ben", capacity=9)
    kim = world.customer()
    seen, hidden = world.chat(COMPLETED, ana, kim, headline="Shoes"), world.chat(COMPLETED, ben, kim)
    world.clock(noon(1))
    chat = world.chat(
        ASSIGNED, ana, kim, context={"page": "/cart"}, ip_address="192.0.2.7", fictional_user_id=world.persona("Ava")
    )
    ticket = kim.call("create_ticket", p_type="support", p_title="A lamp")
    world.customer().call("create_ticket", p_type="support", p_title="Somebody else's")
    panel = ana.ask("get_chat_panel", p_chat_id=chat)
    assert [(t["id"], t["title"], t["status"]) for t in panel["tickets"]] == [(str(ticket["id"]), "A lamp", "open")]
    assert (panel["customer"]["name"], panel["customer"]["is_connected"]) == ("Kim", False)
    assert (panel["persona"]["name"], panel["context"], panel["ip_address"]) == ("Ava", {"page": "/cart"}, "192.0.2.7")
    assert [(c["id"], c["headline"], c["last_operator_name"]) for c in panel["earlier_chats"]] == [
        (str(seen), "Shoes", "Ana")
    ]
    assert panel["earlier_chat_count"] == 2
    assert [c["id"] for c in world.admin().ask("get_chat_panel", p_chat_id=chat)["earlier_chats"]] == sorted(
        [str(seen), str(hidden)], reverse=True
    )
    assert [(h["to_state"], h["operator_name"]) for h in panel["history"]] == [(WAITING, None), (ASSIGNED, "Ana")]
    assert panel["handover"] is None


@pytest.mark.usefixtures("_noon")
def test_the_handover_tells_who_had_it_what_was_promised_and_what_is_new(world: World) -> None:
    ana, ben = world.operator("Ana", speaks_as=None, capacity=9), world.operator("Ben", speaks_as=None, capacity=9)
    chat = world.chat(ASSIGNED, ana, handling="session")
    ana.replies(chat, "I will  look\ninto it. " + "word " * 60)
    world.clock(noon(1))
    world.writes(chat)
    gone = world.writes(chat)
    world.owner.does("update messages set deleted_at = now() where id = %s", gone)
    world.clock(noon(2))
    ana.transfers(chat, ben, "lunch")
    handover = ben.ask("get_chat_panel", p_chat_id=chat)["handover"]
    assert (handover["from_operator_name"], handover["reason"], handover["note"]) == ("Ana", "transferred", "lunch")
    assert world.owner.value("select %s::timestamptz", handover["at"]) == noon(2)
    reply = handover["last_reply"]
    assert (reply["sender_name"], reply["seq"], len(reply["preview"])) == ("Ana", 2, 160)
    assert reply["preview"].startswith("I will look into it. word word")
    assert handover["new_message_count"] == 1
    # Back in the queue it would come to Ana from Ben, to Ben from nobody else.
    ben.hands_back(chat)
    assert ana.ask("get_chat_panel", p_chat_id=chat)["handover"]["from_operator_name"] == "Ben"
    assert ben.ask("get_chat_panel", p_chat_id=chat)["handover"] is None


def test_the_panel_is_for_staff_who_may_see_the_chat(world: World) -> None:
    ana, ben, kim = world.operator("Ana"), world.operator("Ben"), world.customer()
    chat = world.chat(ASSIGNED, ana, kim)
    with refused("PT404", "chat_not_found"):
        ben.ask("get_chat_panel", p_chat_id=chat)
    with refused("PT403", "not_allowed"):
        kim.ask("get_chat_panel", p_chat_id=chat)
    assert world.admin().ask("get_chat_panel", p_chat_id=chat)["customer"]["name"] == "Kim"
