"""An upload that is broken off, by whomever and wherever, leaves nothing; and the scanner's word counts."""

import os
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import psutil
import pytest

from tests.files.conftest import (
    ENVIRONMENT,
    STORAGE,
    Chat,
    Person,
    brings,
    check_books,
    folder_of,
    path_in,
    reads,
    refused,
    state_of,
    uploads,
)
from tests.files.corpus import png
from tests.live.world import World, wait_until
from tests.servers import Baton, Server, running_baton

FORM_HEAD = b'--b\r\nContent-Disposition: form-data; name=""; filename="a.png"\r\nContent-Type: image/png\r\n\r\n'
FORM = FORM_HEAD + png() + bytes(300_000) + b"\r\n--b--\r\n"
BARE = png() + bytes(300_000)


def half_sent(person: Person, path: str, body: bytes, kind: str, length: int | None) -> socket.socket:
    """Send the head of an upload and of its body what is given; without a length, in chunks."""
    address = urlsplit(str(person.http.base_url))
    connection = socket.create_connection((address.hostname or "", address.port or 80), timeout=30)
    size = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    head = (
        f"POST {STORAGE}/attachments/{path} HTTP/1.1\r\nHost: {address.netloc}\r\n{size}\r\n"
        f"Authorization: Bearer {person.token}\r\nContent-Type: {kind}\r\n\r\n"
    )
    chunks = b"".join(
        b"%x\r\n%b\r\n" % (len(part), part) for at in range(0, len(body), 1000) if (part := body[at : at + 1000])
    )
    connection.sendall(head.encode() + (chunks if length is None else body))
    return connection


def drafts(folder: Path) -> int:
    """Return how many uploads are on their way."""
    return len(list((folder / "incoming").iterdir())) if (folder / "incoming").exists() else 0


@pytest.mark.parametrize("is_chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("kind", ["form", "bare"])
@pytest.mark.parametrize("is_reset", [False, True], ids=["closed", "reset"])
@pytest.mark.usefixtures("nothing_new")
def test_a_connection_that_is_cut_leaves_nothing(
    baton: Baton, customer: Person, chat: Chat, is_chunked: bool, kind: str, is_reset: bool
) -> None:
    body, mimetype = (FORM, "multipart/form-data; boundary=b") if kind == "form" else (BARE, "image/png")
    # Nothing yet, in the middle, but for the last byte, and whole but for the chunk that ends it.
    for sent in (0, 10, 100, 100_000, len(body) - 1, *([len(body)] if is_chunked else [])):
        path = path_in(chat)
        connection = half_sent(customer, path, body[:sent], mimetype, None if is_chunked else len(body))
        wait_until(lambda: drafts(folder_of(baton)) == 1, what="the upload has begun")
        if is_reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.close()
        wait_until(lambda: drafts(folder_of(baton)) == 0, what="the upload has ended")
        assert reads(customer, path).status_code == 404


@pytest.mark.usefixtures("nothing_new")
def test_a_form_that_ends_before_its_length_is_not_believed(baton: Baton, customer: Person, chat: Chat) -> None:
    for sent, length in ((FORM, len(FORM) + 10), (FORM, len(FORM) - 10), (FORM, len(FORM) - 100_000)):
        with half_sent(customer, path_in(chat), sent, "multipart/form-data; boundary=b", length) as connection:
            connection.shutdown(socket.SHUT_WR)
            assert b"HTTP/1.1 200" not in connection.recv(65536)


def test_several_at_once_on_one_name_are_one_file(customer: Person, chat: Chat, baton: Baton) -> None:
    path = path_in(chat)
    statuses: list[int] = []

    def bring(number: int) -> None:
        statuses.append(uploads(customer, path, png() + bytes(number)).status_code)

    threads = [threading.Thread(target=bring, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200, *[409] * 7]
    assert len(reads(customer, path).content) >= len(png())


# The server's faults


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """Give a Postgres and a web server that only this module uses; one writes to the disk as in production."""
    with tempfile.TemporaryDirectory(prefix="baton-test-", ignore_cleanup_errors=True) as folder:
        world = World(Path(folder))
        try:
            world.start(webs=1, BATON_SCAN_COMMAND=f"sh {scanner(Path(folder))}")
            yield world
        finally:
            world.stop()


def scanner(folder: Path) -> Path:
    """Write a scanner that waits, where it is asked to, until it is told to go on."""
    script = folder / "scan.sh"
    script.write_text(f"if [ -e {folder}/hold ]; then touch {folder}/held; read -r _ < {folder}/gate; fi\nexit 0\n")
    os.mkfifo(folder / "gate")
    return script


@pytest.fixture
def kim(world: World) -> Person:
    """Return a customer of that server."""
    person_id = str(uuid4())
    return Person(world.base_urls[0], world.token(person_id))


def check_books_of(world: World, counts_drafts: bool = True) -> None:
    """Compare folder and tables there."""
    check_books(world.rows, world.folder / "files", counts_drafts)


def held_upload(world: World, kim: Person, fault: Callable[[], None]) -> int | None:
    """Upload a file, and let something go wrong between its bytes and its row; return the answer's status."""
    hold, held = world.folder / "hold", world.folder / "held"
    path, statuses = path_in(kim.starts_chat()), list[int | None]()

    def bring() -> None:
        try:
            statuses.append(uploads(kim, path).status_code)
        except httpx.TransportError:
            statuses.append(None)

    hold.touch()
    thread = threading.Thread(target=bring)
    thread.start()
    wait_until(held.exists, what="the scanner looks at it")
    assert httpx.get(f"{world.base_urls[0]}/healthz").status_code == 200  # others are served meanwhile
    hold.unlink()
    held.unlink()
    try:
        fault()
    finally:
        gate = os.open(world.folder / "gate", os.O_RDWR)  # does not wait for a reader
        os.write(gate, b"\n")
        thread.join(30)
        os.close(gate)
    (status,) = statuses
    return status


def sweep(world: World) -> int:
    """Let two hours pass, and run the job."""
    world.rows("update storage.loose_bytes set since = since - interval '2 hours' where true")
    headers = {"Authorization": f"Bearer {world.service_key}"}
    answer = httpx.post(f"{world.base_urls[0]}/functions/v1/file-sweep", headers=headers)
    assert answer.status_code == 200, answer.text
    count: int = answer.json()["count"]
    return count


def test_a_killed_worker_leaves_what_the_sweep_finds(world: World, kim: Person) -> None:
    worker = psutil.Process(world.webs[0].worker)
    assert held_upload(world, kim, lambda: os.kill(worker.pid, signal.SIGKILL)) is None
    wait_until(lambda: world.is_ready(world.webs[0]), what="a new one serves")
    assert drafts(world.folder / "files") == 1
    check_books_of(world, counts_drafts=False)
    assert sweep(world) >= 1
    check_books_of(world)
    assert world.value("select count(*) from storage.loose_bytes") == 0
    assert not [path for path in (world.folder / "files").rglob("*") if path.is_file()]


def test_a_database_that_is_gone_between_bytes_and_row_keeps_the_books_right(world: World, kim: Person) -> None:
    status = held_upload(world, kim, world.kill_postmaster)
    world.restart_postgres()
    wait_until(lambda: world.is_ready(world.webs[0]), what="all is well again")
    assert status == 503
    check_books_of(world)
    sweep(world)
    check_books_of(world)
    assert not [path for path in (world.folder / "files").rglob("*") if path.is_file()]
    assert uploads(kim, path_in(kim.starts_chat())).status_code == 200


def test_backends_that_are_ended_in_the_middle_keep_the_books_right(world: World, kim: Person) -> None:
    def end() -> None:
        world.rows("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'baton web'")

    assert held_upload(world, kim, end) in (200, 503)
    check_books_of(world)


# The scanner


SCANNER = """
for last; do :; done
echo "$last" >> {seen}
if grep -q clean "$last"; then exit 0; fi
if grep -q infected "$last"; then exit 1; fi
exit 2
"""


@pytest.fixture(scope="module")
def scanned(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Baton, Path]]:
    """Run a server with a scanner, which notes what it was given."""
    folder = tmp_path_factory.mktemp("scanner")
    seen = folder / "seen"
    (folder / "a scanner.sh").write_text(SCANNER.format(seen=seen))
    command = f"sh '{folder / 'a scanner.sh'}' --quiet"
    with running_baton(server, 1, BATON_SCAN_COMMAND=command, **ENVIRONMENT) as baton:
        yield baton, seen


def test_the_scanner_decides_what_is_kept(scanned: tuple[Baton, Path], sign: Callable[..., str]) -> None:
    baton, seen = scanned
    customer = Person(baton.base_url, sign(sub=str(uuid4())))
    chat = customer.starts_chat()
    path = brings(customer, chat, b"all is clean", "txt")
    assert reads(customer, path).content == b"all is clean"
    before = state_of(baton)
    assert refused(uploads(customer, path_in(chat, "txt"), b"all is infected"), 422, "Infected")
    failed = uploads(customer, path_in(chat, "txt"), b"all is unknown")
    assert refused(failed, 503, "ScanFailed")
    assert failed.headers["Retry-After"] == "10"
    assert state_of(baton) == before
    given = seen.read_text().splitlines()
    assert len(given) == 3
    assert all(Path(each).parent == folder_of(baton) / "incoming" for each in given)
    check_books(baton.database.rows, folder_of(baton))


@pytest.mark.parametrize("command", ["/nothing/there", "sh -c 'kill -9 $$'"], ids=["missing", "killed"])
def test_a_scanner_that_cannot_look_lets_nothing_in(server: Server, sign: Callable[..., str], command: str) -> None:
    with running_baton(server, 1, BATON_SCAN_COMMAND=command, **ENVIRONMENT) as baton:
        customer = Person(baton.base_url, sign(sub=str(uuid4())))
        chat = customer.starts_chat()
        assert refused(uploads(customer, path_in(chat)), 503, "ScanFailed")
        assert state_of(baton) == (0, set())
