"""What operators' lists are told as it happens: to each what he may see, as he sees it, and nothing else."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.http.conftest import Person
from tests.live.conftest import Socket, holds
from tests.live.line import Frame, Line, live_on, session_on
from tests.live.play import ok
from tests.live.world import wait_until
from tests.servers import Baton, Database
from web.live.lists import MOST_CHATS, Changes
from web.live.relay import Change
from web.schemas import ListRow, NextRow

Connected = Callable[[Person], Socket]


def row_of(frame: Frame, chat: dict[str, Any]) -> Frame | None:
    """Return what an inbox frame says of a chat."""
    return next((row for row in frame.get("changed", ()) if row["id"] == chat["id"]), None)


def wait_for_row(socket: Socket, chat: dict[str, Any], **fields: Any) -> Frame:
    """Return the next row of a chat that has these fields."""
    while True:
        row = row_of(socket.expect("inbox"), chat)
        if row is not None and fields.items() <= row.items():
            return row


def wait_for_gone(socket: Socket, chat: dict[str, Any]) -> str | None:
    """Return, when the chat is said to have gone, who has it."""
    while chat["id"] not in (frame := socket.expect("inbox")).get("gone", ()):
        pass
    holder: str | None = frame.get("taken", {}).get(chat["id"])
    return holder


def all_until_row(socket: Socket, chat: dict[str, Any]) -> str:
    """Return all that is said up to and with the next row of a chat, as text."""
    frames = []
    while True:
        frames.append(socket.receive())
        if frames[-1]["type"] == "inbox" and row_of(frames[-1], chat) is not None:
            return json.dumps(frames)


def test_each_is_told_of_what_he_may_see_and_when_he_may_see_it_no_more(
    connected: Connected, new_customer: Callable[[], Person], new_operator: Callable[..., Person], admin: Person
) -> None:
    ana, ben, customer = new_operator("Ana"), new_operator("Ben"), new_customer()
    anas, bens, adas = (connected(person) for person in (ana, ben, admin))
    chat = customer.starts_chat("where is it?")
    for screen in (anas, bens, adas):
        row = wait_for_row(screen, chat, chat_state="waiting_assignment", unread_count=1)
        assert ListRow.model_validate(row)
        assert row["last_message"]["preview"] == "where is it?"
    ok(ana.takes_next())
    for screen in (anas, adas):
        wait_for_row(screen, chat, chat_state="assigned", holder_name="Ana")
    assert wait_for_gone(bens, chat) == "Ana"
    customer.writes(chat, "hello?")
    mine = wait_for_row(anas, chat, unread_count=2)
    theirs = wait_for_row(adas, chat, unread_count=2)
    assert mine["idle_at"]
    assert theirs == {**mine, "idle_at": None}
    ok(ana.replies(chat))
    wait_for_row(adas, chat, chat_state="waiting_real_user_reply")
    # All of that time Ben was told nothing of it.
    marker = new_customer().starts_chat()
    assert chat["id"] not in all_until_row(bens, marker)


def test_who_had_a_chat_sees_who_has_it_now(
    connected: Connected, customer: Person, new_operator: Callable[..., Person]
) -> None:
    ana, ben = new_operator("Ana"), new_operator("Ben")
    chat, screen = holds(ana, customer), connected(ana)
    ok(ana.post("/api/operator/transfer", chat_id=chat["id"], operator_id=ben.id))
    assert wait_for_row(screen, chat, holder_name="Ben")["idle_at"] is None


def test_what_one_has_read_or_put_aside_is_told_to_him_alone(
    connected: Connected, new_customer: Callable[[], Person], operator: Person, admin: Person
) -> None:
    customer = new_customer()
    chat = holds(operator, customer)
    his, other, adas = connected(operator), connected(operator), connected(admin)
    adas.expect("inbox")
    ok(operator.post(f"/api/chats/{chat['id']}/read", seq=1))
    for screen in (his, other):
        wait_for_row(screen, chat, unread_count=0)
    marker = new_customer().starts_chat()
    assert chat["id"] not in all_until_row(adas, marker)
    ok(operator.replies(chat))
    until = datetime.now(UTC) + timedelta(hours=1)
    ok(operator.post(f"/api/chats/{chat['id']}/snooze", until=until.isoformat()))
    told = next(row for row in iter(lambda: wait_for_row(other, chat), None) if row["snoozed_until"])
    assert datetime.fromisoformat(told["snoozed_until"]) == until
    wait_for_row(adas, chat, chat_state="waiting_real_user_reply", snoozed_until=None)


def test_a_snooze_that_ends_with_its_time_is_told(
    connected: Connected, customer: Person, operator: Person, owner: Database
) -> None:
    chat = holds(operator, customer)
    ok(operator.replies(chat))
    until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    ok(operator.post(f"/api/chats/{chat['id']}/snooze", until=until))
    screen = connected(operator)
    screen.expect("inbox")
    owner.rows("update chat_snoozes set until = now() - interval '1 second' where chat_id = %s", chat["id"])
    owner.rows("select private.run_snooze_end()")
    wait_for_row(screen, chat, snoozed_until=None)


def test_a_customer_who_comes_and_goes_is_told_of_with_his_chat(
    connected: Connected, customer: Person, operator: Person
) -> None:
    chat, screen = holds(operator, customer), connected(operator)
    with connected(customer):
        wait_for_row(screen, chat, customer_connected=True)
    wait_for_row(screen, chat, customer_connected=False)


def test_everybody_is_told_what_is_next_for_him(
    connected: Connected, new_customer: Callable[[], Person], new_operator: Callable[..., Person]
) -> None:
    ana, ben = new_operator("Ana"), new_operator("Ben")
    anas, bens = connected(ana), connected(ben)
    for screen in (anas, bens):
        assert screen.expect("inbox")["next"] is None
    chat, other = (new_customer().starts_chat() for _ in range(2))

    def wait_for_next(screen: Socket, **fields: Any) -> Frame:
        while True:
            row: Frame | None = screen.expect("inbox").get("next")
            if row is not None and fields.items() <= row.items():
                return row

    for screen in (anas, bens):
        assert NextRow.model_validate(wait_for_next(screen, chat_id=chat["id"], id=chat["id"], decision="next"))
    ok(ana.takes_next())
    wait_for_next(bens, id=other["id"], decision="next")
    wait_for_next(anas, id=other["id"], decision="refused")
    assert connected(ben).expect("inbox")["next"]["id"] == other["id"]
    ok(ben.takes_next())
    while (told := anas.expect("inbox")).get("next", told) is not None:
        pass


def test_a_deleted_chat_has_gone(connected: Connected, customer: Person, operator: Person, owner: Database) -> None:
    screen = connected(operator)
    chat = customer.starts_chat()
    wait_for_row(screen, chat)
    owner.rows("delete from chats where id = %s", chat["id"])
    assert wait_for_gone(screen, chat) is None


def test_too_many_changes_are_a_reset(
    connected: Connected, customer: Person, operator: Person, owner: Database
) -> None:
    screen = connected(operator)
    chat = customer.starts_chat()
    wait_for_row(screen, chat)
    insert = "insert into chats (real_user_id) select %s from generate_series(1, %s::integer)"
    owner.rows(insert, customer.id, MOST_CHATS + 1)
    while "reset" not in (told := screen.expect("inbox")):
        assert {row["id"] for row in told.get("changed", ())} <= {chat["id"]}
    assert told["reset"] is True
    assert not {"changed", "gone"} & told.keys()
    assert told["queue"]["waiting_count"] == MOST_CHATS + 2


def test_who_is_an_admin_no_longer_fetches_afresh(
    connected: Connected, new_customer: Callable[[], Person], operator: Person, admin: Person, owner: Database
) -> None:
    theirs, adas = connected(operator), connected(admin)
    chat = new_customer().starts_chat()
    for screen in (theirs, adas):
        wait_for_row(screen, chat)  # the relay is there, which had everybody fetch afresh if it came later than we
    owner.rows("update operators set role = 'operator' where id = %s", admin.id)
    while "reset" not in adas.expect("inbox"):
        pass
    assert not [frame for frame in theirs.all_until_pong() if "reset" in frame]


def test_after_the_relay_was_away_everybody_fetches_afresh(
    connected: Connected, operator: Person, owner: Database
) -> None:
    screen = connected(operator)
    screen.expect("inbox")
    ended = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'baton relay'"
    owner.rows(f"{ended} and datname = current_database()")
    while "reset" not in screen.expect("inbox"):
        pass


def test_the_service_has_no_lists(
    connected: Connected, new_customer: Callable[[], Person], operator: Person, service: Person
) -> None:
    programs, screen = connected(service), connected(operator)
    chat = new_customer().starts_chat()
    wait_for_row(screen, chat)
    for frame in programs.all_until_pong():
        assert not {"changed", "gone", "next", "reset"} & frame.keys()


def test_what_could_not_be_told_is_told_when_the_database_is_back(
    baton: Baton,
    owner: Database,
    new_customer: Callable[[], Person],
    new_operator: Callable[..., Person],
    capsys: pytest.CaptureFixture[str],
) -> None:
    ana, ben = new_operator("Ana"), new_operator("Ben")
    chat = new_customer().starts_chat()
    over = Event()

    def peer() -> Iterator[Frame]:
        yield {"type": "auth", "token": ben.token}
        over.wait(30)

    def said(name: str) -> list[Any]:
        frames = [frame for frame in line.told if frame["type"] == "inbox"]
        return [each for frame in frames for each in frame.get(name, ())]

    line = Line(peer())
    with live_on(baton) as live, ThreadPoolExecutor() as threads:
        live.start(lambda: False)
        threads.submit(session_on(line, live).run)
        try:
            wait_until(lambda: "inbox" in [frame["type"] for frame in line.told], what="he is connected")
            owner.rows("revoke execute on function private.list_news from service_role")
            ok(ana.takes_next())
            wait_until(lambda: "inbox failed" in capsys.readouterr().err, what="a frame fails")
            ok(ana.replies(chat))
            other = new_customer().starts_chat()
            assert (said("gone"), said("changed")) == ([], [])
            owner.rows("grant execute on function private.list_news to service_role")
            wait_until(lambda: said("changed"), what="it is told after all")
            assert said("gone") == [chat["id"]]
            assert {row["id"] for row in said("changed")} == {other["id"]}
        finally:
            owner.rows("grant execute on function private.list_news to service_role")
            over.set()


# What is noted


def test_what_is_put_back_is_as_if_it_had_never_been_taken() -> None:
    one, other, third = uuid4(), uuid4(), uuid4()
    reader = uuid4()
    notes = [
        Change(one, 4, "chat.assigned", None, None),
        Change(other, 7, "message.read", reader, None),
        Change(third, 2, "message.created", None, None),
        Change(None, None, "operator.changed", reader, None),
    ]
    taken, changes = Changes(), Changes()
    for change in notes:
        taken.note(change)
    changes.note(Change(one, 9, "message.created", None, None))
    changes.note(Change(other, 8, "list.changed", uuid4(), None))
    changes.note(Change(third, None, "chat.deleted", None, None))
    changes.put_back(taken)
    assert {chat: noted.since for chat, noted in changes.chats.items()} == {one: 4, other: 7}
    assert changes.chats[one].concerns(uuid4())
    assert changes.chats[other].concerns(reader)
    assert not changes.chats[other].concerns(uuid4())
    assert (changes.deleted, changes.is_reset) == ({third}, False)


def test_what_is_noted_is_bounded() -> None:
    changes = Changes()
    for number in range(MOST_CHATS):
        changes.note(Change(UUID(int=number), 1, "chat.updated", None, None))
        changes.note(Change(UUID(int=number), 2, "chat.updated", None, None))
    assert (len(changes.chats), changes.is_reset) == (MOST_CHATS, False)
    changes.note(Change(uuid4(), 1, "chat.updated", None, None))
    changes.note(Change(uuid4(), 1, "chat.updated", None, None))
    assert (changes.chats, changes.is_reset) == ({}, True)
