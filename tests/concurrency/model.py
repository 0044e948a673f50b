"""Sections 2 and 3 of the specification as a small program: no locks, no rows, one step after the other."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

WAITING, ASSIGNED, ANSWERED, COMPLETED = "waiting_assignment", "assigned", "waiting_real_user_reply", "completed"


class Refused(Exception):  # noqa: N818 - a refusal is an answer, not an error
    """What a caller may not do; its text is the machine code."""


@dataclass
class Message:
    """`seq` is its place in the chat's list."""

    sender_type: str
    sender: UUID
    is_deleted: bool = False
    handled_by: UUID | None = None


@dataclass
class Hold:
    """One operator having one chat for a time."""

    operator: UUID
    active_at: int
    reason: str | None = None


@dataclass
class Chat:
    """Times are steps of the model's clock."""

    customer: UUID
    handling: str = "turn"
    state: str = WAITING
    priority: int = 0
    holder: UUID | None = None
    last_operator: UUID | None = None
    let_go_by: UUID | None = None
    waiting_since: int | None = None
    owed_since: int | None = None
    was_answered: bool = False
    answered_to: int = 0  # messages before this one have had their reply
    messages: list[Message] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)


@dataclass
class Operator:
    """Somebody who answers."""

    capacity: int
    auto_assign: bool
    status: str = "online"
    is_active: bool = True
    held: int = 0
    free_since: int = 0
    messages_sent: int = 0
    answered_chats: set[UUID] = field(default_factory=set)
    idle_incidents: int = 0

    def takes_chats(self) -> bool:
        return self.is_active and self.auto_assign and self.status == "online"

    def has_hand(self) -> bool:
        return self.is_active and self.held < self.capacity


@dataclass
class Model:
    """The whole world. A method is what somebody does; it raises Refused, or changes the world."""

    chats: dict[UUID, Chat] = field(default_factory=dict)
    operators: dict[UUID, Operator] = field(default_factory=dict)
    time: int = 0
    is_frozen: bool = False
    # What the step brought about: chats that wait, operators whose hands may be free.
    came: list[UUID] = field(default_factory=list)
    freed: list[UUID] = field(default_factory=list)

    def now(self) -> int:
        if not self.is_frozen:
            self.time += 1
        return self.time

    # What the rules ask

    def queue(self) -> list[UUID]:
        """The waiting chats in their order."""

        def place(chat_id: UUID) -> tuple[int, int]:
            chat = self.chats[chat_id]
            assert chat.waiting_since is not None
            return (-chat.priority, chat.waiting_since)

        return sorted((i for i, chat in self.chats.items() if chat.state == WAITING), key=place)

    def candidates(self, operator: UUID) -> list[UUID]:
        """The waiting chats in the order in which this operator gets them: his own last."""
        queue = self.queue()
        return sorted(queue, key=lambda i: (self.chats[i].last_operator == operator, queue.index(i)))

    def sees(self, operator: UUID, chat_id: UUID) -> bool:
        chat = self.chats[chat_id]
        has_held = operator in {hold.operator for hold in chat.holds}
        return self.operators[operator].is_active and (chat.state == WAITING or has_held)

    def require_active(self, operator: UUID) -> None:
        if not self.operators[operator].is_active:
            raise Refused("operator_inactive")

    def require_sight(self, operator: UUID, chat_id: UUID) -> Chat:
        if not self.sees(operator, chat_id):
            raise Refused("chat_not_found")
        return self.chats[chat_id]

    def require_holder(self, operator: UUID | None, chat: Chat) -> None:
        if chat.state == COMPLETED:
            raise Refused("chat_completed")
        if chat.holder is None:
            raise Refused("chat_not_assigned")
        if chat.holder != operator:
            raise Refused("not_the_holder")

    # How a hold begins, moves and ends

    def give(self, chat_id: UUID, operator: UUID, reason: str) -> None:
        """Make him the holder; `reason` is why the hold before ends."""
        chat, new = self.chats[chat_id], self.operators[operator]
        self.require_active(operator)
        if not new.has_hand():
            raise Refused("operator_at_capacity")
        # One moment: who of two has been free longest is then decided by their ids.
        now = self.now()
        if chat.holder is not None:
            self.end_hold(chat, reason, now)
        # The place that he gives it back to, if he gives it back.
        if chat.owed_since is not None and chat.waiting_since is not None:
            chat.owed_since = chat.waiting_since
        chat.state, chat.holder, chat.last_operator = ASSIGNED, operator, operator
        chat.waiting_since = chat.let_go_by = None
        chat.holds.append(Hold(operator, now))
        new.held += 1
        new.free_since = now
        self.freed.append(operator)

    def end_hold(self, chat: Chat, reason: str, now: int) -> None:
        assert chat.holder is not None
        old = self.operators[chat.holder]
        old.held -= 1
        old.free_since = now
        self.freed.append(chat.holder)
        chat.holds[-1].reason = reason
        chat.holder = None

    def enqueue(self, chat_id: UUID, since: int) -> None:
        chat = self.chats[chat_id]
        chat.state, chat.waiting_since = WAITING, since
        self.came.append(chat_id)

    def settle(self, chat: Chat, state: str) -> None:
        """Nothing is owed any more."""
        chat.state, chat.owed_since, chat.answered_to = state, None, len(chat.messages)
        chat.waiting_since = chat.let_go_by = None

    def release(self, chat_id: UUID, reason: str) -> None:
        chat = self.chats[chat_id]
        operator, now = chat.holder, self.now()
        self.end_hold(chat, reason, now)
        if chat.owed_since is None and chat.was_answered:
            self.settle(chat, ANSWERED)
        else:
            self.enqueue(chat_id, now if chat.owed_since is None else chat.owed_since)
            chat.let_go_by = operator

    # Automatic assignment, at the end of a step

    def dispatch(self, came: Iterable[UUID]) -> None:
        for chat_id in came:
            self.offer(chat_id)
        while self.freed:
            self.fill(self.freed.pop(0))
        self.came.clear()

    def offer(self, chat_id: UUID) -> None:
        chat = self.chats[chat_id]
        free = [
            (operator_id == chat.last_operator, operator.free_since, operator_id)
            for operator_id, operator in self.operators.items()
            if operator.takes_chats() and operator.has_hand() and operator_id != chat.let_go_by
        ]
        if chat.state == WAITING and free:
            self.give(chat_id, min(free)[2], "auto")

    def fill(self, operator_id: UUID) -> None:
        operator = self.operators[operator_id]
        for chat_id in self.candidates(operator_id):
            if operator.takes_chats() and operator.has_hand() and self.chats[chat_id].let_go_by != operator_id:
                self.give(chat_id, operator_id, "auto")

    # What customers do

    def starts(self, chat_id: UUID, customer: UUID, handling: str = "turn") -> None:
        now = self.now()
        self.chats[chat_id] = Chat(customer, handling, owed_since=now)
        self.enqueue(chat_id, now)

    def writes(self, customer: UUID, chat_id: UUID) -> None:
        chat = self.chats[chat_id]
        if chat.customer != customer:
            raise Refused("chat_not_found")
        chat.messages.append(Message("real", customer))
        now = self.now()
        if chat.state in (ANSWERED, COMPLETED):
            chat.owed_since = now
            self.enqueue(chat_id, now)
        elif chat.owed_since is None:
            chat.owed_since = now

    def deletes(self, sender: UUID, chat_id: UUID, index: int) -> None:
        chat = self.chats[chat_id]
        message = chat.messages[index]
        if message.sender != sender:
            raise Refused("message_not_found")
        if message.sender_type == "operator":
            self.require_active(sender)
        message.is_deleted = True
        unanswered = [m for m in chat.messages[chat.answered_to :] if m.sender_type == "real" and not m.is_deleted]
        if message.sender_type == "real" and chat.was_answered and not unanswered:
            chat.owed_since = None

    def edits(self, sender: UUID, chat_id: UUID, index: int) -> None:
        message = self.chats[chat_id].messages[index]
        if message.sender != sender:
            raise Refused("message_not_found")
        if message.sender_type == "operator":
            self.require_active(sender)
        if message.is_deleted:
            raise Refused("message_not_found")

    # What operators do

    def replies(self, operator: UUID, chat_id: UUID) -> None:
        self.require_active(operator)
        self.require_holder(operator, self.require_sight(operator, chat_id))
        self.answer(chat_id)

    def answer(self, chat_id: UUID) -> None:
        """The holder's reply."""
        chat = self.chats[chat_id]
        assert chat.holder is not None
        for message in chat.messages[chat.answered_to :]:
            if message.sender_type == "real":
                message.handled_by = chat.holder
        chat.messages.append(Message("operator", chat.holder))
        chat.was_answered = True
        operator = self.operators[chat.holder]
        operator.messages_sent += 1
        operator.answered_chats.add(chat_id)
        chat.holds[-1].active_at = self.now()
        if chat.handling == "turn":
            self.end_hold(chat, "replied", self.now())
        self.settle(chat, ANSWERED if chat.handling == "turn" else ASSIGNED)

    def types(self, operator: UUID, chat_id: UUID) -> None:
        self.require_active(operator)
        chat = self.require_sight(operator, chat_id)
        self.require_holder(operator, chat)
        chat.holds[-1].active_at = self.now()

    def asks(self, operator: UUID, for_whom: UUID) -> None:
        self.require_active(operator)
        if operator != for_whom:
            raise Refused("not_allowed")
        if not self.operators[operator].has_hand():
            raise Refused("operator_at_capacity")
        for chat_id in self.candidates(operator)[:1]:
            self.give(chat_id, operator, "assigned")

    def takes(self, operator: UUID, chat_id: UUID) -> None:
        self.require_active(operator)
        chat = self.require_sight(operator, chat_id)
        if chat.state == COMPLETED:
            raise Refused("chat_completed")
        if chat.state != WAITING:
            raise Refused("chat_not_waiting")
        self.give(chat_id, operator, "taken")

    def hands_back(self, operator: UUID, chat_id: UUID) -> None:
        self.require_active(operator)
        self.require_holder(operator, self.require_sight(operator, chat_id))
        self.release(chat_id, "manual")

    def transfers(self, operator: UUID, chat_id: UUID, to: UUID) -> None:
        self.require_active(operator)
        self.require_holder(operator, self.require_sight(operator, chat_id))
        self.require_active(to)
        if to == operator:
            raise Refused("transition_refused")
        self.give(chat_id, to, "transferred")

    def sets_status(self, operator: UUID, status: str) -> None:
        self.require_active(operator)
        self.change(operator, status=status)

    def change(self, operator_id: UUID, **to: Any) -> None:
        """His row changes: status, automatic assignment, capacity, activity."""
        operator = self.operators[operator_id]
        took_chats, had_hand = operator.takes_chats(), operator.has_hand()
        if operator.is_active and to.get("capacity", operator.capacity) < operator.held:
            raise Refused("operator_at_capacity")
        if to.get("is_active") is False:
            for chat_id in [i for i, chat in self.chats.items() if chat.holder == operator_id]:
                self.release(chat_id, "deactivated")
        for name, value in to.items():
            setattr(operator, name, value)
        if (operator.has_hand() and not had_hand) or (operator.takes_chats() and not took_chats):
            operator.free_since = self.now()
        self.freed.append(operator_id)

    # What admins, jobs and everybody else do

    def reassigns(self, chat_id: UUID, to: UUID) -> None:
        self.require_active(to)
        chat = self.chats[chat_id]
        if chat.state == COMPLETED:
            raise Refused("chat_completed")
        if chat.holder != to:
            self.give(chat_id, to, "reassigned")

    def completes(self, chat_id: UUID, reason: str = "completed") -> None:
        chat = self.chats[chat_id]
        if chat.holder is not None:
            self.end_hold(chat, reason, self.now())
        self.settle(chat, COMPLETED)

    def operator_completes(self, operator: UUID, chat_id: UUID) -> None:
        chat = self.require_sight(operator, chat_id)
        if chat.state != COMPLETED:
            self.require_holder(operator, chat)
            self.completes(chat_id)

    def releases_idle(self, since: int) -> None:
        """All at one moment: whoever did nothing after `since` while his customer is owed a reply."""
        for chat_id, chat in self.chats.items():
            if chat.holder is None or chat.owed_since is None:
                continue
            if max(chat.holds[-1].active_at, chat.owed_since) <= since:
                operator = self.operators[chat.holder]
                operator.idle_incidents += 1
                operator.status = "away" if operator.status == "online" else operator.status
                self.release(chat_id, "idle")

    # Plain SQL

    def plainly_assigned(self, chat_id: UUID, to: UUID) -> None:
        chat = self.chats[chat_id]
        if chat.state == COMPLETED:
            raise Refused("transition_refused")
        if chat.holder != to:
            self.give(chat_id, to, "sql")

    def plainly_released(self, chat_id: UUID) -> None:
        chat = self.chats[chat_id]
        if chat.state == ASSIGNED:
            if chat.owed_since is None and chat.was_answered:
                raise Refused("transition_refused")
            self.release(chat_id, "sql")

    def plainly_answered(self, chat_id: UUID) -> None:
        chat = self.chats[chat_id]
        if chat.state in (WAITING, COMPLETED):
            raise Refused("transition_refused")
        chat.was_answered = True
        if chat.state == ASSIGNED:
            self.end_hold(chat, "sql", self.now())
            self.settle(chat, ANSWERED)

    def plainly_replied(self, chat_id: UUID) -> None:
        chat = self.chats[chat_id]
        self.require_holder(chat.holder, chat)
        self.answer(chat_id)

    # What can be compared with the database

    def picture(self) -> dict[str, Any]:
        return {
            "broken": None,
            "queue": [str(chat_id) for chat_id in self.queue()],
            "chats": {
                str(chat_id): {
                    "state": chat.state,
                    "holder": text(chat.holder),
                    "last_operator": text(chat.last_operator),
                    "priority": chat.priority,
                    "is_owed": chat.owed_since is not None,
                    "messages": [[m.sender_type, m.is_deleted, text(m.handled_by)] for m in chat.messages],
                    "holds": [[text(hold.operator), hold.reason] for hold in chat.holds],
                }
                for chat_id, chat in self.chats.items()
            },
            "operators": {
                str(operator_id): {
                    "status": operator.status,
                    "is_active": operator.is_active,
                    "capacity": operator.capacity,
                    "auto_assign": operator.auto_assign,
                    "held": operator.held,
                    "messages_sent": operator.messages_sent,
                    "chats_handled": len(operator.answered_chats),
                    "idle_incidents": operator.idle_incidents,
                }
                for operator_id, operator in self.operators.items()
            },
        }


def text(value: UUID | None) -> str | None:
    return None if value is None else str(value)
