"""The tables that the benchmark of sockets prints."""

from rich.console import Console
from rich.table import Table

from bench.live.measure import Row, Session


def live(console: Console, disk: str, rows: list[Row]) -> None:
    """Print what was measured with one number of sockets: Baton's row, the rival's, and the ratios with their aims."""
    baton, rival = rows
    rate = f"at {baton.rate:,.0f}/s"
    table = Table(
        title=f"{baton.sockets:,} sockets, {disk} disk: posts stored and delivered to both; CPU in s per 1,000 posts",
        title_justify="left",
        title_style="bold",
        header_style="",
    )
    headings = ["side", "processes", "posts/s", "by round", f"p50 ms {rate}", f"p99 ms {rate}", "p99 ms full"]
    for heading in [*headings, "kB/socket", "s to open", "CPU web", "CPU Postgres", "CPU load"]:
        table.add_column(heading, justify="left" if heading == "side" else "right")
    for row in rows:
        table.add_row(*_cells(row))
    table.add_section()
    speed = _speed(baton) / _speed(rival)
    p99 = baton.median(_paced_p99) / rival.median(_paced_p99)
    table.add_row(
        f"{baton.side} / {rival.side}",
        "",
        _judged(speed, speed >= 1),
        "(≥ 1)",
        f"{baton.median(_paced_p50) / rival.median(_paced_p50):.2f}",
        f"{_judged(p99, p99 <= 1)} (≤ 1)",
    )
    console.print(table)


def _cells(row: Row) -> list[str]:
    speeds = [session.full.per_second for session in row.sessions]
    return [
        row.side,
        str(row.processes),
        f"{_speed(row):,.0f}",
        f"{min(speeds):,.0f} … {max(speeds):,.0f}",
        f"{row.median(_paced_p50):.1f}",
        f"{row.median(_paced_p99):.1f}",
        f"{row.median(lambda session: session.full.p99_ms):.1f}",
        f"{row.median(lambda session: session.bytes_per_socket) / 1000:.0f}",
        f"{row.median(lambda session: session.open_seconds):.1f}",
        f"{row.median(lambda session: session.full.per_1000(session.full.cpu.web)):.2f}",
        f"{row.median(lambda session: session.full.per_1000(session.full.cpu.postgres)):.2f}",
        f"{row.median(lambda session: session.full.per_1000(session.full.load_cpu)):.2f}",
    ]


def _speed(row: Row) -> float:
    return row.median(lambda session: session.full.per_second)


def _paced_p50(session: Session) -> float:
    return session.paced.p50_ms if session.paced else 0


def _paced_p99(session: Session) -> float:
    return session.paced.p99_ms if session.paced else 0


def _judged(ratio: float, is_reached: bool) -> str:
    return f"[{'green' if is_reached else 'yellow'}]{ratio:.2f}[/]"
