"""Events make of an old snapshot what a fresh one is: for everything that can be done to a chat.

Each step is done over HTTP by whom it concerns, or in plain SQL. Then three things are compared, for
everyone who may see the chat: a fresh snapshot, the one from before the step with the events since
then, and what a live connection has made of the one it began with.
"""

from collections.abc import Iterator

import pytest

from tests.http.conftest import Person
from tests.live.client import Crowd, Snapshot, Watch
from tests.live.play import Play, ok
from tests.live.world import wait_until
from tests.servers import Baton


def fetch(who: Person, chat_id: str) -> Snapshot | None:
    """Return a fresh snapshot, None where there is nothing to see."""
    answer = who.get(f"/api/chats/{chat_id}/snapshot")
    return Snapshot(ok(answer).json()) if answer.status_code != 404 else None


def replayed(who: Person, chat_id: str, snapshot: Snapshot) -> Snapshot:
    """Return the snapshot with all events since then."""
    snapshot = snapshot.copy()
    cursor = snapshot.chat.get("event_seq", 0)
    while cursor is not None:
        page = ok(who.get(f"/api/chats/{chat_id}/events", after_event=cursor, limit=20)).json()
        for frame in page["data"]:
            snapshot.apply(frame)
        cursor = page["next_cursor"]
    return snapshot


@pytest.fixture
def play(baton: Baton) -> Iterator[Play]:
    """Give a chat that has just been started."""
    play = Play(baton)
    yield play
    play.end()


def test_a_snapshot_and_the_events_since_make_a_fresh_one(play: Play) -> None:
    chat_id, everyone = play.chat["id"], play.everyone
    with Crowd(play.baton.base_url) as crowd:
        watches: dict[str, Watch] = {}
        firsts: dict[str, Snapshot] = {}
        before = {name: fetch(who, chat_id) for name, who in everyone.items()}
        for step, do in play.steps():
            for name, who in everyone.items():
                # Whoever has just been let in, or in again, begins with what he saw first.
                snapshot = before[name]
                if snapshot is not None and (name not in watches or watches[name].end is not None):
                    firsts.setdefault(name, snapshot)
                    client = crowd.client(str(who.token), is_staff=name in play.staff)
                    watches[name] = crowd.do(client.watch(chat_id))
                    wait_until(lambda client=client: client.is_live)  # type: ignore[misc]
            do()
            for name, who in everyone.items():
                fresh = fetch(who, chat_id)
                old, before[name] = before[name], fresh
                if fresh is None or old is None:
                    continue
                assert replayed(who, chat_id, old).differences(fresh) == [], f"{step}, {name}"
                watch, latest = watches[name], fresh.chat["event_seq"]
                wait_until(lambda watch=watch, latest=latest: watch.event_seq >= latest, what=f"{step}, {name}")  # type: ignore[misc]
                assert watch.snapshot is not None
                assert watch.snapshot.differences(fresh) == [], f"{step}, {name}, live"
                assert watch.faults == []
    for name, first in firsts.items():
        fresh = fetch(everyone[name], chat_id)
        if fresh is not None:
            assert replayed(everyone[name], chat_id, first).differences(fresh) == [], f"{name}, from the beginning"


def test_the_events_alone_make_a_chat(play: Play) -> None:
    """All but what only a snapshot has: the context, and the address it was started from."""
    chat_id = play.chat["id"]
    for name, who in {"the customer": play.customer, "Ada": play.ada}.items():
        fresh = fetch(who, chat_id)
        assert fresh is not None
        made = replayed(who, chat_id, Snapshot())
        for snapshot in (fresh, made):
            for column in ("context", "ip_address"):
                snapshot.chat.pop(column, None)
        assert made.differences(fresh) == [], name


def test_of_a_customer_who_is_erased_nothing_can_be_fetched_or_replayed(play: Play) -> None:
    chat_id = play.chat["id"]
    ok(play.ana.takes_next())
    with Crowd(play.baton.base_url) as crowd:
        watches = {}
        for name, who in play.everyone.items():
            client = crowd.client(str(who.token), is_staff=name in play.staff)
            if fetch(who, chat_id) is not None:
                watches[name] = crowd.do(client.watch(chat_id))
            wait_until(lambda client=client: client.is_live)  # type: ignore[misc]
        assert {"the customer", "Ana", "Ada"} <= watches.keys()
        ok(play.customer.delete("/api/me"))
        for name in watches.keys() - {"the customer"}:  # his sockets are closed
            wait_until(lambda watch=watches[name]: watch.end is not None, what=name)  # type: ignore[misc]
        for who in play.everyone.values():
            for path in ("snapshot", "events?after_event=0", "messages"):
                assert who.get(f"/api/chats/{chat_id}/{path}").status_code == 404


def test_what_can_be_done_to_a_chat_is_tried_here(play: Play) -> None:
    """Every public function that writes, but for those that change no chat."""
    others = {"set_setting", "register_operator", "check_request", "set_typing", "start_chat", "should_keep_assignment"}
    others |= {"save_quick_response", "delete_quick_response", "set_preferences"}
    others |= {"set_settings", "set_widget_settings", "save_persona", "update_operator", "introduce_myself"}
    others |= {"invite_operator", "revoke_invitation", "create_ticket"}
    others |= {"export_user_data", "erase_user_data"}  # after which there is nothing to replay: above
    others |= {"get_queue_position", "get_assignment_queue_status", "get_operator_inbox", "detect_stuck_chats"}
    others |= {"begin_export"}
    writing = play.database.rows(
        "select proname from pg_proc where pronamespace = 'public'::regnamespace and provolatile = 'v'"
        " and prokind = 'f' and prorettype <> 'trigger'::regtype"
    )
    tried = {step.split()[0].rstrip(",") for step, _ in play.steps()}
    assert {row["proname"] for row in writing if row["proname"] not in tried} - others == set()
