"""A chat as a page to print: for whoever may see it, whole, and with notes only where they are asked for."""

import re
from uuid import uuid4

import httpx

from tests.http.conftest import Person
from tests.servers import NO_AUTHORITIES, Baton
from web.pages import transcript

HOSTILE = "<img src=x onerror=alert(1)>"


def prints(baton: Baton, reader: Person | None, chat_id: str, query: str = "") -> httpx.Response:
    """Ask for a transcript as a browser does: a cookie says who one is."""
    headers = {"Cookie": f"baton_staff_access={reader.token}"} if reader else {}
    url = f"{baton.base_url}/operator/chats/{chat_id}/transcript{query}"
    return httpx.get(url, headers=headers, timeout=30, verify=NO_AUTHORITIES)


def begins(customer: Person, operator: Person, content: str) -> str:
    """Start a chat that the operator takes; return its id."""
    chat = customer.starts_chat(content)
    assert operator.takes_next().json()["id"] == chat["id"]
    return str(chat["id"])


def test_a_transcript_has_every_message_as_text(baton: Baton, customer: Person, operator: Person) -> None:
    chat_id = begins(customer, operator, HOSTILE)
    many = """
        insert into messages (chat_id, sender_type, content)
        select %s, 'real', 'line ' || n from generate_series(0, 204) n order by n
        returning seq
    """  # more than one call returns
    baton.database.rows(many, chat_id)
    operator.replies({"id": chat_id}, "https://shop.example/?a=1&b=2")
    answer = prints(baton, operator, chat_id)
    assert answer.status_code == 200
    assert "'unsafe-inline'" not in answer.headers["Content-Security-Policy"]
    assert HOSTILE not in answer.text
    assert "&lt;img src=x onerror=alert(1)&gt;" in answer.text
    assert [int(number) for number in re.findall(r">line (\d+)</p>", answer.text)] == list(range(205))
    assert 'href="https://shop.example/?a=1&amp;b=2"' in answer.text


def test_a_transcript_has_an_end_and_says_so(baton: Baton, customer: Person, operator: Person) -> None:
    chat_id = begins(customer, operator, "hello")
    many = """
        with written as (
          insert into messages (chat_id, sender_type, content)
          select %(chat)s, 'real', 'line ' || n from generate_series(1, %(most)s + 1) n order by n
        )
        insert into chat_notes (chat_id, author_id, content)
        select %(chat)s, %(ana)s, 'note ' || n from generate_series(0, %(most)s) n
    """
    baton.database.owner.execute(many, {"chat": chat_id, "ana": operator.id, "most": transcript.MOST})
    answer = prints(baton, operator, chat_id, "?notes=1").text
    for kind in ("line", "note"):
        told = [int(number) for number in re.findall(rf">{kind} (\d+)</p>", answer)]
        assert len(told) == transcript.MOST
        assert told[-1] == transcript.MOST + (kind == "line")
    assert "2 older messages are left out" in answer
    assert "Older notes are left out" in answer
    assert "left out" not in prints(baton, operator, customer.starts_chat("again")["id"]).text


def test_a_transcript_of_long_messages_ends_before_it_is_too_large(
    baton: Baton, customer: Person, operator: Person
) -> None:
    chat_id = begins(customer, operator, "hello")
    many = """
        insert into messages (chat_id, sender_type, content)
        select %s, 'real', repeat('x', 60000) from generate_series(1, 40)
    """
    baton.database.rows(many, chat_id)
    answer = prints(baton, operator, chat_id).text
    assert answer.count("x" * 60000) == transcript.LARGEST // 60000
    assert f"{41 - transcript.LARGEST // 60000} older messages are left out" in answer


def test_notes_are_in_it_only_when_asked_for(baton: Baton, customer: Person, operator: Person) -> None:
    chat_id = begins(customer, operator, "hello")
    operator.post(f"/api/chats/{chat_id}/notes", content="a difficult one", client_note_id=str(uuid4()))
    assert "a difficult one" not in prints(baton, operator, chat_id).text
    assert "a difficult one" in prints(baton, operator, chat_id, "?notes=1").text


def test_who_may_not_see_a_chat_gets_no_transcript(
    baton: Baton, customer: Person, operator: Person, admin: Person
) -> None:
    chat_id = begins(customer, operator, "a secret")
    assert "a secret" in prints(baton, admin, chat_id).text
    for reader, status in ((customer, 404), (None, 303)):
        answer = prints(baton, reader, chat_id)
        assert (answer.status_code, "a secret" in answer.text) == (status, False)
    assert prints(baton, None, chat_id, "?notes=1").headers["Location"].startswith("/session/renew?to=/operator/chats/")
    assert prints(baton, admin, str(uuid4())).status_code == 404
