"""What the screens show in the tests that go through all of them: a house with somebody in every state.

What people do comes in by the routes, as they would bring it in, at times that are always the same.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import md5
from typing import Any
from uuid import UUID, uuid4

import httpx

from tests.browser.house import House
from tests.files.corpus import png
from tests.servers import NO_AUTHORITIES

# A Wednesday. So late it is at all screens; what is there came in the hours before.
NOW = "2026-11-18T10:30:00+00:00"

# Makes one text out of another one: of a name, a message, …
Say = Callable[[str], str]


def plainly(text: str) -> str:
    """Say it as it is."""
    return text


@dataclass
class Furniture:
    """Where what is."""

    house: House
    say: Say
    ana: str = ""
    ben: str = ""
    ada: str = ""
    mine: str = ""
    queued: str = ""
    urgent: str = ""
    theirs: str = ""
    waiting: str = ""
    snoozed: str = ""
    done: str = ""
    invitation: str = ""
    customers: dict[str, str] = field(default_factory=dict)  # their ids, by name

    @property
    def shop(self) -> str:
        """The address of the demo's shop: another site than Baton."""
        return self.house.base_url.replace("127.0.0.1", "localhost")

    def calls(self, person_id: str, method: str, path: str, body: object = None, **more: Any) -> Any:
        """Call a route as somebody; return what it answers."""
        headers = {"Authorization": f"Bearer {self.house.world.token(person_id)}"}
        content: dict[str, Any] = {} if body is None else {"json": body}
        answer = self._http.request(method, path, headers=headers, **content, **more)
        assert answer.is_success, f"{method} {path}: {answer.text}"
        return answer.json() if answer.content else None

    def posts(self, person_id: str, path: str, **body: object) -> Any:
        """Post something as somebody."""
        return self.calls(person_id, "POST", path, body)

    def chat(self, at: str, name: str, *texts: str, holder: str = "", **context: object) -> str:
        """Let a new customer begin a chat; return its id. With a holder it is in his hands at once."""
        self.at(at)
        customer = str(UUID(md5((name + self.say("")).encode(), usedforsecurity=False).hexdigest()))
        email = f"{name.split()[0].lower()}@shop.example"
        first, *others = texts
        self.posts(customer, "/api/me", name=self.say(name), email=email)
        shown = {name: self.say(str(value)) for name, value in context.items()}
        begun = {"content": self.say(first), "client_message_id": str(uuid4()), "context": shown}
        chat_id = str(self.posts(customer, "/api/chats", **begun)["id"])
        for text in others:
            self.writes(customer, chat_id, text)
        if holder:
            self.posts(
                self.ada, f"/api/admin/chats/{chat_id}/reassign", operator_id=holder, reason=self.say("knows it")
            )
        self.customers[name] = customer
        return chat_id

    def writes(self, customer: str, chat_id: str, text: str) -> None:
        """Let a customer write again."""
        self.posts(customer, "/api/messages", chat_id=chat_id, content=self.say(text), client_message_id=str(uuid4()))

    def replies(self, operator: str, chat_id: str, text: str, **more: object) -> Any:
        """Let an operator reply."""
        body = {"chat_id": chat_id, "content": self.say(text), "client_message_id": str(uuid4()), **more}
        return self.posts(operator, "/api/operator/messages", **body)

    def at(self, time: str) -> None:
        """Set the clock of the database: a time of that Wednesday."""
        self.house.stop_clock(NOW[:11] + time + NOW[16:])

    def __post_init__(self) -> None:
        none = httpx.Limits(max_keepalive_connections=0)
        self._http = httpx.Client(base_url=self.house.base_url, timeout=30, limits=none, verify=NO_AUTHORITIES)


def furnish(house: House, people: dict[str, str], say: Say = plainly) -> Furniture:
    """Bring in what the screens are to show; `people` are the ids of ana, ben, ada."""
    it = Furniture(house, say, ana=people["ana"], ben=people["ben"], ada=people["ada"])
    ada, ana, ben = it.ada, it.ana, it.ben
    it.at("07:00")
    # They were hired with their accounts alone; an invitation would have brought the address along.
    house.world.rows("update operators set email = lower(name) || '@baton.example' where true")
    it.calls(ada, "PATCH", "/api/admin/widget-settings", {"handling": "session", "ask_rating": True})
    it.posts(
        ada,
        "/api/quick-responses",
        shortcut="hours",
        title=say("Opening hours"),
        content=say("We are here from nine to five."),
        is_shared=True,
    )
    it.posts(
        ana,
        "/api/quick-responses",
        shortcut="thanks",
        title=say("Thanks"),
        content=say("Thank you, {{customer.name}}."),
    )
    it.posts(ada, "/api/admin/personas", name=say("Juno from support"))
    it.posts(ada, "/api/admin/invitations", email="dan@baton.example", name=say("Dan"))
    it.at("07:01")
    it.invitation = it.posts(ada, "/api/admin/invitations", email="eve@baton.example", name=say("Eve"), role="admin")[
        "link"
    ].partition("#")[2]
    for person, status, reason in ((ana, "online", None), (ben, "away", say("Back at three"))):
        it.posts(person, "/api/operator/status", status=status, **({"reason": reason} if reason else {}))

    it.done = it.chat("07:10", "Ivy Stone", "Do you sell gift cards?", holder=ana)
    ivy = it.customers["Ivy Stone"]
    it.at("07:14")
    it.replies(ana, it.done, "We do: in the shop and by mail.")
    it.writes(ivy, it.done, "Thank you!")
    it.posts(ana, f"/api/chats/{it.done}/complete", reason=say("answered"))
    it.posts(ivy, f"/api/chats/{it.done}/rating", score=4, comment=say("Quick and kind."))

    it.waiting = it.chat("08:00", "Sam Oduya", "Can I return the lamp?", holder=ana)
    it.at("08:05")
    it.replies(ana, it.waiting, "Of course. When did you buy it?")
    it.posts(ana, "/api/operator/unassign", chat_id=it.waiting, reason=say("he looks for the bill"))

    it.snoozed = it.chat("08:20", "Max Berg", "The courier did not come.", holder=ana)
    it.at("08:22")
    it.replies(ana, it.snoozed, "I ask them and write to you tomorrow.")
    it.posts(ana, f"/api/chats/{it.snoozed}/snooze", until="2026-11-19T09:00:00Z")

    it.theirs = it.chat("09:40", "Noor Haddad", "Is the sofa in stock?", holder=ana)
    it.at("09:44")
    it.posts(ana, "/api/operator/transfer", chat_id=it.theirs, operator_id=ben)
    it.posts(
        ben,
        f"/api/chats/{it.theirs}/notes",
        content=say("@Ana do you know?"),
        client_note_id=str(uuid4()),
        mentions=[ana],
    )

    it.urgent = it.chat("10:20", "Tia Lund", "My payment was taken twice!")
    it.posts(ada, "/api/admin/chats/bulk", action="prioritise", chat_ids=[it.urgent], priority=5)
    it.queued = it.chat("10:02", "Lee Wong", "Do you deliver to the islands?", "To Skye, that is.")

    it.mine = it.chat("09:50", "Kim Novák", "Where is my order?", holder=ben, page="/orders/1729", plan="Oak")
    kim = it.customers["Kim Novák"]
    it.at("09:55")
    it.posts(ben, "/api/operator/transfer", chat_id=it.mine, operator_id=ana, reason=say("She knows the courier."))
    it.posts(ana, f"/api/chats/{it.mine}/notes", content=say("The parcel is in Bremen."), client_note_id=str(uuid4()))
    it.at("10:05")
    it.replies(ana, it.mine, "I look for it: see https://track.example/1729 meanwhile.")
    edited = it.replies(ana, it.mine, "It left us on Mondey.")
    it.calls(ana, "PATCH", f"/api/messages/{edited['id']}", {"content": say("It left us on Monday.")})
    gone = it.replies(ana, it.mine, "Wrong window.")
    it.calls(ana, "DELETE", f"/api/messages/{gone['id']}")
    it.at("10:24")
    it.writes(kim, it.mine, "It says “delivered”, but nothing is here.")
    paths = []
    for ending, content in ((".png", png()), (".txt", b"bill\n")):
        path = f"{it.mine}/{uuid4()}{ending}"
        name = (say("door") + ending)[-200:]
        files = {"metadata": (None, json.dumps({"name": name})), "": (name, content)}
        it.calls(kim, "POST", f"/storage/v1/object/attachments/{path}", files=files)
        paths.append(path)
    body = {"chat_id": it.mine, "content": say("This is my door."), "attachments": paths}
    it.posts(kim, "/api/messages", client_message_id=str(uuid4()), **body)

    for at, title, contact in (
        ("10:24", "Please call me back", "Pat"),
        ("10:26", "The invoice has the wrong name", "Uma"),
    ):
        it.at(at)
        context = {"contact_name": say(contact), "contact_email": f"{contact.lower()}@shop.example"}
        it.posts(
            str(uuid4()), "/api/tickets", type="support", title=say(title), initial_message=say(title), context=context
        )
    # What is not as late as private.now() says it is.
    house.world.rows("update real_users set created_at = %s where true", NOW)
    it.at("10:30")
    return it
