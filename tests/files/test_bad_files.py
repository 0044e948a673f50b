"""What must not come in, and that what comes in is served as what it is."""

import base64
import json
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.files.conftest import (
    STORAGE,
    Chat,
    Person,
    brings,
    path_in,
    reads,
    refused,
    sends,
    sends_form,
    signs,
    uploads,
)
from tests.files.corpus import BAD, GOOD, POLYGLOTS, Sample, png
from tests.servers import Baton

STATUS = {"InvalidMimeType": 415, "InvalidRequest": 400}
FORMS: dict[str, Callable[..., httpx.Response]] = {
    "bare": lambda person, path, sample: uploads(person, path, sample.content, **{"Content-Type": sample.declared}),
    "form": lambda person, path, sample: sends_form(person, path, sample.content, sample.declared or None),
}


def named(chat: Chat, sample: Sample) -> str:
    """Return a name in the chat's folder that ends as the sample's does."""
    stem, dot, endings = sample.name.partition(".")
    return f"{PurePosixPath(path_in(chat, stem)).with_suffix('')}{dot}{endings}"


def check_harmless(answer: httpx.Response, kind: str) -> None:
    """Fail unless the browser is told to save what it gets, as what it is, and to run nothing."""
    assert answer.status_code == 200, answer.text
    headers = answer.headers
    assert headers["Content-Type"].split(";")[0] == kind
    assert headers["Content-Disposition"].startswith("attachment; filename")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"] == "default-src 'none'; sandbox"


@pytest.mark.parametrize("way", FORMS)
@pytest.mark.parametrize("sample", GOOD, ids=lambda sample: sample.id)
def test_a_good_file_comes_in_as_what_it_is(customer: Person, chat: Chat, sample: Sample, way: str) -> None:
    path = named(chat, sample)
    answer = FORMS[way](customer, path, sample)
    assert answer.status_code == 200, answer.text
    assert customer.get(f"{STORAGE}/info/attachments/{path}").json()["content_type"] == sample.outcome
    read = reads(customer, path)
    check_harmless(read, sample.outcome)
    assert read.content == sample.content


@pytest.mark.parametrize("way", FORMS)
@pytest.mark.parametrize("sample", BAD, ids=lambda sample: sample.id)
@pytest.mark.usefixtures("nothing_new")
def test_a_bad_file_is_refused_and_leaves_nothing(customer: Person, chat: Chat, sample: Sample, way: str) -> None:
    assert refused(FORMS[way](customer, named(chat, sample), sample), STATUS[sample.outcome], sample.outcome)


@pytest.mark.parametrize("sample", POLYGLOTS, ids=lambda sample: sample.id)
def test_two_things_at_once_are_served_as_one(customer: Person, chat: Chat, sample: Sample) -> None:
    path = named(chat, sample)
    assert FORMS["form"](customer, path, sample).status_code == 200
    check_harmless(reads(customer, path), sample.outcome)
    check_harmless(customer.http.get(signs(customer, path)), sample.outcome)


# How large


def test_a_file_may_be_as_large_as_the_bucket_says(customer: Person, chat: Chat, baton: Baton) -> None:
    limit = baton.database.value("select file_size_limit from storage.buckets where id = 'attachments'")
    largest = png() + bytes(limit - len(png()))
    for way in (uploads, sends_form):
        path = path_in(chat)
        assert way(customer, path, largest).status_code == 200
        assert customer.get(f"{STORAGE}/info/attachments/{path}").json()["size"] == limit


@pytest.mark.parametrize("extra", [1, 100_000, 3_000_000])
@pytest.mark.usefixtures("nothing_new")
def test_a_byte_more_is_too_much(customer: Person, chat: Chat, baton: Baton, extra: int) -> None:
    limit = baton.database.value("select file_size_limit from storage.buckets where id = 'attachments'")
    content = png() + bytes(limit - len(png()) + extra)
    assert refused(uploads(customer, path_in(chat), content), 413, "EntityTooLarge")
    assert refused(sends_form(customer, path_in(chat), content), 413, "EntityTooLarge")
    pieces = (content[at : at + 65536] for at in range(0, len(content), 65536))  # no length is said
    answer = customer.http.post(f"{STORAGE}/attachments/{path_in(chat)}", content=pieces)
    assert refused(answer, 413, "EntityTooLarge")


# What it is called


@pytest.mark.parametrize(
    "name",
    [
        "../a.png",
        "..%2fa.png",
        "%2e%2e%2fa.png",
        "a/../../b.png",
        "./a.png",
        "a%00.png",
        "a%0d%0ab.png",
        "..%5ca.png",
        "C:%5ca.png",
        "a//b.png",
        "%2fetc%2fpasswd",
        "a/%20/b.png",
        "a.png/",
        "x" * 5000 + ".png",
        "Gr%C3%BC%C3%9Fe.png",
        "%E5%86%99%E7%9C%9F.png",
        "%F0%9F%98%80.png",
        "a%ff.png",
        "a%E2%80%AEgnp.png",
        "a%3Cb%3E.png",
        "a%23b.png",
    ],
)
@pytest.mark.usefixtures("nothing_new")
def test_a_name_that_no_file_can_have_is_refused(baton: Baton, customer: Person, chat: Chat, name: str) -> None:
    # As it stands: other clients would tidy it.
    def ask(method: str, address: str, body: bytes | None = None) -> tuple[int, str]:
        connection = HTTPConnection(urlsplit(baton.base_url).netloc, timeout=30)
        connection.request(method, address, body, {"Authorization": f"Bearer {customer.token}"})
        answer = connection.getresponse()
        seen = answer.status, json.loads(answer.read())["code"]
        connection.close()
        return seen

    path = f"attachments/{chat['id']}/{name}"
    # A line's end is in no address at all.
    refusal = (404, "route_not_found") if "%0a" in name else (400, "InvalidKey")
    assert ask("POST", f"{STORAGE}/{path}", png()) == refusal
    assert ask("GET", f"{STORAGE}/{path}")[0] in (400, 404)
    assert ask("GET", f"{STORAGE}/info/{path}")[0] in (400, 404)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("Grüße aus Köln.png", "Grüße aus Köln.png"),
        ("写真.PNG", "写真.PNG"),
        ("a\r\nSet-Cookie: a=b.png", "aSet-Cookie: a=b.png"),
        ('a";filename=b.html;x=".png', 'a";filename=b.html;x=".png'),
        ("invoice\u202egnp.exe", "invoicegnp.exe.png"),
        ("page.html", "page.html.png"),
        ("page.png.svg", "page.png.svg.png"),
        ("page.html\u200b", "page.html.png"),
        ("../../etc/passwd", "....etcpasswd.png"),
        ("x" * 5000 + ".html", "x" * 190 + ".png"),
        ("  ", "file.png"),
    ],
    ids=["umlauts", "script", "lines", "quotes", "reversed", "page", "two", "hidden", "folders", "long", "blank"],
)
def test_a_name_for_people_says_what_the_file_is(customer: Person, chat: Chat, given: str, shown: str) -> None:
    given = given[:4000]
    metadata = base64.b64encode(json.dumps({"name": given}).encode()).decode()
    path = brings(customer, chat, png(), **{"X-Metadata": metadata})
    message = sends(customer, chat, path)
    assert message["attachments"][0]["name"].startswith(shown.removesuffix(".png"))
    answer = reads(customer, path)
    check_harmless(answer, "image/png")
    assert saved_as(answer) == shown


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        ("ours.png", "ours.png"),
        ("a\r\nSet-Cookie: a=b", "aSet-Cookie: a=b.png"),
        ("page.html", "page.html.png"),
        ("invoice\u202egnp.exe", "invoicegnp.exe.png"),
        ("x" * 5000, "x" * 200 + ".png"),
        ("../写真.png", "写真.png"),
        ("\0", None),
    ],
    ids=["plain", "lines", "page", "reversed", "long", "folder", "nul"],
)
def test_a_name_that_a_link_asks_for_does_too(customer: Person, chat: Chat, wanted: str, name: str | None) -> None:
    link = signs(customer, brings(customer, chat))
    answer = customer.http.get(str(httpx.URL(link).copy_add_param("download", wanted)))
    if name is None:
        assert answer.status_code == 400
    else:
        check_harmless(answer, "image/png")
        assert saved_as(answer) == name


def saved_as(answer: httpx.Response) -> str:
    """Return the name under which a browser saves the answer."""
    from werkzeug.http import parse_options_header

    name: str = parse_options_header(answer.headers["Content-Disposition"])[1]["filename"]
    return name


# How it is sent


def form(*parts: str, end: str = "--b--\r\n") -> bytes:
    """Return a form of these parts, each its headers and its body."""
    return "".join(f"--b\r\n{part}\r\n" for part in parts).encode("latin-1") + end.encode()


FILE = 'Content-Disposition: form-data; name=""; filename="a.txt"\r\nContent-Type: text/plain\r\n\r\nhello'
FIELD = 'Content-Disposition: form-data; name="{}"\r\n\r\n{}'


@pytest.mark.parametrize(
    "body",
    [
        form(FILE, FILE),
        form(FIELD.format("cacheControl", "3600")),
        form(FILE.replace("hello", "")),
        form(FILE.replace('; filename="a.txt"', "")),
        form(FILE, end=""),
        form(FILE, end="--b"),
        form(FILE).replace(b"--b", b"--c"),
        b"hello",
        b"",
        form("hello"),
        form(FILE, *[FIELD.format(f"a{number}", "1") for number in range(30)]),
        form(FIELD.format("a", "x" * 200_000), FILE),
        form(FILE, FIELD.format("metadata", "{")),
        form(FILE, FIELD.format("metadata", "[1]")),
        form(FILE, FIELD.format("metadata", '{"a": "' + "x" * 5000 + '"}')),
        form(FILE, FIELD.format("metadata", '{"name": "a\\u0000b"}')),
        form(FILE, FIELD.format("metadata", '{"name": "a\\ud800b"}')),
        form(FILE, FIELD.format("metadata", '{"a": 1e999}')),
        form(FILE, FIELD.format("metadata", "[" * 4000)),
    ],
    ids=[
        "two-files",
        "no-file",
        "empty-file",
        "file-as-a-field",
        "no-end",
        "half-an-end",
        "another-boundary",
        "no-form",
        "nothing",
        "no-header",
        "many-fields",
        "large-field",
        "metadata-no-json",
        "metadata-no-object",
        "metadata-too-large",
        "metadata-nul",
        "metadata-half-a-character",
        "metadata-endless-number",
        "metadata-deep",
    ],
)
@pytest.mark.usefixtures("nothing_new")
def test_a_bad_form_is_refused_and_leaves_nothing(customer: Person, chat: Chat, body: bytes) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = uploads(customer, path_in(chat, "txt"), body, **headers)
    assert answer.status_code in (400, 413), answer.text
    assert set(answer.json()) - {"hint"} == {"statusCode", "error", "code", "message"}


def test_a_file_in_a_form_may_be_full_of_what_could_begin_a_boundary(customer: Person, chat: Chat) -> None:
    for filling in (b"\r", b"\n", b"\r\n--", b"\r\n--b"):
        path, content = path_in(chat), png() + filling * 200_000
        assert sends_form(customer, path, content).status_code == 200
        assert reads(customer, path).content == content


@pytest.mark.parametrize("boundary", ["", "; boundary=", "; boundary=ü", "; boundary=" + "b" * 300])
@pytest.mark.usefixtures("nothing_new")
def test_a_form_without_a_boundary_is_refused(customer: Person, chat: Chat, boundary: str) -> None:
    headers: Any = {"Content-Type": f"multipart/form-data{boundary}".encode()}
    assert refused(uploads(customer, path_in(chat, "txt"), form(FILE), **headers), 400, "InvalidRequest")


@pytest.mark.parametrize("header", ["{}", "?", base64.b64encode(b"\xff").decode(), base64.b64encode(b"[]").decode()])
@pytest.mark.usefixtures("nothing_new")
def test_a_bad_metadata_header_is_refused(customer: Person, chat: Chat, header: str) -> None:
    assert refused(uploads(customer, path_in(chat), png(), **{"X-Metadata": header}), 400, "InvalidRequest")


@pytest.mark.parametrize(
    ("given", "kept"),
    [("3600", 3600), ("max-age=60", 60), ("99999999999", 31_536_000), ("9" * 5000, None), ("²", None), ("-1", None)],
)
def test_a_form_says_how_long_a_file_is_good(customer: Person, chat: Chat, given: str, kept: int | None) -> None:
    path = path_in(chat)
    fields = [("cacheControl", (None, given)), ("file", ("a", png(), "image/png"))]
    assert sends_form(customer, path, fields).status_code == 200
    info = customer.get(f"{STORAGE}/info/attachments/{path}").json()
    assert info["cache_control"] == (f"max-age={kept}" if kept is not None else "no-cache")
