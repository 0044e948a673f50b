"""How a subscription gets from the last event that its socket has seen to now, as its person, and then goes live.

It joins the hub first, then reads: whatever happens meanwhile makes it read again. Every read is made as the
caller, so that the database decides again each time whether he may see the chat.
"""

import time
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

import psycopg

from web.live.events import PAGE, Event, list_events
from web.live.frames import encode
from web.live.hub import Hub, Subscription
from web.live.store import Store

if TYPE_CHECKING:
    from web.live.connection import Connection

# A peer that was away for long is given what it missed at the pace at which it reads.
_MAX_QUEUED = 256 * 1024  # bytes
_PATIENCE = 30.0  # seconds
_GLANCE = 0.02


class CatchUp:
    """Brings subscriptions up to date. One greenlet at a time for each: the session's, or that which heals it."""

    def __init__(self, hub: Hub, store: Store) -> None:
        self._hub = hub
        self._store = store

    def begin(self, subscription: Subscription, after_event: int | None, epoch: UUID | None) -> None:
        """Start a new subscription after an event, or from now on; return when it is live or has ended.

        Raises:
            psycopg.Error: chat_not_found, or the database cannot be had; nothing was sent.
        """
        if after_event is None:
            self._start_afresh(subscription, is_reset=False)
            return
        if epoch not in (None, self._hub.epoch):
            self._start_afresh(subscription, is_reset=True)
            return
        subscription.last = after_event
        try:
            events = self._read(subscription)
        except psycopg.Error as error:
            if error.sqlstate != "PT410":
                raise
            self._start_afresh(subscription, is_reset=True)
            return
        self._send_subscribed(subscription)
        self._go_on(subscription, events)

    def resume(self, subscription: Subscription) -> None:
        """Read what a subscription misses that is no longer live; return when it is, or has ended.

        Raises:
            psycopg.Error: as `begin`.
        """
        self._go_on(subscription, None)

    def _go_on(self, subscription: Subscription, events: list[Event] | None) -> None:
        """Send what was read, and read on until there is nothing more."""
        while not subscription.is_over and subscription.session.connection.is_open:
            if subscription.needs_reset:
                self._start_afresh(subscription, is_reset=True)
                return
            if events is not None:
                if not self._send(subscription, events):
                    return
                if len(events) < PAGE and self._go_live(subscription):
                    return
                if not events:  # the relay may know numbers of a history that is no more, until it begins anew
                    time.sleep(_GLANCE)
            try:
                events = self._read(subscription)
            except psycopg.Error as error:
                if error.sqlstate != "PT410":
                    raise
                subscription.needs_reset = True

    def _start_afresh(self, subscription: Subscription, is_reset: bool) -> None:
        """Start from the latest event; with a reset the client is told to fetch the rest itself."""
        subscription.is_dirty = subscription.needs_reset = False
        session = subscription.session
        (chat,) = self._store.call(session.caller, session.headers, "get_chat", p_chat_id=subscription.chat_id)
        subscription.last = chat["event_seq"]
        if is_reset:
            frame = {"type": "reset", "chat_id": subscription.chat_id, "event_seq": subscription.last}
            self._hub.send(subscription, encode(frame | {"epoch": self._hub.epoch}))
        self._send_subscribed(subscription)
        if not self._go_live(subscription):
            self._go_on(subscription, None)

    def _go_live(self, subscription: Subscription) -> bool:
        """Let the relay serve it unless it has missed something. The chat may wait since then: its place is told."""
        is_live = self._hub.go_live(subscription)
        if is_live and not subscription.session.is_staff:
            self._hub.news.watch_place(subscription.chat_id)
        return is_live

    def _read(self, subscription: Subscription) -> list[Event]:
        subscription.is_dirty = False  # before reading: what happens from here on is told
        session = subscription.session
        ask = partial(self._store.ask, session.caller, session.headers)
        return list_events(ask, subscription.chat_id, subscription.last)

    def _send_subscribed(self, subscription: Subscription) -> None:
        frame = {"type": "subscribed", "chat_id": subscription.chat_id, "event_seq": subscription.last}
        self._hub.announce(subscription, encode(frame))

    def _send(self, subscription: Subscription, events: list[Event]) -> bool:
        """Send events in order, as fast as the peer reads; False when there is nobody to send to."""
        for event in events:
            if not self._has_room(subscription.session.connection):
                return False
            if not self._hub.send(subscription, encode(event.frame)):
                return False
            subscription.last = event.event_seq
        return True

    def _has_room(self, connection: "Connection") -> bool:
        """Wait until the peer has read enough; close it when it does not."""
        give_up_at = time.monotonic() + _PATIENCE
        while connection.queued > _MAX_QUEUED and connection.is_open:
            if time.monotonic() > give_up_at:
                connection.close(1013, "too slow")
            time.sleep(_GLANCE)
        return connection.is_open
