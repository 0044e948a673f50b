"""How long `assign_chat_to_operator` takes, by the length of the queue."""

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from statistics import median, quantiles

from psycopg import Connection

from bench.cluster import Cluster, connect
from bench.queue import CLAIMS, fill, operator_id

OPERATORS = 50
HEAD = 100_000  # so many at the head were last handled by operator 1, where the queue is longer than that
TURN = 10  # calls until it is the next case's turn
WARM_UP = 20  # calls of each connection that do not count

_IDENTITY = "select set_config('role', 'authenticated', true), set_config('request.jwt.claims', %s, true)"


@dataclass
class Case:
    """One who asks, and a queue of `waiting` chats."""

    waiting: int
    is_head_own: bool
    seconds: list[float] = field(default_factory=list)

    @property
    def median_ms(self) -> float:
        """The median in milliseconds."""
        return median(self.seconds) * 1000

    @property
    def p95_ms(self) -> float:
        """The 95th percentile in milliseconds."""
        return quantiles(self.seconds, n=20, method="inclusive")[-1] * 1000

    @property
    def asker(self) -> str:
        """Operator 1 has the head; operator 2 is like everyone else."""
        return operator_id(1 if self.is_head_own else 2)


@dataclass
class Queue:
    """A filled database and the cases measured in it."""

    waiting: int
    connection: Connection[tuple[object, ...]]
    fill_seconds: float
    megabytes: float
    cases: list[Case]


def measure(cluster: Cluster, sizes: list[int], rounds: int, calls: int, tell: Callable[[str], None]) -> list[Queue]:
    """Time `calls` calls of each case in each of `rounds` rounds.

    All queues are there at once and take turns, so that what the machine does meanwhile touches all alike.
    """
    with ExitStack() as stack:
        queues = []
        for size in sizes:
            tell(f"filling a queue of {size:,}")
            queues.append(stack.enter_context(_queue(cluster, size)))
        gc.disable()
        try:
            for queue in queues:
                for case in queue.cases:
                    _time(queue.connection, case, WARM_UP)
                    case.seconds.clear()
            for number in range(rounds):
                tell(f"asking for chats, round {number + 1} of {rounds}")
                for _ in range(0, calls, TURN):
                    for queue in queues:
                        for case in queue.cases:
                            _time(queue.connection, case, min(TURN, calls))
        finally:
            gc.enable()
        return queues


@contextmanager
def _queue(cluster: Cluster, waiting: int) -> Iterator[Queue]:
    has_head = waiting > HEAD
    with cluster.baton(f"waiting_{waiting}") as url, connect(url) as connection:
        begin = time.perf_counter()
        fill(connection, waiting, OPERATORS, HEAD if has_head else 0)
        seconds = time.perf_counter() - begin
        size = connection.execute("select pg_database_size(current_database()) / 1e6").fetchone()
        connection.execute("prepare assign (uuid) as select * from public.assign_chat_to_operator($1)")
        cases = [Case(waiting, False), *([Case(waiting, True)] if has_head else [])]
        yield Queue(waiting, connection, seconds, float(str(size[0])) if size else 0, cases)


def _time(connection: Connection[tuple[object, ...]], case: Case, calls: int) -> None:
    """Ask `calls` times, each in a transaction that is rolled back: the queue stays as it is."""
    statement = f"execute assign ('{case.asker}')".encode()
    claims = (CLAIMS.replace("%s", case.asker),)
    for _ in range(calls):
        connection.execute("begin")
        connection.execute(_IDENTITY, claims)
        begin = time.perf_counter()
        chats = connection.execute(statement).fetchall()
        case.seconds.append(time.perf_counter() - begin)
        connection.execute("rollback")
        if len(chats) != 1:
            raise RuntimeError(f"{case.waiting} chats wait, and the operator was given {len(chats)}")
