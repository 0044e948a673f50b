"""The admin's console: what is going on, all chats, one deed for many, the numbers over time, files of all of it."""

from datetime import UTC, datetime
from itertools import chain

from flask import Blueprint, Response, stream_with_context
from flask.typing import ResponseReturnValue

from web.db import call
from web.exports import SOURCES, as_csv, as_json, read_parts
from web.openapi import operation
from web.payload import dump
from web.replies import page, page_of, value
from web.schemas import (
    ActOnChats,
    AuditCheck,
    AuditLog,
    AuditPage,
    Console,
    ConsoleChatPage,
    ConsoleChats,
    DeedPage,
    ExportAs,
    Metrics,
    MetricSpan,
)

blueprint = Blueprint("console", __name__, url_prefix="/api/admin")


@blueprint.get("/console")
@operation("Admins", Console)
def get_console() -> ResponseReturnValue:
    """Return what the console shows at a glance: numbers, operators with their chats, the queue's first 50."""
    console: ResponseReturnValue = value(call("get_console"))
    return console


@blueprint.get("/chats")
@operation("Admins", ConsoleChatPage)
def list_console_chats(query: ConsoleChats) -> ResponseReturnValue:
    """List all chats by state, holder, wait, text, priority and date, with names and times."""
    rows = call("list_console_chats", p_filter=query.filter, p_cursor=query.cursor, p_limit=query.limit)
    return page_of([row["chat"] for row in rows], query.limit, lambda _: dump(rows[-1]["cursor"]).decode())


@blueprint.post("/chats/bulk")
@operation("Admins", DeedPage)
def act_on_chats(json: ActOnChats) -> ResponseReturnValue:
    """Reassign, release, complete or prioritise many chats, each for itself; a row each says how it went."""
    return page(call("act_on_chats", **json.arguments()))


@blueprint.get("/metrics-over-time")
@operation("Numbers", Metrics)
def get_metrics(query: MetricSpan) -> ResponseReturnValue:
    """Return the numbers over time, by the hour or the day: the last 14 days unless said otherwise."""
    metrics: ResponseReturnValue = value(
        call("get_metrics", p_from=query.begin, p_to=query.end, p_bucket=f"1 {query.bucket}")
    )
    return metrics


@blueprint.get("/audit")
@operation("Admins", AuditPage)
def list_audit_log(query: AuditLog) -> ResponseReturnValue:
    """List what was done to people, operators and settings, newest first."""
    rows = call("list_audit_log", **query.arguments())
    return page_of(rows, query.limit, lambda entry: entry["id"] if entry["id"] > 1 else None)


@blueprint.get("/audit/check")
@operation("Admins", AuditCheck)
def check_audit_log() -> ResponseReturnValue:
    """List what is wrong with the audit log; empty is good."""
    return page(call("check_audit_log"))


@blueprint.get(f"/export/<any({','.join(SOURCES)}):what>")
@operation("Admins")
def export_rows(what: str, query: ExportAs) -> ResponseReturnValue:
    """Return a table or a view as a file, CSV or JSON, of a span of time or all of it; the audit log notes it."""
    call("begin_export", p_what=what, p_format=query.format, p_from=query.begin, p_to=query.end)
    parts = read_parts(SOURCES[what], query.begin, query.end)
    first = next(parts)  # what is refused, is refused before the answer begins
    write = as_csv if query.format == "csv" else as_json
    response = Response(
        stream_with_context(write(chain([first], parts))),
        content_type="text/csv; charset=utf-8" if query.format == "csv" else "application/json",
    )
    name = f"baton-{what.replace('_', '-')}-{datetime.now(UTC).date()}.{query.format}"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
