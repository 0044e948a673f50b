"""Export and erasure over HTTP, from the first sign-in to nothing."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.http.conftest import Person, refuses
from tests.servers import Baton, Database


@pytest.fixture
def session(baton: Baton) -> dict[str, Any]:
    """The session of somebody who signs in anonymously, as the widget does."""
    answer = httpx.post(f"{baton.base_url}/auth/v1/signup", headers={"apikey": baton.anon_key}, json={})
    session: dict[str, Any] = answer.json()
    return session


@pytest.fixture
def visitor(baton: Baton, session: dict[str, Any]) -> Person:
    """Whoever has that session."""
    return Person(baton.base_url, session["access_token"], session["user"]["id"])


def test_a_visitor_has_his_data_and_erases_it(baton: Baton, visitor: Person, operator: Person, owner: Database) -> None:
    chat = visitor.starts_chat("my number is 0170 555")
    assert operator.takes_next().json()["id"] == chat["id"]
    data = visitor.get("/api/me/export")
    assert data.status_code == 200, data.text
    assert data.json()["chats"][0]["messages"][0]["content"] == "my number is 0170 555"
    assert data.json()["account"]["is_anonymous"] is True
    assert operator.id not in data.text

    erased = visitor.delete("/api/me")
    assert erased.json() == {
        "chats": 1,
        "messages": 1,
        "tickets": 0,
        "files": 0,
        "sessions": 1,
        "accounts": 1,
        "operators": 0,
    }
    assert set(visitor.delete("/api/me").json().values()) == {0}
    assert owner.rows("select from auth.users where id = %s", visitor.id) == []
    assert operator.get("/api/operator/inbox").json()["chats"] == []


def test_his_tokens_are_worth_nothing_any_more(baton: Baton, session: dict[str, Any], visitor: Person) -> None:
    chat = visitor.starts_chat()
    visitor.delete("/api/me")
    again = visitor.post("/api/chats", content="me again", client_message_id=str(uuid4()))
    assert refuses(again, 401, "not_signed_in")
    assert refuses(visitor.get("/api/me/export"), 401, "not_signed_in")
    assert refuses(visitor.get(f"/api/chats/{chat['id']}"), 404, "chat_not_found")
    assert visitor.get("/api/chats").json()["data"] == []
    assert visitor.get("/auth/v1/user").status_code == 403
    token = httpx.post(
        f"{baton.base_url}/auth/v1/token?grant_type=refresh_token",
        headers={"apikey": baton.anon_key},
        json={"refresh_token": session["refresh_token"]},
    )
    assert (token.status_code, token.json()["error_code"]) == (400, "refresh_token_not_found")


def test_an_admin_does_it_for_him(visitor: Person, admin: Person) -> None:
    visitor.starts_chat()
    own = visitor.get("/api/me/export").json()
    got = admin.get(f"/api/admin/users/{visitor.id}/export").json()
    assert {**got, "exported_at": ""} == {**own, "exported_at": "", "presence": got["presence"]}
    assert admin.delete(f"/api/admin/users/{visitor.id}").json()["chats"] == 1
    assert refuses(admin.get(f"/api/admin/users/{visitor.id}/export"), 404, "user_not_found")


def test_nobody_does_it_to_somebody_else(
    new_customer: Callable[[], Person], operator: Person, admin: Person, service: Person, baton: Baton
) -> None:
    kim, lee = new_customer(), new_customer()
    kim.starts_chat()
    for who in (lee, operator):
        assert refuses(who.get(f"/api/admin/users/{kim.id}/export"), 403, "not_allowed")
        assert refuses(who.delete(f"/api/admin/users/{kim.id}"), 403, "not_allowed")
    for who in (Person(baton.base_url, baton.anon_key), Person(baton.base_url, None), service):
        assert refuses(who.get("/api/me/export"), 401, "not_signed_in")
        assert refuses(who.delete("/api/me"), 401, "not_signed_in")
    assert refuses(admin.delete(f"/api/admin/users/{uuid4()}"), 404, "user_not_found")
    assert refuses(admin.delete("/api/me"), 409, "operator_active")
    assert refuses(admin.delete(f"/api/admin/users/{operator.id}"), 409, "operator_active")
    assert refuses(admin.delete("/api/admin/users/nobody"), 400, "invalid_input")
    assert len(kim.get("/api/chats").json()["data"]) == 1


def test_the_log_of_the_web_has_nothing_that_he_wrote(baton: Baton, visitor: Person, operator: Person) -> None:
    secret = f"sesame{uuid4().hex}"
    chat = visitor.starts_chat(secret)
    visitor.post("/api/chats", content=secret, client_message_id="no id")
    visitor.post("/api/chats", content=secret + "\0", client_message_id=str(uuid4()))
    visitor.post("/api/operator/messages", chat_id=chat["id"], content=secret, client_message_id=str(uuid4()))
    operator.post("/api/operator/messages", chat_id=chat["id"], content=secret, client_message_id=str(uuid4()))
    visitor.get("/api/me/export")
    visitor.delete("/api/me")
    log = baton.log.read_text()
    assert '"path":"/api/me/export"' in log
    assert secret not in log
