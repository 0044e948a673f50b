"""What is sent: every body that is not right is refused, and nothing of it is stored."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.http.conftest import Person, refuses

JSON = {"Content-Type": "application/json"}

ID = "7c3f6c1e-3f0e-4c69-9c1e-0a4a5d1f2b3c"  # not made anew: parameters name tests, in every process alike


def send(person: Person, content: bytes | Iterator[bytes], path: str = "/api/chats", **headers: str) -> httpx.Response:
    """Send raw bytes."""
    return person.http.post(path, content=content, headers={**JSON, **headers})


def chat(content: Any, **more: Any) -> dict[str, Any]:
    """Return the body that starts a chat."""
    return {"content": content, "client_message_id": str(uuid4()), **more}


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"hello",
        b'{"content": NaN}',
        b"\xef\xbb\xbf{}",
        b'{"content": "\xff\xfe"}',
        b"{'a': 1}",
        b"[" * 5000,
        b"\0",
    ],
    ids=["cut", "word", "nan", "bom", "latin", "quotes", "deep", "nul"],
)
def test_what_is_not_json_is_refused(customer: Person, body: bytes) -> None:
    assert refuses(send(customer, body), 400, "invalid_json")


@pytest.mark.parametrize("body", [b"[]", b"1", b'"text"', b"null", b"true"])
def test_json_that_is_no_object_is_refused(customer: Person, body: bytes) -> None:
    assert refuses(send(customer, body), 400, "invalid_input")
    assert refuses(send(customer, body, "/api/operator/assign"), 400, "invalid_input")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_another_content_type_is_refused(customer: Person, kind: str) -> None:
    answer = send(customer, b'{"content": "x"}', **{"Content-Type": kind})
    assert refuses(answer, 415, "unsupported_media_type")


def test_a_missing_body_is_an_empty_object(customer: Person) -> None:
    assert refuses(customer.http.post("/api/chats"), 400, "invalid_input")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"client_message_id": "1"}, "client_message_id"),
        ({"client_message_id": None}, "client_message_id"),
        ({"content": 5}, "content"),
        ({"content": ["x"]}, "content"),
        ({"context": []}, "context"),
        ({"context": "x"}, "context"),
        ({"fictional_user_id": "ava"}, "fictional_user_id"),
        ({"surprise": 1}, "surprise"),
        ({"chat_state": "completed"}, "chat_state"),
    ],
    ids=str,
)
def test_the_hint_names_the_wrong_field(customer: Person, change: dict[str, Any], field: str) -> None:
    answer = customer.http.post("/api/chats", json={**chat("hello"), **change})
    assert refuses(answer, 400, "invalid_input")
    assert field in answer.json()["hint"]


@pytest.mark.parametrize("missing", ["content", "client_message_id"])
def test_a_missing_field_is_named(customer: Person, missing: str) -> None:
    body = chat("hello")
    del body[missing]
    answer = customer.http.post("/api/chats", json=body)
    assert refuses(answer, 400, "invalid_input")
    assert missing in answer.json()["hint"]


@pytest.mark.parametrize("content", ["", None])
def test_an_empty_message_is_refused_by_the_database(customer: Person, content: str | None) -> None:
    assert refuses(customer.post("/api/chats", **chat(content)), 400, "content_empty")


def test_a_message_of_200_kb_is_too_long(customer: Person) -> None:
    assert refuses(customer.post("/api/chats", **chat("x" * 200_000)), 400, "content_too_long")


def test_length_counts_bytes_not_letters(customer: Person) -> None:
    assert customer.post("/api/chats", **chat("é" * 32_768)).status_code == 201
    assert refuses(customer.post("/api/chats", **chat("é" * 32_769)), 400, "content_too_long")


@pytest.mark.parametrize(
    "text",
    [r"\u0000", r"a\u0000b", r"\ud800", r"\udc00", r"\ud800\ud800", r"\ud83d"],
)
def test_what_postgres_cannot_store_is_refused_wherever_it_stands(customer: Person, text: str) -> None:
    before = len(customer.get("/api/chats").json()["data"])
    as_text = f'{{"content": "{text}", "client_message_id": "{uuid4()}"}}'
    as_value = f'{{"content": "x", "client_message_id": "{uuid4()}", "context": {{"a": ["{text}"]}}}}'
    as_key = f'{{"content": "x", "client_message_id": "{uuid4()}", "context": {{"{text}": 1}}}}'
    for body in (as_text, as_value, as_key):
        assert refuses(send(customer, body.encode()), 400, "content_invalid")
    assert len(customer.get("/api/chats").json()["data"]) == before


def test_an_escaped_backslash_before_u0000_is_plain_text(customer: Person) -> None:
    body = rf'{{"content": "\\u0000", "client_message_id": "{uuid4()}"}}'
    assert send(customer, body.encode()).status_code == 201


@pytest.mark.parametrize(
    "text", ["'; drop table chats; --", "<script>alert(1)</script>", "👩‍👩‍👧‍👦 \u202e rtl", "\x7f\x01", "%s %(x)s"]
)
def test_any_other_text_is_kept_as_it_is(customer: Person, text: str) -> None:
    started = customer.post("/api/chats", **chat(text)).json()
    assert customer.get(f"/api/chats/{started['id']}/messages").json()["data"][0]["content"] == text


def test_a_body_of_10_mb_is_too_large(customer: Person) -> None:
    assert refuses(send(customer, b"x" * 10_000_000), 413, "too_large")


def test_a_chunked_body_of_10_mb_is_too_large(customer: Person) -> None:
    assert refuses(send(customer, (b"x" * 100_000 for _ in range(100))), 413, "too_large")


def test_a_chunked_body_is_not_cut_to_what_is_allowed(customer: Person) -> None:
    parts = [f'{{"content": "x", "client_message_id": "{uuid4()}"}}'.encode(), b" " * 1024 * 1024]
    assert refuses(send(customer, iter(parts)), 413, "too_large")


def test_a_chunked_body_is_read_like_any_other(customer: Person) -> None:
    parts = [b'{"content": "in pieces", ', f'"client_message_id": "{uuid4()}"}}'.encode()]
    assert send(customer, iter(parts)).status_code == 201


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "limit=x", "limit=1&limit=2", "cursor=1", "page=2", "limit=1e3"]
)
def test_a_wrong_query_is_refused(customer: Person, query: str) -> None:
    assert refuses(customer.http.get(f"/api/chats?{query}"), 400, "invalid_input")


@pytest.mark.parametrize("query", ["after_seq=-1", "after_seq=9223372036854775808", "around_seq=1.5", "before_seq="])
def test_a_number_that_is_none_is_refused(customer: Person, query: str) -> None:
    started = customer.starts_chat()
    assert refuses(customer.http.get(f"/api/chats/{started['id']}/messages?{query}"), 400, "invalid_input")


def test_a_null_byte_in_the_query_is_refused(customer: Person) -> None:
    assert refuses(customer.http.get("/api/chats?chat_state=%00"), 400, "content_invalid")


@pytest.mark.parametrize("chat_id", ["1", "x" * 36, ID[:-1], "%00", "..%2f", f"{{{ID}}}"])
def test_an_id_in_the_address_is_a_uuid(customer: Person, chat_id: str) -> None:
    assert refuses(customer.http.get(f"/api/chats/{chat_id}"), 400, "invalid_input")


def test_ids_are_read_in_either_case(customer: Person) -> None:
    started = customer.starts_chat()
    assert customer.get(f"/api/chats/{started['id'].upper()}").json()["id"] == started["id"]
