"""The way to Postgres: one transaction a request, run as the caller, so that the rules there decide."""

from collections.abc import Callable
from functools import cache
from typing import Any, LiteralString, NamedTuple, TypeVar

import orjson
import psycopg
from flask import Flask, current_app, g, request
from psycopg import ClientCursor, Connection, sql
from psycopg.rows import DictRow, TupleRow, dict_row, tuple_row
from psycopg.types.json import Jsonb, set_json_dumps, set_json_loads
from psycopg_pool import ConnectionPool

from web.config import Config
from web.tokens import Caller, current_caller

T = TypeVar("T")
Conn = Connection[DictRow]
Headers = dict[str, str | None]  # what Postgres is told of a request, as PostgREST tells it

# Everything is local to the transaction: nothing of one caller is left for the next on the connection.
# Several statements in one message, because each message is a round trip. Each ends with a semicolon.
BEGIN: LiteralString = """
begin;
select set_config('role', %(role)s, true),
       set_config('request.jwt.claims', %(claims)s, true),
       set_config('request.headers', %(headers)s, true),
       set_config('statement_timeout', %(timeout)s, true),
       set_config('timezone', 'UTC', true);
"""
BEGIN_READING: LiteralString = BEGIN.replace("begin;", "begin read only;")
# In a transaction of its own, so that a request that fails has cost its token.
COUNT: LiteralString = BEGIN + "select public.check_request(); commit;"
COMMIT: LiteralString = "select current_setting('response.status', true) as status; commit;"


class Answer(NamedTuple):
    """The rows of a query, and the names of their columns, which may repeat."""

    names: list[str]
    rows: list[TupleRow]

    def dicts(self) -> list[DictRow]:
        """Return the rows by name."""
        return [dict(zip(self.names, row, strict=True)) for row in self.rows]


class Database:
    """A pool of connections, opened by the first request (so after gunicorn has forked)."""

    def __init__(self, config: Config) -> None:
        """Prepare the pool; nothing is connected yet."""
        self.timeout_ms = config.statement_timeout_ms
        self.pool: ConnectionPool[Conn] = ConnectionPool(
            config.database_url,
            min_size=1,
            max_size=config.pool_size,
            max_waiting=config.pool_size * 50,
            timeout=5,
            reconnect_timeout=5,  # then whoever asks next tries anew: its pauses double without a bound
            open=False,
            check=_notice_end,
            configure=_tell_utc,
            kwargs={
                "autocommit": True,  # begin and commit are written out
                "row_factory": dict_row,
                "application_name": "baton web",
                # Prepared statements do not survive a transaction pooler.
                "prepare_threshold": None if config.is_pooled else 5,
            },
        )

    def call(self, caller: Caller, function: str, arguments: dict[str, Any]) -> list[DictRow]:
        """Call a public function as `run` would: the whole transaction is one message.

        Raises:
            psycopg.Error: What the function refused; nothing was changed.
        """
        return self.ask(caller, _invocation("public", function, tuple(arguments)), arguments).dicts()

    def ask(self, caller: Caller, query: str, arguments: dict[str, Any], begin: LiteralString = BEGIN) -> Answer:
        """Run one query, which is our own text, as `run` would: the whole transaction is one message.

        With `BEGIN_READING` the query can change nothing (25006).

        Raises:
            psycopg.Error: What Postgres refused; nothing was changed.
        """
        identity = _identity(caller, _request_headers(), self.timeout_ms)
        answer, g.response_status = self._try_twice(
            lambda is_counted: self._message(identity, query, arguments, is_counted, begin),
            is_counted=_is_counted(caller),
        )
        return answer

    def ask_uncounted(self, caller: Caller, headers: Headers, query: str, arguments: dict[str, Any]) -> Answer:
        """Run one query as `caller` outside of any request, as `ask` does it."""
        identity = _identity(caller, headers, self.timeout_ms)
        return self._try_twice(
            lambda is_counted: self._message(identity, query, arguments, is_counted), is_counted=False
        )[0]

    def run(self, caller: Caller, work: Callable[[Conn], T], timeout_ms: int | None = None) -> T:
        """Do `work` in one transaction as `caller` of the current request, which counts against his limit.

        Again, once, if it lost a race (40001, 40P01).

        Raises:
            psycopg.Error: What Postgres refused; nothing was changed.
        """
        identity = _identity(caller, _request_headers(), timeout_ms or self.timeout_ms)
        result, g.response_status = self._try_twice(
            lambda is_counted: self._transaction(identity, work, is_counted), is_counted=_is_counted(caller)
        )
        return result

    def as_owner(self, work: Callable[[Conn], T]) -> T:
        """Do `work` as the owner of the connection: questions about the database itself."""
        self.pool.open()
        with self.pool.connection() as connection:
            return work(connection)

    def _try_twice(self, transaction: Callable[[bool], tuple[T, int | None]], is_counted: bool) -> tuple[T, int | None]:
        self.pool.open()
        try:
            return transaction(is_counted)
        except psycopg.Error as error:
            if error.sqlstate not in ("40001", "40P01"):
                raise
            return transaction(False)

    def _message(
        self,
        identity: dict[str, str],
        query: str,
        arguments: dict[str, Any],
        is_counted: bool,
        begin: LiteralString = BEGIN,
    ) -> tuple[Answer, int | None]:
        begin = COUNT + begin if is_counted else begin
        with self.pool.connection() as connection:
            cursor = ClientCursor(connection, row_factory=tuple_row)
            cursor.execute(f"{begin}{query};{COMMIT}".encode(), {**identity, **_adapted(arguments)})
            for _ in range(begin.count(";")):  # a result a statement
                cursor.nextset()
            answer = Answer([column.name for column in cursor.description or ()], cursor.fetchall())
            cursor.nextset()
            row = cursor.fetchone()
        return answer, _status(row[0] if row else None)

    def _transaction(
        self, identity: dict[str, str], work: Callable[[Conn], T], is_counted: bool
    ) -> tuple[T, int | None]:
        with self.pool.connection() as connection:  # rolls back when anything is raised
            messages = ClientCursor(connection)
            messages.execute(COUNT + BEGIN if is_counted else BEGIN, identity)
            result = work(connection)
            row = messages.execute(COMMIT).fetchone()
        return result, _status(row["status"] if row else None)


def init_app(app: Flask, config: Config) -> None:
    """Make the app's `Database`."""
    set_json_dumps(orjson.dumps)
    set_json_loads(orjson.loads)
    app.extensions["baton_database"] = Database(config)


def database() -> Database:
    """Return the `Database` of the current app."""
    found: Database = current_app.extensions["baton_database"]
    return found


def call(function: str, /, **arguments: Any) -> list[DictRow]:
    """Call a public function as the caller of this request and return its rows.

    Raises:
        psycopg.Error: What the function refused; `errors.py` makes the answer of it.
    """
    return database().call(current_caller(), function, arguments)


def invocation(schema: str, function: str, arguments: dict[str, Any]) -> str:
    """Return the text of a call by named arguments, to be asked with them."""
    return _invocation(schema, function, tuple(arguments))


def invoke(connection: Conn, schema: str, function: str, /, **arguments: Any) -> list[DictRow]:
    """Call a function by named arguments inside a transaction; dicts are passed as jsonb."""
    query = _invocation(schema, function, tuple(arguments))
    return connection.execute(query.encode(), _adapted(arguments)).fetchall()


@cache
def _invocation(schema: str, function: str, names: tuple[str, ...]) -> str:
    """Return the text of a call; names come from our own code, and are quoted."""
    named = (sql.SQL("{} => {}").format(sql.Identifier(name), sql.Placeholder(name)) for name in names)
    return (
        sql.SQL("select * from {}({})").format(sql.Identifier(schema, function), sql.SQL(", ").join(named)).as_string()
    )


def _adapted(arguments: dict[str, Any]) -> dict[str, Any]:
    return {name: Jsonb(value) if isinstance(value, dict) else value for name, value in arguments.items()}


def _status(text: str | None) -> int | None:
    return int(text) if text else None


def _is_counted(caller: Caller) -> bool:
    """Return whether this counts against the caller's limit: of a request its first transaction, no other."""
    if caller.role == "service_role" or g.get("is_counted"):
        return False
    g.is_counted = True
    return True


def _request_headers() -> Headers:
    return {
        "x-forwarded-for": request.remote_addr,
        "user-agent": request.headers.get("User-Agent"),
        "x-request-id": g.get("request_id"),
    }


def _identity(caller: Caller, headers: Headers, timeout_ms: int) -> dict[str, str]:
    return {
        "role": caller.role,
        "claims": caller.claims,
        "headers": orjson.dumps(headers).decode(),
        "timeout": str(timeout_ms),
    }


def _tell_utc(connection: Conn) -> None:
    """Have times in UTC also after the transaction: psycopg reads them when the whole message is answered."""
    connection.execute("select set_config('timezone', 'UTC', false)")


def _notice_end(connection: Conn) -> None:
    """Look, without a round trip, whether the server has ended the connection while it lay in the pool."""
    connection.pgconn.consume_input()  # its last words, if any
    connection.pgconn.consume_input()  # the end of the stream: raises OperationalError
