"""What the code files have made in a database: found, checked, dropped."""

from collections.abc import Iterable
from typing import Any, LiteralString, NamedTuple

from psycopg import Connection, Error, errors
from psycopg.sql import SQL

from web.sqlfile import SqlError, SqlFile, describe


class Thing(NamedTuple):
    """A function, view, trigger or policy by the names that `drop` understands."""

    kind: str
    identity: str


Versions = dict[tuple[int, int], str]

# These depend on columns, so that they would be in the way of a migration; functions do not.
TABLE_BOUND = ("policy", "trigger", "view", "materialized view")

# Every object that the code files could make. `version` changes whenever it is made or replaced:
# the place of its row does also when the transaction that replaces it has made it.
_VERSIONS: LiteralString = """
with things (class, object, version, namespace) as (
  select 'pg_proc'::regclass, p.oid, (p.xmin, p.ctid)::text, p.pronamespace from pg_proc p
  union all
  select 'pg_class'::regclass, c.oid, (r.xmin, r.ctid)::text, c.relnamespace
  from pg_class c join pg_rewrite r on r.ev_class = c.oid and r.rulename = '_RETURN'
  union all
  select 'pg_trigger'::regclass, t.oid, (t.xmin, t.ctid)::text, c.relnamespace
  from pg_trigger t join pg_class c on c.oid = t.tgrelid where not t.tgisinternal
  union all
  select 'pg_policy'::regclass, p.oid, (p.xmin, p.ctid)::text, c.relnamespace
  from pg_policy p join pg_class c on c.oid = p.polrelid
)
select class::oid::int8, object::int8, version
from things
where namespace not in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
"""

_IDENTIFY: LiteralString = """
select i.type, i.identity
from unnest(%s::int8[], %s::int8[]) as t (class, object),
  pg_identify_object(t.class::oid, t.object::oid, 0) as i
order by 1, 2
"""

_FUNCTIONS: LiteralString = """
select p.oid::int8, p.oid::regprocedure::text, p.proname, p.prosrc, l.lanvalidator::regproc::text,
  'search_path=""' = any(p.proconfig)
from pg_proc p join pg_language l on l.oid = p.prolang
where p.oid = any(%s::oid[]) and l.lanname in ('sql', 'plpgsql')
order by 2
"""


def versions(connection: Connection[Any]) -> Versions:
    """Return the version of everything that code files could have made, by class and object id."""
    rows = connection.execute(_VERSIONS).fetchall()
    return {(row[0], row[1]): row[2] for row in rows}


def identify(connection: Connection[Any], keys: Iterable[tuple[int, int]]) -> set[Thing]:
    """Return the names of the objects with these class and object ids."""
    pairs = list(keys)
    rows = connection.execute(_IDENTIFY, ([c for c, _ in pairs], [o for _, o in pairs])).fetchall()
    return {Thing(*row) for row in rows}


def drop(connection: Connection[Any], things: Iterable[Thing]) -> set[Thing]:
    """Drop what can be dropped, in whatever order works; return what others still depend on."""
    left = set(things)
    while left:  # views, triggers and policies first: they are what depends on functions
        dropped = {thing for thing in sorted(left, reverse=True) if _drop(connection, thing)}
        left -= dropped
        if not dropped:
            break
    return left


def _drop(connection: Connection[Any], thing: Thing) -> bool:
    # Kind and identity come out of pg_identify_object, which quotes them.
    command = f"drop {thing.kind} if exists {thing.identity}"
    try:
        with connection.transaction():
            connection.execute(SQL(command))
    except errors.DependentObjectsStillExist:
        return False
    return True


def check_functions(connection: Connection[Any], keys: Iterable[tuple[int, int]], files: list[SqlFile]) -> None:
    """Let Postgres check the bodies of these functions, now that all they mention is there.

    While files are loaded bodies are not checked, so that functions may stand in any order.
    Raises SqlError with the line in the file.
    """
    connection.execute("set local check_function_bodies = on")
    rows = connection.execute(_FUNCTIONS, ([object_id for _, object_id in keys],)).fetchall()
    for oid, signature, name, body, validator, is_closed in rows:
        # As the function itself would set it, since the validator does not.
        connection.execute("select set_config('search_path', %s, true)", ("" if is_closed else "public",))
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
