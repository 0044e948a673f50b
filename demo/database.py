"""The database behind the server, as psql sees it: its address, the idle limit during the run, questions."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, LiteralString, NamedTuple

import psycopg
from psycopg import Connection
from psycopg.types.json import Jsonb

from web import loader
from web.config import Config
from web.postgres import running_url


class NoDatabaseError(Exception):
    """There is no database to ask; the text is one line for a person."""


class Table(NamedTuple):
    """The answer to a question."""

    columns: list[str]
    rows: list[tuple[Any, ...]]


def connect(config: Config) -> Connection[Any]:
    """Connect to DATABASE_URL or the embedded server that runs. Raises NoDatabaseError, LoadError."""
    url = config.database_url or running_url(config.data_dir / "postgres")
    if not url:
        raise NoDatabaseError("no Baton runs here: start it with `make run`, or set DATABASE_URL and BATON_URL")
    return loader.connect(url, "baton demo")


@contextmanager
def idle_limit(connection: Connection[Any], seconds: int) -> Iterator[None]:
    """Set the idle limit, and put it back afterwards, also when the block is interrupted."""
    row = connection.execute("select value from public.settings where name = 'idle_limit'").fetchone()
    assert row is not None
    _set_idle_limit(connection, f"{seconds} seconds")
    try:
        yield
    finally:
        _set_idle_limit(connection, row[0])


def ask(connection: Connection[Any], question: LiteralString, **parameters: Any) -> Table:
    """Run a query and return its answer."""
    with connection.cursor(row_factory=psycopg.rows.tuple_row) as cursor:
        cursor.execute(question, parameters or None)
        return Table([column.name for column in cursor.description or ()], cursor.fetchall())


def _set_idle_limit(connection: Connection[Any], value: str) -> None:
    connection.execute("select public.set_setting('idle_limit', %s)", (Jsonb(value),))
