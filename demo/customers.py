"""The customers: they come one after another, write once or in bursts, wait, and leave."""

from dataclasses import dataclass, field
from random import Random

from demo.http import Refused, Server, sign_up
from demo.ledger import Sent
from demo.schedule import Schedule

FIRST_LINES = (
    "Hello, where is my order?",
    "Hi! Can I change the delivery address?",
    "The discount code does not work 🙁",
    "I was charged twice.",
    "Do you ship to Norway?",
    "Wie kann ich den Artikel zurückgeben?",
    "The app says “unknown error”.",
)
MORE_LINES = (
    "It is number 4711.",
    "Are you there?",
    "I ordered it a week ago.",
    "By card, if that matters.",
    "Sorry, I meant the blue one.",
    "Please.",
    "Here is what it says:\n\n  Error 17\n  try again later",
)
NEXT_LINES = ("Thank you. One more question:", "And what about the invoice?", "That did not help.", "And the other?")


@dataclass
class Customer:
    """One of them, whose choices come from his own `random`: the same in every run with the same seed."""

    server: Server
    schedule: Schedule
    random: Random
    seq: int = 0  # the last message that he has read
    own: list[Sent] = field(default_factory=list)

    async def play(self) -> None:
        """Come, write, wait for the answer, perhaps ask again."""
        await self.schedule.pause(self.random.uniform(0, 36))
        self.person = await sign_up(self.server)
        await self._start()
        while True:
            await self._write_more()
            state = await self._wait()
            if state is None or self.schedule.is_writing_over:
                return
            choice = self.random.random()
            if state == "waiting_real_user_reply" and choice < 0.2:
                await self._complete()
                if self.random.random() < 0.7:
                    return
            elif choice > 0.75:
                return
            await self.schedule.pause(self.random.uniform(0.5, 3))
            await self._write(self.random.choice(NEXT_LINES))

    async def _start(self) -> None:
        ledger = self.server.ledger
        content = self.random.choice(FIRST_LINES)
        sent = ledger.intend(self.person.id, "real", None, content)
        context = {"currentPage": self.random.choice(["/", "/cart", "/orders", "/help"])}
        for _ in range(2 if self.random.random() < 0.1 else 1):
            chat = await self.person.post(
                "/api/chats", content=content, client_message_id=sent.client_message_id, context=context
            )
            ledger.acknowledge_chat(sent, chat)
        self.chat_id: str = chat["id"]

    async def _write_more(self) -> None:
        """Write on, as people do, and sometimes take back what was written."""
        for _ in range(self.random.choice((0, 0, 0, 1, 1, 2, 4))):
            await self.schedule.pause(self.random.uniform(0.05, 1.5))
            await self._write(self.random.choice(MORE_LINES))
        if self.own and self.random.random() < 0.12:
            await self._edit(self.random.choice(self.own))
        if self.own and self.random.random() < 0.06:
            await self._delete(self.own.pop())

    async def _write(self, content: str) -> None:
        is_repeated = self.random.random() < 0.1
        self.own.append(await self.person.send("/api/messages", self.chat_id, content, "real", is_repeated))

    async def _edit(self, sent: Sent) -> None:
        content = f"{sent.contents[0]} (edited)"
        sent.contents.append(content)
        await self.person.patch("/api/messages/{}", str(sent.message_id), content=content)
        sent.contents = [content]

    async def _delete(self, sent: Sent) -> None:
        sent.is_deletion_asked = True
        await self.person.delete("/api/messages/{}", str(sent.message_id))
        sent.is_deleted = True

    async def _complete(self) -> None:
        chat = await self.person.post("/api/chats/{}/complete", self.chat_id, reason="solved")
        if chat["chat_state"] == "completed":
            self.server.ledger.completed.add(self.chat_id)

    async def _wait(self) -> str | None:
        """Wait until the chat is answered or completed; None when the time is up before."""
        will_interrupt = self.random.random() < 0.3
        while not self.schedule.is_over:
            await self.schedule.pause(self.random.uniform(3, 5))
            chat = await self.person.get("/api/chats/{}", self.chat_id)
            state: str = chat["chat_state"]
            if state == "assigned" and will_interrupt:
                will_interrupt = False  # he writes while an operator is at it, who must keep the chat
                await self._write(self.random.choice(MORE_LINES))
            elif state in ("waiting_real_user_reply", "completed"):
                await self._read()
                return state
        return None

    async def _read(self) -> None:
        page = await self.person.get("/api/chats/{}/messages", self.chat_id, after_seq=self.seq, limit=100)
        self.server.ledger.see_thread(self.chat_id, page["data"], self.seq)
        if page["data"]:
            self.seq = page["data"][-1]["seq"]
            await self.person.post("/api/chats/{}/read", self.chat_id, seq=self.seq)


async def play(customer: Customer) -> None:
    """Play a customer; what is refused to him ends his visit, and is in the ledger."""
    try:
        await customer.play()
    except Refused:
        return
