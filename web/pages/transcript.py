"""A chat as a page to print: made here as a whole, so that it needs no script to be read."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID
from zoneinfo import ZoneInfo

import psycopg
from flask import Blueprint, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import format_date, format_time, gettext
from psycopg.rows import DictRow

from web.db import Conn, database, invoke
from web.html import page
from web.pages.session import page_caller
from web.replies import value

blueprint = Blueprint("transcript", __name__)

# Messages, and as many notes: what a browser still prints, and a process has in memory without harm.
MOST = 1000
LARGEST = 2_000_000  # characters of them together
_BATCH = 200  # that one call returns at most
_ABSENT = frozenset({"PT401", "PT403", "PT404"})


@blueprint.get("/operator/chats/<uuid:chat_id>/transcript")
def show_transcript(chat_id: UUID) -> ResponseReturnValue:
    """Show a chat to print, with its notes where `?notes=1` asks for them."""
    caller = page_caller()
    if caller is None:
        return redirect(url_for("session.renew", to=request.full_path.rstrip("?")), 303)
    try:
        chat = database().run(caller, lambda connection: _read(connection, chat_id))
    except psycopg.Error as error:
        if error.sqlstate not in _ABSENT:
            raise
        response = page("transcript.html", chat=None)
        response.status_code = 404
        return response
    has_notes = request.args.get("notes") == "1"
    entries = _entries(chat, has_notes)
    zone = ZoneInfo(chat["time_zone"])
    return page(
        "transcript.html",
        chat=chat,
        days=list(_by_day(entries, zone)),
        has_notes=has_notes,
        left_out=chat["messages"][0]["seq"] - 1 if chat["messages"] else 0,
        lacks_notes=has_notes and chat["lacks_notes"],
        zone=zone,
        now=datetime.now(zone),
        moment=lambda at: f"{format_date(at.astimezone(zone), 'long', rebase=False)}, {_clock(at, zone)}",
    )


def _read(connection: Conn, chat_id: UUID) -> dict[str, Any]:
    """Return what is in a chat, as its reader may see it: of messages and notes the newest."""
    chat = invoke(connection, "public", "get_chat", p_chat_id=chat_id)[0]
    messages, _ = _newest(connection, "list_messages", chat_id, "p_before_seq", "seq")
    notes, lacks_notes = _newest(connection, "list_notes", chat_id, "p_before_id", "id")
    return {
        **chat,
        "messages": messages,
        "notes": notes,
        "lacks_notes": lacks_notes,
        "panel": value(invoke(connection, "public", "get_chat_panel", p_chat_id=chat_id)),
        "names": {row["id"]: row["name"] for row in connection.execute("select id, name from public.operators")},
        "time_zone": value(connection.execute("select private.time_zone() as name").fetchall()),
    }


def _newest(
    connection: Conn, function: LiteralString, chat_id: UUID, before: str, key: str
) -> tuple[list[DictRow], bool]:
    """Return the newest rows of a function that lists a chat page by page, and whether older ones are left out."""
    rows: list[DictRow] = []
    size = 0
    while True:
        since = {before: rows[-1][key]} if rows else {}
        batch = invoke(connection, "public", function, p_chat_id=chat_id, p_limit=_BATCH, **since)
        for row in reversed(batch):
            size += len(row["content"])
            if len(rows) == MOST or size > LARGEST:
                return rows[::-1], True
            rows.append(row)
        if len(batch) < _BATCH:
            return rows[::-1], False


def _entries(chat: dict[str, Any], has_notes: bool) -> list[dict[str, Any]]:
    """Return messages and notes in the order of time, with what parts/thread.html asks of them."""
    customer = chat["panel"]["customer"]
    customer_name = customer["name"] or customer["email"] or gettext("Visitor")
    entries = []
    for message in chat["messages"]:
        is_deleted = message["deleted_at"] is not None
        sender = message["sender_type"]
        author = customer_name if sender == "real" else chat["names"].get(message["sender_id"], gettext("Support"))
        entries.append(
            {
                "kind": "notice" if sender == "system" else "message",
                "created_at": message["created_at"],
                "sender_type": sender,
                "author": author,
                "content": "" if is_deleted else message["content"],
                "text": message["content"],
                "is_deleted": is_deleted,
                "attachments": message["attachments"],
                "state_text": gettext("Edited") if message["edited_at"] and not is_deleted else "",
            }
        )
    if has_notes:
        entries += [
            {
                "kind": "note",
                "created_at": note["created_at"],
                "author": note["author_name"] or gettext("Support"),
                "content": note["content"],
                "state_text": gettext("Edited") if note["edited_at"] else "",
            }
            for note in chat["notes"]
            if note["deleted_at"] is None
        ]
        entries.sort(key=lambda entry: entry["created_at"])
    return entries


def _by_day(entries: list[dict[str, Any]], zone: ZoneInfo) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield the days, as people say them, each with its entries; a name stands where the author changes."""
    day: list[dict[str, Any]] = []
    for entry in entries:
        at = entry["created_at"].astimezone(zone)
        if day and day[-1]["date"] != at.date():
            yield _day_name(day), day
            day = []
        same = bool(day) and (day[-1]["kind"], day[-1].get("author")) == (entry["kind"], entry.get("author"))
        shown = {"at": entry["created_at"].isoformat(), "time": _clock(at, zone), "is_first": not same}
        day.append({**entry, **shown, "date": at.date()})
    if day:
        yield _day_name(day), day


def _day_name(day: list[dict[str, Any]]) -> str:
    return str(format_date(day[0]["date"], "full"))


def _clock(at: datetime, zone: ZoneInfo) -> str:
    return str(format_time(at.astimezone(zone), "HH:mm", rebase=False))
