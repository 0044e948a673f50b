"""People with files, and the books: what the database knows of files, and what is on the disk."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from psycopg.rows import DictRow

from tests.files.corpus import png
from tests.http.conftest import Person as Person
from tests.http.conftest import (  # noqa: F401 - the same people as over HTTP
    admin,
    customer,
    new_customer,
    new_operator,
    operator,
    owner,
    service,
    sign,
)
from tests.servers import Baton, Server, running_baton

ENVIRONMENT = {"BATON_ADDRESS_LIMIT": "1000000/minute"}
STORAGE = "/storage/v1/object"
Chat = dict[str, Any]


def folder_of(baton: Baton) -> Path:
    """Return where a server keeps its files."""
    return baton.log.parent / "files"


def check_books(ask: Callable[[str], list[DictRow]], folder: Path, counts_drafts: bool = True) -> None:
    """Fail unless every file has its bytes, all bytes are known, and no upload has left its draft.

    `ask` runs a query as the owner.
    """
    rows = {row["version"] for row in ask("select version from storage.objects")}
    loose = {row["version"] for row in ask("select version from storage.loose_bytes")}
    paths = [path for path in folder.rglob("*") if path.is_file()]
    drafts = {path.name for path in paths if path.parent.name == "incoming"}
    kept = {path.name for path in paths if path.parent.name != "incoming"}
    assert rows <= kept, f"files without bytes: {sorted(rows - kept)[:5]}"
    assert kept <= rows | loose, f"bytes that nobody knows: {sorted(kept - rows - loose)[:5]}"
    assert drafts <= loose, f"drafts that nobody knows: {sorted(drafts - loose)[:5]}"
    assert not (drafts and counts_drafts), f"drafts: {sorted(drafts)[:5]}"


def finish_removals(baton: Baton) -> None:
    """Have removed what earlier tests have deleted: else the server's own job may do it while we look."""
    key = {"Authorization": f"Bearer {baton.service_key}"}
    deadline = time.monotonic() + 30
    while baton.database.value("select count(*) from private.file_removals"):
        assert time.monotonic() < deadline, "files that were to be removed are still there"
        assert baton.client.post("/functions/v1/file-removal", headers=key).status_code == 200


def state_of(baton: Baton) -> tuple[int, set[str]]:
    """Return how many files there are, and what is on the disk."""
    count = baton.database.value("select count(*) from storage.objects")
    return count, {path.name for path in folder_of(baton).rglob("*") if path.is_file()}


def path_in(chat: Chat, ending: str = "png") -> str:
    """Return a new name in the chat's folder."""
    return f"{chat['id']}/{uuid4()}.{ending}"


def uploads(person: Person, path: str, content: bytes = png(), **headers: str) -> httpx.Response:
    """Bring a file as bare bytes."""
    return person.http.post(f"{STORAGE}/attachments/{path}", content=content, headers=headers)


def sends_form(person: Person, path: str, form: Any, content_type: str | None = "image/png") -> httpx.Response:
    """Bring a file in a form; `form` is its bytes, or fields as httpx takes them."""
    files = form if isinstance(form, list) else {"file": ("blob", form, content_type)}
    return person.http.post(f"{STORAGE}/attachments/{path}", files=files)


def brings(person: Person, chat: Chat, content: bytes = png(), ending: str = "png", **headers: str) -> str:
    """Bring a file into a chat, and return its path."""
    path = path_in(chat, ending)
    answer = uploads(person, path, content, **headers)
    assert answer.status_code == 200, answer.text
    return path


def reads(person: Person, path: str, bucket: str = "attachments", **headers: str) -> httpx.Response:
    """Ask for a file."""
    return person.http.get(f"{STORAGE}/{bucket}/{path}", headers=headers)


def signs(person: Person, path: str, seconds: int = 60) -> str:
    """Return a link to a file, without the server's address."""
    answer = person.post(f"{STORAGE}/sign/attachments/{path}", expiresIn=seconds)
    assert answer.status_code == 200, answer.text
    return f"/storage/v1{answer.json()['signedURL']}"


def sends(person: Person, chat: Chat, *paths: str, content: str = "", is_staff: bool = False) -> dict[str, Any]:
    """Send a message with files, and return it."""
    body = {"chat_id": chat["id"], "content": content, "client_message_id": str(uuid4()), "attachments": paths}
    answer = person.post("/api/operator/messages" if is_staff else "/api/messages", **body)
    assert answer.status_code == 201, answer.text
    message: dict[str, Any] = answer.json()
    return message


def refused(answer: httpx.Response, status: int, code: str) -> bool:
    """Return whether the answer is this refusal, in the form of Supabase Storage; say so if not."""
    body = answer.json()
    assert (answer.status_code, body["code"], body["statusCode"]) == (status, code, str(status)), answer.text
    assert set(body) - {"hint"} == {"statusCode", "error", "code", "message"}
    assert body["message"]
    return True


@pytest.fixture(scope="session")
def baton(server: Server) -> Iterator[Baton]:
    """Run a server whose files are those of these tests, and who may be asked as often as one likes."""
    with running_baton(server, 1, **ENVIRONMENT) as baton:
        baton.database.rows("update settings set value = '0' where name = 'rate_limit_per_minute'")
        yield baton


@pytest.fixture(autouse=True)
def books(baton: Baton) -> Iterator[None]:
    """Look after each test whether the books are right."""
    yield
    finish_removals(baton)
    check_books(baton.database.rows, folder_of(baton))


@pytest.fixture
def chat(customer: Person) -> Chat:  # noqa: F811 - a fixture
    """Return a chat of the customer that waits."""
    return customer.starts_chat()


@pytest.fixture
def nothing_new(baton: Baton) -> Iterator[None]:
    """Look whether the test has left nothing: no file, no bytes, no draft."""
    finish_removals(baton)
    before = state_of(baton)
    yield
    assert state_of(baton) == before


Makes = Callable[..., Person]
