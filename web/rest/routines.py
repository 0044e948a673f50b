"""The functions of schema public, out of Postgres' own catalogue, and which of them a call means."""

import time
from collections.abc import Collection, Iterable
from difflib import get_close_matches
from enum import Enum
from typing import Any, LiteralString, NamedTuple

from flask import current_app
from psycopg.rows import TupleRow, tuple_row

from web.db import Conn, database
from web.errors import ApiError

# Seconds in which what was read is believed. What fits nothing, or what Postgres then does not know, is looked
# up again at once; so only a function that now returns something else under the same arguments has to wait.
FRESH = 5.0

# As PostgREST reads them: not trigger functions, nothing that takes or gives what JSON cannot carry. With a
# `table` or `out` argument the answer has columns, even a single one. A parameter has a name here: those
# without are PostgREST's for raw bodies, which we do not take.
_CALLABLE: LiteralString = """
with recursive base (type, base) as (
  select oid, oid from pg_catalog.pg_type where typbasetype = 0
  union all
  select t.oid, b.base from pg_catalog.pg_type t join base b on b.type = t.typbasetype
)
select p.oid::int8, p.xmin::text, p.proname, p.provolatile = 'v',
  case
    when r.typname = 'void' then 'nothing'
    when r.typtype = 'c' or p.proargmodes && '{t,b,o}' then 'row'
    else 'value'
  end,
  p.proretset, coalesce(a.parameters, '{}')
from pg_catalog.pg_proc p
  join base on base.type = p.prorettype
  join pg_catalog.pg_type r on r.oid = base.base
  cross join lateral (
    select
      array_agg(array[
        i.name, n.nspname, t.typname, i.type::regtype::text,
        (i.position > p.pronargs - p.pronargdefaults)::text, (i.mode = 'v')::text
      ] order by i.position) as parameters,
      coalesce(bool_and(i.name <> '' and t.typtype <> 'p'), true) as is_callable
    from (
      select coalesce(p.proargnames[o.place], '') as name, o.type, o.mode,
        row_number() over (order by o.place) as position
      from unnest(coalesce(p.proallargtypes, p.proargtypes::oid[]), p.proargmodes) with ordinality o (type, mode, place)
      where coalesce(o.mode, 'i') in ('i', 'b', 'v')
    ) i
    join pg_catalog.pg_type t on t.oid = i.type
    join pg_catalog.pg_namespace n on n.oid = t.typnamespace
  ) a
where p.pronamespace = 'public'::regnamespace
  and p.prokind = 'f'
  and (r.typtype <> 'p' or r.typname = 'void' or p.proargmodes && '{t,b,o}')
  and a.is_callable
order by p.proname, p.oid
"""


class Shape(Enum):
    """What a function answers with: nothing at all, columns, or bare values."""

    NOTHING = "nothing"
    ROW = "row"
    VALUE = "value"


class Parameter(NamedTuple):
    """A parameter; `type` is its schema and name, `type_text` as people write it."""

    name: str
    type: tuple[str, str]
    type_text: str
    has_default: bool
    is_variadic: bool


class Routine(NamedTuple):
    """A function that can be called; `version` changes whenever it is replaced."""

    oid: int
    version: str
    name: str
    is_volatile: bool
    shape: Shape
    is_set: bool
    parameters: tuple[Parameter, ...]

    def takes(self, names: Collection[str]) -> bool:
        """Return whether it can be called with exactly these arguments."""
        known = {parameter.name for parameter in self.parameters}
        needed = {parameter.name for parameter in self.parameters if not parameter.has_default}
        return needed <= set(names) <= known

    def __str__(self) -> str:
        """Return it as PostgREST writes it in a message."""
        parameters = ", ".join(f"{parameter.name} => {parameter.type_text}" for parameter in self.parameters)
        return f"public.{self.name}({parameters})"


class Routines:
    """What could be called when it was last looked."""

    def __init__(self) -> None:
        self._by_name: dict[str, list[Routine]] = {}
        self._read_at = float("-inf")

    def find(self, name: str, names: Collection[str], look_again: bool = False) -> Routine:
        """Return the function that takes arguments of these names.

        Raises:
            ApiError: 404 function_not_found (PGRST202), 300 function_ambiguous (PGRST203).
        """
        is_fresh = time.monotonic() - self._read_at < FRESH
        if look_again or not is_fresh:
            self._read()
        fitting = self._fitting(name, names)
        if len(fitting) != 1 and is_fresh and not look_again:
            self._read()
            fitting = self._fitting(name, names)
        if not fitting:
            raise self._not_found(name, names)
        if len(fitting) > 1:
            raise _ambiguous(fitting)
        return fitting[0]

    def _fitting(self, name: str, names: Collection[str]) -> list[Routine]:
        return [routine for routine in self._by_name.get(name, ()) if routine.takes(names)]

    def _read(self) -> None:
        found: dict[str, list[Routine]] = {}
        for row in database().as_owner(_read_catalogue):
            routine = _routine(row)
            found.setdefault(routine.name, []).append(routine)
        self._by_name = found
        self._read_at = time.monotonic()

    def _not_found(self, name: str, names: Collection[str]) -> ApiError:
        given = f"({', '.join(sorted(names))})" if names else ""
        asked = f"public.{name}{given or ' without parameters'}"
        namesakes = [f"({', '.join(sorted(p.name for p in r.parameters))})" for r in self._by_name.get(name, ())]
        if namesakes:
            nearest = [f"{name}{match}" for match in get_close_matches(given, namesakes, 1, 0.33) or namesakes[:1]]
        else:
            nearest = get_close_matches(name, self._by_name, 1, 0.75)
        return ApiError(
            404,
            "function_not_found",
            f"Could not find the function {asked} in the schema cache",
            f"Perhaps you meant to call the function public.{nearest[0]}" if nearest else None,
            "PGRST202",
        )


def routines() -> Routines:
    """Return the `Routines` of the current app."""
    found: Routines = current_app.extensions.setdefault("baton_routines", Routines())
    return found


def _read_catalogue(connection: Conn) -> list[TupleRow]:
    with connection.cursor(row_factory=tuple_row) as cursor:
        return cursor.execute(_CALLABLE).fetchall()


def _routine(row: TupleRow) -> Routine:
    oid, version, name, is_volatile, shape, is_set, parameters = row
    return Routine(oid, version, name, is_volatile, Shape(shape), is_set, tuple(map(_parameter, parameters)))


def _parameter(texts: list[Any]) -> Parameter:
    name, schema, type_name, type_text, has_default, is_variadic = texts
    return Parameter(name, (schema, type_name), type_text, has_default == "true", is_variadic == "true")


def _ambiguous(fitting: Iterable[Routine]) -> ApiError:
    return ApiError(
        300,
        "function_ambiguous",
        f"Could not choose the best candidate function between: {', '.join(map(str, fitting))}",
        "Try renaming the parameters or the function itself in the database so function overloading can be resolved",
        "PGRST203",
    )
