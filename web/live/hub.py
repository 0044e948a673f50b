"""Who watches which chat in this process, and what the relay brings for them.

A topic is a chat for one of its two audiences. It knows the number of the last event that the relay has read for it;
each subscription knows the number of the last one that its socket was given, so that an event can neither be missed
nor given twice, whatever order things happen in: the hub drops what a subscription has, and one that would be given
anything but the next event reads what is missing from the database instead (see catch_up.py). While it does so it is
not live: the relay only notes that there was something, and it reads again before it goes live.

State is changed under one lock. It is never held across I/O but for `Connection.send`, which does not wait.
"""

import logging
import math
import threading
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, LiteralString, Protocol
from uuid import UUID

import orjson

from web import metrics
from web.errors import ApiError
from web.live.batches import in_batches
from web.live.events import Event, Key, read_events
from web.live.frames import encode
from web.live.relay import Change, Reader

if TYPE_CHECKING:
    from web.live.people import People
    from web.live.session import Session

log = logging.getLogger("baton.live")

# Chats that are read at once, and events of each: what is in memory at once is bounded by their product.
_CHATS_AT_ONCE = 100
_EVENTS_AT_ONCE = 50
_PAIRS_AT_ONCE = 1000

# Events with which somebody may lose sight of a chat: of the staff who saw it because it waited, and of a customer
# whose chat was given to another one. Of the first three the loser is still told.
_TAKEN = frozenset({"chat.assigned", "chat.transferred", "chat.reassigned"})
_MAY_HIDE = {True: _TAKEN | {"chat.completed", "chat.released", "chat.updated"}, False: frozenset({"chat.updated"})}

# As the database says it.
_CHAT_NOT_FOUND = ApiError(404, "chat_not_found", "There is no such chat.", "It may also be one that you may not see.")

_WHO_SEES: LiteralString = "select chat_id, person_id from private.who_sees(%s::uuid[], %s::uuid[])"
_ERASED: LiteralString = "select person_id from private.erased_among(%s::uuid[])"
_ACTIVE: LiteralString = "select operator_id from private.list_presence(%s::uuid[])"


class Typing:
    """What a socket has told about its typing in a chat."""

    __slots__ = ("is_typing", "told_at")

    def __init__(self) -> None:
        self.is_typing = False
        self.told_at = -math.inf  # time.monotonic()


class Subscription:
    """One socket's interest in one chat."""

    __slots__ = (
        "chat_id",
        "is_announced",
        "is_dirty",
        "is_live",
        "is_over",
        "last",
        "needs_reset",
        "session",
        "typing",
    )

    def __init__(self, session: "Session", chat_id: UUID) -> None:
        self.session = session
        self.chat_id = chat_id
        self.last = 0  # the number of the last event that the socket was given, or told of
        self.is_announced = False  # the socket has been told `subscribed`
        self.is_live = False  # else it is reading what is missing
        self.is_dirty = False  # something has happened while it was not live
        self.needs_reset = False  # its numbers mean nothing any more
        self.is_over = False
        self.typing: Typing | None = None

    @property
    def key(self) -> Key:
        """The topic it belongs to."""
        return self.chat_id, self.session.is_staff


class Topic:
    """A chat for one audience, as long as anybody here watches it."""

    __slots__ = ("last", "subscriptions")

    def __init__(self) -> None:
        self.last: int | None = None  # the number up to which the relay has read; None: nobody is live yet
        self.subscriptions: set[Subscription] = set()


class News(Protocol):
    """What is told besides events; see news.py."""

    def note(self, changes: list[Change]) -> None:
        """Take note of what has become visible."""

    def note_everything(self) -> None:
        """Take note that anything may have happened."""

    def watch_place(self, chat_id: UUID) -> None:
        """Take note that a customer's chat waits."""


class Hub:
    """The topics of one process; the relay's follower."""

    news: News  # set before the relay starts

    def __init__(self, people: "People") -> None:
        self.epoch: UUID | None = None  # None until the relay has been connected once
        self._people = people
        self._lock = threading.Lock()
        self._topics: dict[Key, Topic] = {}

    # For sessions.

    def join(self, subscription: Subscription) -> None:
        """Note a subscription, not live yet: what happens from now on is not missed."""
        with self._lock:
            self._topics.setdefault(subscription.key, Topic()).subscriptions.add(subscription)

    def leave(self, subscription: Subscription) -> bool:
        """Forget a subscription: nothing is sent for it any more. False: it had ended before."""
        with self._lock:
            return self._remove(subscription)

    def announce(self, subscription: Subscription, frame: bytes) -> None:
        """Send `subscribed` unless the subscription has ended; its end is told by `unsubscribed` from here on."""
        with self._lock:
            if not subscription.is_over:
                subscription.session.connection.send(frame)
                subscription.is_announced = True

    def send(self, subscription: Subscription, frame: bytes) -> bool:
        """Send a frame unless the subscription has ended; return whether it has not."""
        with self._lock:
            if not subscription.is_over:
                subscription.session.connection.send(frame)
            return not subscription.is_over

    def go_live(self, subscription: Subscription) -> bool:
        """Let the relay serve it from here; False: something has happened since it began to read."""
        with self._lock:
            if subscription.is_over:
                return True
            if subscription.is_dirty or subscription.needs_reset:
                return False
            topic = self._topics[subscription.key]
            if topic.last is None:
                topic.last = subscription.last
            elif topic.last > subscription.last:  # another has read further; the relay begins after that one
                return False
            subscription.is_live = True
            return True

    def end(self, subscription: Subscription) -> None:
        """End a subscription whose chat its person may not see any more, and tell him."""
        with self._lock:
            self._end(subscription)

    # For the relay.

    def begin(self, reader: Reader, epoch: UUID) -> None:
        """Catch up with whatever happened while nobody listened."""
        previous, self.epoch = self.epoch, epoch
        if previous not in (None, epoch):
            log.warning("a new epoch has begun: every client fetches afresh")
            self._reset_all()
        with self._lock:
            keys = list(self._topics)
            everyone = [each for topic in self._topics.values() for each in topic.subscriptions]
            for subscription in everyone:
                # What it is reading may be from before the baseline.
                subscription.is_dirty = subscription.is_dirty or not subscription.is_live
        self._expel_erased(reader, self._people.everyone())
        self._expel_changed(reader, self._people.everyone())
        self._end_unseen(reader, everyone)
        self._deliver(reader, keys)
        self.news.note_everything()

    def follow(self, reader: Reader, changes: list[Change]) -> None:
        """Give every subscription what has happened in its chat."""
        chat_ids: dict[UUID, None] = {}  # in order
        operator_ids: set[UUID] = set()
        for change in changes:
            if change.chat_id is not None and change.event_seq is not None:
                chat_ids[change.chat_id] = None
            elif change.event == "chat.deleted" and change.chat_id is not None:
                self._end_chat(change.chat_id)
            elif change.event == "person.deleted" and change.person_id is not None:
                _send_away(self._people.sessions_of([change.person_id]))
            elif change.event == "operator.changed" and change.person_id is not None:
                operator_ids.add(change.person_id)
        sessions = self._people.sessions_of(operator_ids)
        if sessions:  # before anything of this moment reaches them
            self._expel_changed(reader, sessions)
            self._end_unseen(reader, [each for session in sessions for each in list(session.subscriptions.values())])
        self._deliver(reader, [(chat_id, is_staff) for chat_id in chat_ids for is_staff in (True, False)])
        self.news.note(changes)

    def hear(self, payload: str) -> None:
        """Pass on that somebody is typing, to everybody but himself."""
        try:
            told = orjson.loads(payload)
            if told["type"] != "typing":
                return
            chat_id, sender_id = UUID(told["chat_id"]), UUID(told["sender_id"])
            is_from_staff = told["sender_type"] == "operator"
        except (ValueError, KeyError, TypeError, AttributeError):
            return  # somebody else's words on our channel
        for is_staff in (True, False):
            shown = told if is_staff or not is_from_staff else told | {"sender_id": None}
            self.tell(chat_id, is_staff, encode(shown), but=sender_id)

    def tell(self, chat_id: UUID, is_staff: bool, frame: bytes, but: UUID | None = None) -> None:
        """Send what is no event to all who watch a chat, but for one person."""
        with self._lock:
            topic = self._topics.get((chat_id, is_staff))
            for each in topic.subscriptions if topic else ():
                if each.is_live and (but is None or each.session.person_id != but):
                    each.session.connection.send(frame)

    def watched_by_customers(self, chat_ids: Iterable[UUID]) -> set[UUID]:
        """Return those of these chats that customers watch here."""
        with self._lock:
            return {chat_id for chat_id in chat_ids if (chat_id, False) in self._topics}

    # Delivery, all in the relay's greenlet.

    def _deliver(self, reader: Reader, keys: Sequence[Key]) -> None:
        """Read and send what these topics have not had yet."""
        for some in in_batches(keys, _CHATS_AT_ONCE):
            left = list(some)
            while left:
                after = self._positions(left)
                if not after:
                    break
                found = read_events(reader, after, _EVENTS_AT_ONCE)
                seen = self._who_still_sees(reader, found)
                for key, events in found.items():
                    try:
                        self._fan_out(key, after[key], events, seen)
                    except Exception:
                        log.exception("an event could not be passed on")
                        self._heal_topic(key)
                left = [key for key, events in found.items() if len(events) == _EVENTS_AT_ONCE]

    def _positions(self, keys: Iterable[Key]) -> dict[Key, int]:
        """Return from where to read, of the topics there are. Where nobody is live, those who read read again."""
        after: dict[Key, int] = {}
        with self._lock:
            for key in keys:
                topic = self._topics.get(key)
                if topic is None:
                    continue
                if topic.last is not None:
                    after[key] = topic.last
                else:
                    for each in topic.subscriptions:
                        each.is_dirty = True
        return after

    def _fan_out(self, key: Key, after: int, events: list[Event], seen: dict[tuple[UUID, UUID], bool]) -> None:
        frames: list[bytes | None] = [None] * len(events)
        delivered = 0
        with self._lock:
            topic = self._topics.get(key)
            if topic is None or topic.last != after:
                return  # all have left, and others have come: they have read it themselves
            if events[0].event_seq != after + 1:  # history is gone
                topic.last = None
                for subscription in topic.subscriptions:
                    self._heal(subscription)
                return
            for subscription in list(topic.subscriptions):
                if not subscription.is_live:
                    subscription.is_dirty = True
                    continue
                for number, event in enumerate(events):
                    if event.event_seq <= subscription.last:
                        continue
                    if event.event_seq != subscription.last + 1:
                        self._heal(subscription)
                        break
                    is_seen = True
                    if event.name in _MAY_HIDE[key[1]] and subscription.session.person_id is not None:
                        pair = (key[0], subscription.session.person_id)
                        if pair not in seen:  # has come after we asked: he asks himself
                            self._heal(subscription)
                            break
                        is_seen = seen[pair]
                    if is_seen or (key[1] and event.name in _TAKEN):
                        frame = frames[number] = frames[number] or encode(event.frame)
                        subscription.session.connection.send(frame)
                        subscription.last = event.event_seq
                        delivered += 1
                    if not is_seen:
                        self._end(subscription)
                        break
            topic.last = events[-1].event_seq
        metrics.EVENTS_DELIVERED.inc(delivered)
        if not key[1] and events[-1].chat["chat_state"] == "waiting_assignment":
            self.news.watch_place(key[0])

    def _who_still_sees(self, reader: Reader, found: dict[Key, list[Event]]) -> dict[tuple[UUID, UUID], bool]:
        """Return, of those who watch chats of which they may have lost sight, whether they may see them still."""
        pairs: set[tuple[UUID, UUID]] = set()
        with self._lock:
            for (chat_id, is_staff), events in found.items():
                if any(event.name in _MAY_HIDE[is_staff] for event in events):
                    topic = self._topics.get((chat_id, is_staff))
                    for each in topic.subscriptions if topic else ():
                        if each.session.person_id is not None:
                            pairs.add((chat_id, each.session.person_id))
        return _ask_who_sees(reader, list(pairs))

    def _end_unseen(self, reader: Reader, subscriptions: list[Subscription]) -> None:
        """End those of them whose person may not see the chat."""
        pairs = {(each.chat_id, each.session.person_id) for each in subscriptions if each.session.person_id is not None}
        seen = _ask_who_sees(reader, list(pairs))
        for each in subscriptions:
            if each.session.person_id is not None and not seen.get((each.chat_id, each.session.person_id), True):
                self.end(each)

    def _expel_changed(self, reader: Reader, sessions: "list[Session]") -> None:
        """Close the sockets of operators who are deactivated, and of customers who have become operators.

        Whoever is just signing in looks again, since what he was told may be from before.
        """
        ids = {session.person_id for session in sessions if session.person_id is not None}
        active = {row[0] for some in in_batches(ids, _PAIRS_AT_ONCE) for row in reader.execute(_ACTIVE, (list(some),))}
        for session in sessions:
            if not session.is_ready:
                session.is_doubtful = True
            elif session.person_id is not None and session.is_staff != (session.person_id in active):
                if session.is_staff:
                    session.connection.close(4403, "deactivated")
                else:
                    session.connection.close(1012, "sign in again")

    def _expel_erased(self, reader: Reader, sessions: "list[Session]") -> None:
        """Close the sockets of those who were erased while nobody listened."""
        ids = {session.person_id for session in sessions if session.person_id is not None}
        erased = {row[0] for some in in_batches(ids, _PAIRS_AT_ONCE) for row in reader.execute(_ERASED, (list(some),))}
        _send_away(session for session in sessions if session.person_id in erased)

    def _end_chat(self, chat_id: UUID) -> None:
        with self._lock:
            for is_staff in (True, False):
                topic = self._topics.get((chat_id, is_staff))
                for each in list(topic.subscriptions) if topic else ():
                    self._end(each)

    def _reset_all(self) -> None:
        with self._lock:
            for topic in self._topics.values():
                topic.last = None
                for each in topic.subscriptions:
                    each.needs_reset = True
                    if each.is_live:
                        self._heal(each)

    def _heal_topic(self, key: Key) -> None:
        with self._lock:
            topic = self._topics.get(key)
            if topic is not None:
                topic.last = None
                for each in topic.subscriptions:
                    self._heal(each)

    # With the lock held.

    def _heal(self, subscription: Subscription) -> None:
        """Take it out of the relay's hands and let it read what it misses, away from here."""
        if subscription.is_live:
            subscription.is_live = False
            subscription.session.heal(subscription)
        else:
            subscription.is_dirty = True

    def _end(self, subscription: Subscription) -> None:
        if not self._remove(subscription):
            return
        if subscription.is_announced:
            frame = {"type": "unsubscribed", "chat_id": subscription.chat_id, "details": "chat_not_found"}
            subscription.session.connection.send(encode(frame))
        else:  # the answer to `subscribe`: an older subscription of the chat may be what `unsubscribed` would end
            subscription.session.refuse(_CHAT_NOT_FOUND, subscription.chat_id)

    def _remove(self, subscription: Subscription) -> bool:
        if subscription.is_over:
            return False
        subscription.is_over = True
        subscription.is_live = False
        subscription.session.forget(subscription)
        topic = self._topics.get(subscription.key)
        if topic is not None:
            topic.subscriptions.discard(subscription)
            if not topic.subscriptions:
                del self._topics[subscription.key]
        return True


def _send_away(sessions: "Iterable[Session]") -> None:
    for session in sessions:
        session.connection.close(4401, "erased")


def _ask_who_sees(reader: Reader, pairs: list[tuple[UUID, UUID]]) -> dict[tuple[UUID, UUID], bool]:
    seen: dict[tuple[UUID, UUID], bool] = {}
    for some in in_batches(pairs, _PAIRS_AT_ONCE):
        rows: list[Any] = reader.execute(_WHO_SEES, ([c for c, _ in some], [p for _, p in some])).fetchall()
        allowed = {(row[0], row[1]) for row in rows}
        seen |= {pair: pair in allowed for pair in some}
    return seen
