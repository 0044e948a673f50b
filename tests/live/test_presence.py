"""Who is there, who is typing, and what changes on operators' and waiting customers' screens."""

import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.http.conftest import Person
from tests.live.conftest import ENVIRONMENT, Socket, holds
from tests.live.world import Web, wait_until
from tests.servers import Database, Server

Connected = Callable[[Person], Socket]


def entry(frame: dict[str, Any], person: Person) -> dict[str, Any] | None:
    """Return what a presence frame says of somebody."""
    return next((each for each in frame["operators"] if each["operator_id"] == person.id), None)


def wait_for_presence(socket: Socket, person: Person, **fields: Any) -> dict[str, Any]:
    """Return the next thing that is said of somebody that has these fields."""
    while True:
        told = entry(socket.expect("presence"), person)
        if told is not None and fields.items() <= told.items():
            return told


def test_the_staff_see_who_comes_goes_and_is_away(
    connected: Connected, operator: Person, new_operator: Callable[..., Person]
) -> None:
    colleague = new_operator("Ben")
    screen = connected(operator)
    first = screen.expect("presence")
    assert entry(first, operator) == {
        "operator_id": operator.id,
        "name": "Ana",
        "status": "online",
        "status_reason": None,
        "is_connected": True,
    }
    assert (entry(first, colleague) or {})["is_connected"] is False
    one, other = connected(colleague), connected(colleague)
    assert wait_for_presence(screen, colleague, is_connected=True)["status"] == "online"
    colleague.post("/api/operator/status", status="away", reason="lunch")
    assert wait_for_presence(screen, colleague, status="away")["status_reason"] == "lunch"
    one.raw.close()
    colleague.post("/api/operator/status", status="online")
    assert wait_for_presence(screen, colleague, status="online")["is_connected"] is True
    other.raw.close()
    wait_for_presence(screen, colleague, is_connected=False)


def test_who_only_looks_does_not_come_by_it_and_is_not_gone_when_he_leaves(
    connected: Callable[..., Socket], operator: Person, admin: Person, owner: Database
) -> None:
    screen, console = connected(operator), connected(admin, {"is_present": False})
    assert (entry(console.expect("presence"), admin) or {})["is_connected"] is False
    assert owner.rows("select from private.connections where person_id = %s", admin.id) == []
    at_work = connected(admin)
    for each in (screen, console):  # who only looks is told everything, too
        wait_for_presence(each, admin, is_connected=True)
    at_work.raw.close()  # and the console stays open
    wait_for_presence(screen, admin, is_connected=False)


def test_whoever_is_deactivated_is_shown_as_gone(
    connected: Connected, operator: Person, new_operator: Callable[..., Person], owner: Database
) -> None:
    colleague = new_operator("Ben")
    screen = connected(operator)
    screen.expect("presence")
    owner.rows("update operators set is_active = false where id = %s", colleague.id)
    assert wait_for_presence(screen, colleague)["status"] == "offline"


def test_an_operator_who_is_erased_is_shown_as_gone(
    connected: Connected, operator: Person, new_operator: Callable[..., Person], owner: Database
) -> None:
    colleague = new_operator("Ben")
    screen = connected(operator)
    screen.expect("presence")
    owner.rows("delete from operators where id = %s", colleague.id)
    told = wait_for_presence(screen, colleague)
    assert (told["name"], told["status"], told["is_connected"]) == (None, "offline", False)


def test_the_staff_are_told_nothing_of_customers(
    connected: Connected, operator: Person, new_customer: Callable[[], Person], owner: Database
) -> None:
    screen = connected(operator)
    screen.expect("presence")
    customer = new_customer()
    customer.starts_chat()
    his = connected(customer)
    owner.rows("delete from chats where real_user_id = %s", customer.id)
    owner.rows("delete from real_users where id = %s", customer.id)
    assert his.closing_code() == 4401
    operator.post("/api/operator/status", status="away")
    while True:
        told = screen.expect("presence")
        assert entry(told, customer) is None
        if (entry(told, operator) or {}).get("status") == "away":
            break


def test_customers_are_told_nothing_of_operators(
    connected: Connected, customer: Person, operator: Person, admin: Person
) -> None:
    chat = customer.starts_chat()
    screen, colleague = connected(customer), connected(admin)
    screen.subscribe(chat["id"])
    connected(operator)
    operator.post("/api/operator/status", status="away")
    operator.post("/api/operator/status", status="online", reason="lunch")
    customer.writes(chat)
    screen.next_event()
    wait_for_presence(colleague, operator, status_reason="lunch")  # what is told of it has been told
    assert {frame["type"] for frame in screen.all_until_pong()} <= {"queue"}


def test_a_killed_process_leaves_no_ghosts(server: Server, sign: Callable[..., str]) -> None:
    with (
        server.loaded_database() as database,
        tempfile.TemporaryDirectory(prefix="baton-test-") as folder,
        ExitStack() as stack,
    ):
        web = Web(database.url, Path(folder), ENVIRONMENT)
        stack.callback(web.stop)
        web.start()
        operator_id = database.value("insert into operators (name) values ('Ana') returning id")
        operator = Person(web.base_url, sign(sub=str(operator_id)), operator_id)
        customer = Person(web.base_url, sign())
        chat = holds(operator, customer)
        with Socket(web.base_url) as socket:
            socket.send(type="auth", token=operator.token)
            socket.expect("ready")
            web.kill_worker()
            assert socket.closing_code() is None
        later = database.connect()
        state = "select o.status, c.chat_state from operators o, chats c where o.id = %s and c.id = %s"
        here, gone = ("online", "assigned"), ("offline", "waiting_assignment")
        for seconds, expected in ((25, here), (35, here), (100, gone)):  # his lease ends, then the grace period
            later.execute(
                "select set_config('baton.now', (clock_timestamp() + make_interval(secs => %s))::text, false)",
                (seconds,),
            )
            later.execute("select private.run_gone_detection()")
            row = database.row(state, operator_id, chat["id"])
            assert (row["status"], row["chat_state"]) == expected


def test_a_lease_is_renewed_as_long_as_the_socket_is_open(
    connected: Connected, operator: Person, owner: Database
) -> None:
    connected(operator)
    lease = "select lease_until from private.connections where person_id = %s"
    before = owner.value(lease, operator.id)
    wait_until(lambda: owner.value(lease, operator.id) > before, 15, "the lease is renewed")


# Typing.


def test_typing_is_told_to_the_other_side(
    connected: Connected, customer: Person, operator: Person, admin: Person
) -> None:
    chat = holds(operator, customer)
    his, theirs, watching = connected(customer), connected(operator), connected(admin)
    for screen in (his, theirs, watching):
        screen.subscribe(chat["id"])
    his.send(type="typing", chat_id=chat["id"], is_typing=True)
    for screen in (theirs, watching):
        assert screen.expect("typing") == {
            "type": "typing",
            "chat_id": chat["id"],
            "sender_type": "real",
            "sender_id": customer.id,
            "is_typing": True,
        }
    theirs.send(type="typing", chat_id=chat["id"], is_typing=True)
    assert watching.expect("typing")["sender_id"] == operator.id
    told = his.expect("typing")
    assert (told["sender_type"], told["sender_id"], told["is_typing"]) == ("operator", None, True)
    theirs.send(type="typing", chat_id=chat["id"], is_typing=False)
    assert watching.expect("typing")["is_typing"] is False
    customer.writes(chat)
    theirs.next_event()
    assert "typing" not in {frame["type"] for frame in theirs.all_until_pong()}


def test_a_change_of_typing_always_goes_through(connected: Connected, customer: Person, operator: Person) -> None:
    chat = holds(operator, customer)
    his, theirs = connected(customer), connected(operator)
    his.subscribe(chat["id"])
    theirs.subscribe(chat["id"])
    for _ in range(3):
        for is_typing in (True, True, True, False, False):
            his.send(type="typing", chat_id=chat["id"], is_typing=is_typing)
    assert [theirs.expect("typing")["is_typing"] for _ in range(6)] == [True, False] * 3


def test_typing_over_http_is_told_too(connected: Connected, customer: Person, operator: Person) -> None:
    chat = holds(operator, customer)
    screen = connected(customer)
    screen.subscribe(chat["id"])
    assert operator.post(f"/api/chats/{chat['id']}/typing", is_typing=True).status_code == 204
    assert screen.expect("typing")["is_typing"] is True


def test_only_the_holder_types_to_a_customer(
    connected: Connected, customer: Person, operator: Person, admin: Person
) -> None:
    chat = holds(operator, customer)
    screen = connected(admin)
    screen.subscribe(chat["id"])
    his = connected(customer)
    his.subscribe(chat["id"])
    for _ in range(2):
        screen.send(type="typing", chat_id=chat["id"], is_typing=True)
        assert screen.refusal() == "not_the_holder"
    assert admin.post(f"/api/admin/chats/{chat['id']}/reassign", operator_id=admin.id).status_code == 200
    screen.send(type="typing", chat_id=chat["id"], is_typing=True)
    assert his.expect("typing")["sender_type"] == "operator", "what was refused does not count"


def test_typing_of_the_holder_counts_as_activity(
    connected: Connected, customer: Person, operator: Person, owner: Database
) -> None:
    chat = holds(operator, customer)
    query = "select last_activity_at from operator_activity where chat_id = %s"
    owner.rows(
        "update operator_activity set last_activity_at = last_activity_at - interval '1 minute' where chat_id = %s",
        chat["id"],
    )
    before = owner.value(query, chat["id"])
    screen = connected(operator)
    screen.subscribe(chat["id"])
    screen.send(type="typing", chat_id=chat["id"], is_typing=True)
    wait_until(lambda: owner.value(query, chat["id"]) > before, what="it counts")


# Inbox and queue.


def test_an_operator_is_told_of_his_own_list_and_of_the_queue(
    connected: Connected, customer: Person, operator: Person, new_operator: Callable[..., Person]
) -> None:
    screen, colleague = connected(operator), connected(new_operator("Ben"))
    first = screen.expect("inbox")
    assert (first["chats"], first["queue"]["waiting_count"]) == ([], 0)
    colleague.expect("inbox")
    chat = customer.starts_chat()
    while (waiting := screen.expect("inbox"))["queue"]["waiting_count"] != 1:
        assert "chats" not in waiting
    operator.takes_next()
    while "chats" not in (taken := screen.expect("inbox")):
        pass
    assert [each["id"] for each in taken["chats"]] == [chat["id"]]
    assert taken["queue"]["assigned_count"] == 1
    while (seen := colleague.expect("inbox"))["queue"]["assigned_count"] != 1:
        assert "chats" not in seen
    operator.replies(chat)
    while screen.expect("inbox").get("chats") != []:
        pass


def test_an_operator_is_told_how_many_mentions_he_has_not_read(
    connected: Connected, customer: Person, operator: Person, new_operator: Callable[..., Person]
) -> None:
    chat, colleague = customer.starts_chat(), new_operator("Ben")
    screen, other_screen = connected(operator), connected(colleague)
    assert (screen.expect("inbox")["mentions"], other_screen.expect("inbox")["mentions"]) == (0, 0)
    notes, mentions = f"/api/chats/{chat['id']}/notes", f"/api/chats/{chat['id']}/mentions/read"
    body = {"content": "for you?", "client_note_id": str(uuid4()), "mentions": [operator.id]}
    assert colleague.post(notes, **body).status_code == 201
    while screen.expect("inbox").get("mentions") != 1:
        pass
    operator.post(mentions)
    while screen.expect("inbox").get("mentions") != 0:
        pass
    # It was nobody else's news.
    assert not [frame for frame in other_screen.all_until_pong() if "mentions" in frame]


def test_a_busy_queue_is_not_told_of_at_each_change(
    connected: Connected, operator: Person, customer: Person, owner: Database
) -> None:
    screen = connected(operator)
    screen.expect("inbox")
    customer.starts_chat()
    began = time.monotonic()
    for _ in range(299):
        owner.rows("insert into public.chats (real_user_id) values (%s)", customer.id)
    frames = 0
    waiting = -1
    while waiting != 300:
        waiting = screen.expect("inbox")["queue"]["waiting_count"]
        frames += 1
    assert frames <= 2 + (time.monotonic() - began) / 0.02


def test_a_waiting_customer_is_told_his_place(
    connected: Connected, new_customer: Callable[[], Person], operator: Person
) -> None:
    people = [new_customer() for _ in range(3)]
    chats = [person.starts_chat() for person in people]
    screens = [connected(person) for person in people]
    for place, (screen, chat) in enumerate(zip(screens, chats, strict=True), 1):
        screen.subscribe(chat["id"])
        told = screen.expect("queue")
        assert (told["chat_id"], told["position"]) == (chat["id"], place)
        assert "expected_wait_seconds" in told
    operator.takes_next()
    for place, screen in enumerate(screens[1:], 1):
        screen.expect("queue", position=place)
    assert screens[0].next_event()["event"] == "chat.assigned"
    assert screens[0].all_until_pong() == []


def test_a_customer_who_fetches_afresh_is_told_his_place(
    connected: Connected, new_customer: Callable[[], Person], operator: Person, owner: Database
) -> None:
    customer, other = new_customer(), new_customer()
    chat, waiting = holds(operator, customer), other.starts_chat()
    screen, others = connected(customer), connected(other)
    assert screen.subscribe(chat["id"])["event_seq"] == 2
    others.subscribe(waiting["id"])
    others.expect("queue")  # so it is known that the first one has no place
    with owner.connect(autocommit=False) as connection:  # he is told of the release by none of its events
        connection.execute("select release_and_reassign_chat(%s, 'lunch')", (chat["id"],))
        connection.execute(
            "insert into messages (chat_id, sender_type, content) values (%s, 'system', 'again')", (chat["id"],)
        )
        connection.execute(
            "delete from private.events where chat_id = %s and event <> 'message.created'", (chat["id"],)
        )
        connection.commit()
    assert screen.expect("reset")["event_seq"] == 4
    assert screen.expect("queue", chat_id=chat["id"])["position"] == 1


def test_only_the_customer_is_told_his_place(connected: Connected, customer: Person, operator: Person) -> None:
    chat = customer.starts_chat()
    his, theirs = connected(customer), connected(operator)
    his.subscribe(chat["id"])
    theirs.subscribe(chat["id"])
    his.expect("queue")
    customer.writes(chat)
    his.expect("queue")
    theirs.next_event()
    assert "queue" not in {frame["type"] for frame in theirs.all_until_pong()}
