"""Who may bring, see, sign, list and remove a file; and how long a link is good."""

import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import httpx
import jwt
import pytest

from tests.files.conftest import (
    ENVIRONMENT,
    STORAGE,
    Chat,
    Makes,
    Person,
    brings,
    folder_of,
    path_in,
    reads,
    refused,
    sends,
    signs,
    uploads,
)
from tests.files.corpus import png
from tests.servers import Baton, Database, Server, running_baton

REFUSED = (401, 403, 404)


def can(person: Person, path: str) -> set[str]:
    """Return what a person can do with a file that has been sent or not, but for removing it."""
    folder, _, name = path.partition("/")
    listed = person.post(f"{STORAGE}/list/attachments", prefix=folder)
    signed = person.post(f"{STORAGE}/sign/attachments", paths=[path], expiresIn=60)
    answers = {
        "read": reads(person, path),
        "ask": person.http.head(f"{STORAGE}/attachments/{path}"),
        "describe": person.get(f"{STORAGE}/info/attachments/{path}"),
        "sign": person.post(f"{STORAGE}/sign/attachments/{path}", expiresIn=60),
    }
    done = set()
    for what, answer in answers.items():
        assert answer.status_code == 200 or answer.status_code in REFUSED, answer.text
        if answer.status_code == 200:
            done.add(what)
    if listed.status_code == 200 and name in [row["name"] for row in listed.json()]:
        done.add("list")
    if signed.status_code == 200 and signed.json()[0]["signedURL"]:
        done.add("sign many")
    return done


ALL = {"read", "ask", "describe", "sign", "list", "sign many"}


@pytest.fixture
def strangers(baton: Baton, new_customer: Makes, new_operator: Makes, sign: Callable[..., str]) -> list[Person]:
    """Return those who have nothing to do with a chat: they can read nothing of it and bring nothing into it."""
    return [
        new_customer(),
        new_operator("Ben"),
        Person(baton.base_url, baton.anon_key),
        Person(baton.base_url, None),
        Person(baton.base_url, sign(sub=str(uuid4()))),
        Person(baton.base_url, sign(secret="x" * 40)),
        Person(baton.base_url, sign(exp=int(time.time()) - 1)),
    ]


def test_a_file_is_its_uploaders_until_it_is_sent_and_then_of_the_chat(
    customer: Person, new_operator: Makes, strangers: list[Person], service: Person
) -> None:
    chat, holder, admin = customer.starts_chat(), new_operator(), new_operator("Ada", "admin")
    assert holder.takes_next().json()["id"] == chat["id"]
    path = brings(customer, chat)
    for person in (holder, admin, *strangers):
        assert can(person, path) == set()
    assert can(customer, path) == ALL
    assert can(service, path) == ALL
    sends(customer, chat, path)
    for person in (customer, holder, admin, service):
        assert can(person, path) == ALL
    for person in strangers:
        assert can(person, path) == set()


@pytest.mark.usefixtures("nothing_new")
def test_strangers_bring_nothing(customer: Person, strangers: list[Person], admin: Person) -> None:
    chat = customer.starts_chat()
    for person in (*strangers, admin):
        answer = uploads(person, path_in(chat))
        assert answer.status_code in (401, 403), answer.text
        assert set(answer.json()) - {"hint"} == {"statusCode", "error", "code", "message"}


def test_nobody_removes_what_was_sent_or_is_anothers(
    customer: Person, new_operator: Makes, strangers: list[Person]
) -> None:
    chat, holder, admin = customer.starts_chat(), new_operator(), new_operator("Ada", "admin")
    assert holder.takes_next().json()["id"] == chat["id"]
    sent, unsent = brings(customer, chat), brings(customer, chat)
    sends(customer, chat, sent)
    for person in (holder, admin, *strangers):
        answer = person.http.request("DELETE", f"{STORAGE}/attachments", json={"prefixes": [sent, unsent]})
        assert answer.status_code in (401, 403) or answer.json() == []
    removal = customer.http.request("DELETE", f"{STORAGE}/attachments", json={"prefixes": [sent, unsent]})
    assert [row["name"] for row in removal.json()] == [unsent]
    assert reads(customer, sent).status_code == 200
    assert refused(reads(customer, unsent), 404, "NoSuchKey")


def test_who_has_held_a_chat_reads_on_and_brings_nothing_more(customer: Person, operator: Person) -> None:
    chat = customer.starts_chat()
    assert operator.takes_next().json()["id"] == chat["id"]
    path = brings(customer, chat)
    sends(customer, chat, path)
    assert operator.replies(chat).status_code == 201
    assert can(operator, path) == ALL
    assert refused(uploads(operator, path_in(chat)), 403, "AccessDenied")


# Links


def test_a_link_needs_nothing_else_and_is_for_its_file_alone(baton: Baton, customer: Person, chat: Chat) -> None:
    path, other = brings(customer, chat), brings(customer, chat)
    link = signs(customer, path)
    nobody = Person(baton.base_url, None)
    assert nobody.http.get(link).content == png()
    assert nobody.http.head(link).status_code == 200
    assert refused(nobody.http.get(link.replace(path, other)), 400, "InvalidSignature")
    assert refused(nobody.http.get(link.replace("attachments", "avatars")), 400, "InvalidSignature")
    assert refused(nobody.http.get(link.split("?")[0]), 400, "InvalidSignature")
    assert refused(nobody.http.get(link[:-4] + "AAAA"), 400, "InvalidSignature")


def forged(baton: Baton, path: str, secret: str | None = None, **claims: Any) -> str:
    """Return a link as the server makes it, but for these claims, or signed by another secret."""
    now = int(time.time())
    usual = {"aud": "baton:file", "url": f"attachments/{path}", "iat": now, "exp": now + 60}
    wanted = {name: value for name, value in {**usual, **claims}.items() if value is not None}
    token = jwt.encode(wanted, secret or baton.jwt_secret, "HS256")
    return f"{STORAGE}/sign/attachments/{path}?token={token}"


def test_a_link_that_is_over_or_forged_is_refused(baton: Baton, customer: Person, chat: Chat) -> None:
    path = brings(customer, chat)
    sub = {"sub": customer.id}
    assert customer.http.get(forged(baton, path, **sub)).status_code == 200  # made as the server makes them
    for link in (
        forged(baton, path, **sub, exp=int(time.time()) - 1),
        forged(baton, path, **sub, exp=None),
        forged(baton, path, **sub, aud="authenticated"),
        forged(baton, path, **sub, aud=None),
        forged(baton, path, **sub, url=None),
        forged(baton, path, "another secret, just as long as ours is", **sub),
        f"{STORAGE}/sign/attachments/{path}?token={customer.token}",
        f"{STORAGE}/sign/attachments/{path}?token={baton.service_key}",
        f"{STORAGE}/sign/attachments/{path}?token={'a' * 5000}",
        f"{STORAGE}/sign/attachments/{path}?token=%00",
    ):
        assert refused(customer.http.get(link), 400, "InvalidSignature")
    unsigned = jwt.encode({"aud": "baton:file", "url": f"attachments/{path}", "exp": 9e9}, "", "none")
    link = f"{STORAGE}/sign/attachments/{path}?token={unsigned}"
    assert refused(customer.http.get(link), 400, "InvalidSignature")


def test_a_link_is_no_access_token(baton: Baton, customer: Person, chat: Chat) -> None:
    token = signs(customer, brings(customer, chat)).partition("token=")[2]
    assert Person(baton.base_url, token).get("/api/chats").status_code == 401


@pytest.mark.parametrize("seconds", [0, -1, 604801, 1.5, None, "soon", 1e99])
def test_a_link_is_good_for_a_second_to_a_week(customer: Person, chat: Chat, seconds: Any) -> None:
    path = brings(customer, chat)
    assert signs(customer, path, 1)
    assert signs(customer, path, 604800)
    answer = customer.post(f"{STORAGE}/sign/attachments/{path}", expiresIn=seconds)
    assert answer.status_code == 400
    assert set(answer.json()) - {"hint"} == {"statusCode", "error", "code", "message"}


@pytest.fixture
def before_the_change(server: Server) -> Iterator[tuple[Baton, str]]:
    """Run a server whose secret was changed; return it with the secret before."""
    before = "the secret before, long enough for HS256"
    with running_baton(server, 1, SUPABASE_JWT_SECRET_PREVIOUS=before, **ENVIRONMENT) as changed:
        yield changed, before


def test_a_link_by_the_previous_secret_stays_good(
    before_the_change: tuple[Baton, str], sign: Callable[..., str]
) -> None:
    changed, before = before_the_change
    kim = uuid4()
    customer = Person(changed.base_url, sign(sub=str(kim), secret=before), kim)
    path = brings(customer, customer.starts_chat())
    assert customer.http.get(forged(changed, path, before, sub=customer.id)).status_code == 200
    assert customer.http.get(forged(changed, path, sub=customer.id)).status_code == 200
    assert customer.http.get(forged(changed, path, before + "x", sub=customer.id)).status_code == 400
    assert folder_of(changed).exists()


def test_a_link_ends_with_the_access_of_who_signed_it(
    baton: Baton, owner: Database, customer: Person, operator: Person, service: Person
) -> None:
    chat = customer.starts_chat()
    assert operator.takes_next().json()["id"] == chat["id"]
    path = brings(customer, chat)
    sends(customer, chat, path)
    nobody = Person(baton.base_url, None)
    by_operator, by_customer, by_service = (signs(person, path) for person in (operator, customer, service))
    owner.rows("select public.complete_chat(%s)", chat["id"])
    for link in (by_operator, by_customer, by_service):
        assert nobody.http.get(link).status_code == 200
    owner.rows("update operators set is_active = false where id = %s", operator.id)
    assert refused(nobody.http.get(by_operator), 404, "NoSuchKey")
    assert nobody.http.get(by_customer).status_code == 200
    owner.rows("select public.erase_user_data(%s)", customer.id)
    assert refused(nobody.http.get(by_customer), 404, "NoSuchKey")
    assert service.post("/functions/v1/file-removal").json()["count"] >= 1
    assert refused(nobody.http.get(by_service), 404, "NoSuchKey")


def test_a_link_ends_with_its_message(baton: Baton, customer: Person, chat: Chat) -> None:
    path = brings(customer, chat)
    message = sends(customer, chat, path)
    link = signs(customer, path)
    assert customer.delete(f"/api/messages/{message['id']}").status_code == 200
    assert refused(Person(baton.base_url, None).http.get(link), 404, "NoSuchKey")
    assert can(customer, path) == set()


# How a file is asked for


def test_a_file_is_read_in_parts_and_not_twice(customer: Person, chat: Chat) -> None:
    path = brings(customer, chat)
    whole = reads(customer, path)
    assert whole.headers["Accept-Ranges"] == "bytes"
    part = reads(customer, path, Range="bytes=0-3")
    assert (part.status_code, part.content) == (206, png()[:4])
    assert part.headers["Content-Range"] == f"bytes 0-3/{len(png())}"
    assert part.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert refused(reads(customer, path, Range="bytes=100000-"), 416, "requested_range_not_satisfiable")
    for header in ({"If-None-Match": whole.headers["ETag"]}, {"If-Modified-Since": whole.headers["Last-Modified"]}):
        unchanged = reads(customer, path, **header)
        assert (unchanged.status_code, unchanged.content) == (304, b"")
    head = customer.http.head(f"{STORAGE}/attachments/{path}")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Length"] == str(len(png()))
    assert customer.http.head(f"{STORAGE}/attachments/{path}x").status_code == 404


@pytest.mark.parametrize(
    ("way", "body"),
    [
        ("list/attachments", {"prefix": "\0"}),
        ("list/attachments", {"search": "\0"}),
        ("list/attachments", {"limit": 0}),
        ("list/attachments", {"offset": -1}),
        ("list/attachments", {"sortBy": {"column": "owner_id"}}),
        ("sign/attachments", {"paths": "a", "expiresIn": 60}),
        ("sign/attachments", {"paths": ["a"] * 1001, "expiresIn": 60}),
        ("sign/attachments", {"paths": ["\0"], "expiresIn": 0}),
    ],
)
def test_a_bad_question_is_refused(customer: Person, way: str, body: Any) -> None:
    answer = customer.http.post(f"{STORAGE}/{way}", json=body)
    assert answer.status_code == 400, answer.text
    assert set(answer.json()) - {"hint"} == {"statusCode", "error", "code", "message"}


def test_names_with_a_null_are_of_no_file(customer: Person) -> None:
    answer: httpx.Response = customer.post(f"{STORAGE}/sign/attachments", paths=["a\0"], expiresIn=60)
    assert answer.status_code == 400 or answer.json()[0]["error"]
    assert customer.http.request("DELETE", f"{STORAGE}/attachments", json={"prefixes": ["a\0"]}).status_code == 400


def test_a_request_is_one_request_however_much_it_asks(baton: Baton, customer: Person, chat: Chat) -> None:
    limit = "update settings set value = %s::jsonb where name = %s"
    (burst,) = baton.database.row("select value::text from settings where name = 'rate_limit_burst'").values()
    baton.database.rows(limit, "5", "rate_limit_burst")
    baton.database.rows(limit, "1", "rate_limit_per_minute")
    try:
        paths = [brings(customer, chat) for _ in range(3)]
        signed = customer.post(f"{STORAGE}/sign/attachments", paths=[*paths, "nothing"] * 20, expiresIn=60)
        assert [bool(each["signedURL"]) for each in signed.json()] == [True, True, True, False] * 20
        # Whoever follows a link does it at his own cost.
        for _ in range(5):
            assert customer.http.get(f"/storage/v1{signed.json()[0]['signedURL']}").status_code == 200
        assert customer.get("/api/me").status_code == 200
        assert customer.get("/api/me").status_code == 429
    finally:
        baton.database.rows(limit, burst, "rate_limit_burst")
        baton.database.rows(limit, "0", "rate_limit_per_minute")


@pytest.mark.parametrize("bucket", ["nothing", "%00", "ü", "a'b"])
def test_a_bucket_that_is_not_there_is_said_to_be_missing(service: Person, bucket: str) -> None:
    answers = [
        service.http.post(f"{STORAGE}/{bucket}/a.png", content=png()),
        service.post(f"{STORAGE}/list/{bucket}"),
        service.http.request("DELETE", f"{STORAGE}/{bucket}", json={"prefixes": []}),
        service.get(f"{STORAGE}/public/{bucket}/a.png"),
        service.get(f"{STORAGE}/public/attachments/a.png"),
    ]
    for answer in answers:
        assert refused(answer, 404, "NoSuchBucket")
