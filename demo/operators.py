"""The staff at work: operators who ask, answer, dawdle, hand back, transfer, go away; an admin who reassigns."""

from dataclasses import dataclass
from random import Random
from typing import Any

from demo.http import Person, Refused
from demo.schedule import Schedule

REPLIES = (
    "Hello! Let me have a look.",
    "It was sent this morning and should be with you tomorrow.",
    "I have corrected that, please try again.",
    "Bien sûr, voilà le lien.",
    "Done 👍 Is there anything else?",
    "You can return it within 30 days; the label is in your inbox.",
)
HAND_BACK_REASONS = ("not my field", "lunch", None)


@dataclass
class Operator:
    """One of them. A dawdler sometimes does nothing until the chat is taken from him; a walker leaves for breaks."""

    person: Person
    colleagues: list[Person]
    schedule: Schedule
    random: Random
    is_dawdler: bool = False
    is_walker: bool = False

    async def play(self) -> None:
        """Work until the time is up, and leave nothing behind."""
        await self._set_status("online")
        chats = 0
        while not self.schedule.is_over:
            chat = await self._next_chat()
            if chat is None:
                await self.schedule.pause(self.random.uniform(0.4, 1.2))
                continue
            chats += 1
            try:
                await self._handle(chat)
            except Refused:
                continue  # taken from him, or completed by the customer, in the meantime
            await self.schedule.pause(self.random.uniform(0.1, 0.5))
            if self.is_walker and chats % 5 == 0:
                await self._set_status("away", "break")
                await self.schedule.pause(5)
                await self._set_status("online")
        await self._leave()

    async def _next_chat(self) -> dict[str, Any] | None:
        """Ask for a chat. Whose hands are full was given one by a colleague, the admin or automatically."""
        try:
            chat: dict[str, Any] | None = await self.person.post("/api/operator/assign")
        except Refused as refusal:
            if refusal.code != "operator_at_capacity":
                raise
            inbox = await self.person.get("/api/operator/inbox")
            chat = next(iter(inbox["chats"]), None)
        if chat is not None:
            self.person.server.ledger.see_hold(chat)
        return chat

    async def _handle(self, chat: dict[str, Any]) -> None:
        chat_id = chat["id"]
        choice = self.random.random()
        if self.is_dawdler and choice < 0.5 and not self.schedule.is_writing_over:
            await self._dawdle(chat_id)
        elif choice < 0.06:
            reason = self.random.choice(HAND_BACK_REASONS)
            await self.person.post("/api/operator/unassign", chat_id=chat_id, reason=reason)
        elif choice < 0.12:
            await self._transfer(chat_id)
        elif choice < 0.15:
            await self._complete(chat_id)
        else:
            await self._answer(chat_id, is_thorough=choice > 0.96)

    async def _answer(self, chat_id: str, is_thorough: bool) -> None:
        page = await self.person.get("/api/chats/{}/messages", chat_id, limit=50)
        messages = page["data"]
        self.person.server.ledger.see_thread(chat_id, messages, messages[0]["seq"] - 1 if messages else 0)
        # The thorough one needs longer than the idle limit: that he types keeps the chat with him.
        for _ in range(6 if is_thorough else self.random.choice((0, 1))):
            await self.person.post("/api/operator/activity", chat_id=chat_id)
            await self.schedule.pause(2.5 if is_thorough else 0.3)
        await self.schedule.pause(self.random.uniform(0.2, 1.4))
        reply = self.random.choice(REPLIES)
        await self.person.send("/api/operator/messages", chat_id, reply, "operator", self.random.random() < 0.1)

    async def _transfer(self, chat_id: str) -> None:
        colleague = self.random.choice(self.colleagues)
        try:
            body = {"chat_id": chat_id, "operator_id": colleague.id, "reason": "knows more about it"}
            self.person.server.ledger.see_hold(await self.person.post("/api/operator/transfer", **body))
        except Refused as refusal:
            if refusal.code != "operator_at_capacity":
                raise
            await self._answer(chat_id, is_thorough=False)

    async def _complete(self, chat_id: str) -> None:
        await self.person.post("/api/chats/{}/complete", chat_id, reason="answered before")

    async def _dawdle(self, chat_id: str) -> None:
        """Do nothing; come back when the chat is gone, or when it has become too late for that to happen."""
        for _ in range(18):
            await self.schedule.pause(2)
            inbox = await self.person.get("/api/operator/inbox")
            if chat_id not in [chat["id"] for chat in inbox["chats"]]:
                await self._set_status("online")
                return
        await self._answer(chat_id, is_thorough=False)

    async def _leave(self) -> None:
        inbox = await self.person.get("/api/operator/inbox")
        for chat in inbox["chats"]:
            try:
                await self.person.post("/api/operator/unassign", chat_id=chat["id"], reason="end of shift")
            except Refused:
                continue
        await self._set_status("offline")

    async def _set_status(self, status: str, reason: str | None = None) -> None:
        await self.person.post("/api/operator/status", status=status, reason=reason)


@dataclass
class Admin:
    """Looks at the queue, and now and then gives a chat to somebody else."""

    person: Person
    operators: list[Person]
    schedule: Schedule
    random: Random

    async def play(self) -> None:
        """Do so until customers have stopped writing."""
        while not self.schedule.is_writing_over:
            await self.schedule.pause(self.random.uniform(1, 3))
            await self.person.get("/api/admin/queue-status")
            page = await self.person.get("/api/chats", chat_state="assigned", limit=50)
            chats = [chat for chat in page["data"] if chat["id"] in self.person.server.ledger.chats]
            if chats:
                await self._reassign(self.random.choice(chats)["id"])

    async def _reassign(self, chat_id: str) -> None:
        body = {"operator_id": self.random.choice(self.operators).id, "reason": "better placed"}
        try:
            chat = await self.person.post("/api/admin/chats/{}/reassign", chat_id, **body)
        except Refused:
            return  # his hands are full, or the chat is done
        self.person.server.ledger.see_hold(chat)
