"""Asks Postgres to check the functions that the code files have made."""

from typing import Any, LiteralString

from psycopg import Connection, Error
from psycopg.sql import SQL

from web.sqlfile import SqlError, SqlFile, describe

_FUNCTIONS: LiteralString = """
select p.oid::int8, p.oid::regprocedure::text, p.proname, p.prosrc, l.lanvalidator::regproc::text,
  'search_path=""' = any(p.proconfig)
from pg_proc p join pg_language l on l.oid = p.prolang
where l.lanname in ('sql', 'plpgsql')
  and p.oid in (select o.identity::regprocedure from private.loaded_objects o where o.kind in ('function', 'procedure'))
order by 2
"""


def check_functions(connection: Connection[Any], files: list[SqlFile]) -> None:
    """Let Postgres check the bodies of all functions of the code, now that all they mention is there.

    While files are loaded bodies are not checked, so that functions may stand in any order.
    Raises SqlError with the line in the file.
    """
    connection.execute("set local check_function_bodies = on")
    rows = connection.execute(_FUNCTIONS).fetchall()
    current = None
    for oid, signature, name, body, validator, is_closed in rows:
        # As the function itself would set it, since the validator does not.
        path = "" if is_closed else "public"
        if path != current:
            connection.execute("select set_config('search_path', %s, true)", (path,))
            current = path
        try:
            connection.execute(SQL(f"select pg_catalog.{validator}(%s::oid)"), (oid,))
        except Error as error:
            message = f"{signature}: {describe(error.diag)}"
            raise _at_body(files, name, body, int(error.diag.internal_position or 1) - 1, message) from None
    connection.execute("select set_config('search_path', 'public', true)")


def _at_body(files: list[SqlFile], name: str, body: str, offset: int, message: str) -> SqlError:
    """Make an error at `offset` of a function's body, in the file that has that body."""
    for file in files:
        start = file.text.find(body)
        while start >= 0:
            heading = file.text.rfind("create ", 0, start)
            if name in file.text[heading:start]:
                return file.error(start + offset, message)
            start = file.text.find(body, start + 1)
    return SqlError(message)
