"""Events as they come out of the database, and as they are sent: the same over sockets and over HTTP."""

from collections.abc import Callable, Sequence
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from psycopg import Connection
from psycopg.rows import tuple_row

from web.db import Answer

# The most that list_events returns at once.
PAGE = 200

_LIST: LiteralString = """
select e.event_seq, e.event, e.at, e.detail, (e.message).*, (e.chat).*
from public.list_events(%(p_chat_id)s, %(p_after_event)s, %(p_limit)s) e
"""
_READ: LiteralString = """
select e.chat_id, e.is_staff, e.event_seq, e.event, e.at, e.detail, (e.message).*, (e.chat).*
from private.read_events(%s::uuid[], %s::bigint[], %s::boolean[], %s) e
"""
# Columns of a chat that are large, or nobody's business on every screen.
_SELDOM = ("context", "ip_address")


class Event(NamedTuple):
    """One event for one audience."""

    event_seq: int
    name: str
    chat: dict[str, Any]  # the chat's row at delivery, as the audience sees it
    frame: dict[str, Any]  # what is sent


Key = tuple[UUID, bool]  # a chat, and whether for its staff


def list_events(
    ask: Callable[[str, dict[str, Any]], Answer], chat_id: UUID, after_event: int, limit: int = PAGE
) -> list[Event]:
    """Return the events after that number as whoever asks may see them, at most `limit`.

    Raises:
        psycopg.Error: chat_not_found, events_gone, invalid_argument.
    """
    answer = ask(_LIST, {"p_chat_id": chat_id, "p_after_event": after_event, "p_limit": limit})
    split = _Splitter(answer.names)
    return [split.event(row) for row in answer.rows]


def read_events(connection: Connection[Any], after: dict[Key, int], limit: int) -> dict[Key, list[Event]]:
    """Return the events after these numbers, at most `limit` of each key; keys without any are left out.

    Nobody's right to see them is checked.
    """
    keys = list(after)
    arguments = ([chat_id for chat_id, _ in keys], list(after.values()), [is_staff for _, is_staff in keys], limit)
    found: dict[Key, list[Event]] = {}
    with connection.cursor(row_factory=tuple_row) as cursor:
        rows = cursor.execute(_READ, arguments).fetchall()
        split = _Splitter([column.name for column in cursor.description or ()])
        for row in rows:
            found.setdefault((row[0], row[1]), []).append(split.event(row))
    return found


class _Splitter:
    """Takes rows apart into the event, its message and its chat: each of the two begins with its `id`."""

    def __init__(self, names: list[str]) -> None:
        self._event = names.index("event_seq")
        self._message = names.index("id")
        self._chat = names.index("id", self._message + 1)
        self._message_names = names[self._message : self._chat]
        self._chat_names = names[self._chat :]

    def event(self, row: Sequence[Any]) -> Event:
        event_seq, name, at, detail = row[self._event : self._message]
        chat = dict(zip(self._chat_names, row[self._chat :], strict=True))
        shown = {column: value for column, value in chat.items() if column not in _SELDOM}
        if name == "chat.updated":
            shown["context"] = chat["context"]
        frame = {"type": "event", "chat_id": chat["id"], "event_seq": event_seq, "event": name, "at": at}
        if row[self._message] is None:
            frame["data"] = detail
        else:
            frame["data"] = dict(zip(self._message_names, row[self._message : self._chat], strict=True))
            frame |= detail
        frame["chat"] = shown
        return Event(event_seq, name, chat, frame)
