"""The tables that the benchmark prints."""

import os
import platform

from rich.console import Console
from rich.table import Table

from bench.cluster import Cluster, connect
from bench.notify import WAYS, Way
from bench.profile import Profile, Transaction
from bench.turns import Rates
from bench.waiting import Queue

TOP_FUNCTIONS = 12
LONGEST_AIM = 1.2
OWN_HEAD_AIM = 2.0
RATIO_AIM = 1.0
NOTIFY_AIM = 15.0  # on the slow disk, with 32 clients


def machine(console: Console, server: Cluster) -> None:
    """Say what is measured on."""
    with connect(server.url) as connection:
        settings = connection.execute(
            "select string_agg(name || ' ' || current_setting(name), ', ' order by name) from pg_settings "
            "where name in ('server_version', 'shared_buffers', 'fsync', 'synchronous_commit')"
        ).fetchone()
    console.print(f"{os.cpu_count()} processors, {platform.machine()}; Postgres: {settings[0] if settings else ''}")


def waiting(console: Console, queues: list[Queue]) -> None:
    """Print the time of a call by the length of the queue."""
    table = _table("assign_chat_to_operator, as authenticated, prepared, rolled back")
    for heading in ("waiting", "who asks", "calls", "median ms", "p95 ms", "median, relative", "aim", "database MB"):
        table.add_column(heading, justify="left" if heading == "who asks" else "right")
    baseline = queues[0].cases[0].median_ms
    for queue in queues:
        for case in queue.cases:
            aim = OWN_HEAD_AIM if case.is_head_own else LONGEST_AIM
            table.add_row(
                f"{case.waiting:,}",
                "last handler of the first 100,000" if case.is_head_own else "anyone",
                str(len(case.seconds)),
                f"{case.median_ms:.3f}",
                f"{case.p95_ms:.3f}",
                _judged(case.median_ms / baseline, at_most=aim),
                f"≤ {aim}",
                f"{queue.megabytes:,.0f}",
            )
    console.print(table)


def turns(console: Console, rates: list[Rates]) -> None:
    """Print turns and jobs per second."""
    table = _table("Whole turns (message, assignment, reply) beside procrastinate's jobs (fetch, finish)")
    for heading in ("clients", "turns/s", "jobs/s", "turns / jobs", "aim", "by round", "transactions/s", "ratio"):
        table.add_column(heading, justify="right")
    for rate in rates:
        pairs = [turn / job for turn, job in zip(rate.turns, rate.jobs, strict=True)]
        table.add_row(
            str(rate.clients),
            f"{rate.turns_per_second:,.0f}",
            f"{rate.jobs_per_second:,.0f}",
            _judged(rate.turns_per_second / rate.jobs_per_second, at_least=RATIO_AIM),
            f"≥ {RATIO_AIM}",
            f"{min(pairs):.2f} … {max(pairs):.2f}",
            f"{rate.turns_per_second * 3:,.0f} : {rate.jobs_per_second * 2:,.0f}",
            f"{rate.turns_per_second * 3 / (rate.jobs_per_second * 2):.2f}",
        )
    console.print(table)


def profile(console: Console, found: Profile) -> None:
    """Print where the time of a turn and of a job goes."""
    table = _table("Where the time goes: ms with one client, statement by statement")
    for heading in ("transaction", "begin, claims", "statement", "commit", "in all", "of it the flush"):
        table.add_column(heading, justify="left" if heading == "transaction" else "right")
    for transactions in (found.turn, found.job):
        whole = Transaction("all of it")
        for transaction in transactions:
            _add_times(table, transaction)
            whole.preparing += transaction.preparing
            whole.statements += transaction.statements
            whole.commit += transaction.commit
            whole.flush += transaction.flush
        _add_times(table, whole)
        table.add_section()
    console.print(table)

    table = _table(f"The {TOP_FUNCTIONS} dearest functions of a turn, by their own time")
    for heading in ("function", "calls a turn", "own ms a turn", "with callees", "share of own"):
        table.add_column(heading, justify="left" if heading == "function" else "right")
    whole_ms = sum(function.self_ms for function in found.functions) or 1
    for function in found.functions[:TOP_FUNCTIONS]:
        table.add_row(
            function.name,
            f"{function.calls:.1f}",
            f"{function.self_ms:.4f}",
            f"{function.total_ms:.4f}",
            f"{function.self_ms / whole_ms:.0%}",
        )
    table.add_section()
    table.add_row(f"all {len(found.functions)}", "", f"{whole_ms:.4f}", "", "")
    console.print(table)


def notify(console: Console, ways: list[Way]) -> None:
    """Print turns per second by the way in which events are told."""
    table = _table("Turns/s by how events are told; the slow disk has commit_delay = 2000, commit_siblings = 0")
    for heading in ("disk", "clients", *WAYS, "as it is / pg_notify", "aim"):
        table.add_column(heading, justify="left" if heading == "disk" else "right")
    for disk in dict.fromkeys(way.disk for way in ways):
        for clients in dict.fromkeys(way.clients for way in ways):
            rates = {way.name: way.turns_per_second for way in ways if (way.disk, way.clients) == (disk, clients)}
            aim = NOTIFY_AIM if (disk, clients) == ("slow", 32) else None
            table.add_row(
                disk,
                str(clients),
                *(f"{rates[name]:,.0f}" for name in WAYS),
                _judged(rates["as it is"] / rates["pg_notify in each"], at_least=aim),
                f"≥ {aim:.0f}" if aim else "",
            )
    console.print(table)


def _add_times(table: Table, transaction: Transaction) -> None:
    share = transaction.flush / transaction.total if transaction.total else 0
    table.add_row(
        transaction.name,
        f"{transaction.preparing:.3f}",
        f"{transaction.statements:.3f}",
        f"{transaction.commit:.3f}" if transaction.commit else "",
        f"{transaction.total:.3f}",
        f"{transaction.flush:.3f} ({share:.0%})",
    )


def _judged(ratio: float, at_most: float | None = None, at_least: float | None = None) -> str:
    is_reached = (at_most is None or ratio <= at_most) and (at_least is None or ratio >= at_least)
    return f"[{'green' if is_reached else 'yellow'}]{ratio:.2f}[/]"


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", title_style="bold", header_style="")
