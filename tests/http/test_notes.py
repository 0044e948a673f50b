"""Notes, mentions, quick responses and preferences over HTTP."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.http.conftest import Person, refuses


@pytest.fixture
def chat(customer: Person, operator: Person) -> dict[str, Any]:
    """A chat that the operator holds."""
    chat = customer.starts_chat()
    assert operator.takes_next().json()["id"] == chat["id"]
    return chat


def test_a_note_is_added_once_changed_and_deleted(
    customer: Person, operator: Person, admin: Person, chat: dict[str, Any]
) -> None:
    notes = f"/api/chats/{chat['id']}/notes"
    body = {"content": "an old friend", "client_note_id": str(uuid4()), "mentions": [admin.id]}
    first = operator.post(notes, **body)
    assert (first.status_code, first.json()["author_id"]) == (201, operator.id)
    again = operator.post(notes, **body)
    assert (again.status_code, again.json()) == (200, first.json())
    assert refuses(operator.post(notes, **{**body, "content": "x"}), 409, "client_message_id_reused")

    (mention,) = admin.get("/api/operator/mentions").json()["data"]
    assert (mention["note_id"], mention["author_name"]) == (first.json()["id"], "Ana")
    assert admin.post(f"/api/chats/{chat['id']}/mentions/read").status_code == 204
    assert admin.get("/api/operator/mentions").json()["data"] == []
    assert len(admin.get("/api/operator/mentions", unread_only="false").json()["data"]) == 1

    path = f"/api/notes/{first.json()['id']}"
    assert operator.patch(path, content="a good friend").json()["content"] == "a good friend"
    (listed,) = operator.get(notes).json()["data"]
    assert (listed["content"], listed["mentions"], listed["author_name"]) == ("a good friend", [admin.id], "Ana")
    snapshot = operator.get(f"/api/chats/{chat['id']}/snapshot").json()
    assert [note["content"] for note in snapshot["notes"]] == ["a good friend"]
    assert "notes" not in customer.get(f"/api/chats/{chat['id']}/snapshot").json()
    assert refuses(customer.get(notes), 403, "not_allowed")
    assert admin.delete(path).json()["content"] == ""
    assert operator.get(notes).json()["data"] == []


def test_notes_are_listed_page_by_page(operator: Person, chat: dict[str, Any]) -> None:
    path = f"/api/chats/{chat['id']}/notes"
    for number in range(3):
        assert operator.post(path, content=str(number), client_note_id=str(uuid4())).status_code == 201
    newest = operator.get(path, limit=2).json()
    oldest = operator.get(path, limit=2, before_id=newest["next_cursor"]).json()
    assert [note["content"] for note in oldest["data"] + newest["data"]] == ["0", "1", "2"]
    assert oldest["next_cursor"] is None
    assert operator.get(path, limit=3).json()["next_cursor"] is None
    assert operator.get(f"/api/chats/{chat['id']}/snapshot").json()["has_older_notes"] is False
    assert refuses(operator.get(path, before_id=str(uuid4())), 404, "note_not_found")
    assert refuses(operator.get(path, before_id="one"), 400, "invalid_input")


def test_bad_notes_are_refused(
    operator: Person, new_operator: Callable[..., Person], admin: Person, chat: dict[str, Any]
) -> None:
    notes, key, stranger = f"/api/chats/{chat['id']}/notes", str(uuid4()), new_operator("Ben")
    refused: list[tuple[httpx.Response, int, str]] = [
        (operator.post(notes, content="x"), 400, "invalid_input"),
        (operator.post(notes, content="x", client_note_id=key, mentions=["ana"]), 400, "invalid_input"),
        (operator.post(notes, content="x", client_note_id=key, colour="red"), 400, "invalid_input"),
        (operator.post(notes, content="", client_note_id=key), 400, "content_empty"),
        (operator.post(notes, content="x", client_note_id=key, mentions=[stranger.id]), 409, "mention_refused"),
        (stranger.post(notes, content="x", client_note_id=key), 404, "chat_not_found"),
        (operator.patch(f"/api/notes/{uuid4()}", content="x"), 404, "note_not_found"),
        (operator.get("/api/operator/mentions", unread_only="perhaps"), 400, "invalid_input"),
    ]
    for answer, status, code in refused:
        assert refuses(answer, status, code)
    assert operator.get(notes).json()["data"] == []


def test_quick_responses_are_kept_changed_and_deleted(operator: Person, admin: Person) -> None:
    path, name = "/api/quick-responses", uuid4().hex[:8]
    body = {"shortcut": name, "title": "Hello", "content": "Hello {{customer.name}}"}
    own = operator.post(path, **body)
    assert (own.status_code, own.json()["owner_id"]) == (201, operator.id)
    assert refuses(operator.post(path, **body), 409, "quick_responses_shortcut_key")
    assert refuses(operator.post(path, **body, is_shared=True), 403, "not_allowed")
    wrong = operator.post(path, **{**body, "content": "{{order.id}}"})
    assert refuses(wrong, 400, "invalid_argument")
    assert wrong.json()["hint"].startswith("content: ")
    shared = admin.post(path, **body, is_shared=True).json()
    assert [row["id"] for row in operator.get(path).json()["data"] if row["shortcut"] == name] == [
        own.json()["id"],
        shared["id"],
    ]
    changed = operator.http.put(f"{path}/{own.json()['id']}", json={**body, "content": "Good day"})
    assert (changed.status_code, changed.json()["content"]) == (200, "Good day")
    for person, response in ((operator, own.json()), (admin, shared)):
        assert person.delete(f"{path}/{response['id']}").status_code == 204
        assert refuses(person.delete(f"{path}/{response['id']}"), 404, "quick_response_not_found")


def test_preferences_are_kept(customer: Person, operator: Person) -> None:
    path = "/api/operator/preferences"
    assert operator.get(path).json()["updated_at"] is None
    assert operator.patch(path, theme="dark", desktop_notifications=True).json()["theme"] == "dark"
    assert operator.get(path).json()["desktop_notifications"] is True
    wrong = operator.patch(path, theme="light", colour="red")
    assert refuses(wrong, 400, "invalid_argument")
    assert wrong.json()["hint"].startswith("colour: ")
    assert refuses(operator.http.patch(path, json=["theme"]), 400, "invalid_input")
    assert operator.get(path).json()["theme"] == "dark"
    assert refuses(customer.get(path), 403, "not_allowed")
