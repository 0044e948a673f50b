"""A Baton whose parts can be killed: a Postgres that flushes to the disk, and web servers in front.

Each web server is a gunicorn of its own with one worker, as on a machine of its own. The people and
chats are made by plain SQL; who speaks does so as a browser would.
"""

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import jwt
import psutil
import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.rows import DictRow, dict_row

from tests.live.client import Client, Crowd
from tests.live.ledger import Ledger
from tests.servers import NO_AUTHORITIES, ROOT, end, free_port, wait_until_up
from web import loader
from web.keys import api_key
from web.postgres import EmbeddedPostgres

SECRET = "a secret of the tests, long enough for HS256"
DATABASE = "baton"

# Nobody here is to be released, sent away or slowed down because a fault took long.
SETTINGS = {
    "rate_limit_per_minute": "0",
    "grace_period": '"1 hour"',
    "idle_limit": '"1 hour"',
    "customer_idle": '"1 hour"',
}


def wait_until(is_so: Callable[[], object], seconds: float = 20, what: str = "") -> None:
    """Return when it is so; fail when it is not within `seconds`."""
    deadline = time.monotonic() + seconds
    pause = 0.01
    while not is_so():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what or is_so}"
        time.sleep(pause)
        # What takes long is not to be slowed down by being looked at.
        pause = min(pause * 1.2, 0.1)


class Web:
    """A web server with one worker, which its master replaces when it dies."""

    def __init__(self, database_url: str, folder: Path, environment: dict[str, str]) -> None:
        self.port = free_port()
        self.base_url = f"http://127.0.0.1:{self.port}"
        self.log = folder / f"web-{self.port}.log"
        self._environment = {
            **os.environ,
            "DATABASE_URL": database_url,
            "SUPABASE_JWT_SECRET": SECRET,
            "BATON_DATA": str(folder),
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "WEB_CONCURRENCY": "1",
            "BATON_POOL_SIZE": "8",
            "BATON_ADDRESS_LIMIT": "100000000/minute",
            "BATON_LOG_LEVEL": "WARNING",
            **environment,
        }
        self._process: subprocess.Popen[bytes]

    def start(self) -> None:
        """Start it and return when it answers."""
        self.launch()
        self.wait()

    def launch(self) -> None:
        """Start it."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", "--config", "gunicorn.conf.py", "wsgi:app"],
                cwd=ROOT,
                env=self._environment,
                stdout=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
            )

    def wait(self) -> None:
        """Return when it answers."""
        with httpx.Client(base_url=self.base_url, timeout=5, verify=NO_AUTHORITIES) as client:
            wait_until_up(client, self._process, self.log)

    @property
    def worker(self) -> int:
        """The id of the process that serves; its master makes a new one within moments."""
        wait_until(psutil.Process(self._process.pid).children, 10, "there is a process that serves")
        return int(psutil.Process(self._process.pid).children()[0].pid)

    def kill_worker(self) -> None:
        """Kill -9 the process that serves."""
        os.kill(self.worker, signal.SIGKILL)

    def terminate(self) -> None:
        """SIGTERM, as a deployment does it."""
        self._process.terminate()

    def wait_for_end(self, seconds: float) -> None:
        """Return when it has ended by itself."""
        self._process.wait(seconds)

    def stop(self) -> None:
        """End it, in one way or another."""
        end(self._process)


class World:
    """The servers, and what the tests know of the database behind them."""

    def __init__(self, folder: Path, settings: dict[str, str] | None = None, database_url: str | None = None) -> None:
        """Prepare it in `folder`; `start` starts it.

        Its Postgres is one of its own, with these settings. A world that leaves Postgres alone may use a loaded
        database of a server that runs already.
        """
        self.folder = folder
        self.postgres = EmbeddedPostgres(folder / "postgres", settings)
        self._database_url = database_url
        self.webs: list[Web] = []

    def start(self, webs: int = 2, **environment: str) -> None:
        """Start Postgres with a loaded database, and that many web servers."""
        if self._database_url is None:
            self.postgres.start()
            with psycopg.connect(self.postgres.url, autocommit=True) as admin:
                admin.execute(f"create database {DATABASE} template template0 encoding 'UTF8'")
            loader.load(self.url)
        for name, value in SETTINGS.items():
            self.rows("update settings set value = %s::jsonb where name = %s", value, name)
        for _ in range(webs):
            web = Web(self.url, self.folder, environment)
            web.launch()
            self.webs.append(web)
        for web in self.webs:
            web.wait()

    def stop(self) -> None:
        """Stop everything."""
        for web in self.webs:
            web.terminate()
        for web in self.webs:
            web.stop()
        self.postgres.stop()

    @cached_property
    def url(self) -> str:
        """The database's address; stays the same."""
        return self._database_url or make_conninfo(self.postgres.url, dbname=DATABASE)

    @property
    def base_urls(self) -> list[str]:
        """The web servers' addresses."""
        return [web.base_url for web in self.webs]

    def connect(self) -> psycopg.Connection[DictRow]:
        """Connect as the owner, in autocommit."""
        return psycopg.connect(self.url, autocommit=True, row_factory=dict_row)

    def rows(self, query: str, *parameters: object) -> list[DictRow]:
        """Run a query as the owner, on a connection of its own: the last one may have been killed."""
        with self.connect() as connection:
            cursor = connection.execute(query, parameters or None)
            return cursor.fetchall() if cursor.description is not None else []

    def value(self, query: str, *parameters: object) -> Any:
        """Return the only value of a query's only row."""
        (row,) = self.rows(query, *parameters)
        (value,) = row.values()
        return value

    # What may go wrong.

    def kill_listeners(self) -> int:
        """End the backends of the relays; return how many there were."""
        return len(
            self.rows(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = current_database() and pid <> pg_backend_pid() and application_name = 'baton relay'"
            )
        )

    def kill_postmaster(self) -> None:
        """Kill -9 the postmaster; its children end by themselves."""
        pid = int((self.postgres.folder / "postmaster.pid").read_text().splitlines()[0])
        os.kill(pid, signal.SIGKILL)

    def restart_postgres(self) -> None:
        """Start it again, as web.serve does when it sees that it has gone; returns when it has recovered."""
        self.postgres.start()

    def is_ready(self, web: Web) -> bool:
        """Whether a web server says of itself that all is well."""
        try:
            return httpx.get(f"{web.base_url}/readyz", timeout=5, verify=NO_AUTHORITIES).is_success
        except httpx.TransportError:
            return False

    def count(self, metric: str) -> float:
        """Return a number that the web servers count at /metrics, of all of them together."""
        pages = [httpx.get(f"{web.base_url}/metrics", verify=NO_AUTHORITIES).text for web in self.webs]
        lines = [line for page in pages for line in page.splitlines()]
        return sum(float(line.split()[-1]) for line in lines if line.partition(" ")[0].partition("{")[0] == metric)

    def all_relays_sleep(self) -> bool:
        """Whether every web server's relay waits for the doorbell."""
        query = "select count(*) from private.relays where is_asleep and lease_until > clock_timestamp()"
        return bool(self.value(query) == len(self.webs))

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Let no NOTIFY come from any writer: the doorbell is cut through."""
        bell = self.value("select pg_get_functiondef('private.ring()'::regprocedure)")
        self.rows("create or replace function private.ring() returns void language sql set search_path = '' as ''")
        try:
            yield
        finally:
            self.rows(bell)

    def forget_events(self, chat_ids: Sequence[str]) -> None:
        """Remove the history of these chats, as happens when it has become too old."""
        self.rows("delete from private.events where chat_id = any(%s::uuid[])", list(chat_ids))

    def become_another_server(self) -> None:
        """Be as after a restore into another server: the relays find it out when they connect."""
        self.rows("update private.epoch set server = 'another one' where is_only")
        self.kill_listeners()

    # People and chats.

    def token(self, person_id: str, seconds: int = 3600) -> str:
        """Sign a token as the login does."""
        now = int(time.time())
        claims = {"sub": person_id, "role": "authenticated", "aud": "authenticated", "iat": now, "exp": now + seconds}
        return jwt.encode(claims, SECRET, "HS256")

    @cached_property
    def service_key(self) -> str:
        """The service's key."""
        return api_key("service_role", SECRET)

    def new_operator(self, name: str = "Ana", role: str = "operator", capacity: int = 1000) -> str:
        """Make an operator and return the id."""
        return str(
            self.value(
                "insert into operators (name, role, capacity) values (%s, %s, %s) returning id", name, role, capacity
            )
        )

    def new_chats(self, count: int, operator_id: str | None = None, handling: str = "session") -> list[tuple[str, str]]:
        """Make chats, each with a customer; return pairs of chat and customer. The operator holds them."""
        query = """
            with customers as (
              insert into real_users (id) select gen_random_uuid() from generate_series(1, %s) returning id
            )
            insert into chats (real_user_id, chat_state, handling)
            select id, 'waiting_assignment', %s from customers
            returning id::text as chat_id, real_user_id::text as customer_id
        """
        made = [(row["chat_id"], row["customer_id"]) for row in self.rows(query, count, handling)]
        if operator_id is not None:
            self.rows("select reassign_chat(c, %s) from unnest(%s::uuid[]) c", operator_id, [chat for chat, _ in made])
        return made

    def traffic(
        self,
        crowd: Crowd,
        chats: int = 4,
        pause: float = 0.03,
        customers: list[str] | None = None,
        operators: list[str] | None = None,
        lost_answers: float = 0.0,
        **watching: Any,
    ) -> "Traffic":
        """Make chats whose customers and one operator will write in them, while they and an admin watch.

        Customers and staff go to the web servers given, else to all. `watching` is given to each `Client.watch`.
        """
        watching = {"after_event": 0, "keeps_state": False, **watching}
        to_customers, to_staff = (
            {"base_urls": urls or self.base_urls, "lost_answers": lost_answers} for urls in (customers, operators)
        )
        operator_id = self.new_operator()
        operator = crowd.client(self.token(operator_id), is_staff=True, **to_staff)
        admin = crowd.client(self.token(self.new_operator("Ada", "admin")), is_staff=True, **to_staff)
        made = []
        for chat_id, customer_id in self.new_chats(chats, operator_id):
            customer = crowd.client(self.token(customer_id), is_staff=False, **to_customers)
            made.append(Chat(chat_id, customer, operator))
            crowd.do_all([client.watch(chat_id, **watching) for client in (customer, operator, admin)])
        try:
            wait_until(lambda: all(client.is_live for client in crowd.clients), what="everybody is connected")
        except AssertionError as error:
            trouble = Counter(
                client.trouble or str(client.others[-1:]) for client in crowd.clients if not client.is_live
            )
            raise AssertionError(f"{error}: {trouble}") from None
        return Traffic(crowd, Ledger(), made, pause)

    def write(self, traffic: "Traffic") -> None:
        """Write a message into each of its chats by SQL, in one transaction."""
        content = "written by SQL"
        for row in self.rows(
            "insert into messages (chat_id, sender_type, content)"
            " select id, 'real', %s from unnest(%s::uuid[]) as c (id) returning chat_id::text, id::text, seq",
            *(content, sorted(chat.id for chat in traffic.chats)),
        ):
            traffic.ledger.acknowledge(row, content)

    # What is stored.

    def latest_events(self, chat_ids: Sequence[str]) -> dict[str, tuple[int, int]]:
        """Return the numbers of the latest events by chat: of the staff's, of the customer's."""
        query = "select id::text, event_seq, customer_event_seq from chats where id = any(%s::uuid[])"
        return {row["id"]: (row["event_seq"], row["customer_event_seq"]) for row in self.rows(query, list(chat_ids))}

    def behind(self, clients: Iterable[Client]) -> list[str]:
        """Say which clients have not yet seen the latest event of a chat that they watch."""
        pairs = [(client, watch) for client in clients for watch in client.watches.values() if watch.end is None]
        latest = self.latest_events([watch.chat_id for _, watch in pairs])
        return [
            f"{'staff' if client.is_staff else 'customer'} {watch.chat_id} at {watch.event_seq} of {number}"
            for client, watch in pairs
            if (number := latest[watch.chat_id][0 if client.is_staff else 1]) != watch.event_seq
        ]

    def wait_until_all_have_seen_all(self, clients: Sequence[Client], seconds: float = 30) -> None:
        """Return when nobody is behind."""
        deadline = time.monotonic() + seconds
        while late := self.behind(clients):
            assert time.monotonic() < deadline, f"{len(late)} are behind after {seconds:g} s: {late[:10]}"
            time.sleep(0.05)

    def check(self, ledger: Ledger, clients: Sequence[Client]) -> None:
        """Wait until all is delivered and compare it with what was acknowledged, and with what is stored."""
        self.wait_until_all_have_seen_all(clients)
        watches = [watch for client in clients for watch in client.watches.values()]
        query = "select chat_id::text, array_agg(id::text order by seq) as ids from messages group by chat_id"
        problems = ledger.problems(watches, {row["chat_id"]: row["ids"] for row in self.rows(query)})
        assert not problems, "\n".join(problems[:50])
        broken = self.rows("select * from check_invariants()")
        assert not broken, f"broken invariants: {broken[:5]}"


@dataclass
class Chat:
    """A chat, and the clients of both sides."""

    id: str
    customer: Client
    operator: Client


@dataclass
class Traffic:
    """Both sides of some chats, writing until told to stop; what is acknowledged goes into the ledger."""

    crowd: Crowd
    ledger: Ledger
    chats: list[Chat]
    pause: float = 0.05  # seconds between two messages of one speaker, in the mean
    content: Callable[[int], str] = "message {}".format
    slowest: float = 0.0  # seconds from sending a message to its acknowledgement
    is_stopping: bool = False
    acknowledged_at: list[float] = field(default_factory=list)  # time.time() of each

    @contextmanager
    def flowing(self, *others: Coroutine[Any, Any, None]) -> Iterator[None]:
        """Let them write during the block; afterwards every message that was begun is acknowledged.

        `others` run beside it and end when `is_stopping`.
        """
        self.is_stopping = False
        works = [self._speak(who, chat.id) for chat in self.chats for who in (chat.customer, chat.operator)]
        with self.crowd.busy([*works, *others], self._stop):
            yield

    def wait_for(self, messages: int, seconds: float = 30) -> None:
        """Return when that many more messages have been acknowledged."""
        wanted = self.ledger.count + messages
        wait_until(lambda: self.ledger.count >= wanted, seconds, f"{messages} more messages acknowledged")

    def _stop(self) -> None:
        self.is_stopping = True

    async def _speak(self, who: Client, chat_id: str) -> None:
        number = 0
        while not self.is_stopping:
            number += 1
            content = self.content(number)
            began = time.monotonic()
            self.ledger.acknowledge(await who.send(chat_id, content), content)
            self.acknowledged_at.append(time.time())
            self.slowest = max(self.slowest, time.monotonic() - began)
            await asyncio.sleep(random.uniform(0, 2 * self.pause))  # noqa: S311


async def cut_at_random(clients: Sequence[Client], traffic: Traffic, every: float) -> None:
    """Cut one socket after the other, until the traffic stops."""
    while not traffic.is_stopping:
        await asyncio.sleep(random.uniform(0, 2 * every))  # noqa: S311
        random.choice(clients).cut()  # noqa: S311
