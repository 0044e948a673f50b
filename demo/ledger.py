"""What the server has acknowledged, in the demo's own book: at the end the database has to agree."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import uuid4


@dataclass
class Sent:
    """A message that somebody sends. It counts once it is acknowledged; before that it may be there or not."""

    sender_id: str
    sender_type: str
    chat_id: str | None  # None until the chat is there that it starts
    contents: list[str]  # what it may say: two texts while an edit is on its way
    client_message_id: str = field(default_factory=lambda: str(uuid4()))
    is_acknowledged: bool = False
    message_id: str | None = None  # unknown of a message that started a chat
    seq: int | None = None
    is_deletion_asked: bool = False
    is_deleted: bool = False


@dataclass
class Ledger:
    """All of it. The people of the demo write here as they are answered."""

    cast: set[str] = field(default_factory=set)  # everyone's id: others may be using the server too
    sent: list[Sent] = field(default_factory=list)
    chats: dict[str, str] = field(default_factory=dict)  # id of the chat: id of its customer
    completed: set[str] = field(default_factory=set)  # completed, and its customer has not written since
    holds: set[tuple[str, str, datetime]] = field(default_factory=set)  # chat, operator, since when
    repeats: int = 0  # messages sent again under the same client_message_id, and answered
    refusals: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)  # what was seen to be wrong at once

    def intend(self, sender_id: str, sender_type: str, chat_id: str | None, content: str) -> Sent:
        """Note a message that is about to be sent."""
        sent = Sent(sender_id, sender_type, chat_id, [content])
        self.sent.append(sent)
        if chat_id is not None and sender_type == "real":
            self.completed.discard(chat_id)
        return sent

    def acknowledge(self, sent: Sent, message: dict[str, Any]) -> None:
        """Note the row that the server has answered with; a repeat must be answered with the same."""
        if sent.message_id is not None:
            self.repeats += 1
            if (sent.message_id, sent.seq) != (message["id"], message["seq"]):
                self.problems.append(f"message {sent.message_id}, sent again, came back as {message['id']}")
            return
        sent.is_acknowledged = True
        sent.message_id, sent.seq = message["id"], message["seq"]

    def acknowledge_chat(self, sent: Sent, chat: dict[str, Any]) -> None:
        """Note the chat that a first message has started."""
        if sent.chat_id is not None:
            self.repeats += 1
            if sent.chat_id != chat["id"]:
                self.problems.append(f"chat {sent.chat_id}, started again, came back as {chat['id']}")
            return
        sent.is_acknowledged = True
        sent.chat_id, sent.seq = chat["id"], 1
        self.chats[chat["id"]] = sent.sender_id

    def see_hold(self, chat: dict[str, Any]) -> None:
        """Note who was given the chat, if anybody."""
        if chat["assigned_operator_id"] is not None:
            since = datetime.fromisoformat(chat["assignment_time"])
            self.holds.add((chat["id"], chat["assigned_operator_id"], since))

    def see_thread(self, chat_id: str, messages: list[dict[str, Any]], after_seq: int) -> None:
        """Check a page of a thread: every number after `after_seq`, none twice, none left out."""
        numbers = [message["seq"] for message in messages]
        if numbers != list(range(after_seq + 1, after_seq + 1 + len(numbers))):
            self.problems.append(f"chat {chat_id}: after message {after_seq} came {numbers}")
