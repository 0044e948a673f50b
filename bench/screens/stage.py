"""What is looked at, and by whom: a server with people and chats, and a browser."""

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, CDPSession, Page, sync_playwright

from bench.cluster import Cluster, connect
from bench.live import chats
from bench.live.servers import baton
from web.auth.passwords import hash_password

SECRET = "a secret of the benchmark, long enough for HS256"  # noqa: S105 - of a server that lives for a minute
PASSWORD = "correct horse battery staple"  # noqa: S105
PROBE = Path(__file__).parent / "probe.js"
HELD = 20  # chats that the operator has in hand
WAITING = 500
LONG = 5_000  # messages of the long chat
NICE = 10  # so much lower than the browser's is the priority of everything else

ARGUMENTS = [
    # The widget's frame shares the page's process: then both are slowed down, by one command, and share a processor.
    "--disable-site-isolation-trials",
    "--disable-features=LocalNetworkAccessChecks,LocalNetworkAccessChecksWebSockets,IsolateOrigins,site-per-process",
    "--host-resolver-rules=MAP localhost 127.0.0.1",
    *(["--no-sandbox"] if os.geteuid() == 0 else []),
]

_STAFF = """
with account as (select auth.create_user(%(email)s, %(hash)s, false) as made)
insert into public.operators (id, name, role, capacity, status)
select (to_jsonb(made) ->> 'id')::uuid, %(name)s, %(role)s, %(capacity)s, 'online' from account
"""
_CUSTOMERS = """
insert into public.real_users (id, name)
select ('10000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 'Customer ' || n
from generate_series(1, %(chats)s) n
"""
# Held chats come first, then those that wait; the last one is the long one, in hand too.
_CHATS = """
insert into public.chats (id, real_user_id, handling)
select
  ('20000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid,
  ('10000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid,
  'session'
from generate_series(1, %(chats)s) n
"""
_MESSAGES = """
insert into public.messages (chat_id, sender_type, sender_id, content)
select c.id, 'real', c.real_user_id, 'Message ' || n || ' of somebody who would like to know where his order is.'
from public.chats c cross join generate_series(1, %(count)s) n
where c.id = any(%(chat_ids)s::uuid[])
"""
_HOLDS = """
update public.chats
set chat_state = 'assigned', assigned_operator_id = (select id from public.operators where name = 'Ana')
where id = any(%(chat_ids)s::uuid[])
"""
_WRITE = """
insert into public.messages (chat_id, sender_type, sender_id, content)
select id, 'real', real_user_id, %s from public.chats where id = %s
"""


class BrowserMissingError(Exception):
    """There is no Chromium."""


def chat_id(number: int) -> str:
    """Return the id of a chat by its number, from 1."""
    return f"20000000-0000-4000-8000-{number:012}"


HELD_IDS = [chat_id(n) for n in range(1, HELD + 1)]
WAITING_IDS = [chat_id(n) for n in range(HELD + 1, HELD + WAITING + 1)]
LONG_ID = chat_id(HELD + WAITING + 1)


@dataclass
class Stage:
    """The server, its database, and the browser."""

    url: str
    database_url: str
    browser: Browser

    @property
    def shop(self) -> str:
        """The page of another site that has the widget in it."""
        return self.url.replace("127.0.0.1", "localhost")

    @contextmanager
    def context(self, who: str | None = None, **options: Any) -> Iterator[BrowserContext]:
        """Open a browser of its own; with somebody of the staff signed in."""
        context = self.browser.new_context(base_url=self.url, **options)
        context.add_init_script(path=PROBE)
        context.set_default_timeout(60_000)
        try:
            if who is not None:
                context.request.post(
                    "/session",
                    data={"email": f"{who}@baton.example", "password": PASSWORD},
                    headers={"Origin": self.url},
                    fail_on_status_code=True,
                )
            yield context
        finally:
            context.close()

    @contextmanager
    def page(self, who: str | None = None, slowed: float = 1, **options: Any) -> Iterator[tuple[Page, CDPSession]]:
        """Open a page, with the processor slowed down so many times."""
        with self.context(who, **options) as context:
            page = context.new_page()
            tools = context.new_cdp_session(page)
            tools.send("Emulation.setCPUThrottlingRate", {"rate": slowed})
            yield page, tools

    @contextmanager
    def changes(self, per_second: float, change: Callable[["Writer", int], object]) -> Iterator[None]:
        """Have so many changes made a second meanwhile: `change(writer, number)`."""
        ended = threading.Event()
        problems: list[Exception] = []

        def run() -> None:
            try:
                with writer(self.database_url) as pen:
                    begun = time.monotonic()
                    number = 0
                    while not ended.wait(max(0.0, begun + number / per_second - time.monotonic())):
                        change(pen, number)
                        number += 1
            except Exception as error:
                problems.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
        if problems:
            raise problems[0]


class Writer:
    """Customers, and whoever else changes something, on one connection."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def writes(self, chat: str, text: str) -> float:
        """Let a chat's customer write; return when he began to, in ms since 1970."""
        at = time.time() * 1000
        self._connection.execute(_WRITE, (text, chat))
        return at

    def runs(self, query: str, *values: object) -> None:
        """Change something else."""
        self._connection.execute(query, values)


@contextmanager
def writer(url: str) -> Iterator[Writer]:
    """Connect somebody who changes things."""
    with connect(url) as connection:
        connection.prepare_threshold = 5
        yield Writer(connection)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start the browser.

    What is started afterwards, server, database and load, has the lower priority: people have these on another machine.
    """
    path = shutil.which("chromium")
    if path is None:
        raise BrowserMissingError("Chromium is needed: apt-get install chromium")
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=path, args=ARGUMENTS) as browser:
        os.nice(NICE)
        yield browser


@contextmanager
def stage(cluster: Cluster, browser: Browser) -> Iterator[Stage]:
    """Fill a database, and start a server with one process in front of it."""
    with cluster.baton("screens") as database_url:
        _fill(database_url)
        with baton(database_url, 1, 100, SECRET, BATON_DEMO="1") as server:
            yield Stage(server.url, database_url, browser)


def _fill(url: str) -> None:
    """Ana has HELD chats in hand, and a long one; WAITING others wait. Ada is an admin."""
    hashed = hash_password(PASSWORD)
    with connect(url) as connection:
        connection.execute(chats.SETTINGS)
        for name, role, capacity in (("Ana", "operator", HELD + 1), ("Ada", "admin", 1)):
            person = {"email": f"{name.lower()}@baton.example", "name": name, "role": role, "capacity": capacity}
            connection.execute(_STAFF, person | {"hash": hashed})
        everything = {"chats": HELD + WAITING + 1}
        connection.execute(_CUSTOMERS, everything)
        connection.execute(_CHATS, everything)
        connection.execute(_MESSAGES, {"chat_ids": [*HELD_IDS, *WAITING_IDS], "count": 3})
        connection.execute(_MESSAGES, {"chat_ids": [LONG_ID], "count": LONG})
        connection.execute(_HOLDS, {"chat_ids": [*HELD_IDS, LONG_ID]})
        connection.execute("vacuum (analyze)")
