"""What a customer does over HTTP, and what he never sees."""

from collections.abc import Callable
from uuid import uuid4

from tests.http.conftest import Person, refuses

STAFF_ONLY = ("assigned_operator_id", "last_operator_id", "priority", "ip_address")


def test_starting_a_chat_puts_it_into_the_queue(customer: Person) -> None:
    chat = customer.starts_chat("is anyone there?")
    assert chat["chat_state"] == "waiting_assignment"
    assert chat["real_user_id"] == customer.id
    assert chat["waiting_since"].endswith("+00:00")


def test_starting_the_same_chat_again_returns_the_one_that_is_there(customer: Person) -> None:
    body = {"content": "hello", "client_message_id": str(uuid4())}
    first, second = customer.post("/api/chats", **body), customer.post("/api/chats", **body)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"]


def test_a_chat_remembers_its_context_and_the_callers_address(customer: Person, admin: Person) -> None:
    context = {"page": "/shoes", "items": [1, 2.5, None, {"deep": True}]}
    body = {"content": "hello", "client_message_id": str(uuid4()), "context": context}
    chat = customer.post("/api/chats", **body).json()
    assert chat["context"] == context
    assert admin.get(f"/api/chats/{chat['id']}").json()["ip_address"] == "127.0.0.1"


def test_a_context_beyond_16_kb_is_too_large(customer: Person) -> None:
    body = {"content": "hello", "client_message_id": str(uuid4()), "context": {"text": "x" * 17_000}}
    assert refuses(customer.post("/api/chats", **body), 413, "too_large")


def test_an_unknown_persona_is_refused(customer: Person) -> None:
    body = {"content": "hello", "client_message_id": str(uuid4()), "fictional_user_id": str(uuid4())}
    assert refuses(customer.post("/api/chats", **body), 404, "fictional_user_not_found")


def test_writing_twice_with_one_id_is_one_message(customer: Person) -> None:
    chat = customer.starts_chat()
    body = {"chat_id": chat["id"], "content": "hello?", "client_message_id": str(uuid4())}
    first, second = customer.post("/api/messages", **body), customer.post("/api/messages", **body)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()
    other_text = {**body, "content": "something else"}
    assert refuses(customer.post("/api/messages", **other_text), 409, "client_message_id_reused")


def test_somebody_elses_chat_looks_like_an_unknown_one(new_customer: Callable[[], Person]) -> None:
    chat, stranger = new_customer().starts_chat(), new_customer()
    for chat_id in (chat["id"], str(uuid4())):
        message = {"chat_id": chat_id, "content": "hello", "client_message_id": str(uuid4())}
        assert refuses(stranger.get(f"/api/chats/{chat_id}"), 404, "chat_not_found")
        assert refuses(stranger.get(f"/api/chats/{chat_id}/messages"), 404, "chat_not_found")
        assert refuses(stranger.get(f"/api/chats/{chat_id}/queue-position"), 404, "chat_not_found")
        assert refuses(stranger.post(f"/api/chats/{chat_id}/complete"), 404, "chat_not_found")
        assert refuses(stranger.post(f"/api/chats/{chat_id}/read", seq=1), 404, "chat_not_found")
        assert refuses(stranger.post("/api/messages", **message), 404, "chat_not_found")


def test_a_customer_lists_his_own_chats_page_by_page(new_customer: Callable[[], Person]) -> None:
    new_customer().starts_chat()
    customer = new_customer()
    ids = [customer.starts_chat(f"chat {number}")["id"] for number in range(5)]
    seen: list[str] = []
    cursor: dict[str, str] = {}
    for expected in (2, 2, 1):
        page = customer.get("/api/chats", limit=2, **cursor).json()
        assert len(page["data"]) == expected
        seen += [chat["id"] for chat in page["data"]]
        cursor = {"cursor": page["next_cursor"]}
    assert page["next_cursor"] is None
    assert seen == ids[::-1]


def test_a_full_last_page_has_no_next_one(customer: Person) -> None:
    customer.starts_chat()
    customer.starts_chat()
    assert customer.get("/api/chats", limit=2).json()["next_cursor"] is None


def test_chats_are_listed_by_state(customer: Person) -> None:
    chat = customer.starts_chat()
    customer.post(f"/api/chats/{chat['id']}/complete")
    assert customer.get("/api/chats", chat_state="waiting_assignment").json()["data"] == []
    assert len(customer.get("/api/chats", chat_state="completed").json()["data"]) == 1
    assert refuses(customer.get("/api/chats", chat_state="lost"), 400, "invalid_input")


def test_messages_are_read_by_their_numbers_from_any_side(customer: Person) -> None:
    chat = customer.starts_chat("1")
    for number in range(2, 8):
        customer.writes(chat, str(number))

    def page(**query: int) -> tuple[list[int], int | None]:
        answer = customer.get(f"/api/chats/{chat['id']}/messages", **query).json()
        return [message["seq"] for message in answer["data"]], answer["next_cursor"]

    assert page() == ([1, 2, 3, 4, 5, 6, 7], None)
    assert page(limit=3) == ([5, 6, 7], 5)
    assert page(limit=3, before_seq=5) == ([2, 3, 4], 2)
    assert page(limit=3, before_seq=2) == ([1], None)
    assert page(limit=3, after_seq=0) == ([1, 2, 3], 3)
    assert page(limit=3, after_seq=6) == ([7], None)
    assert page(limit=3, around_seq=4) == ([3, 4, 5], None)
    assert page(after_seq=2**63 - 1) == ([], None)


def test_a_customers_rows_never_carry_who_works_on_them(customer: Person, operator: Person) -> None:
    chat = customer.starts_chat()
    assert operator.takes_next().json()["id"] == chat["id"]
    held = customer.get(f"/api/chats/{chat['id']}").json()
    operator.replies(chat)
    answered = customer.get(f"/api/chats/{chat['id']}").json()
    listed = customer.get("/api/chats").json()["data"][0]
    completed = customer.post(f"/api/chats/{chat['id']}/complete").json()
    for row in (held, answered, listed, completed):
        assert [row[name] for name in STAFF_ONLY] == [None] * len(STAFF_ONLY)
    asked, reply = customer.get(f"/api/chats/{chat['id']}/messages").json()["data"]
    assert (asked["handled_by_operator_id"], reply["sender_id"]) == (None, None)
    assert operator.id not in customer.get(f"/api/chats/{chat['id']}/messages").text


def test_a_completed_chat_reopens_when_its_customer_writes(customer: Person) -> None:
    chat = customer.starts_chat()
    done = customer.post(f"/api/chats/{chat['id']}/complete", reason="thanks").json()
    assert (done["chat_state"], done["is_active"]) == ("completed", False)
    customer.writes(chat)
    assert customer.get(f"/api/chats/{chat['id']}").json()["chat_state"] == "waiting_assignment"


def test_a_waiting_customer_sees_his_place(new_customer: Callable[[], Person]) -> None:
    chats = [(person, person.starts_chat()) for person in (new_customer(), new_customer())]
    places = [person.get(f"/api/chats/{chat['id']}/queue-position").json()["position"] for person, chat in chats]
    assert places == [1, 2]


def test_ones_own_message_can_be_edited_and_deleted(new_customer: Callable[[], Person]) -> None:
    customer, stranger = new_customer(), new_customer()
    message = customer.writes(customer.starts_chat(), "helo")
    path = f"/api/messages/{message['id']}"
    assert refuses(stranger.patch(path, content="mine now"), 404, "message_not_found")
    assert refuses(stranger.delete(path), 404, "message_not_found")
    edited = customer.patch(path, content="hello").json()
    assert (edited["content"], edited["seq"]) == ("hello", message["seq"])
    assert edited["edited_at"]
    deleted = customer.delete(path)
    assert deleted.status_code == 200
    assert deleted.json()["deleted_at"]
    assert "hello" not in deleted.text


def test_reading_is_remembered_without_an_answer(customer: Person, operator: Person) -> None:
    chat = customer.starts_chat()
    answer = customer.post(f"/api/chats/{chat['id']}/read", seq=1)
    assert (answer.status_code, answer.content) == (204, b"")


def test_everyone_may_ask_who_he_is(customer: Person, operator: Person, admin: Person, service: Person) -> None:
    people = {"customer": customer, "operator": operator, "admin": admin}
    for kind, person in people.items():
        assert person.get("/api/me").json() == {"id": person.id, "kind": kind}
    assert service.get("/api/me").json() == {"id": None, "kind": "service"}
