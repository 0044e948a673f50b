"""Who is connected to this process, and what the database is told of it.

The database keeps a lease for each person in each process (sql/functions/presence.sql). It is taken when his first
socket signs in, renewed while he has any, and given back after the last one; what a killed process holds runs out.
Sockets through which somebody only looks (`is_present` is false) count for none of that.
"""

import threading
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING
from uuid import UUID

from web.live.batches import in_batches
from web.live.store import Store

if TYPE_CHECKING:
    from web.live.session import Session

RENEW_EVERY = 10.0  # seconds, a third of the lease
_AT_ONCE = 500


class People:
    """The signed-in sessions of one process, by person."""

    def __init__(self, store: Store, process_id: UUID, most_sockets: int) -> None:
        self._store = store
        self._process_id = process_id
        self._most_sockets = most_sockets
        self._lock = threading.Lock()
        self._telling = threading.Lock()  # one task at a time tells the database
        self._sessions: dict[UUID, set[Session]] = {}
        self._services: set[Session] = set()
        self._left: set[UUID] = set()  # persons whose last socket has closed; not told yet
        self._renewed_at = time.monotonic()

    def admit(self, session: "Session", person_id: UUID | None) -> bool:
        """Count a session in, the service's without a person; False when the person has too many."""
        with self._lock:
            if person_id is None:
                self._services.add(session)
                return True
            sessions = self._sessions.setdefault(person_id, set())
            if len(sessions) >= self._most_sockets:
                return False
            sessions.add(session)
            return True

    def look_up(self, person_id: UUID) -> str:
        """Return what somebody is who only looks. Raises psycopg.Error."""
        return str(self._store.call_for_session("admit_person", p_person_id=person_id)[0]["admit_person"])

    def open(self, person_id: UUID) -> str:
        """Take the lease of somebody who was admitted; return what he is. Raises psycopg.Error."""
        (row,) = self._store.call_for_session("open_connection", p_process_id=self._process_id, p_person_id=person_id)
        return str(row["open_connection"])

    def leave(self, session: "Session") -> None:
        """Count a session out, admitted or not."""
        with self._lock:
            self._services.discard(session)
            person_id = session.person_id
            sessions = self._sessions.get(person_id) if person_id is not None else None
            if person_id is None or sessions is None or session not in sessions:
                return
            sessions.discard(session)
            if not sessions:
                del self._sessions[person_id]
            if session.is_present and not any(each.is_present for each in sessions):
                self._left.add(person_id)

    def everyone(self) -> "list[Session]":
        """Return all sessions that are signed in."""
        with self._lock:
            return [*self._services, *(each for sessions in self._sessions.values() for each in sessions)]

    def sessions_of(self, person_ids: Iterable[UUID]) -> "list[Session]":
        """Return the sessions of these persons."""
        with self._lock:
            return [each for person_id in person_ids for each in self._sessions.get(person_id, ())]

    def staff(self) -> "list[Session]":
        """Return the sessions of operators, admins and the service that have been told they are ready."""
        return [each for each in self.everyone() if each.is_ready and each.is_staff]

    def tell_database(self) -> None:
        """Give back the leases of those who have left, and renew the others when it is time. Raises psycopg.Error."""
        with self._telling:
            self._give_back()
            if time.monotonic() - self._renewed_at >= RENEW_EVERY:
                self._call("renew_connections", self._here())
                self._renewed_at = time.monotonic()

    def close(self) -> None:
        """Give back every lease: the process ends. Raises psycopg.Error."""
        with self._telling:
            with self._lock:
                here = [*self._sessions, *self._left]
            self._call("close_connections", here)

    def _give_back(self) -> None:
        with self._lock:
            left = [
                person_id
                for person_id in self._left
                if not any(session.is_present for session in self._sessions.get(person_id, ()))
            ]
            self._left.clear()
        try:
            self._call("close_connections", left)
        except BaseException:
            with self._lock:
                self._left.update(left)
            raise
        # One of them may have come back meanwhile, and his new lease have been given back with the old one.
        self._call("renew_connections", list(set(left).intersection(self._here())))

    def _here(self) -> list[UUID]:
        """Return who is there by an open socket: whoever is erased gets no lease again while his are closing."""
        with self._lock:
            return [
                person_id
                for person_id, sessions in self._sessions.items()
                if any(session.is_present and session.connection.is_open for session in sessions)
            ]

    def _call(self, function: str, person_ids: list[UUID]) -> None:
        for some in in_batches(sorted(person_ids), _AT_ONCE):
            self._store.call_for_leases(function, p_process_id=self._process_id, p_person_ids=some)
