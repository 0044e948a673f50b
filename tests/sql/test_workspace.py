"""An operator's screen: what he has begun to write, what he has put aside, his lists, and what is told of them."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from psycopg.rows import DictRow

from tests.sql.helpers import Operator, World, refused
from web.schemas import BoxRow, ListRow, NextRow

Row = dict[str, Any]


def later(**delta: float) -> datetime:
    return datetime.now(UTC) + timedelta(**delta)


def draft(who: Operator, chat: UUID) -> str | None:
    rows = who.call_all("get_draft", p_chat_id=chat)
    return rows[0]["content"] if rows else None


def box(who: Operator, name: str, **arguments: Any) -> list[Row]:
    return [row["list_box"] for row in who.call_all("list_box", p_box=name, **arguments)]


def ids(rows: Iterable[Row]) -> list[UUID]:
    return [UUID(row["id"]) for row in rows]


def row_of(who: Operator, name: str, chat: UUID) -> Row:
    return next(row for row in box(who, name) if row["id"] == str(chat))


def snoozed(world: World) -> set[tuple[UUID, UUID]]:
    rows = world.owner.rows("select chat_id, operator_id from chat_snoozes")
    return {(row["chat_id"], row["operator_id"]) for row in rows}


def signals(world: World) -> list[tuple[UUID, UUID | None]]:
    """Return whose lists were said to have changed since this was asked last."""
    rows = world.owner.rows(
        "with said as (delete from private.events where event = 'list.changed' returning chat_id, person_id)"
        " select * from said"
    )
    return [(row["chat_id"], row["person_id"]) for row in rows]


# Drafts


def test_a_draft_is_its_authors_until_he_empties_it(world: World) -> None:
    ana, ben = world.operator("Ana"), world.operator("Ben")
    chat = world.chat()
    assert draft(ana, chat) is None
    for content in ("Dear", "Dear Kim,\n"):
        ana.call("save_draft", p_chat_id=chat, p_content=content)
        assert draft(ana, chat) == content
    ben.call("save_draft", p_chat_id=chat, p_content="Hi")
    ana.call("save_draft", p_chat_id=chat, p_content="")
    assert (draft(ana, chat), draft(ben, chat)) == (None, "Hi")
    ben.call("save_draft", p_chat_id=chat, p_content=None)
    assert draft(ben, chat) is None


def test_the_reply_takes_its_authors_draft_with_it(world: World) -> None:
    ana, ben = world.operator("Ana"), world.operator("Ben")
    chat, other = world.chat(), world.chat()
    for person in (ana, ben):
        person.call("save_draft", p_chat_id=chat, p_content="well")
    ana.call("save_draft", p_chat_id=other, p_content="well")
    assert ana.takes_next() == chat
    ana.replies(chat)
    assert (draft(ana, chat), draft(ana, other)) == (None, "well")
    assert world.owner.value("select operator_id from chat_drafts where chat_id = %s", chat) == ben.id


def test_what_is_no_draft_is_refused(world: World) -> None:
    ana, ben = world.operator("Ana"), world.operator("Ben")
    chat, bens = world.chat(), world.chat("assigned", ben)
    ana.call("save_draft", p_chat_id=chat, p_content="ä" * 32768)
    with world.refused("PT400", "content_too_long"):
        ana.call("save_draft", p_chat_id=chat, p_content="ä" * 32768 + "!")
    for unseen in (bens, uuid4(), None):
        with world.refused("PT404", "chat_not_found"):
            ana.call("save_draft", p_chat_id=unseen, p_content="well")
        with refused("PT404", "chat_not_found"):
            draft(ana, unseen)  # type: ignore[arg-type]


def test_a_draft_in_a_chat_that_is_just_being_erased_is_refused(world: World) -> None:
    kim, ana, busy = world.customer(), world.elsewhere(world.operator()), world.connect()
    chat = world.chat(customer=kim)
    with ThreadPoolExecutor() as threads, refused("PT404", "chat_not_found"):
        with busy.transaction():
            busy.execute("select erase_user_data(%s)", (kim.id,))
            saving = threads.submit(ana.call, "save_draft", p_chat_id=chat, p_content="well")
            world.until(lambda: world.waits_for_a_lock(ana.connection))
        saving.result(10)


def test_a_draft_that_nobody_touches_goes_after_a_month(world: World) -> None:
    ana, chat = world.operator(), world.chat()
    ana.call("save_draft", p_chat_id=chat, p_content="well")
    world.clock(later(days=29))
    world.owner.rows("select private.run_clean_up()")
    assert draft(ana, chat) == "well"
    world.clock(later(days=31))
    world.owner.rows("select private.run_clean_up()")
    assert draft(ana, chat) is None


# Snoozes


def test_a_chat_that_waits_for_its_customer_is_put_aside_for_oneself(world: World) -> None:
    ana, ada = world.operator("Ana"), world.admin()
    chat = world.chat("waiting_real_user_reply", ana)
    until = later(days=2)
    snooze = ana.call("snooze_chat", p_chat_id=chat, p_until=until)
    assert (snooze["chat_id"], snooze["operator_id"], snooze["until"]) == (chat, ana.id, until)
    assert (ids(box(ana, "waiting_customer")), ids(box(ana, "snoozed")), box(ada, "snoozed")) == ([], [chat], [])
    assert row_of(ada, "all", chat)["snoozed_until"] is None
    until = later(days=3)
    ana.call("snooze_chat", p_chat_id=chat, p_until=until)
    assert datetime.fromisoformat(box(ana, "snoozed")[0]["snoozed_until"]) == until
    for _ in range(2):
        ana.call("unsnooze_chat", p_chat_id=chat)
    assert (ids(box(ana, "waiting_customer")), box(ana, "snoozed")) == ([chat], [])
    assert signals(world) == [(chat, ana.id)] * 3


def test_what_one_holds_is_put_aside_while_nothing_is_owed(world: World) -> None:
    ana, ada = world.operator("Ana"), world.admin()
    chat = world.chat("assigned", ana, handling="session")
    arguments: Row = {"p_chat_id": chat, "p_until": later(hours=1)}
    with world.refused("PT409", "chat_owed"):
        ana.call("snooze_chat", **arguments)
    ana.replies(chat)
    ana.call("snooze_chat", **arguments)
    assert ids(box(ana, "snoozed")) == ids(box(ana, "held")) == [chat]
    with world.refused("PT409", "not_the_holder"):
        ada.call("snooze_chat", **arguments)


def test_what_cannot_be_put_aside_is_refused(world: World) -> None:
    ana, ben = world.operator("Ana", capacity=2), world.operator("Ben")
    waiting, done, bens = world.chat(), world.chat("completed", ana), world.chat("waiting_real_user_reply", ben)
    anas = world.chat("waiting_real_user_reply", ana)
    for chat, state, code in (
        (waiting, "PT409", "chat_owed"),
        (done, "PT409", "chat_completed"),
        (bens, "PT404", "chat_not_found"),
        (None, "PT404", "chat_not_found"),
    ):
        with world.refused(state, code):
            ana.call("snooze_chat", p_chat_id=chat, p_until=later(hours=1))
    for until in (None, later(seconds=-1), later(days=367), "infinity", "-infinity"):
        with world.refused("PT400", "invalid_argument"):
            ana.call("snooze_chat", p_chat_id=anas, p_until=until)
    with world.refused("PT404", "chat_not_found"):
        ana.call("unsnooze_chat", p_chat_id=bens)


def test_a_waiting_chat_is_refused_without_a_look_at_its_lock(world: World) -> None:
    """Whoever asks for a chat passes over one that is locked."""
    ana, chat, busy = world.elsewhere(world.operator()), world.chat(), world.connect()
    with busy.transaction():
        busy.execute("select from chats where id = %s for no key update", (chat,))
        ana.connection.execute("set lock_timeout = '2s'")
        with refused("PT409", "chat_owed"):
            ana.call("snooze_chat", p_chat_id=chat, p_until=later(hours=1))


@pytest.mark.parametrize("what", ["customer writes", "sql", "given", "completed", "deleted"])
def test_a_snooze_ends_with_what_it_was_for(world: World, what: str) -> None:
    kim, ana, ben, ada = world.customer(), world.operator("Ana"), world.operator("Ben"), world.admin()
    chat = world.chat("waiting_real_user_reply", ana, kim)
    other = world.chat("waiting_real_user_reply", ana)
    for person in (ana, ada):
        for each in (chat, other):
            person.call("snooze_chat", p_chat_id=each, p_until=later(hours=1))
    match what:
        case "customer writes":
            kim.writes(chat)
        case "sql":
            world.writes(chat)
        case "given":
            ada.reassigns(chat, ben)
        case "completed":
            ada.call("complete_chat", p_chat_id=chat)
        case "deleted":
            world.owner.does("delete from chats where id = %s", chat)
    assert snoozed(world) == {(other, ana.id), (other, ada.id)}


def test_the_snooze_of_a_held_chat_ends_when_its_customer_writes_or_another_gets_it(world: World) -> None:
    kim, ana, ben = world.customer(), world.operator("Ana"), world.operator("Ben")
    chat = world.chat("assigned", ana, kim, handling="session")
    ana.replies(chat)
    ana.call("snooze_chat", p_chat_id=chat, p_until=later(hours=1))
    ana.replies(chat, "and another thing")
    assert snoozed(world) == {(chat, ana.id)}
    kim.writes(chat)
    assert snoozed(world) == set()
    ana.replies(chat)
    ana.call("snooze_chat", p_chat_id=chat, p_until=later(hours=1))
    ana.transfers(chat, ben)
    assert snoozed(world) == set()


def test_handing_back_leaves_the_chat_put_aside(world: World) -> None:
    ana = world.operator()
    chat = world.chat("assigned", ana, handling="session")
    ana.replies(chat)
    ana.call("snooze_chat", p_chat_id=chat, p_until=later(hours=1))
    assert ana.hands_back(chat)["chat_state"] == "waiting_real_user_reply"
    assert (ids(box(ana, "snoozed")), box(ana, "waiting_customer")) == ([chat], [])


def test_a_snooze_ends_with_its_time_and_a_job_says_so(world: World) -> None:
    ana = world.operator(speaks_as=None)
    chat, other = (world.chat("waiting_real_user_reply", ana) for _ in range(2))
    for each, hours in ((chat, 1), (other, 2)):
        ana.call("snooze_chat", p_chat_id=each, p_until=later(hours=hours))
    signals(world)
    world.clock(later(minutes=61))
    assert (ids(box(ana, "waiting_customer")), ids(box(ana, "snoozed"))) == ([chat], [other])
    assert row_of(ana, "waiting_customer", chat)["snoozed_until"] is None
    assert world.owner.value("select private.run_snooze_end()") == 1
    assert (signals(world), snoozed(world)) == ([(chat, ana.id)], {(other, ana.id)})
    assert world.owner.value("select private.run_snooze_end()") == 0


# Rows


def test_a_row_says_what_a_list_shows(world: World) -> None:
    kim, ana, ben = world.customer("Kim"), world.operator("Ana", capacity=2), world.operator("Ben")
    persona = world.persona("Ava")
    chat = world.chat("assigned", ben, kim, fictional_user_id=persona, headline="An order", priority=3)
    world.owner.does("update real_users set email = 'kim@shop.example' where id = %s", kim.id)
    ben.transfers(chat, ana)
    kim.writes(chat, "  two\n\n lines\tand " + "x" * 200)
    (row,) = box(ana, "held")
    assert set(row) == set(BoxRow.model_fields)
    assert BoxRow.model_validate(row)
    stored = world.get(chat)
    shown = ListRow.model_validate(row).model_dump()
    for column in stored.keys() & shown.keys():
        assert shown[column] == stored[column], column
    assert (row["customer_name"], row["customer_email"]) == ("Kim", "kim@shop.example")
    assert (row["holder_name"], row["last_operator_name"], row["persona_name"]) == ("Ana", "Ana", "Ava")
    message = row["last_message"]
    assert (message["seq"], message["sender_type"]) == (2, "real")
    assert message["preview"] == "two lines and " + "x" * (160 - 14)
    assert (row["unread_count"], row["snoozed_until"], row["note_count"], row["rating"]) == (2, None, 0, None)
    assert row["customer_connected"] is False


def test_the_last_message_is_one_that_is_there(world: World) -> None:
    kim, ana = world.customer(), world.operator()
    chat = world.chat("assigned", ana, kim)
    paths = [world.brings(kim, chat, name) for name in ("a.png", "b.png")]
    world.sends(kim, chat, *paths, content=" ")
    assert row_of(ana, "held", chat)["last_message"]["preview"] == "a.png, b.png"
    for seq in (2, 1):
        message = world.messages(chat)[seq - 1]
        kim.call("delete_message", p_message_id=message["id"])
        last = row_of(ana, "held", chat)["last_message"]
        assert (last and last["preview"]) == ("hey" if seq == 2 else None)


def test_what_is_unread_is_each_readers_own(world: World) -> None:
    kim, ana, ada = world.customer(), world.operator("Ana", capacity=2), world.admin()
    chat = world.chat("assigned", ana, kim, handling="session")
    kim.writes(chat)
    ana.replies(chat)
    regretted = kim.writes(chat)
    kim.writes(chat)
    kim.call("delete_message", p_message_id=regretted["id"])
    ana.call("mark_read", p_chat_id=chat, p_seq=2)
    assert row_of(ana, "held", chat)["unread_count"] == 1
    assert row_of(ada, "all", chat)["unread_count"] == 3
    world.floods(chat, 150)
    assert row_of(ada, "all", chat)["unread_count"] == 100


def test_a_row_says_when_the_readers_own_hold_is_idle(world: World) -> None:
    kim, ana, ada = world.customer(), world.operator("Ana"), world.admin()
    chat = world.chat("assigned", ana, kim, handling="session")
    world.set("idle_limit", "7 minutes")
    active = "select last_activity_at from operator_activity where chat_id = %s"
    idle_at = row_of(ana, "held", chat)["idle_at"]
    assert datetime.fromisoformat(idle_at) == world.owner.value(active, chat) + timedelta(minutes=7)
    assert row_of(ada, "all", chat)["idle_at"] is None
    for touch in ("record_operator_activity", "set_typing"):
        world.owner.does("update operator_activity set last_activity_at = last_activity_at - interval '1 minute'")
        signals(world)
        ana.call(touch, p_chat_id=chat, **({"p_is_typing": True} if touch == "set_typing" else {}))
        assert signals(world) == [(chat, ana.id)]
        moved = row_of(ana, "held", chat)["idle_at"]
        assert datetime.fromisoformat(moved) == world.owner.value(active, chat) + timedelta(minutes=7)
    ana.replies(chat)
    assert row_of(ana, "held", chat)["idle_at"] is None
    # As it is found idle: from when he is owed a reply, if that is later.
    world.owner.does("update operator_activity set last_activity_at = last_activity_at - interval '1 hour'")
    kim.writes(chat)
    idle_at = row_of(ana, "held", chat)["idle_at"]
    assert datetime.fromisoformat(idle_at) == world.get(chat)["owed_since"] + timedelta(minutes=7)


def test_a_row_says_whether_its_customer_is_there(world: World) -> None:
    kim, ana = world.customer(), world.operator()
    chat = world.chat("assigned", ana, kim)
    world.chat("completed", None, kim)  # nobody has it in a list that is kept up to date
    process = uuid4()
    for call, is_there in (("open_connection(%s, %s)", True), ("close_connections(%s, array[%s::uuid])", False)):
        world.service.rows(f"select private.{call}", process, kim.id)
        assert row_of(ana, "held", chat)["customer_connected"] is is_there
        assert signals(world) == [(chat, None)]


# Boxes


def test_each_box_has_its_chats_in_its_order(world: World) -> None:
    ana, ben, ada = world.operator("Ana", capacity=5), world.operator("Ben", capacity=2), world.admin()
    waiting = [world.chat() for _ in range(3)]
    world.owner.does("update chats set priority = 1 where id = %s", waiting[2])
    replied = [world.chat("waiting_real_user_reply", ana) for _ in range(3)]
    done = [world.chat("completed", ana) for _ in range(3)]
    held = [world.chat("assigned", ana) for _ in range(3)]
    aside = [world.chat("waiting_real_user_reply", ana) for _ in range(3)]
    for hours, chat in enumerate(reversed(aside), 1):
        ana.call("snooze_chat", p_chat_id=chat, p_until=later(hours=hours))
    bens = [world.chat(state, ben) for state in ("assigned", "waiting_real_user_reply", "completed")]
    boxes = {
        "held": held,
        "waiting_customer": replied[::-1],
        "snoozed": aside[::-1],
        "queue": [waiting[2], waiting[0], waiting[1]],
        "done": done[::-1],
    }
    assert {name: ids(box(ana, name)) for name in boxes} == boxes
    assert ids(box(ada, "all")) == [*bens[1::-1], *aside[::-1], *held[::-1], *replied[::-1], *waiting[::-1]]
    for who, name in [*((ana, name) for name in boxes), (ada, "all")]:
        whole, paged, cursor = box(who, name), [], None
        while page := box(who, name, p_cursor=cursor, p_limit=2):
            paged += page
            cursor = page[-1]["cursor"]
        assert paged == whole, name
    assert {name: box(ada, name) for name in ("held", "waiting_customer", "snoozed", "done")} == {
        "held": [],
        "waiting_customer": [],
        "snoozed": [],
        "done": [],
    }


def test_a_page_goes_on_where_the_one_before_ended_though_its_last_chat_is_gone(world: World) -> None:
    ana, ben = world.operator("Ana"), world.operator("Ben")
    chats = [world.chat() for _ in range(3)]
    (first,) = box(ana, "queue", p_limit=1)
    assert ben.takes_next() == chats[0]
    assert ids(box(ana, "queue", p_cursor=first["cursor"])) == chats[1:]


def test_a_box_shows_nothing_that_one_may_not_see(world: World) -> None:
    ana, ada = world.operator("Ana"), world.admin()
    named = world.chat("waiting_real_user_reply", ada)
    over = world.chat("completed", ada)
    world.owner.does("update chats set last_operator_id = %s where id = any(%s)", ana.id, [named, over])
    aside = world.chat("waiting_real_user_reply", world.operator("Ben"))
    ada.call("snooze_chat", p_chat_id=aside, p_until=later(hours=1))
    assert (box(ana, "waiting_customer"), box(ana, "done")) == ([], [])
    assert ids(box(ada, "snoozed")) == [aside]
    world.owner.does("update operators set role = 'operator' where id = %s", ada.id)
    assert box(ada, "snoozed") == []


@pytest.mark.parametrize(
    ("arguments", "state", "code"),
    [
        ({"p_box": "all"}, "PT403", "not_allowed"),
        ({"p_box": "mine"}, "PT400", "invalid_argument"),
        ({"p_box": None}, "PT400", "invalid_argument"),
        ({"p_box": "held", "p_limit": 0}, "PT400", "invalid_argument"),
        ({"p_box": "held", "p_limit": 501}, "PT400", "invalid_argument"),
        ({"p_box": "held", "p_limit": None}, "PT400", "invalid_argument"),
        ({"p_box": "held", "p_cursor": {"at": "yesterday or so", "id": str(UUID(int=1))}}, "PT400", "invalid_argument"),
        ({"p_box": "held", "p_cursor": {"at": "2026-01-01"}}, "PT400", "invalid_argument"),
        ({"p_box": "queue", "p_cursor": {"at": "2026-01-01", "id": str(UUID(int=1))}}, "PT400", "invalid_argument"),
    ],
    ids=["all", "unknown", "none", "no limit", "too much", "null", "bad time", "no id", "no priority"],
)
def test_what_is_no_page_of_a_box_is_refused(world: World, arguments: Row, state: str, code: str) -> None:
    with refused(state, code):
        box(world.operator(), arguments.pop("p_box"), **arguments)


# The inbox


def test_the_inbox_has_the_lists_and_what_is_next(world: World) -> None:
    ana = world.operator("Ana", capacity=3)
    aside, replied = (world.chat("waiting_real_user_reply", ana) for _ in range(2))
    ana.call("snooze_chat", p_chat_id=aside, p_until=later(hours=1))
    held, own, other = world.chat("assigned", ana), world.chat(), world.chat()
    world.owner.does("update chats set last_operator_id = %s where id = %s", ana.id, own)
    world.set("idle_limit", "90 seconds")
    inbox = ana.ask("get_operator_inbox")
    for name, chat in (("held", held), ("waiting_customer", replied), ("snoozed", aside)):
        assert inbox[name] == box(ana, name)
        assert ids(inbox[name]) == [chat]
    assert NextRow.model_validate(inbox["next"]).chat_id == other == UUID(inbox["next"]["id"])
    explained = ana.call_all("explain_assignment", p_operator_id=ana.id)[0]
    assert (inbox["next"]["decision"], inbox["next"]["reason"]) == ("next", explained["reason"])
    assert inbox["settings"] == {"idle_limit_seconds": 90, "allow_take": False, "time_zone": "UTC"}


def test_what_is_next_for_many_is_what_is_explained_to_each(world: World) -> None:
    ana, ben, cleo, full = (world.operator(name) for name in ("Ana", "Ben", "Cleo", "Full"))
    world.chat("assigned", full)
    people = [ana, ben, cleo, full]

    def check() -> None:
        rows = world.owner.rows("select * from private.next_chats(%s)", [person.id for person in people])
        found = {row["operator_id"]: (row["chat_id"], row["decision"], row["reason"]) for row in rows}
        for person in people:
            first = next(iter(person.call_all("explain_assignment", p_operator_id=person.id)), None)
            expected = first and (first["chat_id"], first["decision"], first["reason"])
            assert found.get(person.id) == expected

    check()
    world.waiting_chat(last_operator_id=ana.id)
    check()
    world.waiting_chat(last_operator_id=ben.id, priority=-1)
    check()
    for _ in range(63):
        world.waiting_chat(last_operator_id=ana.id)
    check()  # the head of the queue is all Ana's


# What the relays are told


def news(
    world: World, chats: dict[UUID, int | None], people: Iterable[Operator], next_for: Iterable[Operator] = ()
) -> list[DictRow]:
    return world.service.rows(
        "select n.what, n.chat_id, p.id as person_id, n.content from private.list_news(%s, %s, %s, %s) n"
        " left join lateral unnest(n.person_ids) as p (id) on true",
        *(list(chats), list(chats.values()), [each.id for each in people], [each.id for each in next_for]),
    )


def told(rows: list[DictRow], what: str) -> set[tuple[UUID, UUID]]:
    return {(row["chat_id"], row["person_id"]) for row in rows if row["what"] == what}


def test_rows_are_told_to_those_who_may_see_the_chat(world: World) -> None:
    ana, ben, ada = world.operator("Ana"), world.operator("Ben"), world.admin()
    away = world.operator("Gone", is_active=False)
    chats = [world.chat(state, ana) for state in ("completed", "waiting_real_user_reply", "assigned")]
    chats += [world.chat(), world.chat("completed"), world.chat("assigned", ben)]
    ben.transfers(chats[-1], ada)
    people = [ana, ben, ada, away]
    pairs = [(chat, person.id) for chat in chats for person in people]
    seen = world.service.rows("select * from private.who_sees(%s, %s)", *map(list, zip(*pairs, strict=True)))
    rows = news(world, dict.fromkeys(chats), people)
    assert told(rows, "mark") == {(row["chat_id"], row["person_id"]) for row in seen}
    assert {row["chat_id"] for row in rows if row["what"] == "row"} == set(chats)
    assert {row["person_id"]: row["content"] for row in rows if row["what"] == "kind"} == {
        ana.id: "operator",
        ben.id: "operator",
        ada.id: "admin",
    }


def test_what_is_told_of_a_chat_is_what_its_lists_show(world: World) -> None:
    kim, ana = world.customer(), world.operator()
    chat = world.chat("assigned", ana, kim)
    rows = news(world, {chat: None}, [ana])
    (shared,), (own,) = ([row["content"] for row in rows if row["what"] == what] for what in ("row", "mark"))
    (listed,) = box(ana, "held")
    listed.pop("cursor")
    assert shared | own == listed


def test_nothing_is_told_of_a_chat_to_those_who_may_not_see_it_but_to_whom_it_has_gone(world: World) -> None:
    ana, ben, cleo, ada = world.operator("Ana"), world.operator("Ben"), world.operator("Cleo"), world.admin()
    people = [ana, ben, cleo, ada]
    chat = world.chat("assigned", cleo)
    cleo.hands_back(chat)
    since = world.get(chat)["event_seq"] + 1
    assert ana.takes_next() == chat
    rows = news(world, {chat: since}, people)
    assert told(rows, "mark") == {(chat, person.id) for person in (ana, cleo, ada)}
    assert told(rows, "gone") == {(chat, ben.id)}
    (gone,) = (row for row in rows if row["what"] == "gone")
    assert gone["content"] == "Ana"
    # What happens to it afterwards is none of his business.
    since = world.get(chat)["event_seq"] + 1
    ana.replies(chat)
    rows = news(world, {chat: since}, people)
    assert told(rows, "gone") == set()
    assert ben.id not in {person for _, person in told(rows, "mark")}


def test_a_chat_that_leaves_the_queue_by_its_end_has_gone(world: World) -> None:
    kim, ana, ada = world.customer(), world.operator("Ana"), world.admin()
    chat = world.chat(customer=kim)
    since = world.get(chat)["event_seq"] + 1
    kim.call("complete_chat", p_chat_id=chat)
    rows = news(world, {chat: since}, [ana, ada])
    assert told(rows, "gone") == {(chat, ana.id)}
    assert [row["content"] for row in rows if row["what"] == "gone"] == [None]


@pytest.mark.parametrize("what", ["started", "written", "reopened", "handed back"])
def test_who_never_could_see_a_chat_in_the_queue_does_not_hear_of_it(world: World, what: str) -> None:
    """It came into the queue and was given to somebody in one transaction."""
    kim, ana, ben = world.customer(), world.operator("Ana"), world.operator("Ben")
    chat: UUID | None = None
    if what == "written":
        chat = world.chat("waiting_real_user_reply", ben, kim)
    elif what == "reopened":
        chat = world.chat("completed", ben, kim)
    elif what == "handed back":
        chat = world.chat("assigned", ben, kim)
    world.owner.does("update operators set auto_assign = true where id = %s", ana.id)
    since = world.get(chat)["event_seq"] + 1 if chat else 1
    if what == "handed back":
        assert chat
        ben.hands_back(chat)
    else:
        chat = kim.writes(chat)["chat_id"] if chat else kim.starts()["id"]
    assert world.holder(chat) == ana.id
    cleo = world.operator("Cleo")
    rows = news(world, {chat: since}, [ana, ben, cleo])
    assert told(rows, "gone") == set()
    assert cleo.id not in {person for _, person in told(rows, "mark")}


def test_a_chat_that_waited_before_and_is_given_with_a_message_has_gone(world: World) -> None:
    kim, ana, cleo = world.customer(), world.operator("Ana", auto_assign=True), world.operator("Cleo")
    full = world.chat("assigned", ana)
    chat = world.chat(customer=kim)
    since = world.get(chat)["event_seq"] + 1
    with world.owner.transaction() as connection:  # what the customer writes and the free hand come together
        connection.execute("insert into messages (chat_id, sender_type, content) values (%s, 'real', 'so?')", (chat,))
        connection.execute(
            "update chats set chat_state = 'completed', assigned_operator_id = null where id = %s", (full,)
        )
    assert world.holder(chat) == ana.id
    assert told(news(world, {chat: since}, [ana, cleo]), "gone") == {(chat, cleo.id)}


def test_what_is_next_is_told_with_its_row(world: World) -> None:
    ana, ben, away = world.operator("Ana"), world.operator("Ben"), world.operator("Gone", is_active=False)
    chat = world.waiting_chat()
    rows = news(world, {}, [ana, ben, away], [ana, away])
    assert told(rows, "next") == told(rows, "mark") == {(chat, ana.id)}
    assert [row["chat_id"] for row in rows if row["what"] == "row"] == [chat]


# Privacy


def test_an_operator_has_his_drafts_and_snoozes_exported_and_erased(world: World) -> None:
    kim, ana, ben, ada = world.customer(), world.operator("Ana"), world.operator("Ben"), world.admin()
    chat = world.chat("waiting_real_user_reply", ana, kim)
    for person in (ana, ada):
        person.call("save_draft", p_chat_id=chat, p_content=f"by {person.id}")
        person.call("snooze_chat", p_chat_id=chat, p_until=later(hours=1))
    data = ana.ask("export_user_data")["operator"]
    assert [(each["chat_id"], each["content"]) for each in data["drafts"]] == [(str(chat), f"by {ana.id}")]
    assert [each["chat_id"] for each in data["snoozes"]] == [str(chat)]
    assert ben.ask("export_user_data")["operator"]["drafts"] == []
    world.owner.does("update operators set is_active = false where id = %s", ana.id)
    ada.call("erase_user_data", p_user_id=ana.id)
    assert snoozed(world) == {(chat, ada.id)}
    assert world.owner.value("select array_agg(operator_id) from chat_drafts") == [ada.id]
    kim.call("erase_user_data")
    assert (snoozed(world), world.owner.rows("select from chat_drafts")) == (set(), [])
