"""What a client keeps of a chat, and what each event makes of it: so events can be tried as they are used.

Everything is kept as the JSON that the database makes of its rows, every column of them.
"""

from dataclasses import dataclass, field
from typing import Any, Self
from uuid import UUID

from tests.sql.helpers import Caller, World

Json = dict[str, Any]


def events(who: Caller, chat: UUID, after: int = 0, limit: int = 500) -> list[Json]:
    """Return the events of a chat after this number, as this person gets them."""
    query = "select to_jsonb(f) as event from list_events(%s, %s, %s) f"
    return [row["event"] for row in who.rows(query, chat, after, limit)]


@dataclass
class Snapshot:
    """A chat as somebody sees it: its row, its messages by seq, how far who has read, and the staff's notes by id."""

    chat: Json
    messages: dict[int, Json]
    marks: dict[tuple[str, str | None], tuple[int, str]]
    notes: dict[str, Json] = field(default_factory=dict)
    told: int = field(init=False, compare=False)  # the number of the last event that happened to it

    def __post_init__(self) -> None:
        self.told = self.event_seq

    @classmethod
    def fetch(cls, who: Caller, chat: UUID) -> Self:
        """Fetch it by the functions that there are for it."""
        row = who.value("select to_jsonb(c) from get_chat(%s) c", chat)
        messages: dict[int, Json] = {}
        while page := who.rows("select to_jsonb(m) as m from list_messages(%s, %s) m", chat, max(messages, default=0)):
            messages |= {line["m"]["seq"]: line["m"] for line in page}
        marks = [line["r"] for line in who.rows("select to_jsonb(r) as r from list_read_marks(%s) r", chat)]
        notes = who.value("select get_chat_extras(%s) -> 'notes'", chat) or []
        return cls(
            row,
            messages,
            {(r["reader_type"], r["reader_id"]): (r["seq"], r["read_at"]) for r in marks},
            {note["id"]: note for note in notes},
        )

    @property
    def event_seq(self) -> int:
        """The number of the latest event that its chat knows of."""
        return int(self.chat["event_seq"])

    def apply(self, event: Json) -> None:
        """Let an event happen to it."""
        self.told = event["event_seq"]
        self.chat = event["chat"]
        detail, message = event["detail"], event["message"]
        if message is not None:
            self.messages[message["seq"]] = message
        if "handled_after_seq" in detail:
            for seq in range(detail["handled_after_seq"] + 1, message["seq"]):
                if self.messages[seq]["sender_type"] == "real":
                    self.messages[seq] = self.messages[seq] | {"handled_by_operator_id": message["sender_id"]}
        if event["event"] == "message.read":
            self.marks[detail["reader_type"], detail["reader_id"]] = (detail["seq"], event["at"])
        if event["event"].startswith("note."):
            self.notes.pop(detail["id"], None)
            if detail["deleted_at"] is None:
                self.notes[detail["id"]] = detail

    def differences(self, other: "Snapshot") -> list[tuple[str, object, object]]:
        """Return what differs: where, what is here, what is there."""
        ones, others = ({"chat": s.chat, **s.messages, **s.marks, **s.notes} for s in (self, other))
        found: list[tuple[str, object, object]] = []
        for key in ones.keys() | others.keys():
            one, another = ones.get(key), others.get(key)
            if isinstance(one, dict) and isinstance(another, dict):
                found += [(f"{key}.{name}", one[name], another[name]) for name in one if one[name] != another[name]]
            elif one != another:
                found.append((str(key), one, another))
        return found


class Audience:
    """One who keeps his snapshot of a chat true by its events, and compares."""

    def __init__(self, who: Caller, chat: UUID) -> None:
        self.who = who
        self.chat = chat
        self.first = Snapshot.fetch(who, chat)
        self.current = Snapshot.fetch(who, chat)

    def told(self) -> list[Json]:
        """Return the events since the last look: they carry the next numbers, and lead to what there is now."""
        new = events(self.who, self.chat, self.current.event_seq)
        fresh = Snapshot.fetch(self.who, self.chat)
        assert [e["event_seq"] for e in new] == list(range(self.current.event_seq + 1, fresh.event_seq + 1))
        for event in new:
            # A row is given as it is now, whatever it was when the event happened.
            assert event["chat"] == fresh.chat
            if event["message"] is not None:
                assert event["message"] == fresh.messages[event["message"]["seq"]]
            self.current.apply(event)
        assert self.current == fresh
        return new

    def told_from_the_beginning(self) -> list[Json]:
        """Return all events since the first look: they lead from that old snapshot to what there is now."""
        new = events(self.who, self.chat, self.first.event_seq)
        for event in new:
            self.first.apply(event)
        assert self.first == Snapshot.fetch(self.who, self.chat)
        return new


def staff_in(told: object, world: World) -> list[str]:
    """Return what of the staff's is found anywhere in some JSON: ids, names, addresses, what they noted."""
    secrets = [row["secret"] for row in world.owner.rows(SECRETS)]
    return [text for text in texts(told) if any(secret in text for secret in secrets)]


SECRETS = """
select s.secret
from (
  select unnest(array[id::text, name, email, status_reason]) as secret from operators
  union select note from chat_history
) s
where s.secret <> 'completed'
"""


def texts(value: object) -> list[str]:
    """Return every key and every value in some JSON, as text."""
    if isinstance(value, dict):
        return [text for key, item in value.items() for text in [str(key), *texts(item)]]
    if isinstance(value, list):
        return [text for item in value for text in texts(item)]
    return [str(value)]
