"""A server's side of one WebSocket: what a peer does, or fails to do, stays with that peer.

One greenlet (or thread) calls `receive()`; anybody may call `send()`, `ping()` and `close()`. A write goes straight
to the kernel, under a lock that is never held while waiting. What the kernel does not take is queued up to a bound,
and a writer runs for as long as something is queued: an idle socket costs its reader and nothing else.

The socket is gunicorn's, which closes it when the request is over. So whoever has called `close()` goes on calling
`receive()` until that raises ConnectionClosed: it waits for the peer's answer there, CLOSE_SECONDS at most.

Facts about gunicorn this rests on: it reads the socket in pieces of 8 kB, so frames that a client sends right behind
its handshake lie in the request parser's buffer (`wsgi.input.reader.unreader`) and never come out of the socket.
Under the gevent worker the descriptor is non-blocking while the socket's methods wait for it cooperatively.
"""

import _thread
import base64
import binascii
import os
import socket
import ssl
import struct
import threading
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NoReturn, Self

from wsproto.frame_protocol import Frame, FrameProtocol, Opcode, ParseFailed
from wsproto.utilities import generate_accept_token

from web.live.frames import close_frame, ping_frame, pong_frame

LOST, TOO_LARGE, TOO_SLOW = 1006, 1009, 1013
# How long a peer may take to answer a close, and to read what was sent before it; less than graceful_timeout.
CLOSE_SECONDS = 2.0

_READ_SIZE = 16 * 1024
_WRITE_SIZE = 64 * 1024
# What the kernel may hold for a slow reader, besides the outbox (Linux doubles it; by itself it grows to megabytes).
_SEND_BUFFER = 128 * 1024
# Pings and fragments that make no message: after so many the peer is made to wait, or its flood would take the process.
_PACE_FRAMES = 32
_PACE_SECONDS = 0.005
_DISCARD_SECONDS = 0.001  # and a pause for each piece of what is thrown away
_FOREVER = 86_400.0


class HandshakeError(Exception):
    """The request cannot become a WebSocket. Nothing has been written: answer with `status` and `headers`."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})


class ConnectionClosed(Exception):  # noqa: N818 - the end of a connection is no error
    """There is nothing more to receive. `code` is whose close came first: ours or the peer's (1006: it was lost)."""

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(f"closed with {code} {reason}".rstrip())
        self.code = code
        self.reason = reason


class Connection:
    """An open WebSocket. See the module for who may call what."""

    __slots__ = (
        "__weakref__",
        "_is_discarding",
        "_is_given_up",
        "_is_over",
        "_lock",
        "_max_message",
        "_outbox",
        "_outbox_limit",
        "_paced",
        "_parts",
        "_protocol",
        "_queued",
        "_socket",
        "_waits_since",
        "close_code",
        "close_reason",
    )

    def __init__(self, sock: socket.socket, received: bytes, *, max_message: int, outbox_limit: int) -> None:
        self.close_code: int | None = None
        self.close_reason = ""
        self._socket = sock
        self._waits_since: float | None = None  # time.monotonic(); None: nobody listens to the peer now
        self._lock = threading.Lock()
        self._max_message = max_message
        self._outbox_limit = outbox_limit
        self._outbox: deque[bytes | memoryview] | None = None  # not None while a writer runs
        self._queued = 0  # bytes that the kernel has not taken
        self._protocol = FrameProtocol(client=False, extensions=[])
        self._protocol.receive_bytes(received)
        self._parts: bytearray | None = None  # of a message that is not whole yet
        self._paced = 0
        self._is_discarding = False  # what comes in is no longer looked at
        self._is_given_up = False  # the peer had its time
        self._is_over = False

    @classmethod
    def accept(
        cls, environ: Mapping[str, Any], *, max_message: int = 128 * 1024, outbox_limit: int = 1024 * 1024
    ) -> Self:
        """Answer the handshake in a gunicorn request and return the connection. Both limits are bytes.

        Raises:
            HandshakeError: the request is no proper handshake, or the server cannot give its socket away.
        """
        token = _check_handshake(environ)
        sock = environ.get("gunicorn.socket")
        if sock is None or isinstance(sock, ssl.SSLSocket):
            raise HandshakeError(501, "This server cannot open a WebSocket: it must be gunicorn, with TLS before it.")
        if os.get_blocking(sock.fileno()):
            sock.settimeout(_FOREVER)  # a plain socket then waits outside of read and write, as gevent's always does
        with suppress(OSError):  # a Unix socket has no such thing
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        connection = cls(sock, _read_ahead(environ), max_message=max_message, outbox_limit=outbox_limit)
        connection.send(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + token + b"\r\n\r\n"
        )
        return connection

    @property
    def is_open(self) -> bool:
        """Whether neither side has begun to close."""
        return self.close_code is None

    def silence(self, now: float) -> float:
        """Return for how many seconds, at `now` by time.monotonic(), the peer has been listened to in vain.

        While `receive()` is not waiting for it, what it has sent lies in the kernel: that is no silence of the peer's.
        """
        waits_since = self._waits_since
        return 0.0 if waits_since is None else now - waits_since

    @property
    def queued(self) -> int:
        """How many bytes wait in the outbox for the peer to read; who has much to send can wait for it to shrink."""
        return self._queued

    def receive(self) -> str | bytes:
        """Wait for the next message and return it: text as str, binary as bytes. Answers pings meanwhile.

        Raises:
            ConnectionClosed: it is over; the socket may be given back.
        """
        while True:
            frame = self._next_frame()
            if frame is None:
                self._read()
                continue
            if frame.opcode is Opcode.PING:
                assert isinstance(frame.payload, bytes)
                self.send(pong_frame(frame.payload))
            elif frame.opcode is Opcode.CLOSE:
                assert isinstance(frame.payload, tuple)
                self._answer_close(*frame.payload)
            elif frame.opcode is not Opcode.PONG:
                message = self._assemble(frame)
                if message is not None and self.close_code is None:
                    time.sleep(0)  # gevent does not switch while bytes keep coming
                    return message
            self._pace()

    def send(self, frame: bytes) -> None:
        """Send a frame of web.live.frames. Never waits; does nothing when closed.

        A peer that leaves more than the outbox's limit unread is closed with 1013.
        """
        with self._lock:
            if self.close_code is not None:
                return
            if self._queued + len(frame) > self._outbox_limit and self._outbox is not None:
                self._shed()
                self._begin_close(TOO_SLOW, "too slow")
            else:
                self._write(frame)

    def ping(self) -> None:
        """Ask the peer for a sign of life (see `silence`)."""
        self.send(ping_frame())

    def close(self, code: int, reason: str = "") -> None:
        """Begin to close, unless that has begun. Never waits; `receive()` raises CLOSE_SECONDS later at the latest.

        What was sent before goes out before. 1006 gives the peer up at once, without a word.
        """
        with self._lock:
            if self.close_code is None:
                self._begin_close(code, reason)

    # Reading: only ever in the one greenlet that calls receive().

    def _next_frame(self) -> Frame | None:
        if self._is_discarding:
            return None
        try:
            return next(self._protocol.received_frames(), None)
        except ParseFailed as error:
            self._fail(int(error.code), str(error))
            return None

    def _read(self) -> None:
        if self._is_over:
            raise ConnectionClosed(self.close_code or LOST, self.close_reason)
        self._waits_since = time.monotonic()
        try:
            data = self._socket.recv(_READ_SIZE)
        except OSError:
            data = b""
        finally:
            self._waits_since = None
        if not data:
            self._end()
        if self._is_discarding:
            time.sleep(_DISCARD_SECONDS)
        else:
            self._protocol.receive_bytes(data)

    def _assemble(self, frame: Frame) -> str | bytes | None:
        """Return the message that this piece completes. A large frame comes in several pieces, too."""
        payload = frame.payload
        assert not isinstance(payload, tuple)
        if self._parts is None and frame.message_finished:
            size = len(payload) if isinstance(payload, bytes) or payload.isascii() else len(payload.encode())
            if size <= self._max_message:
                return payload
        if self._parts is None:
            self._parts = bytearray()
        # As bytes, text too: the limit is in bytes, and a list of tiny strings would be many times as large.
        self._parts += payload if isinstance(payload, bytes) else payload.encode()
        if len(self._parts) > self._max_message:
            self._parts = None
            self._fail(TOO_LARGE, f"over {self._max_message} bytes")
            return None
        if not frame.message_finished:
            return None
        whole, self._parts = self._parts, None
        return bytes(whole) if isinstance(payload, bytes) else whole.decode()

    def _pace(self) -> None:
        self._paced += 1
        if self._paced == _PACE_FRAMES:
            self._paced = 0
            time.sleep(_PACE_SECONDS)

    def _fail(self, code: int, reason: str) -> None:
        """Close because of what came in, and read no more of it.

        Bytes still arrive and are thrown away: a socket that is closed with unread bytes is reset, and a reset can
        overtake the close frame that says why.
        """
        with self._lock:
            self._is_discarding = True
            if self.close_code is None:
                self._begin_close(code, reason)
            self._half_close()

    def _answer_close(self, code: int, reason: str) -> None:
        with self._lock:
            if self.close_code is None:
                self.close_code, self.close_reason = int(code), reason
                self._shed()  # the peer has said that it is leaving
                self._write(close_frame(self.close_code, reason))
                if self._outbox is not None:
                    self._limit_wait()
            self._is_discarding = True
            is_answered = self._outbox is None
        if is_answered:
            self._end()

    def _end(self) -> NoReturn:
        with self._lock:
            if self.close_code is None:
                self.close_code = LOST
            if self._is_given_up or self._outbox is not None:
                # Reset the connection: the kernel would go on offering the rest to a peer that does not read, or
                # leave one that does not stop writing hanging, for minutes. What has arrived there stays readable.
                with suppress(OSError):
                    self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._is_over = self._is_discarding = True
            self._parts = None
        self._hang_up()
        raise ConnectionClosed(self.close_code, self.close_reason)

    # Writing: with the lock held.

    def _write(self, frame: bytes) -> None:
        if self._outbox is not None:
            self._outbox.append(frame)
            self._queued += len(frame)
            return
        try:
            sent = os.write(self._socket.fileno(), frame)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._lose()
            return
        if sent < len(frame):
            rest = memoryview(frame)[sent:]
            self._outbox, self._queued = deque([rest]), len(rest)
            _thread.start_new_thread(self._drain, ())

    def _begin_close(self, code: int, reason: str) -> None:
        if code == LOST:
            self._lose()
            return
        self.close_code, self.close_reason = code, reason
        self._write(close_frame(code, reason))
        self._limit_wait()

    def _lose(self) -> None:
        if self.close_code is None:
            self.close_code = LOST
        self._give_up()

    def _shed(self) -> None:
        """Drop what is queued, save the rest of a frame of which a part has gone out."""
        if self._outbox is not None:
            kept = [part for part in self._outbox if isinstance(part, memoryview)]
            self._queued -= sum(map(len, self._outbox)) - sum(map(len, kept))
            self._outbox = deque(kept)

    def _half_close(self) -> None:
        """Say that nothing follows, once the close frame is out: the peer then hangs up, and need not be waited for."""
        if self._outbox is None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_WR)

    def _limit_wait(self) -> None:
        _thread.start_new_thread(self._give_up_later, ())

    # In greenlets of their own.

    def _drain(self) -> None:
        """Write what is queued, in order. While this runs nobody else writes."""
        while True:
            with self._lock:
                assert self._outbox is not None
                pieces: list[bytes | memoryview] = []
                size = 0
                while self._outbox and size < _WRITE_SIZE:
                    pieces.append(self._outbox.popleft())
                    size += len(pieces[-1])
                if not pieces:
                    self._outbox = None
                    if self._is_discarding:
                        self._half_close()
                    return
            try:
                self._socket.sendall(b"".join(pieces))
            except OSError:
                with self._lock:
                    self._lose()
                return
            with self._lock:
                self._queued -= size

    def _give_up_later(self) -> None:
        time.sleep(CLOSE_SECONDS)
        self._give_up()

    def _give_up(self) -> None:
        self._is_given_up = True
        self._hang_up()

    def _hang_up(self) -> None:
        """Wake whoever waits for the peer: reader and writer."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)


def _check_handshake(environ: Mapping[str, Any]) -> bytes:
    """Return the token that answers a handshake (RFC 6455, section 4.2.1), or raise HandshakeError."""
    if environ.get("REQUEST_METHOD") != "GET" or environ.get("SERVER_PROTOCOL") != "HTTP/1.1":
        raise HandshakeError(400, "A WebSocket is opened with GET over HTTP/1.1.")
    if int(environ.get("CONTENT_LENGTH") or 0) or environ.get("HTTP_TRANSFER_ENCODING"):
        raise HandshakeError(400, "A WebSocket is opened without a body.")
    upgrades = environ.get("HTTP_CONNECTION", "").lower().split(",")
    if environ.get("HTTP_UPGRADE", "").lower() != "websocket" or "upgrade" not in map(str.strip, upgrades):
        raise HandshakeError(426, "This address is for WebSockets.", {"Upgrade": "websocket", "Connection": "Upgrade"})
    if environ.get("HTTP_SEC_WEBSOCKET_VERSION") != "13":
        raise HandshakeError(426, "Only version 13 of WebSockets is known.", {"Sec-WebSocket-Version": "13"})
    key = environ.get("HTTP_SEC_WEBSOCKET_KEY", "").encode("latin-1")
    with suppress(binascii.Error):
        if len(base64.b64decode(key, validate=True)) == 16:
            return generate_accept_token(key)
    raise HandshakeError(400, "Sec-WebSocket-Key must be 16 bytes in base64.")


def _read_ahead(environ: Mapping[str, Any]) -> bytes:
    """Return what gunicorn has read of this connection beyond the request."""
    unreader = getattr(getattr(environ.get("wsgi.input"), "reader", None), "unreader", None)
    return b"" if unreader is None else bytes(unreader.take_buffered())
