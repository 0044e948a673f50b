"""What happens in chats: over a WebSocket, and for clients that cannot have one over plain requests."""

from collections.abc import Iterator
from functools import partial
from operator import itemgetter
from typing import Any
from uuid import UUID

from flask import Blueprint, Request, Response, g, request
from flask.typing import ResponseReturnValue
from psycopg.rows import DictRow

from web.config import Config
from web.db import Conn, call, database, invoke
from web.errors import ApiError
from web.live.connection import Connection, HandshakeError
from web.live.events import list_events
from web.live.process import Live, live
from web.openapi import operation
from web.replies import EMPTY, page_of, value
from web.schemas import EventList, EventPage, SetTyping, Snapshot
from web.security import is_own_origin
from web.tokens import current_caller

blueprint = Blueprint("live", __name__)


# Twice, because Werkzeug takes a request that asks for an upgrade to a rule for such requests only.
@blueprint.get("/ws")
@blueprint.get("/ws", websocket=True)
@operation("Live", status=101, errors=(426, 501), is_public=True)
def open_socket() -> ResponseReturnValue:
    """Open a WebSocket without a token, which is the first frame; docs/live.md describes what goes over it."""
    here = live()
    if request.query_string:
        hint = "Open the socket without a query and send the token as its first frame."
        raise ApiError(400, "token_in_url", "Addresses are logged: a token must not be in one.", hint)
    if not _is_origin_allowed(request, here.config):
        hint = "BATON_ALLOWED_ORIGINS lists the sites that may."
        raise ApiError(403, "origin_not_allowed", "Pages of this site may not open a socket.", hint)
    if not here.is_open:
        raise _no_sockets("live_unavailable", "No sockets are served here now.")
    if here.is_full:
        raise _no_sockets("too_many_connections", "This process has no room for another socket.")
    try:
        connection = Connection.accept(request.environ)
    except HandshakeError as error:
        code = {426: "upgrade_required", 501: "live_unavailable"}.get(error.status, "invalid_handshake")
        raise ApiError(error.status, code, str(error), "Open it as a WebSocket.", headers=error.headers) from None
    return Upgraded(here, connection)


@blueprint.get("/api/chats/<uuid:chat_id>/events")
@operation("Live", EventPage, errors=(410,))
def list_chat_events(chat_id: UUID, query: EventList) -> ResponseReturnValue:
    """List what has happened in a chat after an event, as a socket would have been told; 410 when that is gone."""
    epoch = live().hub.epoch
    if query.epoch is not None and epoch is not None and query.epoch != epoch:
        call("get_chat", p_chat_id=chat_id)  # whether there is one is nobody else's business
        raise ApiError(410, "events_gone", "The events after this one are gone.", "Fetch the chat afresh.")
    events = list_events(partial(database().ask, current_caller()), chat_id, query.after_event, query.limit)
    return page_of([event.frame for event in events], query.limit, itemgetter("event_seq"))


@blueprint.get("/api/chats/<uuid:chat_id>/snapshot")
@operation("Live", Snapshot)
def get_snapshot(chat_id: UUID) -> ResponseReturnValue:
    """Return what a chat's screen begins with: the chat, its newest 50 messages, how far they were read, and more."""
    epoch = live().hub.epoch

    def read(connection: Conn) -> dict[str, Any]:
        # The chat first: what happens before the others are read is then told again, not missed.
        rows: dict[str, list[DictRow]] = {
            function: invoke(connection, "public", function, p_chat_id=chat_id)
            for function in ("get_chat", "list_messages", "list_read_marks", "get_chat_extras")
        }
        return {
            "chat": rows["get_chat"][0],
            "messages": rows["list_messages"],
            "read_marks": rows["list_read_marks"],
            "rating": None,
            **value(rows["get_chat_extras"]),
        }

    return {**database().run(current_caller(), read), "epoch": epoch}


@blueprint.post("/api/chats/<uuid:chat_id>/typing")
@operation("Live", status=204)
def set_typing(chat_id: UUID, json: SetTyping) -> ResponseReturnValue:
    """Tell the other side that the caller is typing, or no longer is."""
    call("set_typing", p_chat_id=chat_id, **json.arguments())
    return EMPTY


class Upgraded(Response):
    """The answer to a handshake, which is written already: what follows is the socket's life.

    It is served where the server would send the body: by then nothing of the request is kept for it. What the
    server is told at the end, by StopIteration, is that the connection is done with.
    """

    def __init__(self, here: Live, connection: Connection) -> None:
        super().__init__(status=101)
        self._here = here
        self._connection = connection
        self._headers = {
            "x-forwarded-for": request.remote_addr,
            "user-agent": request.headers.get("User-Agent", "")[:200],
            "x-request-id": g.get("request_id"),
        }

    def __call__(self, environ: dict[str, Any], start_response: Any) -> "_Life":
        """Return a body whose sending is the socket's life."""
        return _Life(self._here, self._connection, self._headers)


class _Life:
    def __init__(self, here: Live, connection: Connection, headers: dict[str, str | None]) -> None:
        self._here = here
        self._connection = connection
        self._headers = headers

    def __iter__(self) -> Iterator[bytes]:
        self._here.serve(self._connection, self._headers)
        raise StopIteration


def _is_origin_allowed(asked: Request, config: Config) -> bool:
    """Return whether a page of this origin may open a socket: ours, one that is listed, or no page at all."""
    origin = asked.headers.get("Origin")
    if origin is None or "*" in config.allowed_origins or origin.rstrip("/") in config.allowed_origins:
        return True
    return is_own_origin(origin)


def _no_sockets(code: str, message: str) -> ApiError:
    return ApiError(503, code, message, "Try again, or poll over HTTP.", headers={"Retry-After": "5"})
