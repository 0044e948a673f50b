"""What a background job is."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, LiteralString

from psycopg import Connection
from psycopg.rows import scalar_row


@dataclass(frozen=True)
class Job:
    """A job's name in routes and commands, how often it runs, and what it does.

    `run` takes a connection of the service, works in that connection's transaction, and returns how
    many things were done.
    """

    name: str
    every: timedelta
    run: Callable[[Connection[Any]], int]


def count(connection: Connection[Any], query: LiteralString, *parameters: object) -> int:
    """Return the one number that `query` answers with, whatever kind of rows the connection makes."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        return int(cursor.execute(query, parameters or None).fetchone() or 0)
