"""The account: what the server has acknowledged against what the database holds."""

from dataclasses import dataclass
from typing import Any

from psycopg import Connection

from demo.database import ask
from demo.ledger import Ledger

STATES = ("waiting_assignment", "assigned", "waiting_real_user_reply", "completed")

_CHATS = "select id::text, real_user_id::text, chat_state, last_seq from public.chats where id = any(%(chats)s::uuid[])"
_MESSAGES = """
select id::text, chat_id::text, seq, sender_id::text, client_message_id::text, content, deleted_at is not null
from public.messages where chat_id = any(%(chats)s::uuid[]) order by chat_id, seq
"""
_HOLDS = """
select chat_id::text, operator_id::text, assigned_at from public.chat_assignments where chat_id = any(%(chats)s::uuid[])
"""
_TWO_HANDS = """
select a.chat_id, a.operator_id, b.operator_id
from public.chat_assignments a
join public.chat_assignments b on b.chat_id = a.chat_id and b.id <> a.id
where a.chat_id = any(%(chats)s::uuid[])
  and b.assigned_at >= a.assigned_at and b.assigned_at < coalesce(a.released_at, 'infinity')
"""


@dataclass
class Check:
    """One thing that must be so: of how many it was checked (None: of everything), and where it is not."""

    name: str
    count: int | None
    problems: list[str]


@dataclass(frozen=True)
class Row:
    """A message as the database has it."""

    id: str
    chat_id: str
    seq: int
    sender_id: str | None
    client_message_id: str | None
    content: str
    is_deleted: bool


def audit(connection: Connection[Any], ledger: Ledger) -> list[Check]:
    """Check everything that was acknowledged."""
    chat_ids = list(ledger.chats)
    # Operators also answer chats that were there before.
    written_in = {*chat_ids, *(sent.chat_id for sent in ledger.sent if sent.chat_id)}
    rows = [Row(*row) for row in ask(connection, _MESSAGES, chats=list(written_in)).rows]
    broken = ask(connection, "select * from public.check_invariants()").rows
    return [
        _chats(connection, ledger),
        *_messages(ledger, rows),
        _order(ledger, rows),
        _holds(connection, ledger),
        Check("no chat was in two hands", len(chat_ids), _texts(ask(connection, _TWO_HANDS, chats=chat_ids).rows)),
        Check("check_invariants() is empty", None, _texts(broken)),
        Check("no answer was an error, or contradicted another", None, ledger.problems),
    ]


def _chats(connection: Connection[Any], ledger: Ledger) -> Check:
    found = {row[0]: row for row in ask(connection, _CHATS, chats=list(ledger.chats)).rows}
    problems = []
    for chat_id, customer_id in ledger.chats.items():
        if chat_id not in found:
            problems.append(f"chat {chat_id} is lost")
            continue
        _, real_user_id, state, _ = found[chat_id]
        if real_user_id != customer_id or state not in STATES:
            problems.append(f"chat {chat_id} is {state}, of {real_user_id}")
        elif chat_id in ledger.completed and state != "completed":
            problems.append(f"chat {chat_id} was completed, and is {state}")
    return Check("every chat that was acknowledged is in a known state", len(ledger.chats), problems)


def _messages(ledger: Ledger, rows: list[Row]) -> list[Check]:
    """Each acknowledged message is there once, as it was acknowledged, and nothing is there that nobody sent."""
    found: dict[tuple[str | None, str | None], list[Row]] = {}
    for row in rows:
        found.setdefault((row.sender_id, row.client_message_id), []).append(row)
    problems = []
    for sent in ledger.sent:
        there = found.pop((sent.sender_id, sent.client_message_id), [])
        if len(there) > 1 or (sent.is_acknowledged and not there):
            problems.append(f"message {sent.client_message_id} in chat {sent.chat_id} is there {len(there)} times")
        elif there and sent.is_acknowledged:
            row = there[0]
            is_right = (row.chat_id, row.seq) == (sent.chat_id, sent.seq) and row.id == (sent.message_id or row.id)
            is_right_text = row.content == "" if row.is_deleted else row.content in sent.contents
            is_right_end = row.is_deleted or not sent.is_deleted
            if not (is_right and is_right_text and is_right_end and (sent.is_deletion_asked or not row.is_deleted)):
                problems.append(f"message {row.id} in chat {row.chat_id} is not as it was acknowledged: {row}")
    unknown = [
        f"message {row.id} of {row.sender_id} was not sent"
        for there in found.values()
        for row in there
        if row.chat_id in ledger.chats and row.sender_id in ledger.cast
    ]
    acknowledged = sum(sent.is_acknowledged for sent in ledger.sent)
    return [
        Check("every message that was acknowledged is there once, as it was", acknowledged, problems),
        Check("a message sent again is no second message", ledger.repeats, unknown),
    ]


def _order(ledger: Ledger, rows: list[Row]) -> Check:
    """Check that numbers have no gap, and that whoever wrote one after another has them in that order."""
    by_chat: dict[str, list[int]] = {}
    for row in rows:
        by_chat.setdefault(row.chat_id, []).append(row.seq)
    problems = [
        f"chat {chat_id} has the numbers {numbers}"
        for chat_id, numbers in by_chat.items()
        if numbers != list(range(1, len(numbers) + 1))
    ]
    last: dict[tuple[str | None, str], int] = {}
    for sent in ledger.sent:  # nobody sends his next message before the last one was answered
        if sent.seq is not None:
            who = (sent.chat_id, sent.sender_id)
            if sent.seq <= last.get(who, 0):
                problems.append(f"chat {sent.chat_id}: message {sent.seq} was sent after {last[who]}")
            last[who] = sent.seq
    return Check("every chat's messages are in order, without a gap", len(by_chat), problems)


def _holds(connection: Connection[Any], ledger: Ledger) -> Check:
    found = set(ask(connection, _HOLDS, chats=list({chat_id for chat_id, _, _ in ledger.holds})).rows)
    problems = [
        f"{operator} was given {chat} at {at}, which is not recorded" for chat, operator, at in ledger.holds - found
    ]
    return Check("every assignment that was seen is recorded", len(ledger.holds), problems)


def _texts(rows: list[tuple[Any, ...]]) -> list[str]:
    return [", ".join(str(value) for value in row) for row in rows]
