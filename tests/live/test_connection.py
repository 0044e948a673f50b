"""One socket and what a peer can do to it: with threads in this process, and with gevent in a real gunicorn.

The peers are the `websockets` package and hand-made bytes. Requests are parsed by gunicorn's own parser throughout.
"""

import base64
import hashlib
import json
import os
import queue
import resource
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from gunicorn.config import Config
from gunicorn.http.parser import RequestParser
from gunicorn.http.wsgi import create as create_environ
from websockets.exceptions import ConnectionClosed as PeerSawClose
from websockets.sync.client import ClientConnection, connect

from tests.live.world import wait_until
from tests.servers import ROOT, end, free_port, wait_until_up
from web.live import connection as connection_module
from web.live.connection import CLOSE_SECONDS, Connection, ConnectionClosed, HandshakeError
from web.live.frames import close_frame, encode, text_frame

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
LIMIT = 128 * 1024
KEY = base64.b64encode(b"sixteen bytes ok").decode()
PATIENCE = 10  # seconds until a test that waits has failed


class Served:
    """The server's end of one connection: what it received, and how it ended."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.messages: queue.Queue[str | bytes] = queue.Queue()
        self._ended: queue.Queue[ConnectionClosed] = queue.Queue()

    def run(self, on_message: Callable[[Connection, str | bytes], None]) -> None:
        try:
            while True:
                message = self.connection.receive()
                self.messages.put(message)
                on_message(self.connection, message)
        except ConnectionClosed as closed:
            self._ended.put(closed)

    def message(self) -> str | bytes:
        return self.messages.get(timeout=PATIENCE)

    def end(self) -> ConnectionClosed:
        return self._ended.get(timeout=PATIENCE)


class SocketServer:
    """Accepts connections on the loopback interface, a thread each."""

    def __init__(self) -> None:
        self.limits: dict[str, int] = {}
        self.on_message: Callable[[Connection, str | bytes], None] = lambda connection, message: None
        self._served: queue.Queue[Served | HandshakeError] = queue.Queue()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def served(self) -> Served:
        """Return the next connection that was accepted."""
        served = self._served.get(timeout=PATIENCE)
        assert isinstance(served, Served)
        return served

    def refused(self) -> HandshakeError:
        """Return why the next request was refused."""
        error = self._served.get(timeout=PATIENCE)
        assert isinstance(error, HandshakeError)
        return error

    def stop(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                sock, address = self._listener.accept()
                threading.Thread(target=self._serve, args=(sock, address), daemon=True).start()

    def _serve(self, sock: socket.socket, address: tuple[str, int]) -> None:
        with closing(sock):
            config = Config()
            request = next(RequestParser(config, sock, address))
            _, environ = create_environ(request, sock, address, sock.getsockname(), config)
            try:
                connection = Connection.accept(environ, **self.limits)
            except HandshakeError as error:
                self._served.put(error)
                return
            served = Served(connection)
            self._served.put(served)
            served.run(self.on_message)


@pytest.fixture
def server() -> Iterator[SocketServer]:
    server = SocketServer()
    yield server
    server.stop()


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> float:
    """The seconds that a peer has to answer a close, where a test waits for their end."""
    monkeypatch.setattr(connection_module, "CLOSE_SECONDS", 0.5)
    return 0.5


class Peer:
    """A client made by hand: whole control over the bytes."""

    def __init__(self, port: int, behind_handshake: bytes = b"", receive_buffer: int | None = None) -> None:
        self.sock = socket.socket()
        if receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(("127.0.0.1", port))
        self.sock.sendall(handshake() + behind_handshake)
        self.stream = self.sock.makefile("rb")
        self.answer = b""
        while not self.answer.endswith(b"\r\n\r\n"):
            line = self.stream.readline()
            assert line, self.answer
            self.answer += line

    def send(self, *frames: bytes) -> None:
        self.sock.sendall(b"".join(frames))

    def frame(self) -> tuple[int, bytes]:
        """Return opcode and payload of the next frame, which must be whole and unmasked."""
        head = self.stream.read(2)
        if len(head) < 2:
            raise EOFError
        size = head[1]
        assert head[0] & 0x70 == 0, "a reserved bit is set"
        assert size < 128, "a server does not mask"
        if size == 126:
            (size,) = struct.unpack("!H", self.stream.read(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", self.stream.read(8))
        payload = self.stream.read(size)
        assert len(payload) == size
        return head[0] & 0x0F, payload

    def close_code(self) -> int:
        """Read on to the close frame and return its code."""
        while True:
            opcode, payload = self.frame()
            if opcode == CLOSE:
                (code,) = struct.unpack("!H", payload[:2])
                return int(code)

    def is_at_end(self) -> bool:
        return self.stream.read(1) == b""

    def close(self) -> None:
        self.stream.close()
        self.sock.close()

    def reset(self) -> None:
        """Close the connection by RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()


def handshake(**changed: str | None) -> bytes:
    """Return a request; a header that is changed to None is left out."""
    headers: dict[str, str | None] = {
        "Host": "baton",
        "Upgrade": "websocket",
        "Connection": "keep-alive, Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": KEY,
        **{name.replace("_", "-"): value for name, value in changed.items()},
    }
    lines = [f"{name}: {value}" for name, value in headers.items() if value is not None]
    return "\r\n".join(["GET /ws HTTP/1.1", *lines, "", ""]).encode()


def masked(opcode: int, payload: bytes = b"", final: bool = True, mask: bytes = b"\x12\x34\x56\x78") -> bytes:
    """Return a client's frame."""
    size = len(payload)
    first = (0x80 if final else 0) | opcode
    if size < 126:
        head = struct.pack("!BB", first, 0x80 | size)
    elif size < 65536:
        head = struct.pack("!BBH", first, 0x80 | 126, size)
    else:
        head = struct.pack("!BBQ", first, 0x80 | 127, size)
    key = int.from_bytes((mask * (size // 4 + 1))[:size])
    return head + mask + (int.from_bytes(payload) ^ key).to_bytes(size)


def echo(connection: Connection, message: str | bytes) -> None:
    connection.send(text_frame(message if isinstance(message, bytes) else message.encode()))


def opened(server: SocketServer, **options: Any) -> tuple[Served, Peer]:
    """Return both ends of a new connection."""
    peer = Peer(server.port, **options)
    return server.served(), peer


def listens_since(served: Served) -> float:
    """Return since when the server has listened to a peer without hearing anything; 0 while it does not listen."""
    now = time.monotonic()
    silence = served.connection.silence(now)
    return now - silence if silence else 0


def fill(served: Served, frame: bytes) -> int:
    """Send until the connection closes for it; return how many frames that took."""
    for count in range(1, 1_000):
        served.connection.send(frame)
        if not served.connection.is_open:
            return count
    raise AssertionError("the outbox has no bound")


# Handshake


def test_the_handshake_is_answered_without_extensions(server: SocketServer) -> None:
    _, peer = opened(server)
    token = base64.b64encode(hashlib.sha1(f"{KEY}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest())  # noqa: S324
    assert peer.answer.startswith(b"HTTP/1.1 101 ")
    assert b"\r\nSec-WebSocket-Accept: " + token + b"\r\n" in peer.answer
    assert b"xtensions" not in peer.answer


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"Upgrade": None}, 426),
        ({"Upgrade": "h2c"}, 426),
        ({"Connection": "keep-alive"}, 426),
        ({"Sec_WebSocket_Version": None}, 426),
        ({"Sec_WebSocket_Version": "8"}, 426),
        ({"Sec_WebSocket_Key": None}, 400),
        ({"Sec_WebSocket_Key": "c2hvcnQ="}, 400),
        ({"Sec_WebSocket_Key": "{not base64}"}, 400),
        ({"Sec_WebSocket_Key": "\xfc"}, 400),
        ({"Content_Length": "5"}, 400),
    ],
)
def test_what_is_no_handshake_is_refused_and_nothing_written(
    server: SocketServer, changed: dict[str, str | None], status: int
) -> None:
    with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as sock:
        sock.sendall(handshake(**changed))
        error = server.refused()
        assert error.status == status
        assert ("Sec-WebSocket-Version" in error.headers) == ("Sec_WebSocket_Version" in changed)
        with suppress(ConnectionResetError):
            assert sock.recv(1) == b""


def test_frames_sent_behind_the_handshake_are_received(server: SocketServer) -> None:
    frames = [masked(TEXT, f"message {number}".encode()) for number in range(1_000)]
    served, peer = opened(server, behind_handshake=b"".join(frames))
    assert [served.message() for _ in frames] == [f"message {number}" for number in range(1_000)]
    peer.close()


def test_a_socket_with_tls_of_its_own_is_refused() -> None:
    import ssl

    here, there = socket.socketpair()
    with (
        closing(there),
        ssl.create_default_context().wrap_socket(here, server_hostname="baton", do_handshake_on_connect=False) as sock,
    ):
        environ = {
            "REQUEST_METHOD": "GET",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "HTTP_UPGRADE": "websocket",
            "HTTP_CONNECTION": "Upgrade",
            "HTTP_SEC_WEBSOCKET_VERSION": "13",
            "HTTP_SEC_WEBSOCKET_KEY": KEY,
        }
        for given in ({}, {"gunicorn.socket": sock}):
            with pytest.raises(HandshakeError) as caught:
                Connection.accept({**environ, **given})
            assert caught.value.status == 501


# Messages


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, LIMIT])
def test_messages_of_any_size_pass_both_ways(server: SocketServer, size: int) -> None:
    server.on_message = echo
    text = "€" * (size // 3) + "x" * (size % 3)  # so many bytes
    with connect(f"ws://127.0.0.1:{server.port}") as client:
        client.send(text)
        assert client.recv(PATIENCE) == text


def test_binary_messages_arrive_as_bytes(server: SocketServer) -> None:
    served, peer = opened(server)
    peer.send(masked(BINARY, b"\xff\0"), masked(BINARY, b"a", final=False), masked(CONTINUATION, b"\xff"))
    assert [served.message(), served.message()] == [b"\xff\0", b"a\xff"]


def test_an_object_is_sent_as_the_routes_would(server: SocketServer) -> None:
    _, peer = opened(server)
    server_frame = encode({"type": "event", "event_seq": 1, "text": "€"})
    assert orjson.loads(server_frame[2:]) == {"type": "event", "event_seq": 1, "text": "€"}
    assert server_frame[0] == 0x81
    peer.close()


def test_a_frame_may_come_a_byte_at_a_time(server: SocketServer) -> None:
    served, peer = opened(server)
    peer.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in masked(TEXT, "wörd".encode()) + masked(TEXT, b"x" * 200):
        peer.send(bytes([byte]))
    assert [served.message(), served.message()] == ["wörd", "x" * 200]


def test_control_frames_may_stand_between_fragments(server: SocketServer) -> None:
    served, peer = opened(server)
    euro = "€".encode()
    peer.send(
        masked(TEXT, b"a" + euro[:1], final=False),
        masked(PING, b"here?"),
        masked(CONTINUATION, euro[1:2], final=False),
        masked(PONG),
        masked(CONTINUATION, b"", final=False),
        masked(CONTINUATION, euro[2:]),
    )
    assert served.message() == "a€"
    assert peer.frame() == (PONG, b"here?")


def test_the_peer_answers_a_ping_and_is_heard(server: SocketServer) -> None:
    served, peer = opened(server)
    served.connection.ping()
    assert peer.frame() == (PING, b"")
    wait_until(lambda: listens_since(served) > 0)
    answered_at = time.monotonic()
    peer.send(masked(PONG))
    wait_until(lambda: listens_since(served) > answered_at, what="he is heard")


def test_a_peer_is_not_silent_while_nobody_listens_to_him(server: SocketServer) -> None:
    work_is_done = threading.Event()

    def work(connection: Connection, message: str | bytes) -> None:
        work_is_done.wait(PATIENCE)

    server.on_message = work
    served, peer = opened(server)
    wait_until(lambda: listens_since(served) > 0)
    peer.send(masked(TEXT, b"work"))
    served.message()
    peer.send(masked(PONG))
    assert served.connection.silence(time.monotonic() + 60) == 0
    done_at = time.monotonic()
    work_is_done.set()
    wait_until(lambda: listens_since(served) > done_at, what="he is listened to again")
    assert served.connection.silence(done_at + 60) < 60
    wait_until(lambda: served.connection.silence(time.monotonic() + 60) > 60, what="and may be silent again")


# What a peer must not send


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        pytest.param(text_frame(b"unmasked"), 1002, id="unmasked"),
        pytest.param(b"\xc1" + masked(TEXT, b"x")[1:], 1002, id="reserved bit, as deflate would set it"),
        pytest.param(masked(0x3, b"x"), 1002, id="unknown opcode"),
        pytest.param(masked(CONTINUATION, b"x"), 1002, id="continuation of nothing"),
        pytest.param(masked(TEXT, b"x", final=False) + masked(TEXT, b"y"), 1002, id="message within a message"),
        pytest.param(masked(PING, b"x", final=False), 1002, id="fragmented ping"),
        pytest.param(masked(PING, b"x" * 126), 1002, id="large ping"),
        pytest.param(masked(CLOSE, b"\x03"), 1002, id="half a close code"),
        pytest.param(masked(CLOSE, struct.pack("!H", 1006)), 1002, id="close code that is never sent"),
        pytest.param(masked(TEXT, b"\xff"), 1007, id="not UTF-8"),
        pytest.param(masked(TEXT, b"\xed\xa0\x80"), 1007, id="a lone surrogate"),
        pytest.param(masked(TEXT, "€".encode()[:2]), 1007, id="cut within a character"),
        pytest.param(
            masked(TEXT, "€".encode()[:2], final=False) + masked(CONTINUATION, b"x"), 1007, id="not UTF-8 in the middle"
        ),
        pytest.param(masked(CLOSE, struct.pack("!H", 1000) + b"\xff"), 1007, id="a reason that is not UTF-8"),
        pytest.param(masked(TEXT, b"x" * (LIMIT + 1)), 1009, id="a byte too large"),
        pytest.param(masked(TEXT, "€".encode() * (LIMIT // 3 + 1)), 1009, id="too large in bytes, not in characters"),
        pytest.param(masked(BINARY, b"x" * (LIMIT + 1)), 1009, id="binary, a byte too large"),
        pytest.param(
            masked(TEXT, b"x" * LIMIT, final=False) + masked(CONTINUATION, b"x"), 1009, id="too large with a fragment"
        ),
        pytest.param(masked(TEXT, b"x" * 10_000_000), 1009, id="10 MB"),
    ],
)
def test_what_breaks_the_protocol_closes_the_socket_with_its_code(server: SocketServer, sent: bytes, code: int) -> None:
    served, peer = opened(server)
    peer.send(masked(TEXT, b"before"), sent, masked(TEXT, b"after"))
    started = time.monotonic()
    assert peer.close_code() == code
    assert peer.is_at_end(), "nothing follows a close frame"
    peer.close()
    assert served.end().code == code
    assert time.monotonic() - started < CLOSE_SECONDS, "who has hung up is not waited for"
    assert served.messages.get_nowait() == "before"
    assert served.messages.empty()


def test_the_websockets_client_learns_that_its_message_is_too_large(server: SocketServer) -> None:
    with connect(f"ws://127.0.0.1:{server.port}") as client:
        with suppress(PeerSawClose):
            client.send("x" * (LIMIT + 1))
        with pytest.raises(PeerSawClose):
            client.recv(PATIENCE)
        assert client.close_code == 1009


def test_a_frame_of_100_mb_is_never_held(server: SocketServer) -> None:
    served, peer = opened(server)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peer.send(struct.pack("!BBQ", 0x81, 0xFF, 100_000_000) + b"mask")
    with suppress(ConnectionError):
        for _ in range(1_000):
            peer.send(b"\0" * 100_000)
    assert served.end().code == 1009
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 10_000  # kB


def test_a_message_in_thousands_of_fragments_is_put_together(server: SocketServer) -> None:
    served, peer = opened(server)
    pieces = [f"{number} €".encode() for number in range(5_000)]
    frames = [masked(CONTINUATION, piece, final=False) for piece in pieces]
    peer.send(masked(TEXT, b"", final=False), *frames, masked(CONTINUATION))
    assert served.message() == b"".join(pieces).decode()


def test_fragments_that_bring_nothing_are_slowed_down(server: SocketServer) -> None:
    """They reach no limit in bytes; as fast as they come they would take the process."""
    served, peer = opened(server)
    started = time.monotonic()
    peer.send(masked(TEXT, final=False), masked(CONTINUATION, final=False) * 1_600, masked(CONTINUATION, b"."))
    assert served.message() == "."
    assert time.monotonic() - started > 0.2


# Closing


@pytest.mark.parametrize(
    ("payload", "code", "answer"),
    [
        (struct.pack("!H", 1000), 1000, struct.pack("!H", 1000)),
        (struct.pack("!H", 4321) + "später".encode(), 4321, struct.pack("!H", 4321) + "später".encode()),
        (b"", 1005, b""),
    ],
)
def test_a_peer_that_closes_is_answered(server: SocketServer, payload: bytes, code: int, answer: bytes) -> None:
    served, peer = opened(server)
    peer.send(masked(TEXT, b"last"), masked(CLOSE, payload), masked(TEXT, b"after the end"))
    assert peer.frame() == (CLOSE, answer)
    with suppress(ConnectionResetError):
        assert peer.is_at_end()
    assert served.message() == "last"
    assert (served.end().code, served.connection.close_code) == (code, code)
    assert served.messages.empty()


def test_close_wakes_the_reader_and_the_peer_sees_code_and_reason(server: SocketServer) -> None:
    with connect(f"ws://127.0.0.1:{server.port}") as client:
        served = server.served()
        served.connection.send(text_frame(b"before"))
        served.connection.close(4401, "signed out")
        served.connection.close(1012)
        assert client.recv(PATIENCE) == "before"
        with pytest.raises(PeerSawClose):
            client.recv(PATIENCE)
        assert (client.close_code, client.close_reason) == (4401, "signed out")
    assert served.end().code == 4401
    assert not served.connection.is_open


def test_nothing_is_sent_behind_the_close_frame(server: SocketServer) -> None:
    served, peer = opened(server)
    served.connection.close(4401)
    served.connection.send(text_frame(b"too late"))
    served.connection.ping()
    peer.send(masked(PING), masked(CLOSE, struct.pack("!H", 4401)))
    assert peer.frame() == (CLOSE, struct.pack("!H", 4401))
    assert peer.is_at_end()


def test_a_peer_that_never_answers_the_close_is_cut_off(server: SocketServer, hurried: float) -> None:
    served, peer = opened(server)
    started = time.monotonic()
    served.connection.close(4403)
    assert time.monotonic() - started < 0.5, "close never waits"
    peer.send(masked(TEXT, b"as if nothing had happened"))
    assert served.end().code == 4403
    assert hurried * 0.9 < time.monotonic() - started < hurried + 1
    assert served.messages.empty()
    assert peer.frame() == (CLOSE, struct.pack("!H", 4403))


def test_a_peer_that_floods_instead_of_closing_is_cut_off(server: SocketServer, hurried: float) -> None:
    served, peer = opened(server)
    served.connection.close(4403)
    frames = masked(TEXT, b"x" * 1_000) * 100
    with suppress(ConnectionError):
        for _ in range(10_000):
            peer.send(frames)
    assert served.end().code == 4403


@pytest.mark.parametrize("leave", [Peer.close, Peer.reset, lambda peer: peer.sock.shutdown(socket.SHUT_WR)])
@pytest.mark.parametrize("unfinished", [b"", masked(TEXT, b"half a message")[:9]])
def test_a_peer_that_vanishes_ends_it(server: SocketServer, leave: Callable[[Peer], None], unfinished: bytes) -> None:
    served, peer = opened(server)
    peer.send(unfinished)
    leave(peer)
    assert served.end().code == 1006
    served.connection.send(text_frame(b"to nobody"))
    served.connection.close(1012)
    assert served.connection.close_code == 1006
    with pytest.raises(ConnectionClosed):
        served.connection.receive()


def test_giving_up_a_silent_peer_ends_it_at_once(server: SocketServer) -> None:
    served, peer = opened(server)
    served.connection.close(1006)
    assert served.end().code == 1006
    assert peer.is_at_end()


def test_of_many_who_close_and_send_at_once_the_first_close_stands(server: SocketServer) -> None:
    for _ in range(30):
        served, peer = opened(server)
        start = threading.Barrier(5)

        def close(code: int, served: Served = served, start: threading.Barrier = start) -> None:
            start.wait()
            served.connection.close(code)

        def send(served: Served = served, start: threading.Barrier = start) -> None:
            start.wait()
            for number in range(50):
                served.connection.send(text_frame(str(number).encode()))

        threads = [threading.Thread(target=close, args=(code,)) for code in (4401, 4403, 1012)]
        threads += [threading.Thread(target=send)]
        for thread in threads:
            thread.start()
        start.wait()
        peer.send(masked(CLOSE, struct.pack("!H", 1001)))
        seen = []
        while (frame := peer.frame())[0] != CLOSE:
            seen.append(int(frame[1]))
        assert seen == list(range(len(seen)))
        (code,) = struct.unpack("!H", frame[1])
        assert code == served.end().code
        for thread in threads:
            thread.join()
        peer.close()


def test_a_long_reason_is_cut_between_characters() -> None:
    frame = close_frame(4401, "x" + "€" * 100)
    assert frame[1] == len(frame) - 2 <= 125
    assert frame[4:].decode() == "x" + "€" * 40


# Slow readers, many writers


def test_a_reader_that_stops_is_closed_and_no_send_waits(server: SocketServer) -> None:
    served, peer = opened(server, receive_buffer=16 * 1024)
    body = os.urandom(24_000).hex().encode()
    durations: list[float] = []

    def stuff() -> None:
        while served.connection.is_open and len(durations) < 200:
            started = time.monotonic()
            served.connection.send(text_frame(body))
            durations.append(time.monotonic() - started)

    sender = threading.Thread(target=stuff, daemon=True)
    sender.start()
    sender.join(PATIENCE)
    assert not sender.is_alive()
    assert max(durations) < 0.5
    assert served.connection.close_code == 1013
    # Now it reads: what the kernel had is whole, the outbox is gone, and then it learns why.
    whole = 0
    while (frame := peer.frame())[0] == TEXT:
        assert frame[1] == body
        whole += 1
    assert frame == (CLOSE, struct.pack("!H", 1013) + b"too slow")
    assert 0 < whole < len(durations) - 15  # some 21 of them fill an outbox
    peer.send(masked(CLOSE, struct.pack("!H", 1013)))
    assert served.end().code == 1013


def test_a_reader_that_never_reads_again_is_given_up(server: SocketServer, hurried: float) -> None:
    server.limits = {"outbox_limit": 1024 * 1024}
    served, peer = opened(server, receive_buffer=16 * 1024)
    started = time.monotonic()
    sent = fill(served, text_frame(b"x" * 30_000)) * 30_000
    assert served.end().code == 1013
    assert time.monotonic() - started < hurried + 1
    received = 0
    with suppress(ConnectionResetError):
        while piece := peer.sock.recv(65536):
            received += len(piece)
    assert received < sent / 2, "the server's kernel keeps nothing for it"


def test_a_slow_reader_gets_everything_in_order_while_the_outbox_suffices(server: SocketServer) -> None:
    server.limits = {"outbox_limit": 8 * 1024 * 1024}
    served, peer = opened(server, receive_buffer=16 * 1024)
    for number in range(1_000):
        served.connection.send(text_frame(b"%d " % number + b"x" * (number * 7 % 5_000)))
    for number in range(1_000):
        opcode, payload = peer.frame()
        assert (opcode, payload.split()[0]) == (TEXT, b"%d" % number)
    served.connection.send(text_frame(b"idle again"))
    assert peer.frame() == (TEXT, b"idle again")
    assert served.connection.queued == 0


def test_others_are_served_while_one_does_not_read(server: SocketServer) -> None:
    server.on_message = echo
    slow, stuck = opened(server, receive_buffer=16 * 1024)
    for _ in range(10):
        slow.connection.send(text_frame(b"x" * 60_000))
    assert slow.connection.queued > 0
    with connect(f"ws://127.0.0.1:{server.port}") as client:
        client.send("still there?")
        assert client.recv(PATIENCE) == "still there?"
    assert slow.connection.is_open
    stuck.close()
    assert slow.end().code == 1006


def test_a_close_waits_behind_what_was_sent(server: SocketServer) -> None:
    served, peer = opened(server, receive_buffer=16 * 1024)
    for _ in range(10):
        served.connection.send(text_frame(b"x" * 60_000))
    served.connection.close(1012)
    for _ in range(10):
        assert peer.frame() == (TEXT, b"x" * 60_000)
    assert peer.frame() == (CLOSE, struct.pack("!H", 1012))
    peer.send(masked(CLOSE, struct.pack("!H", 1012)))
    assert served.end().code == 1012


def test_a_peer_that_closes_with_unread_frames_gets_its_answer(server: SocketServer) -> None:
    served, peer = opened(server, receive_buffer=16 * 1024)
    for _ in range(10):
        served.connection.send(text_frame(b"x" * 60_000))
    started = time.monotonic()
    peer.send(masked(CLOSE, struct.pack("!H", 1000)))
    assert peer.close_code() == 1000
    assert peer.is_at_end()
    assert time.monotonic() - started < CLOSE_SECONDS
    peer.close()
    assert served.end().code == 1000


@pytest.mark.parametrize("is_patient", [False, True])
def test_frames_of_four_threads_are_whole_and_in_the_order_of_each(server: SocketServer, is_patient: bool) -> None:
    """Through the outbox, and with writers who wait for it to be empty: they meet at the kernel's full buffer."""
    server.limits = {"outbox_limit": 64 * 1024 * 1024}
    served, peer = opened(server, receive_buffer=16 * 1024)
    per_thread = 300

    def write(name: int) -> None:
        for number in range(per_thread):
            filling = "x" * (number * 997 % 60_000)
            while is_patient and served.connection.queued:
                time.sleep(0)
            served.connection.send(encode({"thread": name, "number": number, "filling": filling, "size": len(filling)}))

    threads = [threading.Thread(target=write, args=(name,), daemon=True) for name in range(4)]
    for thread in threads:
        thread.start()
    peer.send(*[masked(PING, b"%d" % number) for number in range(200)])
    seen: list[list[int]] = [[], [], [], []]
    pongs: list[int] = []
    while len(pongs) < 200 or sum(map(len, seen)) < 4 * per_thread:
        opcode, payload = peer.frame()
        if opcode == PONG:
            pongs.append(int(payload))
        else:
            event = json.loads(payload)
            assert len(event["filling"]) == event["size"]
            seen[event["thread"]].append(event["number"])
    assert seen == [list(range(per_thread))] * 4
    assert pongs == list(range(200))
    assert served.connection.is_open


def test_pings_that_nobody_reads_the_answers_of_are_bounded(server: SocketServer, hurried: float) -> None:
    server.limits = {"outbox_limit": 32 * 1024}
    served, peer = opened(server, receive_buffer=4 * 1024)
    for _ in range(20):
        served.connection.send(text_frame(b"x" * 20_000))
        if served.connection.queued:
            break
    with suppress(ConnectionError):
        peer.send(*[masked(PING, b"x" * 125)] * 3_000)
    assert served.end().code == 1013


def test_an_idle_socket_has_no_thread_but_its_reader(server: SocketServer) -> None:
    before = threading.active_count()
    opened_now = [opened(server) for _ in range(5)]
    for served, peer in opened_now:
        served.connection.send(text_frame(b"x"))
        assert peer.frame() == (TEXT, b"x")
    assert threading.active_count() - before <= 5


# The real worker


def application(environ: dict[str, Any], start_response: Callable[..., object]) -> list[bytes]:
    """What the gunicorn of these tests serves: an echo that also takes orders, and what became of its sockets."""
    if environ["PATH_INFO"] != "/ws":
        start_response("200 OK", [("Content-Type", "application/json")])
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return [json.dumps({"ended": _ended, "peak_kb": memory, "slowest_send": _slowest}).encode()]
    connection = Connection.accept(environ, outbox_limit=256 * 1024)
    try:
        while True:
            message = connection.receive()
            if message == "stuff me":
                threading.Thread(target=_stuff, args=(connection,)).start()
            elif message == "close me":
                threading.Thread(target=connection.close, args=(4401, "as ordered")).start()
            else:
                echo(connection, message)
    except ConnectionClosed as closed:
        _ended.append(closed.code)
    raise StopIteration  # gunicorn closes the socket and logs nothing


_ended: list[int] = []
_slowest = 0.0


def _stuff(connection: Connection) -> None:
    global _slowest
    while connection.is_open:
        started = time.monotonic()
        connection.send(text_frame(b"x" * 50_000))
        _slowest = max(_slowest, time.monotonic() - started)


class Gunicorn:
    """A gunicorn with one gevent worker that serves `application`."""

    def __init__(self, port: int, client: httpx.Client) -> None:
        self.port = port
        self._client = client

    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = self._client.get("/").json()
        return state

    def connect(self) -> ClientConnection:
        return connect(f"ws://127.0.0.1:{self.port}/ws")

    def wait_for_end(self, code: int) -> None:
        """Return when a socket has ended with `code`."""
        deadline = time.monotonic() + PATIENCE
        while code not in self.state()["ended"]:
            assert time.monotonic() < deadline, self.state()


@pytest.fixture(scope="module")
def gunicorn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gunicorn]:
    port = free_port()
    folder = tmp_path_factory.mktemp("gunicorn")
    log = folder / "log"
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "gunicorn", "--worker-class", "gevent", "--bind", f"127.0.0.1:{port}"),
            *("--graceful-timeout", "1", "--no-control-socket", "--pythonpath", f"{Path(__file__).parent},{ROOT}"),
            f"{Path(__file__).stem}:application",
        ],
        cwd=folder,  # where there is no gunicorn.conf.py
        stderr=log.open("wb"),
        start_new_session=True,
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE) as client:
            wait_until_up(client, process, log)
            yield Gunicorn(port, client)
    finally:
        end(process)
    assert "Traceback" not in log.read_text()


def test_gevent_echoes_and_takes_frames_behind_the_handshake(gunicorn: Gunicorn) -> None:
    peer = Peer(gunicorn.port, behind_handshake=masked(TEXT, b"at once") + masked(TEXT, b"x" * 100_000))
    assert [peer.frame(), peer.frame()] == [(TEXT, b"at once"), (TEXT, b"x" * 100_000)]
    peer.close()
    gunicorn.wait_for_end(1006)


def test_gevent_wakes_the_reader_when_another_greenlet_closes(gunicorn: Gunicorn) -> None:
    with gunicorn.connect() as client:
        client.send("close me")
        with pytest.raises(PeerSawClose):
            client.recv(PATIENCE)
        assert (client.close_code, client.close_reason) == (4401, "as ordered")
    gunicorn.wait_for_end(4401)


def test_gevent_serves_others_while_one_does_not_read_and_is_closed(gunicorn: Gunicorn) -> None:
    peer = Peer(gunicorn.port, receive_buffer=16 * 1024)
    peer.send(masked(TEXT, b"stuff me"))
    with gunicorn.connect() as client:
        client.send("still there?")
        assert client.recv(PATIENCE) == "still there?"
    assert peer.close_code() == 1013
    peer.send(masked(CLOSE, struct.pack("!H", 1013)))
    gunicorn.wait_for_end(1013)
    assert gunicorn.state()["slowest_send"] < 0.5


def test_gevent_cuts_off_who_never_reads_again(gunicorn: Gunicorn) -> None:
    before = gunicorn.state()["ended"].count(1013)
    peer = Peer(gunicorn.port, receive_buffer=16 * 1024)
    peer.send(masked(TEXT, b"stuff me"))
    deadline = time.monotonic() + PATIENCE
    while gunicorn.state()["ended"].count(1013) == before:
        assert time.monotonic() < deadline
    peer.close()


@pytest.mark.parametrize(
    "flood",
    [
        pytest.param(masked(PING) * 2_000, id="pings"),
        pytest.param(masked(TEXT, final=False) + masked(CONTINUATION, final=False) * 2_000, id="fragments"),
        pytest.param(masked(TEXT, b"x" * 10_000_000), id="10 MB"),
    ],
)
def test_gevent_serves_others_during_a_flood(gunicorn: Gunicorn, flood: bytes) -> None:
    before = gunicorn.state()["peak_kb"]
    peer = Peer(gunicorn.port)
    is_over = threading.Event()

    def pour() -> None:
        with suppress(OSError):
            while not is_over.is_set():
                peer.send(flood)

    pouring = threading.Thread(target=pour)
    pouring.start()
    slowest = 0.0
    with gunicorn.connect() as client:
        for number in range(300):
            started = time.monotonic()
            client.send(str(number))
            assert client.recv(PATIENCE) == str(number)
            slowest = max(slowest, time.monotonic() - started)
    is_over.set()
    peer.sock.shutdown(socket.SHUT_RDWR)
    pouring.join()
    peer.close()
    assert slowest < 0.5
    assert gunicorn.state()["peak_kb"] - before < 20_000
