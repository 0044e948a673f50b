"""The demo's scripted customers: they come, write and answer while somebody watches, and only then.

Nothing runs here by itself. A demo page that is being watched asks for the next step every few seconds; what that is
follows from the clock and from what is in the database, and so do the ids of what is written. Pages and processes that
ask at the same moment take one step together, and there are never more open chats than customers.
"""

from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple
from uuid import NAMESPACE_URL, UUID, uuid5

from web.db import Database
from web.tokens import AUDIENCE, Caller, as_json

TURN = 5  # seconds that each of them has, one after the other
_READING = timedelta(seconds=6)  # until they answer
_PATIENCE = timedelta(seconds=20)  # until they write again, unasked
_REST = timedelta(minutes=3)  # until they come back


class Part(NamedTuple):
    """A scripted customer, and what he says: at first, while nobody answers, and to each reply in turn."""

    name: str
    opening: str
    more: str
    answers: tuple[str, ...]

    @property
    def id(self) -> UUID:
        """Who he is, in every demo."""
        return uuid5(NAMESPACE_URL, f"baton:demo:{self.name}")


CROWD = (
    Part(
        "Noor (scripted)",
        "Hello! I ordered two lamps on Monday and only one came.",
        "The number is 20417, if that helps.",
        ("Yes, the small one is missing.", "That would be lovely, thank you!"),
    ),
    Part(
        "Samir (scripted)",
        "Can I still change the address of an order?",
        "It is to go to my office instead.",
        ("Harbour Street 12, third floor.", "Perfect, thanks."),
    ),
    Part(
        "Ines (scripted)",
        "Does the oak table come in a darker colour?",
        "I saw it in the window, I think.",
        ("And how long would that take?", "Then I will think about it. Thanks!"),
    ),
    Part(
        "Tomo (scripted)",
        "The discount code from the letter does not work.",
        "It says “not valid”, but the letter is from today.",
        ("WARM-PAPER-10, all in capitals.", "Now it does. Thank you!"),
    ),
)


class Step(NamedTuple):
    """What somebody does next, and what he says with it."""

    deed: Literal["start", "write", "end"]
    text: str = ""


def take_turn(database: Database, now: datetime) -> None:
    """Let the customer whose turn it is do what he would do now, as himself; mostly that is nothing.

    Raises:
        psycopg.Error: What the functions refuse; nothing was changed.
    """
    part = CROWD[int(now.timestamp()) // TURN % len(CROWD)]
    caller = Caller(AUDIENCE, as_json({"role": AUDIENCE, "sub": str(part.id)}), part.id)
    chat: dict[str, Any] | None = next(iter(database.call(caller, "list_chats", {"p_limit": 1})), None)
    said = database.call(caller, "list_messages", {"p_chat_id": chat["id"]}) if chat else []
    step = next_step(part, chat, said, now)
    if step is None:
        return
    if step.deed == "start":
        database.call(caller, "introduce_myself", {"p_name": part.name})
        message_id = uuid5(part.id, f"after {chat['id'] if chat else 'nothing'}")
        first = {"p_content": step.text, "p_client_message_id": message_id, "p_context": {"demo": "scripted"}}
        database.call(caller, "start_chat", first)
    elif chat and step.deed == "write":
        more = {"p_content": step.text, "p_client_message_id": uuid5(chat["id"], step.text)}
        database.call(caller, "send_real_user_message", {"p_chat_id": chat["id"], **more})
    elif chat:
        database.call(caller, "complete_chat", {"p_chat_id": chat["id"], "p_reason": "ended by the customer"})


def next_step(part: Part, chat: dict[str, Any] | None, messages: list[dict[str, Any]], now: datetime) -> Step | None:
    """Return what he does next, given his latest chat and its messages."""
    if chat is None or not messages:
        return Step("start", part.opening)
    last = messages[-1]
    waited = now - last["created_at"]
    if chat["chat_state"] == "completed":
        return Step("start", part.opening) if waited > _REST else None
    said = {message["content"] for message in messages if message["sender_type"] == "real"}
    if last["sender_type"] == "operator" and waited >= _READING:
        answer = next((each for each in part.answers if each not in said), None)
        return Step("end") if answer is None else Step("write", answer)
    if last["sender_type"] == "real" and waited >= _PATIENCE and said == {part.opening}:
        return Step("write", part.more)
    return None
