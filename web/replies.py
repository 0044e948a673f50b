"""The few forms in which rows are returned."""

from collections.abc import Callable
from typing import Any, TypeVar

from flask import g
from flask.typing import ResponseReturnValue
from psycopg.rows import DictRow

Item = TypeVar("Item")

EMPTY: ResponseReturnValue = ("", 204)


def one(rows: list[DictRow]) -> ResponseReturnValue:
    """Return the only row of a function that returns one."""
    return rows[0]


def value(rows: list[DictRow]) -> Any:
    """Return the only value of a function that returns a scalar or a json document."""
    return next(iter(rows[0].values()))


def values(rows: list[DictRow]) -> list[Any]:
    """Return the values of a function that returns a set of json documents."""
    return [next(iter(row.values())) for row in rows]


def created(rows: list[DictRow]) -> ResponseReturnValue:
    """Return the new row with 201, or with the status that the function chose (200: it was there)."""
    return rows[0], g.get("response_status") or 201


def page(rows: list[Any], next_cursor: object = None) -> ResponseReturnValue:
    """Return a list, and where the next page begins (None: this was the last)."""
    return {"data": rows, "next_cursor": next_cursor}


def page_of(
    rows: list[Item], limit: int, cursor_of: Callable[[Item], object], asked: int | None = None
) -> ResponseReturnValue:
    """Return at most `limit` of the rows, and a cursor made of the last of them where there may be more.

    There may be where all that were `asked` for have come. Who can asks for one more than he shows: then there
    are, for sure.
    """
    shown = rows[:limit]
    is_full = shown and len(rows) == (asked or limit)
    return page(shown, cursor_of(shown[-1]) if is_full else None)
