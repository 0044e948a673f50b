"""Sessions of both sides in turn: start the server, open the sockets, post, end it all."""

import resource
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import psutil
from psycopg.sql import SQL, Identifier, Literal

from bench.cluster import Cluster, connect
from bench.live import chats, usage
from bench.live.driver import Driver, Run, driver
from bench.live.servers import LiveBenchError, Server, baton, rival
from bench.notify import DISKS

SECRET = "a secret of the benchmark, long enough for HS256"  # noqa: S105 - of a server that lives for a minute
BATON, RIVAL = "Baton", "socket.io"
WARM_UP_CHATS = 40
SPARE_FILES = 500  # a process's own files and connections, besides its sockets
PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")


@dataclass(frozen=True)
class Options:
    """What the command line says."""

    processes: Mapping[str, list[int]]  # by side: numbers of web processes to choose from
    rounds: int
    seconds: float
    in_flight: int

    @property
    def warm_up_seconds(self) -> float:
        """How long posts do not count yet."""
        return min(2, self.seconds)

    @property
    def settling_seconds(self) -> float:
        """How long it takes until a server's memory has settled."""
        return min(3, self.seconds)


@dataclass(frozen=True)
class Side:
    """Baton or the rival, with a filled database."""

    name: str
    protocol: str
    url: str
    start: Callable[[int], AbstractContextManager[Server]]  # by the number of processes


@dataclass(frozen=True)
class Session:
    """What one life of a server has shown."""

    bytes_per_socket: float
    open_seconds: float
    full: Run  # as fast as it goes
    paced: Run | None


@dataclass
class Row:
    """One side with so many sockets."""

    side: str
    sockets: int
    processes: int
    rate: float  # posts a second of the paced runs
    sessions: list[Session] = field(default_factory=list)

    def median(self, value: Callable[[Session], float]) -> float:
        """Return the median over the rounds."""
        return median(value(session) for session in self.sessions)


def most_sockets() -> tuple[int, str]:
    """Return how many sockets can be tried here, and what sets the limit.

    Files are limited by process: the load generator, and a server of one process, need one for each socket.
    """
    _, files = resource.getrlimit(resource.RLIMIT_NOFILE)
    limits = [(files - SPARE_FILES, f"the limit of {files:,} open files of a process (ulimit -Hn)")]
    if PORTS.exists():
        first, last = (int(word) for word in PORTS.read_text().split())
        limits.append((last - first - SPARE_FILES, f"the {last - first + 1:,} ports that connections can come from"))
    sockets, reason = min(limits)
    return sockets - sockets % 100, reason


def raise_file_limit() -> None:
    """Let this process, and those it starts, open as many files as the machine allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@contextmanager
def sides(cluster: Cluster, disk: str, sockets: int, folder: Path) -> Iterator[tuple[Side, Side]]:
    """Give both sides, with a database each that has a chat for every two sockets."""
    with cluster.baton(f"live_{sockets}") as baton_url, cluster.database(f"rival_{sockets}") as rival_url:
        chats.fill_baton(baton_url, sockets // 2)
        chats.fill_rival(rival_url, sockets // 2)
        for url in (baton_url, rival_url):
            _set(url, DISKS[disk])
        yield (
            Side(BATON, "baton", baton_url, lambda processes: baton(baton_url, processes, sockets, SECRET)),
            Side(RIVAL, "socket.io", rival_url, lambda processes: rival(rival_url, processes, folder)),
        )


def measure(
    cluster: Cluster, disk: str, sockets: int, folder: Path, options: Options, tell: Callable[[str], None]
) -> list[Row]:
    """Measure both sides with so many sockets; first find how many processes serve each best."""
    tell(f"{sockets:,} sockets: filling two databases")
    people = chats.list_chats(sockets // 2, SECRET)
    with sides(cluster, disk, sockets, folder) as both:
        stage = Stage(folder, people, usage.postmaster(cluster.url), options)
        best: dict[str, tuple[float, int]] = {}
        for side in both:
            for processes in options.processes[side.name]:
                tell(f"{sockets:,} sockets: {side.name} with {processes} process(es)")
                found = stage.play(side, processes, None)
                best[side.name] = max(best.get(side.name, (0.0, 0)), (found.full.per_second, processes))
        # Both are to be asked for what the slower one can do with ease.
        rate = min(per_second for per_second, _ in best.values()) / 2
        rows = [Row(side.name, sockets, best[side.name][1], rate) for side in both]
        for number in range(options.rounds):
            for side, row in list(zip(both, rows, strict=True))[:: 1 if number % 2 == 0 else -1]:
                tell(f"{sockets:,} sockets: {side.name}, round {number + 1} of {options.rounds}")
                row.sessions.append(stage.play(side, row.processes, rate))
    return rows


@dataclass(frozen=True)
class Stage:
    """What all sessions with so many sockets have in common."""

    folder: Path
    chats: list[chats.Chat]
    postgres: psutil.Process | None
    options: Options

    def play(self, side: Side, processes: int, rate: float | None) -> Session:
        """Run one session. Raises LiveBenchError where something was lost, doubled or refused."""
        with connect(side.url) as connection:
            connection.execute("vacuum (analyze)")
        with side.start(processes) as server, driver(self.folder) as load:
            # What a server loads and opens when it is first asked is not the sockets' memory.
            self._warm_up(side, server, load)
            before = self._settled_memory(server)
            open_seconds = load.open(side.protocol, server.url, self.chats)
            added = self._settled_memory(server) - before
            stored = _count_messages(side.url)
            full = self._run(server, load, self.options.seconds, in_flight=self.options.in_flight)
            paced = self._run(server, load, self.options.seconds, rate=rate) if rate else None
            load.close()
        posted = (paced or full).posted
        if _count_messages(side.url) - stored != posted:
            raise LiveBenchError(f"{side.name}: {posted} posts were answered, and not as many messages are stored")
        return Session(added / (2 * len(self.chats)), open_seconds, full, paced)

    def _warm_up(self, side: Side, server: Server, load: Driver) -> None:
        load.open(side.protocol, server.url, self.chats[:WARM_UP_CHATS])
        self._run(server, load, self.options.warm_up_seconds, in_flight=self.options.in_flight)
        load.close()

    def _settled_memory(self, server: Server) -> int:
        time.sleep(self.options.settling_seconds)
        if server.gc_signal is not None:
            usage.signal(server.process, server.gc_signal)
            time.sleep(1)
        return usage.memory(server.process)

    def _run(
        self, server: Server, load: Driver, seconds: float, in_flight: int | None = None, rate: float | None = None
    ) -> Run:
        def cpu() -> usage.Cpu:
            return usage.cpu(server.process, self.postgres)

        return load.run(cpu, seconds, self.options.warm_up_seconds, in_flight, rate)


def _set(url: str, settings: Mapping[str, str]) -> None:
    """Change Postgres's settings for all who connect to this database from now on."""
    with connect(url) as connection:
        for name, value in settings.items():
            alter = SQL("alter database {} set {} = {}")
            connection.execute(alter.format(Identifier(connection.info.dbname), Identifier(name), Literal(value)))


def _count_messages(url: str) -> int:
    with connect(url) as connection:
        row = connection.execute("select count(*) from messages").fetchone()
    return int(row[0]) if row else 0
