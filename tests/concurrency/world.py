"""Two callers at once: the people, the connections and the waiting that the tests of concurrency share.

What somebody does is a string of SQL that begins by becoming him, for the transaction only: so the
same deed can be done alone, beside another, or after it.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import repeat
from time import monotonic
from typing import Any
from uuid import UUID

import psycopg

from tests.servers import Database

OK = "ok"

ADA = UUID(int=0xAD)  # the admin
ANA, BEN, CLEO = UUID(int=0xA1), UUID(int=0xA2), UUID(int=0xA3)  # operators
CARL, CORA, CLEM = UUID(int=0xC1), UUID(int=0xC2), UUID(int=0xC3)  # customers

# What a statement may be refused with besides the catalogue: the constraints of section 2.
NATIVE_REFUSALS = {"operator_at_capacity", "chats_holder_matches_state", "chats_replied_when_waiting_for_reply"}


def as_person(person: UUID, statement: str) -> str:
    """SQL that does this as somebody with a token."""
    claims = json.dumps({"sub": str(person), "role": "authenticated"})
    return f"set local role authenticated; select set_config('request.jwt.claims', '{claims}', true); {statement}"


def as_service(statement: str) -> str:
    """SQL that does this as service_role."""
    return f"set local role service_role; select set_config('request.jwt.claims', '', true); {statement}"


def as_owner(statement: str) -> str:
    """SQL that does this as psql does: plain SQL."""
    return f"set local role none; select set_config('request.jwt.claims', '', true); {statement}"


def code_of(error: psycopg.Error) -> str:
    """Return the machine code of a refusal: DETAIL of ours, the constraint of a native one, else the SQLSTATE."""
    state = error.sqlstate or "no_sqlstate"
    if state.startswith("PT"):
        return error.diag.message_detail or state
    return error.diag.constraint_name or state


class Session:
    """A connection that holds a transaction open, or waits in one, while the test looks on."""

    def __init__(self, database: Database) -> None:
        self.connection = database.connect()
        # Nothing here may hang: what waits longer has failed.
        self.connection.execute("set statement_timeout = '20 s'")
        self.pid = self.connection.info.backend_pid
        self._thread = ThreadPoolExecutor(1)
        self._monitor = database.owner

    def execute(self, deed: str) -> str:
        """Run SQL; return ok or the code it was refused with."""
        try:
            self.connection.execute(deed)
        except psycopg.Error as error:
            return code_of(error)
        return OK

    def begin(self, deed: str, isolation: str = "read committed") -> str:
        """Do it in a transaction that stays open."""
        return self.execute(f"begin isolation level {isolation}; {deed}")

    def end(self, how: str = "commit") -> str:
        """Commit or roll back; return ok or the code that the commit was refused with."""
        return self.execute(how)

    def finish(self, result: str) -> str:
        """Commit what went well so far, roll back what was refused; return the result of all."""
        if result == OK:
            return self.end()
        self.end("rollback")
        return result

    def run(self, deed: str, isolation: str = "read committed") -> str:
        """Do it in a transaction, and commit."""
        return self.finish(self.begin(deed, isolation))

    def start(self, work: Callable[[], str]) -> "Future[str]":
        """Do some work of this session in its thread."""
        return self._thread.submit(work)

    def waits_for(self, pids: Sequence[int]) -> bool:
        """Whether this session waits for a lock of one of these backends, or sleeps until it is released."""
        row = self._monitor.execute(
            "select wait_event is not distinct from 'PgSleep' or %s::integer[] && pg_blocking_pids(pid) as waits"
            " from pg_stat_activity where pid = %s",
            (list(pids), self.pid),
        ).fetchone()
        return bool(row and row["waits"])

    def close(self) -> None:
        """End the thread and the connection."""
        self._thread.shutdown()
        self.connection.close()


@contextmanager
def sessions(database: Database, count: int) -> Iterator[list[Session]]:
    """Give that many sessions."""
    made = [Session(database) for _ in range(count)]
    try:
        yield made
    finally:
        for session in made:
            session.close()


def settles(work: "Future[str]", session: Session, *pids: int) -> bool:
    """Wait until the session's work is done (true), or is seen to wait for one of those backends (false)."""
    for _ in rounds():
        if done(work, 0.002):
            return True
        if session.waits_for(pids):
            return done(work, 0)
    raise AssertionError("neither done nor waiting")


def overlap(
    pair: Sequence[Session], first: str, second: str, how: str = "commit", isolation: str = "read committed"
) -> tuple[str, str, bool]:
    """Let the second begin while the first is open; return both results, and whether the second did not wait."""
    one, other = pair
    result = one.begin(first, isolation)
    assert result == OK, f"{result}: {first}"
    work = other.start(lambda: other.run(second, isolation))
    was_done = settles(work, other, one.pid)
    return one.end(how), work.result(20), was_done


def start(session: Session, deed: str) -> "Future[str]":
    """Let the session do it in its thread, and commit."""
    return session.start(lambda: session.run(deed))


def done(work: "Future[Any]", seconds: float) -> bool:
    """Whether the work is done within so many seconds."""
    try:
        work.exception(seconds)
    except TimeoutError:
        return False
    return True


def rounds(seconds: float = 20) -> Iterable[None]:
    """Go round until something happens, but not for ever."""
    deadline = monotonic() + seconds
    for _ in repeat(None):
        if monotonic() > deadline:
            return
        yield


def refusals(database: Database) -> set[str]:
    """Every code that a caller may be refused with."""
    return {row["code"] for row in database.rows("select code from private.error_catalogue()")} | NATIVE_REFUSALS


def broken_invariants(database: Database) -> list[dict[str, Any]]:
    """Return what contradicts section 2: nothing."""
    return database.rows("select * from check_invariants()")


def clear(database: Database) -> None:
    """Remove everybody and everything, so that a database serves many scenarios."""
    database.owner.execute(
        "delete from real_users where true; delete from operators where true;"
        " delete from private.erased_people where true"
    )
