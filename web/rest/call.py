"""One call: the text that Postgres is asked, and its answer, of which Postgres itself has made JSON."""

from typing import Any

import psycopg
from flask import Response, g, request
from psycopg.sql import SQL, Identifier

from web.db import BEGIN, BEGIN_READING, Conn, database
from web.errors import ApiError
from web.rest.request import JSON, ONE, Arguments, Wish
from web.rest.routines import Routine, Shape, routines
from web.tokens import current_caller


def answer(name: str, arguments: Arguments, wish: Wish) -> Response:
    """Call the function `name` of schema public as the caller of this request.

    Raises:
        ApiError: It is not there, or does not answer with the one row that was wished for; nothing was changed.
        psycopg.Error: What Postgres refused; nothing was changed.
    """
    routine = routines().find(name, arguments.names)
    try:
        body, total = _ask(routine, arguments, wish)
    except psycopg.Error as error:
        if not (error.sqlstate or "").startswith("42") or error.sqlstate == "42501":
            raise
        known, routine = routine, routines().find(name, arguments.names, look_again=True)
        if routine == known:
            raise
        body, total = _ask(routine, arguments, wish)  # it was replaced since we last looked
    return _respond(routine, wish, body, total)


def _ask(routine: Routine, arguments: Arguments, wish: Wish) -> tuple[str, int]:
    """Return the answer as JSON text, and how many rows it has.

    As under PostgREST, only a POST may write, and only by a function that is declared volatile.
    """
    query, values = _query(routine, arguments)
    begin = BEGIN if routine.is_volatile and request.method == "POST" else BEGIN_READING
    if not (wish.is_one and routine.is_set):
        body, total = database().ask(current_caller(), query, values, begin).rows[0]
        return body, total

    def one_row(connection: Conn) -> tuple[str, int]:  # two messages: what is not one row must not be committed
        if begin is BEGIN_READING:
            connection.execute("set transaction read only")
        row = connection.execute(query.encode(), values).fetchone()
        assert row
        if row["total"] != 1:
            raise _not_one(row["total"])
        return row["body"], row["total"]

    return database().run(current_caller(), one_row)


def _query(routine: Routine, arguments: Arguments) -> tuple[str, dict[str, Any]]:
    """Return the text of the call, and its values. Names are the catalogue's, and quoted."""
    given = [parameter for parameter in routine.parameters if parameter.name in arguments.names]
    source, values = "", {}
    if arguments.texts is not None:
        passed = [f"%(argument_{number})s::{_quoted(*parameter.type)}" for number, parameter in enumerate(given)]
        values = {f"argument_{number}": arguments.texts[parameter.name] for number, parameter in enumerate(given)}
    else:
        passed = [_quoted("args", parameter.name) for parameter in given]
        if given:  # so that Postgres reads the values: arrays, objects, numbers of any length
            columns = ", ".join(f"{_quoted(parameter.name)} {_quoted(*parameter.type)}" for parameter in given)
            source, values = f"json_to_record(%(body)s::json) as args ({columns})", {"body": arguments.document}
    named = ", ".join(
        f"{'variadic ' if parameter.is_variadic else ''}{_quoted(parameter.name)} => {value}"
        for parameter, value in zip(given, passed, strict=True)
    )
    call = f"{_quoted('public', routine.name)}({named})"
    if routine.shape is Shape.ROW:
        item, items = "item", f"result.* from {source + ', ' if source else ''}{call} as result"
    else:
        item, items = "item.value", f"{call} as value{' from ' + source if source else ''}"
    body = f"coalesce(json_agg({item}), '[]')" if routine.is_set else f"coalesce(json_agg({item})->0, 'null')"
    text = SQL("select {}::text as body, count(*) as total from (select {}) as item")
    return text.format(SQL(body), SQL(items)).as_string(), values


def _quoted(*names: str) -> str:
    return Identifier(*names).as_string().replace("%", "%%")


def _respond(routine: Routine, wish: Wish, body: str, total: int) -> Response:
    status = g.get("response_status")  # what the function has set as response.status
    if routine.shape is Shape.NOTHING or wish.is_minimal:
        response = Response(status=status or 204)
        del response.headers["Content-Type"]
    else:
        if wish.is_one and routine.is_set:
            body = body[1:-1]
        response = Response(body, status=status or 200, content_type=f"{ONE if wish.is_one else JSON}; charset=utf-8")
    rows = f"0-{total - 1}" if total else "*"
    response.headers["Content-Range"] = f"{rows}/{total if wish.is_counted else '*'}"
    return response


def _not_one(total: int) -> ApiError:
    # The details are PostgREST's here: by "0 rows" in them, clients know that there was none.
    message = "Cannot coerce the result to a single JSON object"
    return ApiError(406, f"The result contains {total} rows", message, None, "PGRST116")
