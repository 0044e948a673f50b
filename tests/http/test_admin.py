"""The admin's hand on chats and operators over HTTP, and the numbers."""

from collections.abc import Callable
from uuid import uuid4

import pytest

from tests.http.conftest import Person, refuses
from web.routes.admin import METRICS


def test_an_admin_reassigns_releases_and_completes(
    customer: Person, new_operator: Callable[..., Person], admin: Person
) -> None:
    chat, ana, ben = customer.starts_chat(), new_operator("Ana"), new_operator("Ben")
    path = f"/api/admin/chats/{chat['id']}"
    ana.takes_next()
    moved = admin.post(f"{path}/reassign", operator_id=ben.id, reason="Ben knows it").json()
    assert moved["assigned_operator_id"] == ben.id
    freed = admin.post(f"{path}/release", reason="Ben is ill").json()
    assert (freed["chat_state"], freed["assigned_operator_id"]) == ("waiting_assignment", None)
    assert admin.post(f"{path}/complete").json()["chat_state"] == "completed"


def test_an_operator_reassigns_nothing(customer: Person, new_operator: Callable[..., Person]) -> None:
    chat, ana, ben = customer.starts_chat(), new_operator("Ana"), new_operator("Ben")
    path = f"/api/admin/chats/{chat['id']}/reassign"
    assert refuses(ana.post(path, operator_id=ben.id), 403, "not_allowed")
    assert customer.post(path, operator_id=ben.id).status_code in (403, 404)


def test_reassigning_respects_capacity(customer: Person, operator: Person, admin: Person) -> None:
    first, second = customer.starts_chat(), customer.starts_chat()
    body = {"operator_id": operator.id}
    assert admin.post(f"/api/admin/chats/{first['id']}/reassign", **body).status_code == 200
    answer = admin.post(f"/api/admin/chats/{second['id']}/reassign", **body)
    assert refuses(answer, 409, "operator_at_capacity")


def test_unknown_chats_and_operators_are_not_found(customer: Person, operator: Person, admin: Person) -> None:
    chat = customer.starts_chat()
    no_chat = admin.post(f"/api/admin/chats/{uuid4()}/reassign", operator_id=operator.id)
    assert refuses(no_chat, 404, "chat_not_found")
    no_operator = admin.post(f"/api/admin/chats/{chat['id']}/reassign", operator_id=str(uuid4()))
    assert refuses(no_operator, 404, "operator_not_found")


def test_the_service_may_do_what_an_admin_may(customer: Person, operator: Person, service: Person) -> None:
    chat = customer.starts_chat()
    moved = service.post(f"/api/admin/chats/{chat['id']}/reassign", operator_id=operator.id)
    assert moved.json()["assigned_operator_id"] == operator.id


def test_operators_are_registered_once_by_admins(admin: Person, operator: Person) -> None:
    body = {"id": str(uuid4()), "name": "Dan", "email": f"{uuid4().hex}@baton.example"}
    assert refuses(operator.post("/api/admin/operators", **body), 403, "not_allowed")
    made = admin.post("/api/admin/operators", **body)
    assert made.status_code == 201
    assert (made.json()["role"], made.json()["status"], made.json()["capacity"]) == ("operator", "offline", 1)
    assert refuses(admin.post("/api/admin/operators", **body), 409, "operators_pkey")


@pytest.mark.parametrize("view", METRICS)
def test_every_view_is_read_over_http(customer: Person, operator: Person, admin: Person, view: str) -> None:
    chat = customer.starts_chat()
    customer.starts_chat()
    operator.takes_next()
    operator.replies(chat)
    answer = admin.get(f"/api/admin/metrics/{view}")
    assert answer.status_code == 200, answer.text
    assert isinstance(answer.json()["data"], list)
    own = operator.get(f"/api/admin/metrics/{view}").json()["data"]
    assert all(row["operator_id"] == operator.id for row in own if "operator_id" in row)
    for row in customer.get(f"/api/admin/metrics/{view}").json()["data"]:  # the summaries have their rows always
        assert not any(value for name, value in row.items() if name != "chat_state")


def test_the_summary_has_its_four_rows(admin: Person) -> None:
    rows = admin.get("/api/admin/metrics/chat_state_summary").json()["data"]
    assert {row["chat_state"] for row in rows} == {
        "waiting_assignment",
        "assigned",
        "waiting_real_user_reply",
        "completed",
    }


def test_a_view_is_read_page_by_page(customer: Person, admin: Person) -> None:
    for _ in range(3):
        customer.starts_chat()
    first = admin.get("/api/admin/metrics/assignment_queue", limit=2).json()
    second = admin.get("/api/admin/metrics/assignment_queue", limit=2, cursor=first["next_cursor"]).json()
    assert [row["position"] for row in first["data"] + second["data"]] == [1, 2, 3]
    assert second["next_cursor"] is None


def test_a_view_that_is_not_meant_for_it_is_not_there(admin: Person) -> None:
    assert refuses(admin.get("/api/admin/metrics/pg_roles"), 404, "route_not_found")
    assert refuses(admin.get("/api/admin/metrics/chats"), 404, "route_not_found")


def test_the_queue_in_numbers(customer: Person, operator: Person, admin: Person) -> None:
    empty = admin.get("/api/admin/queue-status").json()
    assert (empty["waiting_count"], empty["oldest_wait_seconds"]) == (0, None)
    customer.starts_chat()
    assert admin.get("/api/admin/queue-status").json()["waiting_count"] == 1


def test_nothing_is_stuck_and_nothing_is_broken(admin: Person, customer: Person) -> None:
    customer.starts_chat()
    assert admin.get("/api/admin/stuck-chats").json() == {"data": [], "next_cursor": None}
    assert admin.get("/api/admin/stuck-chats", hours=0.000001).json()["data"][0]["problem"] == "waiting_too_long"
    assert admin.get("/api/admin/invariants").json()["data"] == []
    assert customer.get("/api/admin/invariants").status_code == 403


def test_the_next_chats_of_an_operator_are_explained(
    customer: Person, new_operator: Callable[..., Person], admin: Person
) -> None:
    chat, ana, ben = customer.starts_chat(), new_operator("Ana"), new_operator("Ben")
    for person in (ana, admin):
        first = person.get(f"/api/admin/explain/{ana.id}").json()["data"][0]
        assert (first["rank"], first["chat_id"]) == (1, chat["id"])
    assert refuses(ben.get(f"/api/admin/explain/{ana.id}"), 403, "not_allowed")
