"""Turns per second with live events told in other ways, on a fast and on a slow disk."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from statistics import median
from uuid import UUID, uuid4

import psycopg

from bench import pgbench
from bench.cluster import Cluster, connect
from bench.queue import fill
from bench.turns import OPERATORS_PER_CLIENT, Turns
from web.live.relay import Change, Reader, Relay

# Every commit waits two milliseconds before it flushes; those that come meanwhile share the flush.
SLOW_DISK = {"commit_delay": "2000", "commit_siblings": "0"}
DISKS = {"fast": dict[str, str](), "slow": SLOW_DISK}

_PLAIN_NOTIFY = """
create or replace function private.ring()
returns void
language plpgsql
volatile
security definer
set search_path = ''
as $$
begin
  -- Another payload each time, as an event would have: equal ones of a transaction are told once.
  perform pg_notify('baton', gen_random_uuid()::text);
end
$$
"""
_SKIP_ROWS = """
create function private.bench_skip() returns trigger language plpgsql as $$ begin return null; end $$;
create trigger _000_skip before insert on private.events for each row execute function private.bench_skip();
alter table private.events disable trigger _500_ring;
"""
_KEEP_ROWS = """
alter table private.events enable trigger _500_ring;
drop trigger _000_skip on private.events;
drop function private.bench_skip();
"""


@dataclass
class Way:
    """One way of telling, on one disk, with so many clients."""

    name: str
    disk: str
    clients: int
    turns: list[float] = field(default_factory=list)

    @property
    def turns_per_second(self) -> float:
        """The median over the rounds."""
        return median(self.turns)


@contextmanager
def plain_notify(url: str) -> Iterator[None]:
    """Let every transaction that writes an event send a NOTIFY, and somebody listen."""
    with connect(url) as connection, psycopg.connect(url, autocommit=True) as listener:
        row = connection.execute("select pg_get_functiondef('private.ring()'::regprocedure)").fetchone()
        assert row is not None
        listener.execute("listen baton")
        connection.execute(_PLAIN_NOTIFY)
        try:
            with _thread(lambda is_over: _hear(listener, is_over)):
                yield
        finally:
            connection.execute(str(row[0]).encode())


class Counter:
    """Counts what a relay tells."""

    def __init__(self) -> None:
        self.changes = 0

    def begin(self, reader: Reader, epoch: UUID) -> None:
        """There is nothing to catch up with."""

    def follow(self, reader: Reader, changes: list[Change]) -> None:
        """Count what has become visible."""
        self.changes += len(changes)

    def hear(self, payload: str) -> None:
        """Nobody is typing."""


@contextmanager
def relay(url: str) -> Iterator[None]:
    """Let the relay of a web process follow beside it."""
    counter = Counter()
    follower = Relay(url, uuid4(), counter)
    follower.start(patience=10)
    try:
        yield
    finally:
        follower.stop()
    if not counter.changes:
        raise RuntimeError("the relay has seen no event: its figure would be worth nothing")


@contextmanager
def no_rows(url: str) -> Iterator[None]:
    """Leave out the rows of events, their indexes and the bell; the numbers in chats are still counted."""
    with connect(url) as connection:
        connection.execute(_SKIP_ROWS)
        try:
            yield
        finally:
            connection.execute(_KEEP_ROWS)


def as_it_is(url: str) -> AbstractContextManager[None]:
    """Write events, and have nobody who wants to hear of them."""
    return nullcontext()


WAYS: dict[str, Callable[[str], AbstractContextManager[None]]] = {
    "as it is": as_it_is,
    "as it is, with a relay": relay,
    "pg_notify in each": plain_notify,
    "no event rows": no_rows,
}


def measure(
    cluster: Cluster,
    disks: list[str],
    waiting: int,
    clients: list[int],
    rounds: int,
    seconds: int,
    tell: Callable[[str], None],
) -> list[Way]:
    """Play turns in every way, alternately: the order is turned round in every other round."""
    ways = [Way(name, disk, count) for disk in disks for count in clients for name in WAYS]
    with cluster.baton("notify") as url:
        with connect(url) as connection:
            fill(connection, waiting, max(clients) * OPERATORS_PER_CLIENT)
        side = Turns(url, waiting)
        for number in range(rounds):
            for way in ways if number % 2 == 0 else reversed(ways):
                tell(f"{way.clients} clients, {way.disk} disk, {way.name}, round {number + 1} of {rounds}")
                way.turns.append(_play(side, way, seconds))
    return ways


def _play(side: Turns, way: Way, seconds: int) -> float:
    with connect(side.url) as connection:
        connection.execute("truncate private.events")  # of the rounds before, which differ in how many they wrote
    side.refresh(seconds)
    with WAYS[way.name](side.url):
        result = pgbench.run(side.url, side.script, way.clients, seconds, side.variables, DISKS[way.disk])
    side.check()
    return result.per_second


@contextmanager
def _thread(work: Callable[[threading.Event], None]) -> Iterator[None]:
    """Do `work` beside the block until its end; raise what it raised."""
    is_over = threading.Event()
    errors: list[BaseException] = []

    def run() -> None:
        try:
            work(is_over)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
    if errors:
        raise errors[0]


def _hear(listener: psycopg.Connection[tuple[object, ...]], is_over: threading.Event) -> None:
    heard = 0
    while not is_over.is_set():
        heard += sum(1 for _ in listener.notifies(timeout=0.1))
    if not heard:
        raise RuntimeError("nobody was notified: the figure would be worth nothing")
