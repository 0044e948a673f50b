"""The operator's work over HTTP."""

from collections.abc import Callable
from uuid import uuid4

import pytest

from tests.http.conftest import Person, refuses
from tests.servers import Database


def test_asking_gives_the_next_chat_until_nothing_waits(
    new_customer: Callable[[], Person], new_operator: Callable[..., Person]
) -> None:
    chats = [new_customer().starts_chat()["id"] for _ in range(2)]
    given = [new_operator(name).takes_next() for name in ("Ana", "Ben", "Cleo")]
    assert [answer.status_code for answer in given] == [200, 200, 204]
    assert [answer.json()["id"] for answer in given[:2]] == chats
    assert given[2].content == b""


def test_an_operator_with_full_hands_is_refused(customer: Person, operator: Person) -> None:
    customer.starts_chat()
    customer.starts_chat()
    assert operator.takes_next().status_code == 200
    assert refuses(operator.takes_next(), 409, "operator_at_capacity")


def test_a_reply_ends_the_turn(customer: Person, operator: Person) -> None:
    chat = customer.starts_chat()
    operator.takes_next()
    body = {"chat_id": chat["id"], "content": "hello", "client_message_id": str(uuid4())}
    first = operator.post("/api/operator/messages", **body)
    assert (first.status_code, first.json()["sender_id"]) == (201, operator.id)
    again = operator.post("/api/operator/messages", **body)
    assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])
    assert customer.get(f"/api/chats/{chat['id']}").json()["chat_state"] == "waiting_real_user_reply"
    asked = operator.get(f"/api/chats/{chat['id']}/messages").json()["data"][0]
    assert asked["handled_by_operator_id"] == operator.id


def test_only_the_holder_replies(customer: Person, new_operator: Callable[..., Person]) -> None:
    chat = customer.starts_chat()
    holder, other = new_operator("Ana"), new_operator("Ben")
    assert refuses(other.replies(chat), 409, "chat_not_assigned")
    holder.takes_next()
    assert other.replies(chat).status_code in (404, 409)
    assert refuses(customer.replies(chat), 403, "not_allowed")


def test_handing_back_returns_the_chat_to_its_place(customer: Person, operator: Person) -> None:
    chat = customer.starts_chat()
    operator.takes_next()
    back = operator.post("/api/operator/unassign", chat_id=chat["id"], reason="lunch")
    assert back.status_code == 200
    assert back.json()["waiting_since"] == chat["waiting_since"]
    assert operator.post("/api/operator/unassign", chat_id=chat["id"]).status_code == 409


def test_a_transfer_moves_the_hold(customer: Person, new_operator: Callable[..., Person]) -> None:
    chat, ana, ben = customer.starts_chat(), new_operator("Ana"), new_operator("Ben")
    ana.takes_next()
    moved = ana.post("/api/operator/transfer", chat_id=chat["id"], operator_id=ben.id)
    assert moved.json()["assigned_operator_id"] == ben.id
    again = ana.post("/api/operator/transfer", chat_id=chat["id"], operator_id=ben.id)
    assert refuses(again, 409, "not_the_holder")
    unknown = ben.post("/api/operator/transfer", chat_id=chat["id"], operator_id=str(uuid4()))
    assert refuses(unknown, 404, "operator_not_found")


def test_an_operator_goes_away_and_comes_back(operator: Person) -> None:
    away = operator.post("/api/operator/status", status="away", reason="coffee").json()
    assert (away["status"], away["status_reason"]) == ("away", "coffee")
    assert operator.post("/api/operator/status", status="online").json()["status"] == "online"
    assert refuses(operator.post("/api/operator/status", status="asleep"), 400, "invalid_input")


def test_only_admins_set_somebody_elses_status(
    new_operator: Callable[..., Person], admin: Person, service: Person
) -> None:
    ana, ben = new_operator("Ana"), new_operator("Ben")
    body = {"status": "away", "operator_id": ben.id}
    assert refuses(ana.post("/api/operator/status", **body), 403, "not_allowed")
    assert admin.post("/api/operator/status", **body).json()["id"] == ben.id
    assert service.post("/api/operator/status", **body).status_code == 200


def test_typing_keeps_the_hold(customer: Person, operator: Person) -> None:
    chat = customer.starts_chat()
    assert operator.post("/api/operator/activity", chat_id=chat["id"]).status_code == 409
    operator.takes_next()
    assert operator.post("/api/operator/activity", chat_id=chat["id"]).status_code == 204


def test_taking_a_chosen_chat_needs_the_setting(customer: Person, operator: Person, owner: Database) -> None:
    customer.starts_chat()
    chosen = customer.starts_chat()
    assert refuses(operator.post("/api/operator/take", chat_id=chosen["id"]), 403, "not_allowed")
    owner.rows("select set_setting('allow_take', 'true')")
    try:
        assert operator.post("/api/operator/take", chat_id=chosen["id"]).json()["id"] == chosen["id"]
    finally:
        owner.rows("select set_setting('allow_take', 'false')")


def test_the_inbox_shows_chats_next_queue_and_numbers(customer: Person, operator: Person) -> None:
    chats = [customer.starts_chat()["id"] for _ in range(2)]
    operator.takes_next()
    inbox = operator.get("/api/operator/inbox").json()
    assert inbox["operator"]["id"] == operator.id
    assert [chat["id"] for chat in inbox["chats"]] == chats[:1]
    assert inbox["next"]["chat_id"] == chats[1]
    assert inbox["queue"]["waiting_count"] == 1


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/operator/inbox"),
        ("POST", "/api/operator/assign"),
        ("POST", "/api/operator/status"),
    ],
)
def test_customers_do_no_operators_work(customer: Person, method: str, path: str) -> None:
    body = {"status": "online"} if path.endswith("status") else {}
    answer = customer.http.request(method, path, json=body if method == "POST" else None)
    assert answer.status_code in (403, 404), answer.text


def test_a_deactivated_operator_may_do_nothing(customer: Person, operator: Person, owner: Database) -> None:
    customer.starts_chat()
    owner.rows("update operators set is_active = false where id = %s", operator.id)
    assert refuses(operator.takes_next(), 403, "operator_inactive")
    assert refuses(operator.get("/api/operator/inbox"), 403, "operator_inactive")


def test_nobody_asks_for_another(customer: Person, new_operator: Callable[..., Person], admin: Person) -> None:
    customer.starts_chat()
    ana, ben = new_operator("Ana"), new_operator("Ben")
    assert refuses(ana.post("/api/operator/assign", operator_id=ben.id), 403, "not_allowed")
    assert admin.post("/api/operator/assign", operator_id=ben.id).json()["assigned_operator_id"] == ben.id
