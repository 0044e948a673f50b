"""Whole turns per second, beside the jobs per second of procrastinate on the same server."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median

from procrastinate.schema import SchemaManager

from bench import pgbench
from bench.cluster import Cluster, connect
from bench.queue import CLAIMS, fill

JOBS_PER_SECOND = 10_000  # more than are fetched: a queue that runs empty would fake speed
OPERATORS_PER_CLIENT = 4  # as scripts/turn.pgb has it


@dataclass
class Rates:
    """What was measured with so many clients, a figure a round."""

    clients: int
    turns: list[float] = field(default_factory=list)
    jobs: list[float] = field(default_factory=list)

    @property
    def turns_per_second(self) -> float:
        """The median over the rounds."""
        return median(self.turns)

    @property
    def jobs_per_second(self) -> float:
        """The median over the rounds."""
        return median(self.jobs)


class Turns:
    """Baton's side."""

    def __init__(self, url: str, waiting: int) -> None:
        self.url = url
        self.waiting = waiting  # chats, during all of it
        self.script = "turn.pgb"
        self.variables = {"n": "0", "claims": CLAIMS}

    def refresh(self, seconds: int) -> None:
        """Tidy up before a round; the queue has kept its length."""
        with connect(self.url) as connection:
            connection.execute("vacuum (analyze)")

    def check(self) -> None:
        """Raise RuntimeError where the round has left something undone."""
        with connect(self.url) as connection:
            row = connection.execute("select count(*) from public.assignment_queue").fetchone()
        if row != (self.waiting,):
            raise RuntimeError(f"{self.waiting} chats should be waiting after a round, not {row}")


class Jobs:
    """Procrastinate's side."""

    def __init__(self, url: str, waiting: int) -> None:
        self.url = url
        self.waiting = waiting  # jobs, when the last one is fetched
        self.script = "job.pgb"
        self.variables: dict[str, str] = {}

    def refresh(self, seconds: int) -> None:
        """Begin with a new queue, which is longer than the round can work off."""
        with connect(self.url) as connection:
            connection.execute("truncate procrastinate_jobs, procrastinate_events, procrastinate_periodic_defers")
            connection.execute(
                "insert into procrastinate_jobs (queue_name, task_name, args) "
                "select 'default', 'reply', jsonb_build_object('chat', n) from generate_series(1, %s) n",
                (self.waiting + JOBS_PER_SECOND * seconds,),
            )
            connection.execute("vacuum (analyze)")

    def check(self) -> None:
        """Raise RuntimeError where the queue ran empty."""
        with connect(self.url) as connection:
            row = connection.execute("select count(*) from procrastinate_jobs where status = 'todo'").fetchone()
        if row is None or row[0] == 0:
            raise RuntimeError("procrastinate's queue ran empty: its figure would be worth nothing")


Side = Turns | Jobs


@contextmanager
def sides(cluster: Cluster, waiting: int, most_clients: int) -> Iterator[tuple[Turns, Jobs]]:
    """Give both sides, each with a filled database of its own on the same server."""
    with cluster.baton("turns") as turns_url, cluster.database("jobs") as jobs_url:
        with connect(turns_url) as connection:
            fill(connection, waiting, most_clients * OPERATORS_PER_CLIENT)
        with connect(jobs_url) as connection:
            connection.execute(SchemaManager.get_schema())
            for _ in range(most_clients):
                connection.execute("select procrastinate_register_worker_v1()")
        yield Turns(turns_url, waiting), Jobs(jobs_url, waiting)


def measure(
    sides: tuple[Turns, Jobs], clients: list[int], rounds: int, seconds: int, tell: Callable[[str], None]
) -> list[Rates]:
    """Run both sides alternately, a b, b a, a b …: what drifts meanwhile drifts for both."""
    turns, jobs = sides
    rates = [Rates(count) for count in clients]
    for number in range(rounds):
        for rate in rates:
            tell(f"{rate.clients} clients, round {number + 1} of {rounds}")
            for side in (turns, jobs) if number % 2 == 0 else (jobs, turns):
                measured = rate.turns if side is turns else rate.jobs
                measured.append(run(side, rate.clients, seconds).per_second)
    return rates


def run(side: Side, clients: int, seconds: int, is_by_statement: bool = False, **settings: str) -> pgbench.Result:
    """Run one side once, with Postgres's `settings` for its sessions."""
    side.refresh(seconds)
    result = pgbench.run(side.url, side.script, clients, seconds, side.variables, settings, is_by_statement)
    side.check()
    return result
