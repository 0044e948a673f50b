"""What is told besides events: who is there, what operators have in hand, and where customers stand in the queue.

The relay only notes what may have changed. Tasks look it up and send it: at most some three times a second however
much happens (lists some thirty times: by them operators work), and less often when looking it up, or sending it, takes
long.
"""

import math
import threading
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any
from uuid import UUID

from web.live.batches import unhurried
from web.live.frames import encode
from web.live.hub import Hub
from web.live.lists import OF_ONE, Changes, Lists
from web.live.people import People
from web.live.relay import Change
from web.live.store import Store
from web.live.task import Task

if TYPE_CHECKING:
    from web.live.session import Session

_HOLDS = "select h.operator_id, (h.chat).* from private.list_holds(%(operator_ids)s::uuid[]) h"

# Of the queue's numbers those that change by themselves; alone they are not worth a frame, but now and then.
_CLOCKS = frozenset({"oldest_wait_seconds", "average_wait_seconds"})
_NOW_AND_THEN = 5.0  # seconds

# These change a chat's row in lists, but neither the queue nor who has what in hand.
_ONLY_IN_THE_ROW = OF_ONE | {"message.edited", "message.deleted", "note.created", "note.edited", "note.deleted"}
_OF_OPERATORS = frozenset({"operator.changed", "connection.changed"})


class LiveNews:
    """The news of one process. Everything noted is looked up afresh, so nothing noted can be out of date."""

    def __init__(self, hub: Hub, people: People, store: Store) -> None:
        self._hub = hub
        self._people = people
        self._store = store
        self._lists = Lists(store)
        self._lock = threading.Lock()
        # What is to be told; guarded by the lock, taken and replaced by the tasks.
        self._presence_of: set[UUID] | None = set()  # None: of all
        self._presence_to: set[Session] = set()  # who have been told nothing yet
        self._lists_of: set[UUID] = set()
        self._changes = Changes()
        self._is_queue_changed = False
        self._inbox_to: set[Session] = set()
        self._waiting: set[UUID] = set()  # customers' chats that wait and are watched here
        self._noted_since: set[UUID] = set()  # those that were noted since their places were last asked for
        self._places: dict[UUID, tuple[int, int | None]] = {}  # what was told last of each
        self._queue_told: dict[str, Any] = {}
        self._queue_told_at = -math.inf
        self._presence = Task("presence", self._tell_presence)
        # What a customer writes is to be in the list within a tenth of a second; the share keeps a busy server free.
        self._inbox = Task("inbox", self._tell_inbox, pause=0.02, share=3)
        self._queue = Task("queue", self._tell_places)
        self._tasks = (self._presence, self._inbox, self._queue)

    def start(self) -> None:
        """Begin to tell."""
        for task in self._tasks:
            task.start()

    def stop(self) -> None:
        """Tell no more."""
        for task in self._tasks:
            task.stop()

    def welcome(self, session: "Session") -> None:
        """Tell a member of the staff everything, once."""
        with self._lock:
            self._presence_to.add(session)
            self._inbox_to.add(session)
        self._presence.request()
        self._inbox.request()

    def note(self, changes: list[Change]) -> None:
        """Take note of what has become visible."""
        operator_ids: set[UUID] = set()
        list_ids: set[UUID] = set()
        is_queue_changed = False
        rows = [change for change in changes if change.chat_id is not None and self._is_for_lists(change)]
        for change in changes:
            if change.event in _OF_OPERATORS:
                operator_ids |= {change.person_id} if change.person_id else set()
                is_queue_changed = True  # available operators
            elif change.event == "mention.changed":
                list_ids |= {change.person_id} if change.person_id else set()
            elif change.event not in _ONLY_IN_THE_ROW:
                is_queue_changed = True
                if change.event.startswith("chat."):  # a message changes no holder: an event of the chat's follows
                    list_ids |= {each for each in (change.person_id, change.from_person_id) if each}
        with self._lock:
            if self._presence_of is not None:
                self._presence_of |= operator_ids
            self._lists_of |= list_ids
            for change in rows:
                self._changes.note(change)
            self._is_queue_changed |= is_queue_changed
            has_waiting = bool(self._waiting)
        if operator_ids:
            self._presence.request()
        if is_queue_changed or rows or list_ids:
            self._inbox.request()
        if is_queue_changed and has_waiting:
            self._queue.request()

    def note_everything(self) -> None:
        """Take note that anything may have happened: the relay was away."""
        staff = self._people.staff()
        with self._lock:
            self._presence_of = None
            self._inbox_to.update(staff)
            self._changes.reset()
        for task in self._tasks:
            task.request()

    def watch_place(self, chat_id: UUID) -> None:
        """Take note that a customer's chat waits, or may wait; it is told its place."""
        with self._lock:
            self._waiting.add(chat_id)
            self._noted_since.add(chat_id)
        self._queue.request()

    # The tasks. When one fails, what it has taken is put back.

    def _tell_presence(self) -> None:
        with self._lock:
            ids, self._presence_of = self._presence_of, set()
            newcomers, self._presence_to = self._presence_to, set()
        staff = self._people.staff()
        if not staff:
            return
        wants_all = ids is None or any(session in newcomers for session in staff)
        if not wants_all and not ids:
            return
        try:
            everyone = self._presence_rows(None if wants_all or ids is None else ids)
        except BaseException:
            with self._lock:
                self._presence_to |= newcomers
                self._presence_of = None if ids is None or self._presence_of is None else self._presence_of | ids
            raise
        changed = everyone if ids is None else [row for row in everyone if row["operator_id"] in ids]
        if ids:  # who is listed no more has left for good
            missing = ids - {row["operator_id"] for row in changed}
            changed += [_absent(operator_id) for operator_id in missing]
        all_frame = encode({"type": "presence", "operators": everyone})
        changed_frame = encode({"type": "presence", "operators": changed}) if changed else None
        for session in unhurried(staff):
            if session in newcomers:
                session.connection.send(all_frame)
            elif changed_frame is not None:
                session.connection.send(changed_frame)

    def _tell_inbox(self) -> None:
        with self._lock:
            newcomers, self._inbox_to = self._inbox_to, set()
            list_ids, self._lists_of = self._lists_of, set()
            changes, self._changes = self._changes, Changes()
            is_queue_changed, self._is_queue_changed = self._is_queue_changed, False
        staff = self._people.staff()
        if not staff:
            return
        listed = {each for each in staff if each in newcomers or each.person_id in list_ids}
        if not listed and not is_queue_changed and not changes:
            return
        person_ids = {each.person_id for each in staff if each.person_id is not None}
        new_ids = {each.person_id for each in newcomers if each.person_id is not None}
        ids = {session.person_id for session in listed if session.person_id is not None}
        try:
            (queue,) = self._store.call_for_task("public", "get_assignment_queue_status")
            tickets = self._store.call_for_task("private", "count_open_tickets")[0]["count_open_tickets"]
            holds = self._holds(ids)
            mentions = self._mentions(ids)
            news = self._lists.look_up(changes, person_ids, person_ids if is_queue_changed else new_ids)
        except BaseException:
            with self._lock:
                self._inbox_to |= newcomers
                self._lists_of |= list_ids
                self._changes.put_back(changes)
                self._is_queue_changed |= is_queue_changed
            raise
        parts = self._lists.parts(news)
        told = {"type": "inbox", "queue": queue, "tickets": tickets}
        shared = encode(told) if self._is_worth_telling(queue | {"tickets": tickets}) else None
        frames: dict[tuple[UUID | None, bool], bytes] = {}  # of a person, who may have several sockets
        for session in unhurried(staff):
            person_id, is_new = session.person_id, session in newcomers
            part = parts.get(person_id) if person_id is not None else None
            if session not in listed and not part:
                if shared is not None:
                    session.connection.send(shared)
                continue
            if (person_id, is_new) not in frames:
                frame = {**told, **(part or {})}
                if session in listed:
                    frame["chats"] = holds.get(person_id, []) if person_id is not None else []
                    frame["mentions"] = mentions.get(person_id, 0) if person_id is not None else 0
                if is_new and person_id in news.kinds:
                    frame["next"] = news.next(person_id)
                frames[person_id, is_new] = encode(frame)
            session.connection.send(frames[person_id, is_new])

    def _is_worth_telling(self, queue: dict[str, Any]) -> bool:
        numbers = {name: value for name, value in queue.items() if name not in _CLOCKS}
        now = time.monotonic()
        if numbers == self._queue_told and now - self._queue_told_at < _NOW_AND_THEN:
            return False
        self._queue_told, self._queue_told_at = numbers, now
        return True

    def _tell_places(self) -> None:
        with self._lock:
            fresh, self._noted_since = self._noted_since, set()
            self._waiting = self._hub.watched_by_customers(self._waiting)
            asked = list(self._waiting)
        if not asked:
            return
        try:
            rows = self._store.call_for_task("private", "queue_positions", p_chat_ids=asked)
        except BaseException:
            with self._lock:
                self._noted_since |= fresh
            raise
        found = {row["chat_id"]: row for row in rows}
        with self._lock:
            self._waiting -= set(asked) - set(found) - self._noted_since
        self._places = {chat_id: place for chat_id, place in self._places.items() if chat_id in found}
        for chat_id, row in unhurried(found.items()):
            wait = row["expected_wait_seconds"]
            place = (row["position"], None if wait is None else round(wait))
            if place != self._places.get(chat_id) or chat_id in fresh:
                self._places[chat_id] = place
                self._hub.tell(chat_id, False, encode({"type": "queue", **row}))

    def _is_for_lists(self, change: Change) -> bool:
        """Whether it changes a row that somebody here may have: what only one person sees, not of a customer."""
        if change.event not in OF_ONE or change.person_id is None:
            return True
        return any(session.is_staff for session in self._people.sessions_of([change.person_id]))

    def _presence_rows(self, ids: set[UUID] | None) -> list[dict[str, Any]]:
        asked = {} if ids is None else {"p_operator_ids": list(ids)}
        return self._store.call_for_task("private", "list_presence", **asked)

    def _holds(self, operator_ids: set[UUID]) -> dict[UUID, list[dict[str, Any]]]:
        """Return the chats that each of these operators holds, oldest assignment first."""
        holds: dict[UUID, list[dict[str, Any]]] = defaultdict(list)
        if operator_ids:
            names, rows = self._store.ask_for_task(_HOLDS, operator_ids=list(operator_ids))
            for row in rows:
                holds[row[0]].append(dict(zip(names[1:], row[1:], strict=True)))
        return holds

    def _mentions(self, operator_ids: set[UUID]) -> dict[UUID, int]:
        """Return how many mentions each of these operators has not read; who has none is left out."""
        if not operator_ids:
            return {}
        rows = self._store.call_for_task("private", "count_mentions", p_operator_ids=list(operator_ids))
        return {row["operator_id"]: row["unread_count"] for row in rows}


def _absent(operator_id: UUID) -> dict[str, Any]:
    return {
        "operator_id": operator_id,
        "name": None,
        "status": "offline",
        "status_reason": None,
        "is_connected": False,
    }
