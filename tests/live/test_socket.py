"""What goes over /ws, and what becomes of whoever does not keep to it."""

import json
import os
import signal
import socket as sockets
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any
from uuid import uuid4

import psutil
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.http.conftest import Person, refuses
from tests.live.conftest import ENVIRONMENT, Connect, Socket, holds
from tests.live.world import wait_until
from tests.servers import Baton, Database, Server, running_baton
from web import create_app
from web.config import Config

UNKNOWN = "9d3a52c5-6f0e-4b2f-8f5c-0d2e1c1b7a44"  # no chat has this id


def test_whoever_signs_in_is_told_who_he_is(
    connected: Callable[[Person], Socket],
    open_socket: Connect,
    customer: Person,
    operator: Person,
    admin: Person,
    service: Person,
) -> None:
    for person, kind in ((customer, "customer"), (operator, "operator"), (admin, "admin"), (service, "service")):
        socket = open_socket()
        socket.send(type="auth", token=person.token)
        ready = socket.receive()
        assert ready.pop("epoch")
        person_id = None if kind == "service" else person.id
        assert ready == {"type": "ready", "id": person_id, "kind": kind, "ping_seconds": 10}


def test_each_audience_gets_every_event_once_in_order_under_its_own_numbers(
    connected: Callable[[Person], Socket], customer: Person, operator: Person, new_operator: Callable[..., Person]
) -> None:
    other = new_operator("Ben")
    chat = customer.starts_chat()
    theirs, his = connected(operator), connected(customer)
    assert theirs.subscribe(chat["id"], 0)["event_seq"] == 0
    assert his.subscribe(chat["id"], 0)["event_seq"] == 0
    operator.takes_next()
    operator.post(f"/api/chats/{chat['id']}/read", seq=1)
    operator.post("/api/operator/transfer", chat_id=chat["id"], operator_id=other.id)
    other.replies(chat)
    customer.post(f"/api/chats/{chat['id']}/complete")
    names = [
        "message.created",
        "chat.assigned",
        "message.read",
        "chat.transferred",
        "message.created",
        "chat.released",
        "chat.completed",
    ]
    seen = [theirs.next_event() for _ in names]
    assert [(event["event_seq"], event["event"]) for event in seen] == list(enumerate(names, 1))
    names[3] = "chat.assigned"
    shown = [his.next_event() for _ in names]
    assert [(event["event_seq"], event["event"]) for event in shown] == list(enumerate(names, 1))
    told = json.dumps(shown)
    assert operator.id not in told
    assert other.id not in told
    assert [frame for frame in his.all_until_pong() if frame["type"] != "queue"] == []


def test_what_comes_over_the_socket_is_what_comes_over_http(
    connected: Callable[[Person], Socket], customer: Person, operator: Person
) -> None:
    chat = holds(operator, customer)
    operator.replies(chat)
    for person in (customer, operator):
        socket = connected(person)
        socket.subscribe(chat["id"], 0)
        page = person.get(f"/api/chats/{chat['id']}/events").json()
        assert page["next_cursor"] is None
        assert [socket.next_event() for _ in page["data"]] == page["data"]
        message = person.get(f"/api/chats/{chat['id']}/messages").json()["data"][0]
        assert page["data"][0]["data"] == message
        assert {"context", "ip_address"}.isdisjoint(page["data"][0]["chat"])


def test_events_over_http_come_in_pages(customer: Person, operator: Person) -> None:
    chat = customer.starts_chat()
    for _ in range(4):
        customer.writes(chat)
    path = f"/api/chats/{chat['id']}/events"
    seen: list[int] = []
    after: int | None = 0
    while after is not None:
        page = customer.get(path, after_event=after, limit=2).json()
        seen += [event["event_seq"] for event in page["data"]]
        after = page["next_cursor"]
    assert seen == [1, 2, 3, 4, 5]
    assert refuses(customer.get(path, after_event=6), 410, "events_gone")
    assert refuses(customer.get(path, after_event=5, epoch=str(uuid4())), 410, "events_gone")
    assert refuses(customer.get(path, after_event=-1), 400, "invalid_input")
    assert refuses(
        customer.get(f"/api/chats/{uuid4()}/events", after_event=5, epoch=str(uuid4())), 404, "chat_not_found"
    )


def test_a_snapshot_says_from_which_event_to_go_on(
    connected: Callable[[Person], Socket], customer: Person, operator: Person
) -> None:
    chat = holds(operator, customer)
    operator.post(f"/api/chats/{chat['id']}/read", seq=1)
    snapshot = customer.get(f"/api/chats/{chat['id']}/snapshot").json()
    assert [message["seq"] for message in snapshot["messages"]] == [1]
    assert [(mark["reader_type"], mark["reader_id"], mark["seq"]) for mark in snapshot["read_marks"]][-1] == (
        "operator",
        None,
        1,
    )
    socket = connected(customer)
    subscribed = socket.subscribe(chat["id"], snapshot["chat"]["event_seq"], epoch=snapshot["epoch"])
    assert subscribed["event_seq"] == snapshot["chat"]["event_seq"]
    operator.replies(chat)
    assert socket.next_event()["event_seq"] == snapshot["chat"]["event_seq"] + 1


def test_a_subscription_begins_where_it_is_asked_to(connected: Callable[[Person], Socket], customer: Person) -> None:
    chat = customer.starts_chat()
    for _ in range(3):
        customer.writes(chat)
    socket = connected(customer)
    assert socket.subscribe(chat["id"], 2)["event_seq"] == 2
    assert [socket.next_event()["event_seq"] for _ in range(2)] == [3, 4]
    assert socket.subscribe(chat["id"])["event_seq"] == 4
    customer.writes(chat)
    assert socket.next_event()["event_seq"] == 5
    assert socket.subscribe(chat["id"], 3)["event_seq"] == 3
    assert [socket.next_event()["event_seq"] for _ in range(2)] == [4, 5]


def test_a_long_absence_is_made_up_for_without_a_gap(
    connected: Callable[[Person], Socket], customer: Person, owner: Database
) -> None:
    chat = customer.starts_chat()
    owner.rows(
        "insert into messages (chat_id, sender_type, content) select %s, 'real', repeat('x', 20000)"
        " from generate_series(1, 450)",
        chat["id"],
    )
    socket = connected(customer)
    socket.subscribe(chat["id"], 0)
    customer.writes(chat)
    assert [socket.next_event()["event_seq"] for _ in range(452)] == list(range(1, 453))


@pytest.mark.parametrize("why", ["future", "another epoch", "forgotten"])
def test_whoever_comes_too_late_is_told_to_fetch_afresh(
    connected: Callable[[Person], Socket], customer: Person, owner: Database, why: str
) -> None:
    chat = customer.starts_chat()
    customer.writes(chat)
    if why == "forgotten":
        owner.rows("delete from private.events where chat_id = %s", chat["id"])
    socket = connected(customer)
    after, epoch = {"future": (3, None), "another epoch": (1, str(uuid4())), "forgotten": (0, None)}[why]
    socket.send(type="subscribe", chat_id=chat["id"], after_event=after, epoch=epoch)
    reset = socket.expect("reset")
    assert (reset["chat_id"], reset["event_seq"]) == (chat["id"], 2)
    assert socket.receive() == {"type": "subscribed", "chat_id": chat["id"], "event_seq": 2}
    customer.writes(chat)
    assert socket.next_event()["event_seq"] == 3


def test_after_unsubscribing_nothing_comes(connected: Callable[[Person], Socket], customer: Person) -> None:
    one, other = customer.starts_chat(), customer.starts_chat()
    socket = connected(customer)
    socket.subscribe(one["id"])
    socket.subscribe(other["id"])
    socket.send(type="unsubscribe", chat_id=one["id"])
    assert socket.expect("unsubscribed") == {"type": "unsubscribed", "chat_id": one["id"]}
    customer.writes(one)
    customer.writes(other)
    assert socket.next_event()["chat_id"] == other["id"]


def test_somebody_elses_chat_looks_like_none_at_all(
    connected: Callable[[Person], Socket], new_customer: Callable[[], Person], customer: Person
) -> None:
    chat = customer.starts_chat()
    stranger = connected(new_customer())
    answers = []
    for chat_id in (chat["id"], str(uuid4())):
        for after in ({}, {"after_event": 0}, {"after_event": 7}):
            stranger.send(type="subscribe", chat_id=chat_id, **after)
            answer = stranger.receive()
            assert answer.pop("chat_id") == chat_id
            answers.append(answer)
    assert answers[0]["details"] == "chat_not_found"
    assert answers == [answers[0]] * 6
    customer.writes(chat)
    assert stranger.all_until_pong() == []


# Access that ends.


def test_an_operator_loses_sight_of_a_waiting_chat_when_another_takes_it(
    connected: Callable[[Person], Socket], new_operator: Callable[..., Person], customer: Person, admin: Person
) -> None:
    taker, earlier, watcher = new_operator("Ana"), new_operator("Ben"), new_operator("Cleo")
    chat = holds(earlier, customer)
    earlier.post("/api/operator/unassign", chat_id=chat["id"])
    screens = {name: connected(person) for name, person in (("e", earlier), ("w", watcher), ("a", admin))}
    for screen in screens.values():
        screen.subscribe(chat["id"])
    assert taker.takes_next().json()["id"] == chat["id"]
    taker.replies(chat)
    for name in ("e", "a"):
        assert [screens[name].next_event()["event"] for _ in range(3)] == [
            "chat.assigned",
            "message.created",
            "chat.released",
        ]
    assert screens["w"].next_event()["event"] == "chat.assigned"
    assert screens["w"].receive_but_news() == {
        "type": "unsubscribed",
        "chat_id": chat["id"],
        "details": "chat_not_found",
    }
    assert [frame for frame in screens["w"].all_until_pong() if frame["type"] == "event"] == []


def test_an_operator_loses_sight_of_a_waiting_chat_that_is_completed(
    connected: Callable[[Person], Socket], operator: Person, customer: Person
) -> None:
    chat = customer.starts_chat()
    screen = connected(operator)
    screen.subscribe(chat["id"])
    customer.post(f"/api/chats/{chat['id']}/complete")
    assert screen.receive_but_news() == {"type": "unsubscribed", "chat_id": chat["id"], "details": "chat_not_found"}


def test_a_customer_whose_chat_is_given_to_another_sees_it_no_more(
    connected: Callable[[Person], Socket], new_customer: Callable[[], Person], customer: Person, owner: Database
) -> None:
    chat, other = customer.starts_chat(), new_customer()
    other.starts_chat()
    screen = connected(customer)
    screen.subscribe(chat["id"])
    owner.rows("update chats set real_user_id = %s where id = %s", other.id, chat["id"])
    assert screen.expect("unsubscribed", chat_id=chat["id"])["details"] == "chat_not_found"


def test_whoever_is_deactivated_is_sent_away_before_he_sees_more(
    connected: Callable[[Person], Socket], operator: Person, customer: Person, owner: Database
) -> None:
    chat = holds(operator, customer)
    screen = connected(operator)
    screen.subscribe(chat["id"])
    with owner.connect(autocommit=False) as connection:
        connection.execute("update operators set is_active = false where id = %s", (operator.id,))
        connection.execute(
            "insert into messages (chat_id, sender_type, content) values (%s, 'real', 'secret')", (chat["id"],)
        )
        connection.commit()
    frames, code = screen.all_until_closed()
    assert code == 4403
    assert "secret" not in json.dumps(frames)


def test_a_deactivated_operator_does_not_come_in(open_socket: Connect, operator: Person, owner: Database) -> None:
    owner.rows("update operators set is_active = false where id = %s", operator.id)
    socket = open_socket()
    socket.send(type="auth", token=operator.token)
    assert socket.refusal() == "operator_inactive"
    assert socket.closing_code() == 4403


def test_a_chat_that_is_deleted_ends_its_subscriptions(
    connected: Callable[[Person], Socket], customer: Person, operator: Person, owner: Database
) -> None:
    chat = customer.starts_chat()
    screens = [connected(customer), connected(operator)]
    for screen in screens:
        screen.subscribe(chat["id"])
    owner.rows("delete from chats where id = %s", chat["id"])
    for screen in screens:
        assert screen.expect("unsubscribed", chat_id=chat["id"])["details"] == "chat_not_found"


def test_whoever_is_erased_is_sent_away(
    connected: Callable[[Person], Socket], customer: Person, owner: Database
) -> None:
    customer.starts_chat()
    screen = connected(customer)
    owner.rows("delete from chats where real_user_id = %s", customer.id)
    owner.rows("delete from real_users where id = %s", customer.id)
    assert screen.closing_code() == 4401


@pytest.mark.parametrize("has_written", [True, False])
def test_whoever_erases_himself_is_sent_away_and_not_let_in_again(
    connected: Callable[[Person], Socket],
    open_socket: Connect,
    customer: Person,
    operator: Person,
    owner: Database,
    has_written: bool,
) -> None:
    screens = [connected(customer), connected(customer)]
    if has_written:
        chat = holds(operator, customer)
        theirs = connected(operator)
        theirs.subscribe(chat["id"])
    assert customer.delete("/api/me").status_code == 200
    assert [screen.closing_code() for screen in screens] == [4401, 4401]
    if has_written:
        assert theirs.expect("unsubscribed", chat_id=chat["id"])["details"] == "chat_not_found"
        assert theirs.expect("inbox", chats=[])
    again = open_socket()
    again.send(type="auth", token=customer.token)
    assert again.refusal() == "not_signed_in"
    assert again.closing_code() == 4401
    wait_until(lambda: owner.rows("select from private.connections where person_id = %s", customer.id) == [])


def test_whoever_was_erased_while_the_relay_was_away_is_sent_away_when_it_is_back(
    connected: Callable[[Person], Socket], customer: Person, new_customer: Callable[[], Person], owner: Database
) -> None:
    other = new_customer()
    screen, kept = connected(customer), connected(other)
    with owner.owner.transaction():  # the signal is gone before anybody could have seen it
        owner.rows("select public.erase_user_data(%s)", customer.id)
        owner.rows("delete from private.events where person_id = %s", customer.id)
    assert screen.all_until_pong() == []
    owner.rows(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where application_name = 'baton relay' and datname = current_database()"
    )
    assert screen.closing_code() == 4401
    assert kept.all_until_pong() == []


def test_a_customer_who_becomes_an_operator_signs_in_again(
    connected: Callable[[Person], Socket], customer: Person, owner: Database
) -> None:
    screen = connected(customer)
    owner.rows("insert into operators (id, name) values (%s, 'Cleo')", customer.id)
    assert screen.closing_code() == 1012
    owner.rows("update operators set is_active = false where id = %s", customer.id)


def test_the_end_of_the_token_is_the_end_of_the_socket_unless_it_is_renewed(
    open_socket: Connect, customer: Person, sign: Callable[..., str]
) -> None:
    sockets = [open_socket(), open_socket()]
    for socket in sockets:
        socket.send(type="auth", token=sign(sub=customer.id, exp=int(time.time()) + 2))
        socket.expect("ready")
    sockets[1].send(type="auth", token=customer.token)
    sockets[1].expect("ready")
    assert sockets[0].closing_code() == 4401
    assert sockets[1].all_until_pong() == []


def test_nobody_becomes_somebody_else_on_his_socket(
    connected: Callable[[Person], Socket], new_customer: Callable[[], Person], service: Person
) -> None:
    for other in (new_customer(), service):
        socket = connected(new_customer())
        socket.send(type="auth", token=other.token)
        assert socket.refusal() == "not_allowed"
        assert socket.closing_code() == 4403


# Whoever does not keep to it.


@pytest.fixture
def bystander(
    connected: Callable[[Person], Socket], new_customer: Callable[[], Person], owner: Database
) -> Callable[[], None]:
    """Return a check that somebody else's socket still works."""
    person = new_customer()
    chat = person.starts_chat()
    owner.rows("update chats set priority = -1 where id = %s", chat["id"])  # nobody else's test takes it
    socket = connected(person)
    socket.subscribe(chat["id"])

    def check() -> None:
        message = person.writes(chat)
        assert socket.next_event()["data"]["id"] == message["id"]

    return check


def test_a_socket_that_does_not_sign_in_is_closed(open_socket: Connect, bystander: Callable[[], None]) -> None:
    socket = open_socket()
    socket.send(type="ping")
    assert socket.refusal() == "not_signed_in"
    assert socket.closing_code(timeout=3) == 4401
    bystander()


@pytest.mark.parametrize(
    ("token", "code"),
    [
        ("nonsense", "token_invalid"),
        ("expired", "token_expired"),
        ("anon", "not_signed_in"),
        ("another secret", "token_invalid"),
    ],
)
def test_a_bad_token_is_refused(
    open_socket: Connect, baton: Baton, sign: Callable[..., str], token: str, code: str
) -> None:
    tokens = {
        "nonsense": "x.y.z",
        "expired": sign(exp=int(time.time()) - 5),
        "anon": baton.anon_key,
        "another secret": sign(secret="another secret, just as long as the other"),
    }
    socket = open_socket()
    socket.send(type="auth", token=tokens[token])
    assert socket.refusal() == code
    assert socket.closing_code() == 4401


def test_a_token_in_the_address_is_refused(baton: Baton, customer: Person) -> None:
    answer = baton.client.get("/ws", params={"token": customer.token or ""})
    assert refuses(answer, 400, "token_in_url")


def test_only_pages_of_allowed_sites_may_open_a_socket(open_socket: Connect, baton: Baton) -> None:
    port = baton.base_url.rpartition(":")[2]
    for origin in ("https://evil.example", "null", f"http://127.0.0.1.evil.example:{port}", "http://127.0.0.1:1"):
        with pytest.raises(InvalidStatus) as refused:
            open_socket(origin=origin)
        assert refused.value.response.status_code == 403
        assert b"origin_not_allowed" in refused.value.response.body
    for origin in ("https://shop.example", baton.base_url, f"https://127.0.0.1:{port}"):
        open_socket(origin=origin)


def test_what_is_no_handshake_is_told_so(baton: Baton) -> None:
    answer = baton.client.get("/ws")
    assert refuses(answer, 426, "upgrade_required")
    assert answer.headers["Upgrade"] == "websocket"
    half = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    assert refuses(baton.client.get("/ws", headers=half), 400, "invalid_handshake")
    assert baton.client.post("/ws").status_code in (400, 405)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("nonsense", "invalid_json"),
        ("{", "invalid_json"),
        ('"\\ud800"', "invalid_json"),
        ("[" * 100_000, "invalid_json"),
        ("[]", "invalid_frame"),
        ("null", "invalid_frame"),
        (b'{"type": "ping"}', "invalid_frame"),
        ({}, "invalid_frame"),
        ({"type": None}, "invalid_frame"),
        ({"type": "event"}, "invalid_frame"),
        ({"type": ["ping"]}, "invalid_frame"),
        ({"type": "ping", "extra": 1}, "invalid_frame"),
        ({"type": "auth"}, "invalid_frame"),
        ({"type": "auth", "token": 1}, "invalid_frame"),
        ({"type": "subscribe"}, "invalid_frame"),
        ({"type": "subscribe", "chat_id": "7"}, "invalid_frame"),
        ({"type": "subscribe", "chat_id": UNKNOWN, "after_event": -1}, "invalid_frame"),
        ({"type": "subscribe", "chat_id": UNKNOWN, "after_event": "1"}, "invalid_frame"),
        ({"type": "subscribe", "chat_id": UNKNOWN, "after_event": 1.5}, "invalid_frame"),
        ({"type": "subscribe", "chat_id": UNKNOWN, "after_event": True}, "invalid_frame"),
        ({"type": "subscribe", "chat_id": UNKNOWN, "after_event": 2**63}, "invalid_frame"),
        ({"type": "subscribe", "chat_id": UNKNOWN, "after_event": 2**63 - 1}, "chat_not_found"),
        ({"type": "subscribe", "chat_id": UNKNOWN, "epoch": "now"}, "invalid_frame"),
        ({"type": "typing", "chat_id": UNKNOWN, "is_typing": "yes"}, "invalid_frame"),
        ({"type": "typing", "chat_id": UNKNOWN, "is_typing": True}, "not_subscribed"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_bad_frame_is_answered_and_the_socket_goes_on(
    connected: Callable[[Person], Socket], customer: Person, message: Any, code: str
) -> None:
    socket = connected(customer)
    socket.raw.send(json.dumps(message) if isinstance(message, dict) else message)
    assert socket.refusal() == code
    assert socket.all_until_pong() == []


def test_ten_megabytes_close_the_socket(
    connected: Callable[[Person], Socket], customer: Person, bystander: Callable[[], None]
) -> None:
    socket = connected(customer)
    with suppress(ConnectionClosed):
        socket.raw.send("x" * 10_000_000)
    assert socket.closing_code() == 1009
    bystander()


def test_what_is_just_not_too_large_is_read(connected: Callable[[Person], Socket], customer: Person) -> None:
    socket = connected(customer)
    socket.raw.send(" " * (131072 - 15) + '{"type":"ping"}')
    assert socket.receive() == {"type": "pong"}
    socket.raw.send(" " * (131072 - 14) + '{"type":"ping"}')
    assert socket.closing_code() == 1009


def test_two_hundred_chats_are_enough_for_one_socket(
    connected: Callable[[Person], Socket], admin: Person, owner: Database
) -> None:
    chats = owner.rows(
        "with customers as"
        " (insert into real_users (id) select gen_random_uuid() from generate_series(1, 201) returning id)"
        " insert into chats (real_user_id, chat_state) select id, 'waiting_assignment' from customers returning id"
    )
    socket = connected(admin)
    for chat in chats[:200]:
        socket.send(type="subscribe", chat_id=chat["id"])
        while (frame := socket.receive())["type"] in ("inbox", "presence") or frame.get("details") == "rate_limited":
            if frame["type"] == "error":
                socket.send(type="subscribe", chat_id=chat["id"])
        assert frame == {"type": "subscribed", "chat_id": str(chat["id"]), "event_seq": 0}
    while True:
        socket.send(type="subscribe", chat_id=chats[200]["id"])
        if (code := socket.refusal()) != "rate_limited":
            break
    assert code == "too_many_subscriptions"


def test_ten_thousand_subscriptions_hurt_nobody_else(
    connected: Callable[[Person], Socket], customer: Person, bystander: Callable[[], None]
) -> None:
    chat = customer.starts_chat()
    socket = connected(customer)
    flood = threading.Thread(
        target=_send_all, args=(socket, [{"type": "subscribe", "chat_id": chat["id"], "after_event": 0}] * 10_000)
    )
    flood.start()
    assert socket.refusal() == "rate_limited"
    for _ in range(5):
        bystander()
    socket.raw.socket.shutdown(sockets.SHUT_RDWR)
    flood.join(10)
    assert not flood.is_alive()
    bystander()


def test_typing_a_thousand_times_a_second_is_heard_once(
    connected: Callable[[Person], Socket], customer: Person, operator: Person, bystander: Callable[[], None]
) -> None:
    chat = holds(operator, customer)
    screen, socket = connected(operator), connected(customer)
    screen.subscribe(chat["id"])
    socket.subscribe(chat["id"])
    began = time.monotonic()
    flood = threading.Thread(
        target=_send_all,
        args=(socket, [{"type": "typing", "chat_id": chat["id"], "is_typing": True}] * 1000),
    )
    flood.start()
    assert socket.refusal() == "rate_limited"
    customer.writes(chat)
    heard = 0
    while (frame := screen.receive())["type"] != "event":
        heard += frame["type"] == "typing"
    assert 1 <= heard <= 1 + (time.monotonic() - began) / 2
    bystander()
    socket.raw.socket.shutdown(sockets.SHUT_RDWR)
    flood.join(10)


def test_one_user_has_so_many_sockets_and_no_more(
    connected: Callable[[Person], Socket], open_socket: Connect, customer: Person, new_customer: Callable[[], Person]
) -> None:
    own = [connected(customer) for _ in range(5)]
    one_more = open_socket()
    one_more.send(type="auth", token=customer.token)
    assert one_more.refusal() == "too_many_connections"
    assert one_more.closing_code() == 4403
    connected(new_customer())
    own[0].raw.close()
    for _ in range(50):  # the server notices when it next looks at that socket
        again = open_socket()
        again.send(type="auth", token=customer.token)
        if again.receive()["type"] == "ready":
            break
    else:
        pytest.fail("the place of a closed socket stays taken")


def test_a_full_process_refuses_sockets_and_answers_everything_else(
    server: Server, customer: Person, sign: Callable[..., str]
) -> None:
    with running_baton(server, 1, **ENVIRONMENT, BATON_SOCKET_LIMIT="3") as small:
        own = [Socket(small.base_url) for _ in range(3)]
        with pytest.raises(InvalidStatus) as refused:
            Socket(small.base_url)
        assert refused.value.response.status_code == 503
        assert refused.value.response.headers["Retry-After"]
        assert b"too_many_connections" in refused.value.response.body
        for path in ("/healthz", "/readyz"):
            assert small.client.get(path).status_code == 200
        assert own[0].closing_code() == 4401  # makes room
        with Socket(small.base_url) as again:
            again.send(type="auth", token=sign(sub=customer.id))
            assert again.receive()["type"] == "ready"


def test_where_no_socket_can_be_had_that_is_said() -> None:
    answer = create_app(Config(jwt_secret="only to ask")).test_client().get("/ws")
    assert (answer.status_code, answer.get_json()["details"]) == (503, "live_unavailable")


# The end of a process.


def test_a_process_that_ends_sends_everybody_away_and_is_gone(server: Server, sign: Callable[..., str]) -> None:
    with running_baton(server, 1, **ENVIRONMENT) as ending:
        mute = sockets.create_connection(("127.0.0.1", int(ending.base_url.rpartition(":")[2])))
        mute.sendall(
            b"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        assert mute.recv(1000).startswith(b"HTTP/1.1 101")
        own = [Socket(ending.base_url) for _ in range(20)]
        for socket in own:
            socket.send(type="auth", token=sign())
            socket.expect("ready")
        ending.client.close()
        (master,) = [each for each in psutil.Process().children() if _port(each) == _port_of(ending.base_url)]
        os.kill(master.pid, signal.SIGTERM)
        began = time.monotonic()
        with ThreadPoolExecutor(len(own)) as threads:
            assert set(threads.map(Socket.closing_code, own)) == {1012}
        assert time.monotonic() - began < 1
        master.wait(10)
        assert time.monotonic() - began < 5
        left = ending.database.value("select count(*) from private.connections where is_open")
        assert left == 0
        assert ending.database.value("select count(*) from private.relays") == 0


def test_the_numbers_tell_of_sockets(
    connected: Callable[[Person], Socket], baton: Baton, customer: Person, operator: Person
) -> None:
    chat = customer.starts_chat()
    own = [connected(customer), connected(operator)]
    for socket in own:
        socket.subscribe(chat["id"])
    customer.writes(chat)
    for socket in own:
        socket.next_event()
    lowest = {
        'baton_sockets{kind="customer"}': 1,
        'baton_sockets{kind="operator"}': 1,
        "baton_subscriptions": 2,
        "baton_events_delivered_total": 2,
        "baton_relay_polls_total": 1,
    }

    def tell() -> bool:
        page = baton.client.get("/metrics").text
        numbers = dict(line.rsplit(" ", 1) for line in page.splitlines() if line[0] != "#")
        return all(float(numbers.get(name, 0)) >= number for name, number in lowest.items())

    wait_until(tell, 5, "the numbers tell of them")


def _send_all(socket: Socket, frames: list[dict[str, Any]]) -> None:
    """Send until the socket is closed."""
    with suppress(ConnectionClosed):
        for frame in frames:
            socket.send(**frame)


def _port_of(base_url: str) -> str:
    return base_url.rpartition(":")[2]


def _port(process: psutil.Process) -> str | None:
    try:
        return str(process.environ().get("PORT"))
    except psutil.Error:
        return None
