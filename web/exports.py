"""Tables and views as files: read part by part, so that none is held in memory and no transaction is long.

A long transaction would keep the dead rows of the queue alive, and a slow reader would have a connection to
himself; so each part is a transaction of its own, which goes on after the last row of the one before. Row
level security decides what is in it.
"""

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from psycopg import sql
from psycopg.rows import DictRow

from web.db import Conn, database
from web.payload import dump
from web.tokens import current_caller

BATCH = 1000
TIMEOUT_MS = 60_000  # some views read everything there is

Rows = list[DictRow]
_FIRST = UUID(int=0)


@dataclass(frozen=True)
class Source:
    """What can be exported: `%(from)s` and `%(to)s` are the span that is asked for."""

    query: LiteralString | sql.Composed
    after: dict[str, object] = field(default_factory=dict)
    """The columns that its parts are sorted by, with what comes before any; none: it is read at once."""


def _view(name: str) -> Source:
    """Return all of a view, which is as of now."""
    return Source(sql.SQL("select * from {}").format(sql.Identifier("public", name)))


def _days(name: str) -> Source:
    """Return the rows of a view whose dates lie in the span, where the organisation is."""
    query = sql.SQL("""
        select * from {} v
        where v.date >= (%(from)s::timestamptz at time zone private.time_zone())::date
          and v.date < %(to)s::timestamptz at time zone private.time_zone()
    """)
    return Source(query.format(sql.Identifier("public", name)))


def _hours(function: str) -> Source:
    """Return a row for each hour of the span, as the view of this name has them, from the first chat until now."""
    query = sql.SQL("""
        select v.*
        from (
          select greatest(
            %(from)s::timestamptz, %(bucket_start)s::timestamptz + interval '1 hour',
            coalesce((select min(c.created_at) from public.chats c), private.now())
          ) as begin
        ) s
        cross join lateral {}(
          s.begin, least(%(to)s::timestamptz, private.now(), s.begin + %(limit)s * interval '1 hour'), 'hour'
        ) v
        where (select private.can_see_numbers_of(null))
        order by v.bucket_start
        limit %(limit)s
    """)
    return Source(query.format(sql.Identifier("private", function)), {"bucket_start": "-infinity"})


SOURCES: dict[str, Source] = {
    "chats": Source(
        """
        select c.id, c.created_at, c.chat_state, c.handling, c.priority, c.headline, c.real_user_id,
          r.name as customer_name, r.email as customer_email, c.assigned_operator_id, h.name as holder_name,
          c.last_operator_id, l.name as last_operator_name, c.waiting_since, c.assignment_time,
          c.operator_replied_at, c.last_message_at, c.last_seq as message_count, c.context
        from public.chats c
        join public.real_users r on r.id = c.real_user_id
        left join public.operators h on h.id = c.assigned_operator_id
        left join public.operators l on l.id = c.last_operator_id
        where c.created_at >= %(from)s and c.created_at < %(to)s
          and (c.created_at, c.id) > (%(created_at)s, %(id)s)
        order by c.created_at, c.id
        limit %(limit)s
        """,
        {"created_at": "-infinity", "id": _FIRST},
    ),
    "messages": Source(
        """
        select m.id, m.chat_id, m.seq, m.created_at, m.sender_type, m.sender_id, m.content, m.attachments,
          m.handled_by_operator_id, m.edited_at, m.deleted_at
        from public.messages m
        where m.created_at >= %(from)s and m.created_at < %(to)s
          and (m.created_at, m.id) > (%(created_at)s, %(id)s)
        order by m.created_at, m.id
        limit %(limit)s
        """,
        {"created_at": "-infinity", "id": _FIRST},
    ),
    "operator_performance": _days("operator_performance"),
    "idle_history": _days("idle_history"),
    "chat_volume": _hours("chat_volume"),
    "wait_history": _hours("wait_history"),
    "state_history": _hours("state_history"),
    "operator_assignment_history": _view("operator_assignment_history"),
    "assignment_distribution": _view("assignment_distribution"),
    "assignment_metrics": _view("assignment_metrics"),
    "repeated_assignments": _view("repeated_assignments"),
    "chat_state_summary": _view("chat_state_summary"),
    "assignment_queue": _view("assignment_queue"),
    "tickets": Source(
        """
        select t.id, t.created_at, t.type, t.title, t.status, t.priority, t.contact_name, t.contact_email,
          t.real_user_id, t.updated_at, t.resolved_at
        from public.tickets t
        where t.created_at >= %(from)s and t.created_at < %(to)s
          and (t.created_at, t.id) > (%(created_at)s, %(id)s)
        order by t.created_at, t.id
        limit %(limit)s
        """,
        {"created_at": "-infinity", "id": _FIRST},
    ),
    "audit_log": Source(
        """
        select * from public.audit_log l
        where l.at >= %(from)s and l.at < %(to)s and l.id > %(id)s
        order by l.id
        limit %(limit)s
        """,
        {"id": 0},
    ),
}


def read_parts(source: Source, begin: datetime | None, end: datetime | None) -> Iterator[tuple[list[str], Rows]]:
    """Yield the parts of an export, each with the names of its columns; at least one, which may be empty.

    Raises:
        psycopg.Error: What Postgres refused.
    """
    span = {"from": begin or "-infinity", "to": end or "infinity", "limit": BATCH}
    after = source.after
    while True:
        names, rows = database().run(current_caller(), _reader(source.query, {**span, **after}), TIMEOUT_MS)
        yield names, rows
        if not source.after or len(rows) < BATCH:
            return
        after = {name: rows[-1][name] for name in source.after}


def as_json(parts: Iterable[tuple[list[str], Rows]]) -> Iterator[bytes]:
    """Yield an array of the rows, one a line."""
    mark = b"[\n"
    for _, rows in parts:
        if rows:
            yield mark + b",\n".join(map(dump, rows))
            mark = b",\n"
    yield b"\n]\n" if mark == b",\n" else b"[]\n"


def as_csv(parts: Iterable[tuple[list[str], Rows]]) -> Iterator[bytes]:
    """Yield the rows as UTF-8 with a byte order mark, by which spreadsheets know it, under a line of names."""
    is_first = True
    for names, rows in parts:
        text = io.StringIO()
        writer = csv.writer(text)
        if is_first:
            text.write("\ufeff")
            writer.writerow(names)
            is_first = False
        writer.writerows([_cell(row[name]) for name in names] for row in rows)
        yield text.getvalue().encode()


def _reader(query: LiteralString | sql.Composed, values: dict[str, Any]) -> Callable[[Conn], tuple[list[str], Rows]]:
    def read(connection: Conn) -> tuple[list[str], Rows]:
        cursor = connection.execute(query, values)
        return [column.name for column in cursor.description or ()], cursor.fetchall()

    return read


def _cell(value: object) -> str:
    """Return a value as a cell. A text that a spreadsheet would take for a formula gets a quote before it."""
    if value is None:
        return ""
    if isinstance(value, str):
        return "'" + value if value.startswith(("=", "+", "-", "@", "\t", "\r")) else value
    return dump(value).decode().strip('"')
