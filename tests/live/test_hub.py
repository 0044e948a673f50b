"""Who is told what of a chat, where things happen at the same moment."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import cast
from uuid import UUID, uuid4

from tests.http.conftest import Person
from tests.live.line import Frame, Line, live_on, session_on
from tests.live.world import wait_until
from tests.servers import Baton, Database
from web.live.frames import encode
from web.live.hub import Hub, Subscription
from web.live.people import People
from web.live.relay import Change, Reader
from web.tokens import SERVICE

WAITING = "select count(*) from pg_stat_activity where wait_event = 'advisory'"


def joined(hub: Hub, chat_id: UUID, last: int = 0) -> tuple[Line, Subscription]:
    """Return a new subscription of a hub, whose reading has come to the event `last`, and its line."""
    line = Line()
    subscription = Subscription(session_on(line), chat_id)
    subscription.last = last
    subscription.session.subscriptions[chat_id] = subscription
    hub.join(subscription)
    return line, subscription


def test_who_has_read_less_than_another_reads_again_before_he_goes_live() -> None:
    hub, chat_id = Hub(cast("People", None)), uuid4()
    _, one = joined(hub, chat_id, last=5)
    _, other = joined(hub, chat_id, last=6)  # the event 6 came in between, and the relay has not seen it yet
    assert hub.go_live(other)
    assert not hub.go_live(one)
    one.last = 6
    assert hub.go_live(one)
    assert one.is_live


def test_who_has_read_further_than_those_who_are_live_goes_live() -> None:
    hub, chat_id = Hub(cast("People", None)), uuid4()
    _, one = joined(hub, chat_id, last=5)
    _, other = joined(hub, chat_id, last=6)
    assert hub.go_live(one)
    assert hub.go_live(other)


def test_access_that_ends_before_subscribed_is_the_refusal_of_the_subscription() -> None:
    hub, chat_id = Hub(cast("People", None)), uuid4()
    line, subscription = joined(hub, chat_id)
    hub.end(subscription)
    hub.announce(subscription, encode({"type": "subscribed"}))
    (told,) = line.told
    assert (told["type"], told["code"], told["details"]) == ("error", "PT404", "chat_not_found")
    assert told["chat_id"] == str(chat_id)


def test_access_that_ends_after_subscribed_is_told_by_unsubscribed() -> None:
    hub, chat_id = Hub(cast("People", None)), uuid4()
    line, subscription = joined(hub, chat_id)
    hub.announce(subscription, encode({"type": "subscribed"}))
    hub.end(subscription)
    hub.end(subscription)
    unsubscribed = {"type": "unsubscribed", "chat_id": str(chat_id), "details": "chat_not_found"}
    assert line.told == [{"type": "subscribed"}, unsubscribed]


def test_a_chat_that_is_deleted_before_it_is_read_is_refused_once(
    baton: Baton, owner: Database, new_customer: Callable[[], Person]
) -> None:
    person, other = new_customer(), new_customer()
    chat = person.starts_chat()
    subscribe = {"type": "subscribe", "chat_id": chat["id"], "after_event": 0}
    with live_on(baton) as live, owner.connect(autocommit=False) as holding, ThreadPoolExecutor() as threads:
        refused = Line([{"type": "auth", "token": other.token}, subscribe])
        session_on(refused, live).run()

        def peer() -> Iterator[Frame]:
            yield {"type": "auth", "token": person.token}
            holding.execute("select pg_advisory_xact_lock(78)")
            for _ in range(4):
                threads.submit(live.store.ask, SERVICE, {}, "select pg_advisory_xact_lock_shared(78)", {})
            wait_until(lambda: owner.value(WAITING) == 4, what="sessions have no turn left")
            yield subscribe

        line = Line(peer())
        session = threads.submit(session_on(line, live).run)
        chat_id = UUID(chat["id"])
        wait_until(lambda: live.hub.watched_by_customers([chat_id]), what="he is about to read")
        owner.rows("delete from chats where id = %s", chat_id)
        live.hub.follow(cast("Reader", holding), [Change(chat_id, None, "chat.deleted", None, None)])
        holding.commit()
        session.result(10)
    assert [frame["type"] for frame in line.told] == ["ready", "error"]
    assert line.told[1] == refused.told[1]
