"""An operator's lists, drafts and snoozes over HTTP. The rules are tried in tests/sql/test_workspace.py."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from tests.http.conftest import Person, refuses

LATER = (datetime.now(UTC) + timedelta(days=1)).isoformat()


def test_a_box_comes_in_pages(new_customer: Callable[[], Person], operator: Person) -> None:
    chats = [new_customer().starts_chat()["id"] for _ in range(3)]
    first = operator.get("/api/operator/boxes/queue", limit=2).json()
    assert [row["id"] for row in first["data"]] == chats[:2]
    rest = operator.get("/api/operator/boxes/queue", limit=2, cursor=first["next_cursor"]).json()
    assert ([row["id"] for row in rest["data"]], rest["next_cursor"]) == (chats[2:], None)
    assert operator.get("/api/operator/boxes/held").json() == {"data": [], "next_cursor": None}


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("queue?cursor=later", "invalid_input"),
        ("queue?cursor=[]", "invalid_input"),
        ("queue?cursor={}", "invalid_argument"),
        ("queue?limit=501", "invalid_input"),
        ("queue?page=2", "invalid_input"),
        ("mine", "invalid_argument"),
    ],
)
def test_what_is_no_page_is_refused(operator: Person, path: str, code: str) -> None:
    assert refuses(operator.http.get(f"/api/operator/boxes/{path}"), 400, code)


def test_all_chats_are_for_admins(customer: Person, operator: Person, admin: Person) -> None:
    chat = customer.starts_chat()
    assert refuses(operator.get("/api/operator/boxes/all"), 403, "not_allowed")
    assert refuses(customer.get("/api/operator/boxes/queue"), 403, "not_allowed")
    assert chat["id"] in [row["id"] for row in admin.get("/api/operator/boxes/all").json()["data"]]


def test_a_draft_is_kept_and_forgotten(customer: Person, operator: Person) -> None:
    path = f"/api/chats/{customer.starts_chat()['id']}/draft"
    assert operator.get(path).status_code == 204
    assert operator.put(path, content="Dear").status_code == 204
    assert operator.get(path).json()["content"] == "Dear"
    assert operator.put(path, content=None).status_code == 204
    assert operator.get(path).status_code == 204
    assert refuses(operator.put(path), 400, "invalid_input")
    assert refuses(operator.put(path, content="a\0b"), 400, "content_invalid")
    assert refuses(operator.put(path, content="x" * 65537), 400, "content_too_long")
    assert refuses(customer.put(path, content="Dear"), 403, "not_allowed")


def test_a_chat_is_put_aside_and_taken_up_again(customer: Person, operator: Person) -> None:
    chat = customer.starts_chat()
    path = f"/api/chats/{chat['id']}/snooze"
    assert refuses(operator.post(path, until=LATER), 409, "chat_owed")
    operator.takes_next()
    operator.replies(chat)
    assert operator.post(path, until=LATER).json()["chat_id"] == chat["id"]
    assert [row["id"] for row in operator.get("/api/operator/inbox").json()["snoozed"]] == [chat["id"]]
    assert operator.post(path, until=None).status_code == 204
    assert operator.get("/api/operator/boxes/snoozed").json()["data"] == []
    for until, code in (
        ("2020-01-01T00:00:00Z", "invalid_argument"),
        ("2026-11-22T00:00:00", "invalid_input"),
        ("soon", "invalid_input"),
    ):
        assert refuses(operator.post(path, until=until), 400, code)
    assert refuses(operator.post(path), 400, "invalid_input")
