"""A chat as a page to print: made here as a whole, so that it needs no script to be read."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import psycopg
from flask import Blueprint, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import format_date, format_time, gettext

from web.db import Conn, database, invoke
from web.pages.respond import page
from web.pages.session import page_caller
from web.replies import value

blueprint = Blueprint("transcript", __name__)

_BATCH = 200  # messages that one call returns at most
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
    zone = ZoneInfo(chat["time_zone"])
    return page(
        "transcript.html",
        chat=chat,
        days=list(_by_day(_entries(chat, has_notes), zone)),
        has_notes=has_notes,
        zone=zone,
        now=datetime.now(zone),
        moment=lambda at: f"{format_date(at.astimezone(zone), 'long', rebase=False)}, {_clock(at, zone)}",
    )


def _read(connection: Conn, chat_id: UUID) -> dict[str, Any]:
    """Return all that is in a chat, as its reader may see it."""
    chat = invoke(connection, "public", "get_chat", p_chat_id=chat_id)[0]
    messages: list[dict[str, Any]] = []
    while True:
        after = messages[-1]["seq"] if messages else 0
        batch = invoke(connection, "public", "list_messages", p_chat_id=chat_id, p_after_seq=after, p_limit=_BATCH)
        messages += batch
        if len(batch) < _BATCH:
            break
    return {
        **chat,
        "messages": messages,
        "notes": invoke(connection, "public", "list_notes", p_chat_id=chat_id),
        "panel": value(invoke(connection, "public", "get_chat_panel", p_chat_id=chat_id)),
        "names": {row["id"]: row["name"] for row in connection.execute("select id, name from public.operators")},
        "time_zone": value(connection.execute("select private.time_zone() as name").fetchall()),
    }


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
