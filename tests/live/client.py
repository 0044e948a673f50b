"""A client of /ws in Python that behaves as the one in the browser does (docs/live.md).

It connects and signs in, comes back with a growing, random pause, and subscribes again from the last
event it saw; what cannot be had from there is fetched afresh. While there is no socket it asks over
HTTP every two seconds. A message is sent over HTTP, under an id of its own, until it is acknowledged.

Clients run in the one event loop of a `Crowd`, in a thread of their own, so that some hundred of them
fit into a process whose other threads kill servers. What they saw is read from any thread.
"""

import asyncio
import contextlib
import copy
import random
import socket
import threading
import time
import zlib
from array import array
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

T = TypeVar("T")
Json = dict[str, Any]

POLL_EVERY = 2.0  # seconds between two questions while there is no socket
SHORTEST_PAUSE, LONGEST_PAUSE = 0.1, 3.0  # seconds: the bounds of the first and of the last backoff
PATIENCE = 5.0  # seconds to open a socket, and to be told `ready`
LAST_WORDS = (4401, 4403)  # after these codes it is no use to come back with the same token
LARGEST_FRAME = 4 * 1024 * 1024  # bytes: 64 kB of content may be six times as long in JSON


class RefusedError(Exception):
    """The server has said no, and will say so again."""

    def __init__(self, answer: httpx.Response) -> None:
        body = answer.json() if "json" in answer.headers.get("content-type", "") else {}
        self.status = answer.status_code
        self.code: str | None = body.get("details")
        super().__init__(
            f"{answer.request.method} {answer.request.url.path}: {self.status} {body or answer.text[:200]}"
        )


class Snapshot:
    """All that one person may see of a chat, as of one of its events: what a screen is drawn from."""

    def __init__(self, body: Json | None = None) -> None:
        """Take the answer of GET /api/chats/<id>/snapshot; without one, a chat before its first event."""
        body = body or {"chat": {}, "messages": [], "read_marks": []}
        self.chat: Json = dict(body["chat"])
        self.messages: dict[int, Json] = {message["seq"]: message for message in body["messages"]}
        self.read_marks = {(mark["reader_type"], mark["reader_id"]): mark["seq"] for mark in body["read_marks"]}
        self.notes: dict[str, Json] = {note["id"]: note for note in body.get("notes", [])}
        self.rating: Json = dict(body.get("rating") or {})
        self.face: Json = dict(body.get("face") or {})

    def apply(self, frame: Json) -> None:
        """Let an event happen. To let the same one happen twice changes nothing."""
        self.chat |= frame["chat"]
        data = frame["data"]
        match frame["event"]:
            case "message.created" | "message.edited" | "message.deleted":
                self.messages[data["seq"]] = data
                if frame.get("handled_after_seq") is not None:
                    self._hand_over(frame["handled_after_seq"], data)
            case "message.read":
                reader = (data["reader_type"], data["reader_id"])
                self.read_marks[reader] = max(data["seq"], self.read_marks.get(reader, 0))
            case "note.created" | "note.edited" | "note.deleted":
                self.notes.pop(data["id"], None)
                if data["deleted_at"] is None:
                    self.notes[data["id"]] = data
            case "chat.rated":
                self.rating = data
            case "chat.assigned" if "fictional_user_id" in data:  # the customer's
                self.face = data

    def copy(self) -> "Snapshot":
        """Return another one of the same content."""
        return copy.deepcopy(self)

    def _hand_over(self, after_seq: int, reply: Json) -> None:
        """Note who replied to the customer's messages between the last reply and this one."""
        for seq in range(after_seq + 1, reply["seq"]):
            message = self.messages.get(seq)
            if message is not None and message["sender_type"] == "real":
                message["handled_by_operator_id"] = reply["sender_id"]

    def differences(self, fresh: "Snapshot") -> list[str]:
        """Say, for a person, what differs from a fresh one, which has only the newest messages."""
        other = fresh.copy()
        other.messages = {
            **{seq: self.messages[seq] for seq in self.messages if seq < min(fresh.messages)},
            **fresh.messages,
        }
        return [
            f"{part}[{key}]: {mine.get(key)} != {theirs.get(key)}"
            for part in vars(self)
            for mine, theirs in [(getattr(self, part), getattr(other, part))]
            for key in sorted({*mine, *theirs}, key=str)
            if mine.get(key) != theirs.get(key)
        ]


@dataclass
class Watch:
    """What one client has seen of one chat."""

    chat_id: str
    event_seq: int = 0  # of the last event that was applied
    epoch: str | None = None
    snapshot: Snapshot | None = None  # None: only the numbers below are kept
    seen: dict[int, tuple[str, int]] = field(default_factory=dict)  # seq → id and checksum of each message
    events: Counter[str] = field(default_factory=Counter)  # how many of each kind were applied
    frames: list[Json] | None = None  # every event applied, if they were asked for
    arrivals: "array[float]" = field(default_factory=lambda: array("d"))  # time.time() of each event applied
    delays: "array[float]" = field(default_factory=lambda: array("d"))  # seconds from its writing until then
    resets: int = 0
    faults: list[str] = field(default_factory=list)  # what the server may never do
    end: str | None = None  # why there is nothing more to see
    is_subscribed: bool = False

    _asked_after: int = 0
    _next_on_wire: int | None = None
    _stale: int | None = None  # the number of the reset after which no snapshot has come yet
    _kept: list[Json] = field(default_factory=list)  # events that came while a snapshot was fetched
    _fetched_to: int = 0  # messages up to this one may come again: they were in a snapshot
    _began_after: int = 0  # the message before the first one to be seen

    @property
    def last_seen(self) -> int:
        """The number of the newest message seen."""
        return max(self.seen, default=self._began_after)

    def begin_after(self, seq: int) -> None:
        """Leave out messages up to this one: they were there long before."""
        self._began_after = seq

    def ask(self) -> int:
        """Return the event after which the next subscription is to begin."""
        self._asked_after = self.event_seq
        return self._asked_after

    def started_again(self, event_seq: int) -> None:
        """Take `subscribed`: the next event on this socket has the next number."""
        self._next_on_wire = event_seq + 1
        self.is_subscribed = True
        if self._stale is None and event_seq != self._asked_after:
            self.faults.append(f"subscribed after {self._asked_after}, but told {event_seq}")

    def receive(self, frame: Json) -> None:
        """Take an event from a socket, where the numbers may neither repeat nor skip."""
        number = frame["event_seq"]
        if self._next_on_wire is None:
            self.faults.append(f"event {number} without a subscription")
        elif number != self._next_on_wire:
            self.faults.append(f"event {number} instead of {self._next_on_wire}")
        self._next_on_wire = number + 1
        self.take(frame)

    def take(self, frame: Json) -> None:
        """Apply an event unless it is known, from wherever it came."""
        if self._stale is not None:
            self._kept.append(frame)
        elif frame["event_seq"] == self.event_seq + 1:
            self._apply(frame)
        elif frame["event_seq"] > self.event_seq:
            self.faults.append(f"event {frame['event_seq']} after {self.event_seq}")

    def mark_stale(self) -> int:
        """Take `reset`: only a snapshot fetched from now on says where the chat is. Return its number."""
        self.resets += 1
        self._stale = self.resets
        self._kept.clear()
        return self._stale

    def refresh(self, number: int | None, body: Json, missed: Sequence[Json]) -> None:
        """Take the snapshot fetched after reset `number`, and the messages between the last one seen and its first.

        It is too old if there was another reset in the meantime.
        """
        if number != self._stale:
            return
        if self.snapshot is not None:
            self.snapshot = Snapshot(body)
        self.event_seq = body["chat"]["event_seq"]
        self.epoch = body["epoch"]
        for message in [*missed, *body["messages"]]:
            if message["seq"] not in self.seen:
                self._see(message)
                self._fetched_to = message["seq"]
        self._stale = None
        kept, self._kept = self._kept, []
        for frame in kept:
            self.take(frame)

    def _apply(self, frame: Json) -> None:
        self.event_seq = frame["event_seq"]
        self.events[frame["event"]] += 1
        self.arrivals.append(now := time.time())
        self.delays.append(now - datetime.fromisoformat(frame["at"]).timestamp())
        if frame["event"] == "message.created":
            self._see(frame["data"])
        if self.snapshot is not None:
            self.snapshot.apply(frame)
        if self.frames is not None:
            self.frames.append(frame)

    def _see(self, message: Json) -> None:
        """Note a message: each comes once, after the one before it."""
        seq, known = message["seq"], self.seen.get(message["seq"])
        if known is None:
            if seq != self.last_seen + 1:
                self.faults.append(f"message {seq} without the one before it")
            self.seen[seq] = (message["id"], checksum(message["content"]))
        elif seq > self._fetched_to or known[0] != message["id"]:
            self.faults.append(f"message {seq} twice")


def checksum(content: str | None) -> int:
    """Return what is remembered of a content."""
    return zlib.crc32((content or "").encode())


class Client:
    """One person's live connection. Its coroutines belong to the crowd's event loop."""

    def __init__(self, crowd: "Crowd", token: str, *, is_staff: bool, base_urls: Sequence[str], **options: Any) -> None:
        """Prepare it; `Crowd.client` says what the options are."""
        self.token = token
        self.is_staff = is_staff
        self.watches: dict[str, Watch] = {}
        self.unsent: dict[str, Json] = options.get("unsent", {})  # client_message_id → what is not acknowledged yet
        self.others: list[Json] = []  # the newest frames of other kinds: presence, inbox, queue, typing, errors
        self.closings: Counter[int] = Counter()  # how often sockets ended, by closing code
        self.trouble = ""  # how the last attempt to connect, or connection, ended
        self.connections = 0
        self.polls = 0
        self.ended: int | None = None  # the closing code after which there is no coming back
        self.ready: Json | None = None  # the server's `ready`, while there is a socket
        self._crowd = crowd
        self._base_urls = list(base_urls)
        # Which of them it connects to, and which it asks: each goes on to the next where it fails.
        self._turn = self._asked = random.randrange(len(self._base_urls))  # noqa: S311 - not a secret
        self._has_socket: bool = options.get("has_socket", True)
        self._receive_buffer: int | None = options.get("receive_buffer")
        self._lost_answers: float = options.get("lost_answers", 0.0)
        self._socket: ClientConnection | None = None
        self._may_read = asyncio.Event()
        self._may_read.set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def is_live(self) -> bool:
        """Whether it has a socket, and every watch its subscription."""
        return self.ready is not None and all(watch.is_subscribed for watch in self.watches.values())

    async def watch(
        self, chat_id: str, *, after_event: int | None = None, keeps_state: bool = True, keeps_frames: bool = False
    ) -> Watch:
        """Begin to watch a chat: from its present state, or from an event on (0: from its beginning)."""
        watch = Watch(chat_id, after_event or 0, frames=[] if keeps_frames else None)
        watch.snapshot = Snapshot() if keeps_state else None
        if after_event is None:
            await self._fetch_afresh(watch, None)
        self.watches[chat_id] = watch
        await self._subscribe(watch)
        return watch

    async def send(self, chat_id: str, content: str) -> Json:
        """Write a message and return it as acknowledged, however long that takes. Until then it is in `unsent`.

        Raises:
            RefusedError: It will never be taken.
        """
        body = {"chat_id": chat_id, "content": content, "client_message_id": str(uuid4())}
        self.unsent[body["client_message_id"]] = body
        return await self._send(body)

    async def resend(self) -> list[tuple[Json, str]]:
        """Send what is in `unsent`, as after a reload; return the messages, each with what was sent."""
        return [(await self._send(body), body["content"]) for body in list(self.unsent.values())]

    async def _send(self, body: Json) -> Json:
        path = "/api/operator/messages" if self.is_staff else "/api/messages"
        try:
            message: Json = (await self.request("POST", path, body)).json()
        except RefusedError:
            del self.unsent[body["client_message_id"]]
            raise
        del self.unsent[body["client_message_id"]]
        return message

    async def request(self, method: str, path: str, body: Json | None = None, **query: Any) -> httpx.Response:
        """Ask until there is an answer: past lost connections, 429 and 5xx.

        Raises:
            RefusedError: The answer is another 4xx.
        """
        for attempt in range(10_000):
            with contextlib.suppress(httpx.TransportError):
                answer = await self._ask(method, path, body, **query)
                if answer.is_success and random.random() >= self._lost_answers:  # noqa: S311
                    return answer
                if 400 <= answer.status_code < 500 and answer.status_code != 429:
                    raise RefusedError(answer)
            await asyncio.sleep(_pause(attempt))
        raise AssertionError("there never was an answer")

    async def tell(self, **frame: Any) -> None:
        """Send a frame, if there is a socket."""
        if self._socket is not None and self.ready is not None:
            with contextlib.suppress(ConnectionClosed):
                await self._socket.send(orjson.dumps(frame).decode())

    def cut(self) -> None:
        """Lose the socket as a broken network does: no goodbye. Call it in the loop."""
        if self._socket is not None:
            self._socket.transport.abort()

    def stop_reading(self) -> None:
        """Leave what comes in the kernel's hands. Call it in the loop."""
        self._may_read.clear()

    def read_on(self) -> None:
        """Read again. Call it in the loop."""
        self._may_read.set()

    async def start(self) -> None:
        """Begin to connect, and to ask where there is no socket; again after `close`."""
        self._spawn(self._stay_connected())
        self._spawn(self._poll())

    async def close(self) -> None:
        """Go away; what was seen stays."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _ask(self, method: str, path: str, body: Json | None = None, **query: Any) -> httpx.Response:
        url = self._base_urls[self._asked % len(self._base_urls)] + path
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        content = orjson.dumps(body) if body is not None else None
        params = {name: value for name, value in query.items() if value is not None}
        try:
            return await self._crowd.http.request(method, url, content=content, headers=headers, params=params)
        except httpx.TransportError:
            self._asked += 1
            raise

    async def _stay_connected(self) -> None:
        attempt = 0
        while self._has_socket and self.ended is None:
            connections = self.connections
            try:
                await self._connect()
            except (OSError, TimeoutError, WebSocketException, EOFError) as error:
                self.trouble = f"{type(error).__name__}: {error}"
            attempt = 0 if self.connections > connections else attempt + 1
            self._turn += 1
            await asyncio.sleep(_pause(attempt))

    async def _connect(self) -> None:
        """Open a socket, sign in, subscribe, and read until it ends."""
        address = urlsplit(self._base_urls[self._turn % len(self._base_urls)])
        # A socket of our own, so that a test can give it a small buffer.
        channel = socket.socket()
        channel.setblocking(False)
        if self._receive_buffer is not None:
            channel.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_buffer)
        try:
            loop = asyncio.get_running_loop()
            await asyncio.wait_for(loop.sock_connect(channel, (address.hostname, address.port)), PATIENCE)
            connection = connect(
                f"ws://{address.netloc}/ws",
                sock=channel,
                compression=None,
                max_size=LARGEST_FRAME,
                open_timeout=PATIENCE,
                close_timeout=1,
                proxy=None,
            )
            async with connection as self._socket:
                try:
                    await self._converse(self._socket)
                finally:
                    await self._note_end(self._socket)
        finally:
            channel.close()
            self.ready, self._socket = None, None
            for watch in self.watches.values():
                watch.is_subscribed = False

    async def _converse(self, connection: ClientConnection) -> None:
        await connection.send(orjson.dumps({"type": "auth", "token": self.token}).decode())
        async with asyncio.timeout(PATIENCE):
            while (frame := orjson.loads(await connection.recv()))["type"] != "ready":
                self._handle_other(frame)
        self.ready = frame
        self.connections += 1
        for watch in list(self.watches.values()):
            await self._subscribe(watch)
        while True:
            await self._may_read.wait()
            self._handle(orjson.loads(await connection.recv()))

    async def _note_end(self, connection: ClientConnection) -> None:
        code = connection.close_code
        if code is not None:
            self.closings[code] += 1
            if code in LAST_WORDS:
                self.ended = code

    async def _subscribe(self, watch: Watch) -> None:
        if watch.end is None:
            epoch = watch.epoch or (self.ready or {}).get("epoch")
            await self.tell(type="subscribe", chat_id=watch.chat_id, after_event=watch.ask(), epoch=epoch)

    async def _subscribe_later(self, watch: Watch) -> None:
        await asyncio.sleep(_pause(3))
        if not watch.is_subscribed:
            await self._subscribe(watch)

    def _handle(self, frame: Json) -> None:
        watch = self.watches.get(frame.get("chat_id", ""))
        if watch is None:
            self._handle_other(frame)
            return
        match frame["type"]:
            case "event":
                watch.receive(frame)
            case "subscribed":
                watch.epoch = self.ready["epoch"] if self.ready else None
                watch.started_again(frame["event_seq"])
            case "reset":
                self._spawn(self._refresh(watch, watch.mark_stale()))
            case "unsubscribed":
                watch.end = frame.get("details") or "unsubscribed"
            case "error" if frame["details"] == "chat_not_found":
                watch.end = "chat_not_found"
            case "error" if not watch.is_subscribed:
                self._handle_other(frame)
                self._spawn(self._subscribe_later(watch))
            case _:
                self._handle_other(frame)

    def _handle_other(self, frame: Json) -> None:
        self.others.append(frame)
        del self.others[:-100]

    async def _poll(self) -> None:
        while self.ended is None:
            await asyncio.sleep(POLL_EVERY)
            if self.ready is None:
                self.polls += 1
                with contextlib.suppress(httpx.TransportError):
                    for watch in [watch for watch in self.watches.values() if watch.end is None]:
                        await self._catch_up(watch)

    async def _catch_up(self, watch: Watch) -> None:
        """Ask for what came after the last event; leave it to the next time when there is no answer."""
        cursor: int | None = watch.event_seq
        while cursor is not None:
            path = f"/api/chats/{watch.chat_id}/events"
            answer = await self._ask("GET", path, after_event=cursor, limit=200, epoch=watch.epoch)
            if answer.status_code == 410:
                await self._refresh(watch, watch.mark_stale())
            elif answer.status_code == 404:
                watch.end = "chat_not_found"
            if not answer.is_success:
                return
            for frame in answer.json()["data"]:
                watch.take(frame)
            cursor = answer.json()["next_cursor"]

    async def _refresh(self, watch: Watch, number: int) -> None:
        try:
            await self._fetch_afresh(watch, number)
        except RefusedError as error:
            watch.end = error.code or str(error.status)

    async def fetch(self, chat_id: str) -> Snapshot:
        """Return a fresh snapshot of a chat."""
        return Snapshot((await self.request("GET", f"/api/chats/{chat_id}/snapshot")).json())

    async def _fetch_afresh(self, watch: Watch, number: int | None) -> None:
        """Fetch a snapshot, and what lies between it and the last message seen."""
        path = f"/api/chats/{watch.chat_id}"
        body = (await self.request("GET", f"{path}/snapshot")).json()
        oldest = min((message["seq"] for message in body["messages"]), default=1)
        if number is None:
            watch.begin_after(oldest - 1)
        last_seen = watch.last_seen
        missed: list[Json] = []
        while last_seen + 1 < oldest:
            page = (await self.request("GET", f"{path}/messages", after_seq=last_seen, limit=100)).json()["data"]
            missed += [message for message in page if message["seq"] < oldest]
            last_seen = page[-1]["seq"]
        watch.refresh(number, body, missed)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _pause(attempt: int) -> float:
    """Return seconds to wait before the next attempt: at random, so that not all come back at once."""
    return random.uniform(0, min(LONGEST_PAUSE, SHORTEST_PAUSE * 2 ** min(attempt, 10)))  # noqa: S311


class Crowd:
    """Clients, and the thread in which they live."""

    def __init__(self, *base_urls: str) -> None:
        """Start the thread. Clients go round these addresses, as behind a load balancer."""
        self.base_urls = base_urls
        self.clients: list[Client] = []
        self.http: httpx.AsyncClient
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="crowd", daemon=True)
        self._thread.start()
        self.do(self._open())

    def client(self, token: str, *, is_staff: bool, **options: Any) -> Client:
        """Let a person connect.

        Options: `base_urls` (instead of the crowd's), `has_socket` (false: as if none could be had),
        `receive_buffer` (bytes that the kernel takes for a client who does not read), `lost_answers` (the
        share of its requests that are done, but whose answer is lost: it asks again), `unsent` (of the
        client that it takes over from).
        """

        async def start() -> Client:
            client = Client(self, token, is_staff=is_staff, **{"base_urls": self.base_urls, **options})
            await client.start()
            return client

        self.clients.append(client := self.do(start()))
        return client

    def do(self, work: Coroutine[Any, Any, T], seconds: float = 60) -> T:
        """Run a coroutine in the loop and return its result."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(seconds)

    def do_all(self, works: Sequence[Coroutine[Any, Any, T]], seconds: float = 60) -> list[T]:
        """Run coroutines side by side and return their results."""

        async def gather() -> list[T]:
            return list(await asyncio.gather(*works))

        return self.do(gather(), seconds)

    def call(self, function: Callable[[], None]) -> None:
        """Call a function in the loop, soon."""
        self._loop.call_soon_threadsafe(function)

    @contextlib.contextmanager
    def busy(self, works: Sequence[Coroutine[Any, Any, None]], stop: Callable[[], None]) -> Iterator[None]:
        """Let coroutines run beside the block; after it `stop` is called, and they are waited for."""

        async def gather() -> None:
            await asyncio.gather(*works)

        running = asyncio.run_coroutine_threadsafe(gather(), self._loop)
        try:
            yield
        finally:
            stop()
            running.result(60)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _open(self) -> None:
        limits = httpx.Limits(max_connections=100, max_keepalive_connections=50, keepalive_expiry=2)
        self.http = httpx.AsyncClient(timeout=10, limits=limits)

    async def _close(self) -> None:
        await asyncio.gather(*(client.close() for client in self.clients))
        await self.http.aclose()
