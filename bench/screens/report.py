"""The tables that the benchmark of the screens prints."""

from rich.console import Console
from rich.table import Table

from bench.screens.measure import Figure


def figures(console: Console, title: str, found: list[Figure]) -> None:
    """Print figures beside their limits, and beside what is known."""
    table = Table(title=title, title_justify="left", title_style="bold", header_style="")
    for heading in ("what", "figure", "limit", "beside", "ratio"):
        table.add_column(heading, justify="right" if heading in ("figure", "limit", "ratio") else "left")
    for each in found:
        beside, ratio = "", ""
        if each.beside_value is not None:
            beside = f"{each.beside}: {_number(each.beside_value, each.unit)}"
            ratio = f"{each.value / each.beside_value:.1f}" if each.beside_value else ""
        limit = "" if each.limit is None else f"≤ {_number(each.limit, each.unit)}"
        table.add_row(each.what, _judged(each), limit, beside, ratio)
    console.print(table)


def _judged(figure: Figure) -> str:
    text = _number(figure.value, figure.unit)
    if figure.limit is None:
        return text
    return f"[{'green' if figure.value <= figure.limit else 'yellow'}]{text}[/]"


def _number(value: float, unit: str) -> str:
    digits = 0 if value >= 100 or value == int(value) else 1 if value >= 1 else 4
    return f"{value:,.{digits}f} {unit}".strip()
