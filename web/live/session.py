"""One socket's side of the protocol: what its peer asks for, one frame after the other.

docs/live.md describes the protocol. What goes wrong in one session is answered or ends that session, no other.
"""

import _thread
import logging
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Literal
from uuid import UUID

import orjson
import psycopg
from flask import Flask, g
from pydantic import BaseModel, ConfigDict, Field, StrictBool, TypeAdapter, ValidationError

from web import metrics
from web.db import Headers
from web.errors import ApiError, from_database, not_signed_in
from web.live.connection import Connection, ConnectionClosed
from web.live.frames import encode
from web.live.hub import Subscription, Typing
from web.schemas import BIGINT
from web.tokens import Caller, token_expired

if TYPE_CHECKING:
    from web.live.process import Live

log = logging.getLogger("baton.live")

STAFF = frozenset({"operator", "admin", "service"})
MAX_SUBSCRIPTIONS = 200
PING_SECONDS = 10
FRAMES_PER_SECOND, BURST = 30.0, 100.0

# Typing, in seconds: the same again is dropped, a change waits.
_SAME_AGAIN, _CHANGED_AGAIN = 1.5, 0.2

_PONG = encode({"type": "pong"})


class Frame(BaseModel):
    """What a client sends."""

    model_config = ConfigDict(extra="forbid")


class Auth(Frame):
    """Who he is, and whether he is there by this socket or only looks; again to renew."""

    type: Literal["auth"]
    token: str
    is_present: StrictBool = True


class Subscribe(Frame):
    """From the event after `after_event` on; without one from now on."""

    type: Literal["subscribe"]
    chat_id: UUID
    after_event: Annotated[int, Field(strict=True, ge=0, le=BIGINT)] | None = None
    epoch: UUID | None = None


class Unsubscribe(Frame):
    """No more of this chat."""

    type: Literal["unsubscribe"]
    chat_id: UUID


class SetTyping(Frame):
    """Whether he is typing in a chat to which he is subscribed."""

    type: Literal["typing"]
    chat_id: UUID
    is_typing: StrictBool


class Ping(Frame):
    """Whether anybody is there."""

    type: Literal["ping"]


_FRAME: TypeAdapter[Auth | Subscribe | Unsubscribe | SetTyping | Ping] = TypeAdapter(
    Annotated[Auth | Subscribe | Unsubscribe | SetTyping | Ping, Field(discriminator="type")]
)


class Session:
    """A socket and who is behind it."""

    __slots__ = (
        "_filled_at",
        "_healing",
        "_live",
        "_tokens",
        "caller",
        "connection",
        "expires_at",
        "headers",
        "is_admitted",
        "is_doubtful",
        "is_present",
        "is_ready",
        "kind",
        "next_ping_at",
        "opened_at",
        "person_id",
        "subscriptions",
    )

    def __init__(self, live: "Live", connection: Connection, headers: Headers) -> None:
        self._live = live
        self.connection = connection
        self.headers = headers
        self.caller: Caller  # from the first auth on
        self.person_id: UUID | None = None  # None: nobody yet, or the service
        self.kind = "anonymous"
        self.is_admitted = False
        self.is_doubtful = False  # what he is may have changed while it was looked up
        self.is_present = True
        self.is_ready = False
        self.expires_at = 0.0  # time.time() at which the token ends
        self.opened_at = time.monotonic()
        self.next_ping_at = self.opened_at + PING_SECONDS
        self.subscriptions: dict[UUID, Subscription] = {}
        self._healing: list[Subscription] = []
        self._tokens = BURST
        self._filled_at = self.opened_at

    @property
    def is_staff(self) -> bool:
        """Whether it is one of the staff's audience; never changes once it is ready."""
        return self.kind in STAFF

    def run(self) -> None:
        """Serve the socket until it closes."""
        try:
            while True:
                self._take(self.connection.receive())
        except ConnectionClosed as end:
            if end.code == 1013:
                metrics.OUTBOX_OVERFLOWS.inc()
        except Exception:
            log.exception("a session failed")
            self.connection.close(1011, "internal error")
            self._see_off()
        finally:
            self._live.forget(self)
            for subscription in list(self.subscriptions.values()):
                self._live.hub.leave(subscription)

    def heal(self, subscription: Subscription) -> None:
        """Let a subscription read what it misses, in a greenlet of its own. Called by the hub, under its lock."""
        self._healing.append(subscription)
        if len(self._healing) == 1:
            _thread.start_new_thread(self._heal, ())

    def forget(self, subscription: Subscription) -> None:
        """Let go of a subscription that has ended. Called by the hub, under its lock."""
        if self.subscriptions.get(subscription.chat_id) is subscription:
            del self.subscriptions[subscription.chat_id]

    # Frames.

    def _take(self, message: str | bytes) -> None:
        chat_id = None
        try:
            frame = self._read(message)
            chat_id = getattr(frame, "chat_id", None)
            if isinstance(frame, Auth):
                self._sign_in(frame)
                return
            if not self.is_ready:
                raise not_signed_in()
            if time.time() >= self.expires_at:
                self._send_away(token_expired())
                return
            match frame:
                case Subscribe():
                    self._subscribe(frame)
                case Unsubscribe():
                    self._unsubscribe(frame)
                case SetTyping():
                    self._set_typing(frame)
                case Ping():
                    self.connection.send(_PONG)
        except ApiError as refusal:
            self.refuse(refusal, chat_id)
        except psycopg.Error as error:
            self.refuse(self._live.explain(error), chat_id)

    def _read(self, message: str | bytes) -> Auth | Subscribe | Unsubscribe | SetTyping | Ping:
        """Check rate and shape. Raises ApiError."""
        if not self._spend():
            time.sleep(1 / FRAMES_PER_SECOND)
            raise ApiError(
                429, "rate_limited", "Too many frames.", "Send at most 30 frames a second; this one is lost."
            )
        if isinstance(message, bytes):
            raise _invalid_frame("Send text, not binary.")
        try:
            value = orjson.loads(message)
        except orjson.JSONDecodeError as error:
            hint = f"{error.msg}, at character {error.pos + 1}."
            raise ApiError(400, "invalid_json", "The frame is not JSON.", hint) from None
        if not isinstance(value, dict):
            raise _invalid_frame("Send an object.")
        try:
            return _FRAME.validate_python(value)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"][1:])[:100]
            # What he sent is in the message where the type is unknown; the names of the types are enough.
            text = "type: auth, subscribe, unsubscribe, typing or ping" if not first["loc"] else first["msg"]
            raise _invalid_frame(f"{where}: {text}" if where else text) from None

    def _spend(self) -> bool:
        now = time.monotonic()
        self._tokens = min(BURST, self._tokens + (now - self._filled_at) * FRAMES_PER_SECOND)
        self._filled_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def _sign_in(self, frame: Auth) -> None:
        try:
            caller = self._live.tokens.check(frame.token)
            if caller.role == "anon":
                raise not_signed_in()
        except ApiError as refusal:
            if refusal.status == HTTPStatus.SERVICE_UNAVAILABLE:  # it may be good
                self.refuse(refusal)
                self.connection.close(1012, "try again")
            else:
                self._send_away(refusal)
            return
        if self.is_admitted and (caller.role, caller.id) != (self.caller.role, self.caller.id):
            self.refuse(ApiError(403, "not_allowed", "This socket is somebody else's.", "Open another one."))
            self.connection.close(4403, "not_allowed")
            return
        self.caller = caller
        self.person_id = caller.id
        self.expires_at = caller.expires_at
        if not self.is_admitted:
            self.is_present = frame.is_present
            if not self._live.people.admit(self, caller.id):
                self.person_id = None
                hint = f"A user has at most {self._live.config.sockets_per_user} sockets: close one."
                self.refuse(ApiError(403, "too_many_connections", "There are too many sockets of this user.", hint))
                self.connection.close(4403, "too_many_connections")
                return
            self.is_admitted = True
        self._look_up()

    def _send_away(self, refusal: ApiError) -> None:
        """Say why he is not signed in, or no longer, and close."""
        self.refuse(refusal)
        self.connection.close(4401, refusal.code)

    def _look_up(self) -> None:
        """Ask what the person is, and tell him that he is ready, or why not."""
        epoch = self._live.hub.epoch
        try:
            kind = self._kind()
            while self.is_doubtful:
                kind = self._kind()
        except psycopg.Error as error:
            self.refuse(self._live.explain(error))
            self.connection.close(1012, "try again")
            return
        if epoch is None:
            self.refuse(_unavailable())
            self.connection.close(1012, "try again")
            return
        if kind == "inactive":
            hint = "An admin can activate it again."
            self.refuse(ApiError(403, "operator_inactive", "This operator is deactivated.", hint))
            self.connection.close(4403, "operator_inactive")
            return
        if kind == "erased":
            self._send_away(not_signed_in())
            return
        if self.is_ready and (kind in STAFF) != self.is_staff:
            self.connection.close(1012, "sign in again")
            return
        self.kind = kind
        ready = {"type": "ready", "id": self.person_id, "kind": kind, "epoch": epoch, "ping_seconds": PING_SECONDS}
        self.connection.send(encode(ready))
        if not self.is_ready:
            self.is_ready = True
            if self.is_staff:
                self._live.news.welcome(self)

    def _kind(self) -> str:
        self.is_doubtful = False
        if self.person_id is None:
            return "service"
        people = self._live.people
        return people.open(self.person_id) if self.is_present else people.look_up(self.person_id)

    def _subscribe(self, frame: Subscribe) -> None:
        previous = self.subscriptions.get(frame.chat_id)
        if previous is not None:
            self._live.hub.leave(previous)
        elif len(self.subscriptions) >= MAX_SUBSCRIPTIONS:
            hint = f"A socket has at most {MAX_SUBSCRIPTIONS}: unsubscribe from another chat."
            raise ApiError(409, "too_many_subscriptions", "There are too many subscriptions.", hint)
        subscription = Subscription(self, frame.chat_id)
        self.subscriptions[frame.chat_id] = subscription
        self._live.hub.join(subscription)
        try:
            self._live.catch_up.begin(subscription, frame.after_event, frame.epoch)
        except psycopg.Error as error:
            if subscription.is_announced:
                self._give_up(subscription, error)
            elif self._live.hub.leave(subscription):
                raise
            # Else the hub has ended it meanwhile, and has said so.

    def _unsubscribe(self, frame: Unsubscribe) -> None:
        subscription = self.subscriptions.get(frame.chat_id)
        if subscription is not None:
            self._live.hub.leave(subscription)
        self.connection.send(encode({"type": "unsubscribed", "chat_id": frame.chat_id}))

    def _set_typing(self, frame: SetTyping) -> None:
        subscription = self.subscriptions.get(frame.chat_id)
        if subscription is None:
            raise ApiError(409, "not_subscribed", "There is no such subscription.", "Subscribe to the chat first.")
        typing = subscription.typing = subscription.typing or Typing()
        now = time.monotonic()
        if frame.is_typing == typing.is_typing and now - typing.told_at < _SAME_AGAIN:
            return
        time.sleep(max(typing.told_at + _CHANGED_AGAIN - now, 0))  # a change always goes through
        arguments = {"p_chat_id": frame.chat_id, "p_is_typing": frame.is_typing}
        self._live.store.call(self.caller, self.headers, "set_typing", **arguments)
        typing.is_typing, typing.told_at = frame.is_typing, now  # what was refused is not told

    def refuse(self, refusal: ApiError, chat_id: UUID | None = None) -> None:
        """Send an error, of that chat. Also called by the hub, under its lock."""
        frame: dict[str, object] = {
            "type": "error",
            "code": refusal.sqlstate,
            "message": refusal.message,
            "details": refusal.code,
            "hint": refusal.hint,
        }
        if chat_id is not None:
            frame["chat_id"] = chat_id
        self.connection.send(encode(frame))

    # Healing.

    def _heal(self) -> None:
        while self._healing:
            subscription = self._healing[0]
            try:
                self._live.catch_up.resume(subscription)
            except psycopg.Error as error:
                self._give_up(subscription, error)
            except Exception:
                log.exception("a subscription could not be brought up to date")
                self.connection.close(1011, "internal error")
            self._healing.pop(0)

    def _give_up(self, subscription: Subscription, error: psycopg.Error) -> None:
        """End a subscription that cannot go on: the chat is none of his any more, or the client has to come back."""
        if error.sqlstate == "PT404":
            self._live.hub.end(subscription)
        else:
            self._live.explain(error)  # it is logged there; what it says is for answers
            self.connection.close(1012, "try again")

    def _see_off(self) -> None:
        """Wait until the peer has gone, as a connection wants it."""
        try:
            while True:
                self.connection.receive()
        except ConnectionClosed:
            pass


def explain(app: Flask, error: psycopg.Error) -> ApiError:
    """Return what Postgres said in the form in which it is sent, outside of any request."""
    with app.app_context():
        g.role = "authenticated"
        return from_database(error)


def _unavailable() -> ApiError:
    """Return the refusal for as long as the database cannot be had."""
    return ApiError(503, "database_unavailable", "The database is not available.", "Try again.")


def _invalid_frame(hint: str) -> ApiError:
    return ApiError(400, "invalid_frame", "The frame does not have the right shape.", hint)
