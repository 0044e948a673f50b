"""What relays and their clients do, while others write: whoever follows the events knows what there is."""

from collections import defaultdict
from typing import Any
from uuid import UUID, uuid4

from psycopg import Connection
from psycopg.rows import DictRow

from tests.sql.replay import Json, Snapshot

# Every chat for both audiences, by its rows; and what has been read, by whom.
FRESH = """
select
  c.id,
  s.is_staff,
  c.real_user_id::text as customer,
  to_jsonb(case when s.is_staff then c else private.for_customer(c) end) as chat,
  (
    select coalesce(jsonb_agg(to_jsonb(case when s.is_staff then m else private.for_customer(m) end)), '[]')
    from messages m where m.chat_id = c.id
  ) as messages,
  (
    select coalesce(jsonb_agg(to_jsonb(r) order by r.seq desc, r.read_at), '[]')
    from read_marks r where r.chat_id = c.id
  ) as marks
from chats c cross join (values (true), (false)) s (is_staff)
"""
NEW = """
select e.chat_id, e.is_staff, to_jsonb(e) as event
from private.read_events(%s, %s, %s, 1000) e
"""


class Follower:
    """A relay that polls, and a client of each audience of each chat that keeps a snapshot true by events alone.

    It needs a connection of the owner, for a fresh look at everything.
    """

    def __init__(self, connection: Connection[DictRow]) -> None:
        self.connection = connection
        self._id = uuid4()
        row = connection.execute("select snapshot from private.begin_relay(%s)", (self._id,)).fetchone()
        assert row
        self._position: str = row["snapshot"]
        self.snapshots = self.fresh()
        self._polled = defaultdict(int, {chat: s.told for (chat, is_staff), s in self.snapshots.items() if is_staff})

    def poll(self) -> int:
        """Poll; return how many events there were: of each chat the next ones, none twice and none left out."""
        rows = self.connection.execute("select * from private.poll_events(%s)", (self._position,)).fetchall()
        self._position = rows[0]["snapshot"]
        numbers: dict[UUID, list[int]] = defaultdict(list)
        for row in rows:
            if row["event_seq"] is not None:
                numbers[row["chat_id"]].append(row["event_seq"])
        for chat, new in numbers.items():
            assert sorted(new) == list(range(self._polled[chat] + 1, self._polled[chat] + len(new) + 1)), chat
            self._polled[chat] += len(new)
        return sum(map(len, numbers.values()))

    def follow(self) -> None:
        """Let the snapshots have the events since the last time: the next ones, for each audience."""
        for row in self.connection.execute("select id from chats").fetchall():
            for is_staff in (True, False):
                self.snapshots.setdefault((row["id"], is_staff), Snapshot({"event_seq": 0}, {}, {}))
        if not self.snapshots:
            return
        asked = [(chat, s.told, is_staff) for (chat, is_staff), s in self.snapshots.items()]
        for row in self.connection.execute(NEW, [list(column) for column in zip(*asked, strict=True)]).fetchall():
            snapshot, event = self.snapshots[row["chat_id"], row["is_staff"]], row["event"]
            assert event["event_seq"] == snapshot.told + 1
            snapshot.apply(event)

    def differences(self) -> list[str]:
        """Return where the events did not lead to what there is: nowhere."""
        found = []
        for (chat, is_staff), fresh in self.fresh().items():
            snapshot = self.snapshots[chat, is_staff]
            if fresh.told and snapshot != fresh:
                whose = "staff's" if is_staff else "customer's"
                found.append(f"the {whose} {chat}: {snapshot.differences(fresh)}")
        return found

    def look(self) -> None:
        """Poll; then let one look, at one moment, show the events and what they must have led to."""
        self.poll()
        with self.connection.transaction():
            self.connection.execute("set transaction isolation level repeatable read, read only")
            self.follow()
            assert self.differences() == []

    def end(self) -> None:
        """Leave nothing behind."""
        self.connection.execute("select private.end_relay(%s)", (self._id,))

    def fresh(self) -> dict[tuple[UUID, bool], Snapshot]:
        """Every chat as it is, for both audiences."""
        rows = self.connection.execute(FRESH).fetchall()
        return {(row["id"], row["is_staff"]): snapshot_of(row) for row in rows}


def snapshot_of(row: dict[str, Any]) -> Snapshot:
    """Make a snapshot of a row of FRESH."""
    marks: dict[tuple[str, str | None], tuple[int, str]] = {}
    for mark in row["marks"]:
        if mark["seq"] == 0:
            continue
        if mark["reader_id"] == row["customer"]:
            marks["real", mark["reader_id"]] = (mark["seq"], mark["read_at"])
        else:
            # The first one is the furthest: to the customer it stands for all.
            reader = mark["reader_id"] if row["is_staff"] else None
            marks.setdefault(("operator", reader), (mark["seq"], mark["read_at"]))
    messages: dict[int, Json] = {message["seq"]: message for message in row["messages"]}
    return Snapshot(row["chat"], messages, marks)
