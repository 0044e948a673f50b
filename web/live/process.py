"""Everything live of one web process: put together, started after the fork, ended with it."""

import logging
import resource
import threading
import time
from collections import Counter
from collections.abc import Callable
from uuid import uuid4

import psycopg
from flask import Flask, current_app

from web import metrics
from web.config import Config
from web.db import Headers
from web.errors import ApiError
from web.live.batches import unhurried
from web.live.catch_up import CatchUp
from web.live.connection import Connection
from web.live.hub import Hub
from web.live.news import LiveNews
from web.live.people import People
from web.live.relay import Relay
from web.live.session import PING_SECONDS, Session, explain
from web.live.store import Store
from web.live.task import Task
from web.tokens import Tokens

log = logging.getLogger("baton.live")

# All in seconds.
TICK = 0.1  # how soon the end of the process is seen
INSPECT_EVERY = 0.5
SILENCE = 30.0  # a socket that is listened to and sends nothing, not even a pong, is dead
READY_PATIENCE = 2.0  # that a process waits for its relay before it serves
# Descriptors that are left for everything else: HTTP, the database, files.
_OTHER_FILES = 500


class Live:
    """The sockets of one process, and what serves them. Nothing runs before `start`."""

    def __init__(self, app: Flask, config: Config) -> None:
        self.config = config
        self.tokens: Tokens = app.extensions["baton_tokens"]
        self.store = Store(config)
        self._app = app
        self._lock = threading.Lock()
        self._sessions: set[Session] = set()
        self._stopped = threading.Event()
        self._is_started = False
        self._is_ending = False
        self._limit = config.socket_limit
        self._kinds: set[str] = set()
        process_id = uuid4()
        self.people = People(self.store, process_id, config.sockets_per_user)
        self.hub = Hub(self.people)
        self.hub.news = self.news = LiveNews(self.hub, self.people, self.store)
        self.relay = Relay(config.listen_url, process_id, self.hub)
        self.catch_up = CatchUp(self.hub, self.store)
        self._leases = Task("presence leases", self.people.tell_database, share=0, every=1)

    @property
    def is_open(self) -> bool:
        """Whether sockets are served here: a relay was started and the process is not ending."""
        return self._is_started and not self._is_ending

    @property
    def is_full(self) -> bool:
        """Whether the process has as many sockets as it may have."""
        return len(self._sessions) >= self._limit

    @property
    def problem(self) -> str | None:
        """What is missing, for /readyz: `listener` while a relay should follow the database and does not."""
        return "listener" if self._is_started and not self.relay.is_ready else None

    def start(self, is_ending: Callable[[], bool]) -> None:
        """Start in this process; `is_ending` is asked often, and says when it is time to send clients away."""
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if files != resource.RLIM_INFINITY and files < self._limit + _OTHER_FILES:
            self._limit = max(files - _OTHER_FILES, files // 2)
            log.warning("at most %d sockets: this process may open only %d files", self._limit, files)
        self._is_started = True
        self.news.start()
        self._leases.start()
        threading.Thread(target=self._watch, args=(is_ending,), name="baton live", daemon=True).start()
        self.relay.start(patience=READY_PATIENCE)

    def stop(self) -> None:
        """Send every client away (1012), and let go of the database. Once; returns soon."""
        with self._lock:
            if self._is_ending or not self._is_started:
                return
            self._is_ending = True
            sessions = list(self._sessions)
        for session in sessions:
            session.connection.close(1012, "restarting")
        self.news.stop()
        self._leases.stop()
        try:
            self.people.close()
        except psycopg.Error as error:
            log.warning("presence could not be given back: %s", " ".join(str(error).split()))
        self.relay.stop()
        self._stopped.set()

    def end(self) -> None:
        """`stop`, and wait until it is done."""
        self.stop()
        if self._is_started:
            self._stopped.wait(2)
            self.store.close()

    def serve(self, connection: Connection, headers: Headers) -> None:
        """Serve one socket until it closes."""
        session = Session(self, connection, headers)
        with self._lock:
            self._sessions.add(session)
            is_late = self._is_ending
        if is_late:
            connection.close(1012, "restarting")
        session.run()

    def forget(self, session: Session) -> None:
        """Let go of a session that is over."""
        self.people.leave(session)
        with self._lock:
            self._sessions.discard(session)
        self._leases.request()

    def explain(self, error: psycopg.Error) -> ApiError:
        """Return what Postgres said in the form in which it is sent."""
        return explain(self._app, error)

    # One thread for all that goes by the clock.

    def _watch(self, is_ending: Callable[[], bool]) -> None:
        inspected_at = 0.0
        while not self._is_ending:
            try:
                if is_ending():
                    self.stop()
                elif time.monotonic() - inspected_at >= INSPECT_EVERY:
                    inspected_at = time.monotonic()
                    self._inspect()
            except Exception:
                log.exception("looking after the sockets failed")
            time.sleep(TICK)

    def _inspect(self) -> None:
        """Ping, close what is dead, signed in too late, or signed in no longer, and count."""
        with self._lock:
            sessions = list(self._sessions)
        kinds: Counter[str] = Counter()
        subscriptions = 0
        now, clock = time.monotonic(), time.time()
        for session in unhurried(sessions):
            connection = session.connection
            kinds[session.kind] += 1
            subscriptions += len(session.subscriptions)
            if not connection.is_open:
                continue
            if connection.silence(now) > SILENCE:
                connection.close(1006)
            elif session.is_ready:
                if clock >= session.expires_at:
                    connection.close(4401, "token_expired")
            elif not session.is_admitted and now - session.opened_at > self.config.socket_auth_seconds:
                connection.close(4401, "not_signed_in")
            if now >= session.next_ping_at:
                session.next_ping_at = now + PING_SECONDS
                connection.ping()
        self._kinds |= set(kinds)
        for kind in self._kinds:
            metrics.SOCKETS.labels(kind).set(kinds[kind])
        metrics.SUBSCRIPTIONS.set(subscriptions)


def init_app(app: Flask, config: Config) -> None:
    """Make the app's `Live`; gunicorn.conf.py starts it."""
    app.extensions["baton_live"] = Live(app, config)


def live() -> Live:
    """Return the `Live` of the current app."""
    found: Live = current_app.extensions["baton_live"]
    return found
