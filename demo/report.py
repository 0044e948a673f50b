"""What the demo prints at the end: the SQL views as tables, latencies, the account."""

import json
from datetime import datetime
from decimal import Decimal
from statistics import median, quantiles
from typing import Any, LiteralString
from uuid import UUID

from psycopg import Connection
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from demo.account import Check
from demo.database import ask
from demo.ledger import Ledger

TOP = 8

_THIS_RUN: LiteralString = """
with holds as (
  select *, extract(epoch from assigned_at - waiting_since)::float8 as wait
  from public.chat_assignments where chat_id = any(%(chats)s::uuid[])
), replies as (
  select extract(epoch from created_at - owed_since)::float8 as seconds
  from public.messages where chat_id = any(%(chats)s::uuid[]) and sender_type = 'operator' and owed_since is not null
)
select
  (select count(*) from holds) as assignments,
  (select count(*) from holds where release_reason = 'idle') as idle_incidents,
  (select percentile_cont(0.5) within group (order by wait) from holds) as wait_median,
  (select percentile_cont(0.95) within group (order by wait) from holds) as wait_p95,
  (select percentile_cont(0.5) within group (order by seconds) from replies) as reply_median,
  (select percentile_cont(0.95) within group (order by seconds) from replies) as reply_p95
"""

# Everything is the whole database's, as an admin sees it.
_VIEWS: tuple[tuple[str, LiteralString], ...] = (
    ("chat_state_summary", "select * from public.chat_state_summary"),
    ("get_assignment_queue_status()", "select * from public.get_assignment_queue_status()"),
    (
        "operator_assignment_history, who had most",
        "select operator_name, total_assignments, completed, active, by_reason"
        " from public.operator_assignment_history order by total_assignments desc, operator_name",
    ),
    ("repeated_assignments", "select * from public.repeated_assignments"),
    (
        "operator_performance, latest day, slowest first",
        "select operator_name, messages_sent as messages, chats_handled as chats,"
        " first_reply_median_seconds as first_median, first_reply_p95_seconds as first_p95,"
        " reply_median_seconds as median, reply_p95_seconds as p95"
        " from public.operator_performance p"
        " where date = (select max(date) from public.operator_stats)"
        " order by reply_median_seconds desc nulls last",
    ),
    (
        "idle incidents, by operator and day (operator_performance)",
        "select operator_name, date, idle_incidents"
        " from public.operator_performance where idle_incidents > 0 order by date desc, idle_incidents desc",
    ),
)


def numbers(console: Console, connection: Connection[Any]) -> None:
    """Print the views; of long ones the first rows."""
    for title, query in _VIEWS:
        answer = ask(connection, query)
        table = _table(title, answer.columns, answer.rows[:TOP])
        if len(answer.rows) > TOP:
            table.caption = f"and {len(answer.rows) - TOP} more"
        console.print(table)
    metrics = ask(connection, "select * from public.assignment_metrics")
    pairs = [pair for pair in zip(metrics.columns, metrics.rows[0], strict=True) if pair[0] != "distribution"]
    console.print(_table("assignment_metrics", ["", ""], pairs))


def this_run(console: Console, connection: Connection[Any], ledger: Ledger) -> None:
    """Print what became of the chats of this run, with waits and times to the reply in seconds."""
    answer = ask(connection, _THIS_RUN, chats=list(ledger.chats))
    replies = sum(sent.sender_type == "operator" and sent.is_acknowledged for sent in ledger.sent)
    messages = sum(sent.sender_type == "real" and sent.is_acknowledged for sent in ledger.sent)
    columns = ["chats", "messages", "replies", *answer.columns]
    console.print(_table("This run", columns, [(len(ledger.chats), messages, replies, *answer.rows[0])]))


def latencies(console: Console, found: dict[str, list[float]]) -> None:
    """Print how long the server took to answer, by route."""
    rows = []
    for route, seconds in sorted(found.items(), key=lambda pair: -len(pair[1])):
        p95 = quantiles(seconds, n=20, method="inclusive")[-1] if len(seconds) > 1 else seconds[0]
        rows.append((route, len(seconds), median(seconds) * 1000, p95 * 1000, max(seconds) * 1000))
    console.print(_table("Answers over HTTP, in milliseconds", ["route", "requests", "p50", "p95", "max"], rows))
    console.print("A customer's message is in the queue when it is answered: it is the same commit.\n")


def account(console: Console, ledger: Ledger, checks: list[Check]) -> None:
    """Print whether everything is accounted for, and what is not."""
    if ledger.refusals:
        rows = sorted(ledger.refusals.items(), key=lambda pair: -pair[1])
        console.print(_table("Refused, as it should be where somebody was faster", ["code", "times"], rows))
    table = _table("Accounted for", ["", "of", ""], [])
    for check in checks:
        verdict = f"[red]no, {len(check.problems)}[/]" if check.problems else "[green]yes[/]"
        table.add_row(check.name, _text(check.count) if check.count is not None else "all", verdict)
    console.print(table)
    for check in checks:
        for problem in check.problems[:TOP]:
            console.print(f"[red]{escape(check.name)}:[/] {escape(problem)}", soft_wrap=True)


def _table(title: str, columns: list[str], rows: list[Any]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", header_style="", show_header=any(columns))
    for number, column in enumerate(columns):
        is_number = bool(rows) and isinstance(rows[0][number], int | float | Decimal)
        table.add_column(column, justify="right" if is_number else "left")
    for row in rows:
        table.add_row(*(_text(value) for value in row))
    return table


def _text(value: object) -> str:
    match value:
        case None:
            return "-"
        case float() | Decimal():
            return f"{value:,.2f}"
        case int():
            return f"{value:,}"
        case UUID():
            return f"…{str(value)[-8:]}"
        case datetime():
            return f"{value:%H:%M:%S}"
        case dict() | list():
            return escape(json.dumps(value).strip("{}").replace('"', ""))
        case _:
            return escape(str(value))
