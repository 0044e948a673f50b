"""What the live part asks the database beside its relay, on connections of its own: HTTP never waits for it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from psycopg.rows import DictRow
from psycopg_pool import PoolTimeout

from web.config import Config
from web.db import Answer, Database, Headers, invocation
from web.tokens import SERVICE, Caller

# How many sessions, and how many of the process's own tasks, ask at once. The rest wait their turn: when all
# clients come back together, the database sees no more of it than this. Leases wait for none of them: they run out.
_SESSIONS, _TASKS, _LEASES = 4, 2, 1
_PATIENCE = 20.0  # seconds that a session waits for its turn


class Store:
    """A small pool, shared by all sessions of the process."""

    def __init__(self, config: Config) -> None:
        self._database = Database(replace(config, pool_size=_SESSIONS + _TASKS + _LEASES))
        self._sessions = threading.BoundedSemaphore(_SESSIONS)
        self._tasks = threading.BoundedSemaphore(_TASKS)
        self._leases = threading.BoundedSemaphore(_LEASES)

    def ask(self, caller: Caller, headers: Headers, query: str, arguments: dict[str, Any]) -> Answer:
        """Run a query as somebody who is connected.

        Raises:
            psycopg.Error: what Postgres refused, or that it cannot be had now.
        """
        with _turn(self._sessions):
            return self._database.ask_uncounted(caller, headers, query, arguments)

    def call(self, caller: Caller, headers: Headers, function: str, **arguments: Any) -> list[DictRow]:
        """Call a public function as somebody who is connected. Raises psycopg.Error."""
        return self.ask(caller, headers, invocation("public", function, arguments), arguments).dicts()

    def call_for_session(self, function: str, **arguments: Any) -> list[DictRow]:
        """Call a private function as the service, in the turn of a session. Raises psycopg.Error."""
        return self.ask(SERVICE, {}, invocation("private", function, arguments), arguments).dicts()

    def ask_for_task(self, query: str, **arguments: Any) -> Answer:
        """Run a query as the service, in the turn of a task of the process. Raises psycopg.Error."""
        with _turn(self._tasks):
            return self._database.ask_uncounted(SERVICE, {}, query, arguments)

    def call_for_task(self, schema: str, function: str, **arguments: Any) -> list[DictRow]:
        """Call a function as the service, in the turn of a task of the process. Raises psycopg.Error."""
        return self.ask_for_task(invocation(schema, function, arguments), **arguments).dicts()

    def call_for_leases(self, function: str, **arguments: Any) -> None:
        """Call a private function as the service, in the turn of the leases. Raises psycopg.Error."""
        with _turn(self._leases):
            self._database.ask_uncounted(SERVICE, {}, invocation("private", function, arguments), arguments)

    def close(self) -> None:
        """Let go of the connections."""
        self._database.pool.close(timeout=0.5)


@contextmanager
def _turn(turns: threading.BoundedSemaphore) -> Iterator[None]:
    if not turns.acquire(timeout=_PATIENCE):
        raise PoolTimeout("no turn within the time")
    try:
        yield
    finally:
        turns.release()
