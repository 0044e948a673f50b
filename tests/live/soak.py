"""`make soak`: the faults of test_faults.py, one after the other, under load, for ten minutes.

    python -m tests.live.soak [--minutes 10] [--chats 40]

Customers, operators and admins watch every chat while both sides write and their sockets are cut at
random. What HTTP does not bring up to ten thousand messages a minute on the machine, SQL adds in
batches. In the meantime web processes, listeners and the postmaster are killed, NOTIFY is cut off,
readers stop reading, history is forgotten, and a transaction stays open for a minute. At the end every
acknowledged message must have been seen exactly once, in order, by everyone who watched; the exit code
is 1 where it was not.
"""

import argparse
import itertools
import random
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psutil
import psycopg
from rich.console import Console
from rich.table import Table

from tests.live.client import Client, Crowd
from tests.live.ledger import Ledger
from tests.live.world import World, cut_at_random, wait_until

PER_MINUTE = 10_000  # messages: 100,000 in the ten minutes
MARGIN = 1.1  # as much more is aimed at
LONG = 300  # one message in so many is long
RECOVERY = 60.0  # seconds within which everything must work again
OPEN_FOR = 60.0  # seconds that a transaction stays open


class Batches(threading.Thread):
    """Writes messages in SQL, many chats in one transaction, as many as are missing from the aim."""

    def __init__(self, world: World, ledger: Ledger, chat_ids: Sequence[str]) -> None:
        super().__init__(name="batches", daemon=True)
        self.count = 0
        self.error: BaseException | None = None
        self._world = world
        self._ledger = ledger
        self._chat_ids = sorted(chat_ids)
        self._end = threading.Event()

    def run(self) -> None:
        """Write until told to end."""
        began = time.monotonic()
        try:
            while not self._end.wait(0.1):
                missing = (time.monotonic() - began) * MARGIN * PER_MINUTE / 60 - self._ledger.count
                if missing > 0:
                    self._write(min(int(missing) + 1, 40))  # what a fault has held up is made good, not all at once
        except BaseException as error:
            self.error = error

    def end(self) -> None:
        """Stop when the last batch is acknowledged; raise what went wrong."""
        self._end.set()
        self.join(RECOVERY)
        if self.error is not None:
            raise self.error

    def _write(self, count: int) -> None:
        """Write some messages; after a lost connection look which of them are stored."""
        # In the order of their chats, as whoever locks several must.
        batch = {str(uuid4()): chat_id for chat_id in sorted(random.choices(self._chat_ids, k=count))}  # noqa: S311
        deadline = time.monotonic() + RECOVERY
        while True:
            try:
                stored = self._stored(batch) or self._insert(batch)
            except psycopg.OperationalError:
                assert time.monotonic() < deadline, "SQL could not write"
                time.sleep(0.1)
            else:
                break
        assert len(stored) == len(batch)
        for row in stored:
            self._ledger.acknowledge(row, f"{row['client_message_id']} by SQL")
        self.count += len(stored)

    def _stored(self, batch: dict[str, str]) -> list[dict[str, str]]:
        return self._world.rows(
            "select chat_id::text, id::text, seq, client_message_id::text from messages"
            " where client_message_id = any(%s::uuid[])",
            list(batch),
        )

    def _insert(self, batch: dict[str, str]) -> list[dict[str, str]]:
        return self._world.rows(
            "insert into messages (chat_id, sender_type, content, client_message_id)"
            " select chat_id, 'real', id || ' by SQL', id from unnest(%s::uuid[], %s::uuid[]) as b (chat_id, id)"
            " returning chat_id::text, id::text, seq, client_message_id::text",
            *(list(batch.values()), list(batch)),
        )


@dataclass(frozen=True)
class Fault:
    """Something that went wrong, and from when to when it was felt (time.time())."""

    name: str
    began: float
    ended: float


class Soak:
    """One run."""

    def __init__(self, world: World, crowd: Crowd, console: Console, chats: int) -> None:
        self.world = world
        self.crowd = crowd
        self.console = console
        # About a message a second from each side of each chat, where nothing is in the way.
        self.traffic = world.traffic(crowd, chats, pause=1.0)
        self.traffic.content = lambda number: f"message {number} ".ljust(60_000 if number % LONG == 0 else 1, ".")
        self.watched = [watch for client in crowd.clients for watch in client.watches.values()]
        self.held_back = world.traffic(crowd, chats=1)  # the chat in which the long transaction writes
        self.slow = self._slow_reader()
        self.batches = Batches(world, self.traffic.ledger, [chat.id for chat in self.traffic.chats])
        self.faults: list[Fault] = []
        self.overflows = 0.0
        self.memory = 0  # bytes: the most that a web process had

    def run(self, seconds: float) -> None:
        """Let everything go wrong until the time is over, then compare the books. Raises AssertionError."""
        deadline = time.monotonic() + seconds
        exposed = [client for client in self.crowd.clients if client is not self.slow]
        with self.traffic.flowing(cut_at_random(exposed, self.traffic, every=0.2)):
            self.batches.start()
            try:
                for phase in itertools.cycle(self._phases(min(OPEN_FOR, seconds / 4))):
                    phase()
                    if time.monotonic() > deadline:
                        break
            finally:
                self.batches.end()
        self.world.check(self.traffic.ledger, self.crowd.clients)

    def _phases(self, open_for: float) -> list[Callable[[], None]]:
        return [
            self._kill_web_processes,
            self._end_listeners,
            self._kill_postmaster,
            self._stop_reading,
            self._restart_web_server,
            self._drop_every_notify,
            self._forget_history,
            lambda: self._hold_a_transaction(open_for),
        ]

    @contextmanager
    def _fault(self, name: str) -> Iterator[None]:
        """Note a fault, and wait until everybody is served as before."""
        began = time.time()
        self.console.print(f"{self.traffic.ledger.count:9,} messages; now: {name}", style="dim")
        yield
        self.traffic.wait_for(500, RECOVERY)
        wait_until(lambda: all(map(self.world.is_ready, self.world.webs)), RECOVERY, f"all is well after: {name}")
        self.faults.append(Fault(name, began, time.time()))
        workers = [psutil.Process(web.worker) for web in self.world.webs]
        self.memory = max(self.memory, *(worker.memory_info().rss for worker in workers))

    def _kill_web_processes(self) -> None:
        for web in self.world.webs:
            with self._fault("a web process killed"):
                web.kill_worker()

    def _end_listeners(self) -> None:
        with self._fault("the listeners' backends ended"):
            self.world.kill_listeners()

    def _kill_postmaster(self) -> None:
        with self._fault("the postmaster killed"):
            self.world.kill_postmaster()
            self.world.restart_postgres()

    def _restart_web_server(self) -> None:
        web = self.world.webs[0]
        with self._fault("a web server stopped by SIGTERM"):
            web.terminate()
            web.wait_for_end(RECOVERY)
            web.start()

    def _drop_every_notify(self) -> None:
        with self._fault("no NOTIFY"), self.world.silent():
            self.traffic.wait_for(2000, RECOVERY)

    def _forget_history(self) -> None:
        """Some customers are away while the history of their chats is forgotten: they fetch afresh."""
        some = random.sample(self.traffic.chats, 5)
        with self._fault("history forgotten"):
            self.crowd.do_all([chat.customer.close() for chat in some])
            self.traffic.wait_for(1000, RECOVERY)
            self.world.forget_events([chat.id for chat in some])
            self.crowd.do_all([chat.customer.start() for chat in some])

    def _slow_reader(self) -> Client:
        """Return somebody who watches all chats, through a small buffer."""
        token = self.world.token(self.world.new_operator("Cleo", "admin"))
        slow = self.crowd.client(token, is_staff=True, receive_buffer=16 * 1024)
        watching = [slow.watch(chat.id, after_event=0, keeps_state=False) for chat in self.traffic.chats]
        self.crowd.do_all(watching)
        return slow

    def _stop_reading(self) -> None:
        wait_until(lambda: self.slow.is_live, RECOVERY, "he who will stop reading is connected")
        with self._fault("a reader stops reading"):
            before = self._overflows()
            self.crowd.call(self.slow.stop_reading)
            self.traffic.wait_for(3000, RECOVERY)
            wait_until(lambda: self._overflows() > before, RECOVERY, "who does not read is cut off")
            self.overflows += self._overflows() - before
            self.crowd.call(self.slow.read_on)

    def _overflows(self) -> float:
        return self.world.count("baton_outbox_overflows_total")

    def _hold_a_transaction(self, seconds: float) -> None:
        """Let a transaction stay open while everything else goes on, but the postmaster's death."""
        (chat,) = self.held_back.chats
        content = "held back"
        watches = [client.watches[chat.id] for client in self.crowd.clients if chat.id in client.watches]
        with self._fault("a transaction stays open"), self.world.connect() as connection:
            connection.execute("set idle_in_transaction_session_timeout = 0")
            connection.execute("begin")
            message = connection.execute(
                "insert into messages (chat_id, sender_type, content) values (%s, 'real', %s)"
                " returning id::text, chat_id::text, seq",
                (chat.id, content),
            ).fetchone()
            assert message is not None
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                self._kill_web_processes()
                self._end_listeners()
            assert not any(message["seq"] in watch.seen for watch in watches), "seen before it was committed"
            connection.execute("commit")
            self.traffic.ledger.acknowledge(message, content)
            wait_until(lambda: all(message["seq"] in watch.seen for watch in watches), 10, "it comes once committed")


def report(soak: Soak, seconds: float) -> list[Table]:
    """Return the figures of a run."""
    clients, ledger = soak.crowd.clients, soak.traffic.ledger
    watches = [watch for client in clients for watch in client.watches.values()]
    arrivals = [pair for watch in soak.watched for pair in zip(watch.arrivals, watch.delays, strict=True)]
    delays = sorted(delay for _, delay in arrivals)
    closings: Counter[int] = sum((client.closings for client in clients), Counter())
    figures = Table("figure", "value", title=f"{seconds:.0f} s", title_justify="left")
    for name, value in {
        "messages acknowledged": f"{ledger.count:,} ({soak.batches.count:,} of them written by SQL)",
        "events delivered": f"{sum(sum(watch.events.values()) for watch in watches):,}",
        "watches": f"{len(watches):,} by {len(clients)} clients",
        "sockets opened": f"{sum(client.connections for client in clients):,}",
        "sockets ended, by code": ", ".join(f"{code}: {count:,}" for code, count in sorted(closings.items())),
        "readers cut off, too slow": f"{soak.overflows:.0f}",
        "resets": f"{sum(watch.resets for watch in watches):,}",
        "questions without a socket": f"{sum(client.polls for client in clients):,}",
        "delivered within, p50": f"{1000 * delays[len(delays) // 2]:.0f} ms",
        "delivered within, p99": f"{1000 * delays[len(delays) * 99 // 100]:.0f} ms",
        "slowest acknowledgement": f"{soak.traffic.slowest:.1f} s",
        "most memory of a web process": f"{soak.memory / 1e6:.0f} MB",
    }.items():
        figures.add_row(name, value)
    return [figures, _faults(soak, arrivals)]


def _faults(soak: Soak, arrivals: Sequence[tuple[float, float]]) -> Table:
    """Return what was felt of each kind of fault: for the whole of it, and until 500 messages after it."""
    table = Table("fault", "times", "longest without an acknowledgement", "longest delivery")
    by_name: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for fault in soak.faults:
        acknowledged = [at for at in soak.traffic.acknowledged_at if fault.began < at < fault.ended]
        silence = max(later - at for at, later in itertools.pairwise([fault.began, *acknowledged, fault.ended]))
        delays = (delay for at, delay in arrivals if fault.began < at < fault.ended)
        by_name[fault.name].append((silence, max(delays, default=0)))
    for name, felt in by_name.items():
        silences, delays_of_all = zip(*felt, strict=True)
        table.add_row(name, str(len(felt)), f"{max(silences):.1f} s", f"{max(delays_of_all):.1f} s")
    return table


def main(arguments: list[str] | None = None) -> int:
    """Run for as long as the command line says; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.live.soak", description="Faults under load.")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--chats", type=int, default=40)
    options = parser.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else 120)
    with tempfile.TemporaryDirectory(prefix="baton-soak-", ignore_cleanup_errors=True) as folder:
        world = World(Path(folder), {"max_connections": "100"})
        try:
            world.start(webs=2)
            with Crowd(*world.base_urls) as crowd:
                return _run(Soak(world, crowd, console, options.chats), options.minutes * 60)
        finally:
            world.stop()


def _run(soak: Soak, seconds: float) -> int:
    began = time.monotonic()
    failure = None
    try:
        soak.run(seconds)
    except AssertionError as error:
        failure = str(error)
    took = time.monotonic() - began
    for table in report(soak, took):
        soak.console.print(table)
    wanted = int(PER_MINUTE * seconds / 60)
    if failure is None and soak.traffic.ledger.count < wanted:
        failure = f"only {soak.traffic.ledger.count:,} messages: {wanted:,} were wanted"
    if failure is None and soak.overflows == 0:
        failure = "it was too short: nobody stopped reading, and so nobody was cut off"
    if failure is not None:
        soak.console.print(f"soak: {failure}", style="red", soft_wrap=True)
        return 1
    soak.console.print("Every acknowledged message was seen exactly once, in order, by everyone who watched.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
