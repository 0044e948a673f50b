"""What customers and admins do around chats over HTTP: the widget, ratings, tickets, operators, personas, settings."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from tests.http.conftest import Person, refuses
from tests.servers import Baton, Database


@pytest.fixture
def settings(owner: Database) -> Iterator[None]:
    """Put settings back that a test changes: others use the same server."""
    yield
    owner.rows("update settings set value = 'false' where name = 'allow_take'")
    owner.rows('select set_widget_settings(\'{"title": "Chat with us", "fictional_user_id": null}\')')


def test_everybody_is_told_how_the_widget_looks(baton: Baton, admin: Person, settings: None) -> None:
    face = "/storage/v1/object/public/avatars/staff/ava.png"
    persona = admin.post("/api/admin/personas", name="Ava", avatar_url=face)
    assert persona.status_code == 201
    changes = {"title": "Ask us", "fictional_user_id": persona.json()["id"]}
    changed = admin.patch("/api/admin/widget-settings", **changes)
    assert changed.status_code == 200, changed.text
    assert admin.get("/api/admin/widget-settings").json() == changed.json()
    answer = Person(baton.base_url, None).get("/api/widget/settings")
    assert answer.status_code == 200, answer.text
    assert answer.headers["Cache-Control"] == "public, max-age=5"
    widget = answer.json()
    assert (widget["title"], widget["persona"]) == ("Ask us", {"name": "Ava", "avatar_url": face})
    assert (widget["is_open"], widget["opens_at"], widget["available"]) == (True, None, True)


def test_the_hint_of_a_refusal_begins_with_the_field(admin: Person, operator: Person, customer: Person) -> None:
    chat = customer.starts_chat()
    operator.takes_next()
    operator.replies(chat)
    before = admin.get("/api/admin/widget-settings").json()
    rating = f"/api/chats/{chat['id']}/rating"
    for answer, field in (
        (admin.patch("/api/admin/widget-settings", title="x", colour="red"), "colour"),
        (admin.patch("/api/admin/settings", idle_limit="soon"), "idle_limit"),
        (admin.patch(f"/api/admin/operators/{operator.id}", capacity=-1), "capacity"),
        (admin.post("/api/admin/personas", name=""), "name"),
        (customer.post("/api/me", email="kim"), "email"),
        (customer.post("/api/tickets", type="support", title=" "), "title"),
        (customer.post(rating, score=5, comment="x" * 2001), "comment"),
    ):
        assert refuses(answer, 400, "invalid_argument")
        assert answer.json()["hint"].startswith(f"{field}: ")
    answer = customer.post(rating, score=6)
    assert refuses(answer, 400, "invalid_input")
    assert answer.json()["hint"].startswith("score: ")
    assert admin.get("/api/admin/widget-settings").json() == before


def test_a_customer_introduces_himself_and_rates(customer: Person, operator: Person, admin: Person) -> None:
    me = customer.post("/api/me", name="Kim", email="kim@shop.example")
    assert (me.status_code, me.json()["name"]) == (200, "Kim")
    chat = customer.starts_chat()
    path = f"/api/chats/{chat['id']}/rating"
    assert refuses(customer.post(path, score=5), 409, "chat_not_answered")
    operator.takes_next()
    operator.replies(chat)
    assert customer.get(path).status_code == 204
    assert customer.post(path, score=4, comment="quick").status_code == 200
    for who in (customer, operator, admin):
        assert who.get(path).json()["score"] == 4
        snapshot = who.get(f"/api/chats/{chat['id']}/snapshot").json()
        assert snapshot["rating"] == (None if who is customer else {"score": 4, "comment": "quick"})
    events = operator.get(f"/api/chats/{chat['id']}/events", after_event=0).json()["data"]
    assert [event["data"] for event in events if event["event"] == "chat.rated"] == [{"score": 4, "comment": "quick"}]


def test_a_ticket_is_made_once_and_found_by_the_staff(customer: Person, operator: Person, admin: Person) -> None:
    body = {"type": "order-help", "title": "A lamp", "initial_message": "Broken.", "client_message_id": str(uuid4())}
    made = customer.post("/api/tickets", **body, context={"contact_email": "kim@shop.example"})
    assert made.status_code == 201, made.text
    again = customer.post("/api/tickets", **body)
    assert (again.status_code, again.json()["id"]) == (200, made.json()["id"])
    path = f"/api/tickets/{made.json()['id']}"
    for who in (customer, operator, admin):
        assert who.get(path).json()["contact_email"] == "kim@shop.example"
        messages = who.get(f"{path}/messages").json()
        assert ([message["content"] for message in messages["data"]], messages["next_cursor"]) == (["Broken."], None)
    second = customer.post("/api/tickets", type="support", title="Another").json()
    first_page = customer.get("/api/tickets", limit=1).json()
    assert [ticket["id"] for ticket in first_page["data"]] == [second["id"]]
    last_page = customer.get("/api/tickets", limit=1, cursor=first_page["next_cursor"]).json()
    assert ([ticket["id"] for ticket in last_page["data"]], last_page["next_cursor"]) == ([made.json()["id"]], None)
    assert refuses(operator.post("/api/tickets", **body), 403, "not_allowed")


def test_an_admin_changes_operators_personas_and_settings(admin: Person, operator: Person, settings: None) -> None:
    changed = admin.patch(f"/api/admin/operators/{operator.id}", name="Anna", capacity=3)
    assert (changed.status_code, changed.json()["name"], changed.json()["capacity"]) == (200, "Anna", 3)
    listed = {row["id"]: row for row in admin.get("/api/admin/operators").json()["data"]}
    assert (listed[operator.id]["held"], listed[operator.id]["is_connected"]) == (0, False)
    persona = admin.post("/api/admin/personas", name="Ava").json()
    theo = admin.http.put(f"/api/admin/personas/{persona['id']}", json={"name": "Theo", "is_active": False})
    assert (theo.status_code, theo.json()["name"], theo.json()["is_active"]) == (200, "Theo", False)
    assert persona["id"] in [row["id"] for row in operator.get("/api/admin/personas").json()["data"]]
    settings_now = admin.patch("/api/admin/settings", allow_take=True).json()["data"]
    assert admin.get("/api/admin/settings").json()["data"] == settings_now
    assert {row["name"]: row["value"] for row in settings_now}["allow_take"] is True
    answer = admin.patch("/api/admin/settings", allow_take=False, colour="red")
    assert refuses(answer, 404, "setting_not_found")
    assert admin.get("/api/admin/settings").json()["data"] == settings_now
