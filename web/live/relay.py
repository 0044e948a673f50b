"""How this process learns what has happened: one connection that asks the database what has become visible.

sql/functions/relay.sql has the model. While something happens the relay is awake and polls; after a while without
anything it sleeps, and writers ring for it. A ring only saves time: every SWEEP seconds it looks in any case. When
its connection is lost, everything that was missed is read again by number.
"""

import logging
import os
import random
import select
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, LiteralString, NamedTuple, Protocol
from uuid import UUID

import psycopg
from psycopg import Notify

from web import metrics

log = logging.getLogger("baton.relay")

Reader = psycopg.Connection[tuple[Any, ...]]

# All in seconds.
POLL_EVERY = 0.005
IDLE_POLL_EVERY = 0.02  # when it has been quiet for a while, and is not allowed to sleep
QUIET = 0.1  # without anything for so long: sleep
BUSY = 0.02  # two rings in less than this: polling costs writers less than ringing
SWEEP = 2.0
LEASE = 10.0
FIRST_RETRY, LAST_RETRY = 0.1, 2.0
# So many changes at one look, or more, are not passed on one by one: everybody is given what he lacks by number.
MOST_CHANGES = 10_000

_PREPARE: LiteralString = """
select set_config('timezone', 'UTC', false), set_config('default_transaction_isolation', 'read committed', false),
  set_config('jit', 'off', false)
"""
# A new epoch takes as long as it takes to delete the old one's events.
_BEGIN: LiteralString = "select * from private.begin_relay(%s)"
_BE_PATIENT: LiteralString = "select set_config('statement_timeout', '0', false)"
_BE_IMPATIENT: LiteralString = "select set_config('statement_timeout', '15s', false)"
_POLL: LiteralString = """
select p.snapshot, p.chat_id, p.event_seq, p.event, p.person_id, p.from_person_id from private.poll_events(%s, %s) p
"""


class Change(NamedTuple):
    """Something that has become visible. Without a number it is a signal; see sql/functions/events.sql."""

    chat_id: UUID | None
    event_seq: int | None
    event: str
    person_id: UUID | None
    from_person_id: UUID | None


class Follower(Protocol):
    """What the relay tells. All in the relay's greenlet, which must not be kept waiting for anybody."""

    def begin(self, reader: Reader, epoch: UUID) -> None:
        """Read what was missed: changes are told from here on, those before are not."""

    def follow(self, reader: Reader, changes: list[Change]) -> None:
        """Pass on what has become visible; each change comes once."""

    def hear(self, payload: str) -> None:
        """Pass on what is not stored: the payload of a notification."""


class Relay:
    """The relay of one process. `start` it once; it runs until `stop`, whatever happens to the database."""

    def __init__(self, url: str, relay_id: UUID, follower: Follower) -> None:
        self._id = relay_id
        self._url = url
        self._follower = follower
        self._ready = threading.Event()
        self._stopping = threading.Event()
        self._epoch: UUID  # from the first connection on
        self._thread: threading.Thread | None = None
        self._bell = (-1, -1)  # the pipe that wakes it from its sleep to stop
        self._is_failing = False
        self._is_rung = False  # since the last poll began

    @property
    def is_ready(self) -> bool:
        """Whether it has caught up and follows."""
        return self._ready.is_set()

    def start(self, patience: float = 0) -> None:
        """Begin; wait up to `patience` seconds until it is ready."""
        self._bell = os.pipe()
        self._thread = threading.Thread(target=self._run, name="baton relay", daemon=True)
        self._thread.start()
        self._ready.wait(patience)

    def stop(self, timeout: float = 1) -> None:
        """End, and wait for it up to `timeout` seconds."""
        if self._thread is not None and not self._stopping.is_set():
            self._stopping.set()
            os.write(self._bell[1], b"!")
            self._thread.join(timeout)

    def _run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            try:
                with self._connected() as reader:
                    self._follow(reader)
            except Exception as error:
                failures = 1 if self._ready.is_set() else failures + 1
                self._ready.clear()
                self._report(error)
                pause = min(FIRST_RETRY * 2 ** min(failures - 1, 10), LAST_RETRY)
                self._stopping.wait(pause * random.uniform(0.5, 1))  # noqa: S311 - only to spread processes
        self._ready.clear()

    @contextmanager
    def _connected(self) -> Iterator[Reader]:
        reader = psycopg.connect(
            self._url,
            autocommit=True,
            prepare_threshold=0,
            application_name="baton relay",
            connect_timeout=5,
            # A host that has vanished without a word is noticed in a quarter of a minute.
            keepalives_idle=5,
            keepalives_interval=3,
            keepalives_count=3,
            tcp_user_timeout=15_000,
        )
        with reader:
            reader.add_notify_handler(self._hear)
            reader.execute(_PREPARE)
            reader.execute("listen baton")
            yield reader

    def _follow(self, reader: Reader) -> None:
        """Follow from a new baseline until the end, of the connection or of the relay."""
        reader.execute(_BE_PATIENT)
        epoch, snapshot = _one(reader.execute(_BEGIN, (self._id,)).fetchone())
        reader.execute(_BE_IMPATIENT)
        self._epoch = epoch
        self._follower.begin(reader, epoch)
        quiet_since = time.monotonic()
        while not self._stopping.is_set():
            began = time.monotonic()
            snapshot, has_changed = self._poll(reader, snapshot)
            self._mark_ready()
            quiet = 0.0 if has_changed else began - quiet_since
            if quiet > QUIET and self._fall_asleep(reader):
                snapshot = self._sleep(reader, snapshot)
                quiet = 0.0
            if quiet == 0.0:
                quiet_since = time.monotonic()
            # From poll to poll, so that a poll that brought much is followed by the next one sooner.
            due = began + (POLL_EVERY if quiet < 10 * QUIET else IDLE_POLL_EVERY)
            time.sleep(max(due - time.monotonic(), 0.001))
        with suppress(psycopg.Error):
            reader.execute("select private.end_relay(%s)", (self._id,))

    def _sleep(self, reader: Reader, snapshot: str) -> str:
        """Poll once more, then whenever it is rung or the sweep is due; return the snapshot when it has woken."""
        leased_at = time.monotonic()
        found_at = 0.0
        while True:
            snapshot, has_changed = self._poll(reader, snapshot)
            now = time.monotonic()
            if has_changed:
                if now - found_at < BUSY:
                    break
                found_at = now
            self._wait(reader, SWEEP)
            if self._stopping.is_set():
                break
            now = time.monotonic()
            if now - leased_at > SWEEP / 2:
                if self._fall_asleep(reader):
                    leased_at = now
                elif now - leased_at > LEASE / 2:
                    break  # somebody has been writing for long: poll until he has committed
        reader.execute("select private.wake_relay(%s)", (self._id,))
        return snapshot

    def _poll(self, reader: Reader, snapshot: str) -> tuple[str, bool]:
        """Pass on what has become visible since `snapshot`; return the new one, and whether there was anything."""
        metrics.RELAY_POLLS.inc()
        self._is_rung = False
        rows = reader.execute(_POLL, (snapshot, MOST_CHANGES)).fetchall()
        changes = [Change._make(row[1:]) for row in rows if row[3] is not None]
        if len(changes) >= MOST_CHANGES:
            self._follower.begin(reader, self._epoch)
        elif changes:
            self._follower.follow(reader, changes)
        return rows[0][0], bool(changes)

    def _fall_asleep(self, reader: Reader) -> bool:
        metrics.RELAY_SLEEPS.inc()
        row = reader.execute(
            "select private.let_relay_sleep(%s, make_interval(secs => %s))", (self._id, LEASE)
        ).fetchone()
        return bool(_one(row)[0])

    def _wait(self, reader: Reader, seconds: float) -> None:
        """Wait until the database or `stop` has something to say, or has rung while the last poll was at work."""
        reader.pgconn.consume_input()
        while (notification := reader.pgconn.notifies()) is not None:  # came with the last answer
            assert reader.pgconn.notify_handler is not None
            reader.pgconn.notify_handler(notification)
        if self._is_rung:
            return
        poller = select.poll()
        poller.register(reader.fileno(), select.POLLIN)
        poller.register(self._bell[0], select.POLLIN)
        poller.poll(seconds * 1000)

    def _hear(self, notification: Notify) -> None:
        self._is_rung = True
        if notification.payload:
            self._follower.hear(notification.payload)

    def _mark_ready(self) -> None:
        if not self._ready.is_set():
            self._ready.set()
            if self._is_failing:
                self._is_failing = False
                log.info("the relay follows the database again")

    def _report(self, error: Exception) -> None:
        """Log a failure once, until it has worked again."""
        if self._is_failing or self._stopping.is_set():
            return
        self._is_failing = True
        if isinstance(error, psycopg.Error):
            log.warning("the relay has lost the database and tries again: %s", " ".join(str(error).split()))
        else:
            log.error("the relay failed and tries again", exc_info=error)


def _one(row: tuple[Any, ...] | None) -> tuple[Any, ...]:
    assert row is not None
    return row
