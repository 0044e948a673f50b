"""A chat, its customer, two operators and an admin, and everything that can be done to the chat."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import jwt

from tests.http.conftest import Person
from tests.servers import Baton

Json = dict[str, Any]


class Play:
    """A chat, those who act on it, and what can be done to it."""

    def __init__(self, baton: Baton) -> None:
        self.baton = baton
        self.database = baton.database
        # What is still in the queue would be given to our operators instead.
        self.sql("select complete_chat(id) from chats where is_active")
        self.sql("update settings set value = 'true' where name = 'allow_take'")
        self.customer = self.person(str(uuid4()))
        self.ana, self.ben, self.ada = (
            self.person(
                str(self.database.value("insert into operators (name, role) values (%s, %s) returning id", *who))
            )
            for who in [("Ana", "operator"), ("Ben", "operator"), ("Ada", "admin")]
        )
        self.service = Person(baton.base_url, baton.service_key)
        self.staff = {"Ana": self.ana, "Ben": self.ben, "Ada": self.ada}
        self.everyone = {"the customer": self.customer, **self.staff}
        self.chat = self.customer.starts_chat("hello")
        self.written: list[Json] = []  # by each in turn, newest last

    def end(self) -> None:
        """Leave nothing waiting, nobody who could be given a chat, and the settings as they were."""
        self.sql("update settings set value = 'false' where name = 'allow_take'")
        self.sql("select complete_chat(id) from chats where is_active")
        self.sql("update operators set is_active = false where id = any(%s)", [who.id for who in self.staff.values()])

    def person(self, person_id: str) -> Person:
        claims = {"sub": person_id, "role": "authenticated", "aud": "authenticated", "exp": int(time.time()) + 3600}
        person = Person(self.baton.base_url, jwt.encode(claims, self.baton.jwt_secret, "HS256"))
        person.id = person_id
        return person

    def steps(self) -> Iterator[tuple[str, Callable[[], object]]]:
        """What is done, in this order; each may rest on those before it.

        A step by a function of the database begins with its name.
        """
        chat, customer, ana, ben, ada = self.chat["id"], self.customer, self.ana, self.ben, self.ada
        admin, operator = f"/api/admin/chats/{chat}", "/api/operator"

        yield "send_real_user_message", self.customer_writes
        yield "mark_read by staff", lambda: self.reads(ada, 1)
        yield "add_note while it waits", lambda: self.notes(ben, ana)
        yield "assign_chat_to_operator", ana.takes_next
        yield "record_operator_activity", lambda: ok(ana.post(f"{operator}/activity", chat_id=chat))
        yield "mark_read by the holder", lambda: self.reads(ana, 2)
        yield "send_real_user_attachments", lambda: self.sends_a_file(customer, "/api/messages")
        yield "read_mentions", lambda: ok(ana.post(f"/api/chats/{chat}/mentions/read"))
        yield "add_note by the holder", lambda: self.notes(ana, ada)
        yield "edit_note", lambda: ok(ana.patch(f"/api/notes/{self.note_of(ana)}", content="or", mentions=[ana.id]))
        yield "delete_note by an admin", lambda: ok(ada.delete(f"/api/notes/{self.note_of(ana)}"))
        yield "edit_message by the customer", lambda: self.edits(customer)
        yield "delete_message by the customer", lambda: self.deletes(customer)
        yield "send_real_user_message to the holder", self.customer_writes
        yield "save_draft", lambda: ok(ana.put(f"/api/chats/{chat}/draft", content="well"))
        yield "send_operator_message, a turn", self.ana_replies
        later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
        yield "snooze_chat", lambda: ok(ana.post(f"/api/chats/{chat}/snooze", until=later))
        yield "unsnooze_chat", lambda: ok(ana.post(f"/api/chats/{chat}/snooze", until=None))
        yield "snooze_chat, which the customer ends", lambda: ok(ana.post(f"/api/chats/{chat}/snooze", until=later))
        yield "mark_read by the customer", lambda: self.reads(customer, 4)
        yield "edit_message by an operator", lambda: self.edits(ana)
        yield "delete_message by an operator", lambda: self.deletes(ana)
        yield "send_real_user_message after the reply", self.customer_writes
        yield (
            "reassign_chat from the queue",
            lambda: ok(ada.post(f"{admin}/reassign", operator_id=ben.id, reason="new")),
        )
        yield "transfer_chat", lambda: ok(ben.post(f"{operator}/transfer", chat_id=chat, operator_id=ana.id))
        yield "reassign_chat from the holder", lambda: ok(ada.post(f"{admin}/reassign", operator_id=ben.id))
        yield "release_and_reassign_chat", lambda: ok(ben.post(f"{operator}/unassign", chat_id=chat, reason="lunch"))
        yield "take_chat", lambda: ok(ana.post(f"{operator}/take", chat_id=chat))
        yield "release by an admin", lambda: ok(ada.post(f"{admin}/release", reason="no"))
        yield "complete_chat from the queue", lambda: ok(customer.post(f"/api/chats/{chat}/complete"))
        yield "send_real_user_message reopens", self.customer_writes
        yield "assign_chat_to_operator again", ben.takes_next
        yield "complete_chat by an admin", lambda: ok(ada.post(f"{admin}/complete", reason="enough"))
        yield "reopened and deleted", lambda: (self.customer_writes(), self.deletes(customer))
        yield "act_on_chats, the priority", lambda: self.acts("prioritise", priority=3)
        yield "act_on_chats, reassigned", lambda: self.acts("reassign", operator_id=ana.id, reason="both")
        yield "act_on_chats, released", lambda: self.acts("release")
        yield "act_on_chats, completed", lambda: self.acts("complete", reason="all done")
        yield "set auto_assign", lambda: self.sql("update operators set auto_assign = true where id = %s", ben.id)
        yield "send_real_user_message, given at once", self.customer_writes
        yield "deactivated", lambda: self.sql("update operators set is_active = false where id = %s", ben.id)
        yield "assigned to be idle", ana.takes_next
        yield "release_idle_assignments", lambda: self.sql("select release_idle_assignments('1 microsecond')")
        yield "set_operator_status", lambda: ok(ana.post(f"{operator}/status", status="online"))
        yield "sql: a session", lambda: self.sql("update chats set handling = 'session' where id = %s", chat)
        yield "reassign_chat, a session", lambda: ok(ada.post(f"{admin}/reassign", operator_id=ana.id))
        yield "send_operator_message, a session", self.ana_replies
        yield "send_operator_attachments", lambda: self.sends_a_file(ana, f"{operator}/messages")
        yield "rate_chat", lambda: ok(customer.post(f"/api/chats/{chat}/rating", score=4, comment="quick"))
        yield (
            "sql: insert into messages",
            lambda: self.sql(
                "insert into messages (chat_id, sender_type, content) values (%s, 'real', 'a'), (%s, 'system', 'b')",
                chat,
                chat,
            ),
        )
        yield (
            "sql: update of messages",
            lambda: self.sql(
                "update messages set content = content || '!' where chat_id = %s and deleted_at is null", chat
            ),
        )
        yield (
            "sql: columns of chats",
            lambda: self.sql(
                "update chats set priority = 7, headline = 'urgent', context = '{\"page\": 1}' where id = %s", chat
            ),
        )
        yield (
            "sql: released",
            lambda: self.sql(
                "update chats set chat_state = 'waiting_assignment', assigned_operator_id = null where id = %s", chat
            ),
        )
        yield (
            "sql: assigned",
            lambda: self.sql(
                "update chats set chat_state = 'assigned', assigned_operator_id = %s where id = %s", ana.id, chat
            ),
        )
        yield "sql: moved", lambda: self.sql("update chats set assigned_operator_id = %s where id = %s", ada.id, chat)
        yield (
            "sql: completed",
            lambda: self.sql(
                "update chats set chat_state = 'completed', assigned_operator_id = null where id = %s", chat
            ),
        )
        yield (
            "sql: reopened",
            lambda: self.sql("update chats set chat_state = 'waiting_assignment' where id = %s", chat),
        )
        yield (
            "sql: a persona, several changes in one transaction",
            lambda: self.sql(
                "with persona as (insert into fictional_users (name) values ('Ava') returning id)"
                " update chats set fictional_user_id = persona.id, chat_state = 'assigned', assigned_operator_id = %s"
                " from persona where chats.id = %s",
                *(ana.id, chat),
            ),
        )
        yield (
            "transfer_chat behind a persona",
            lambda: ok(ana.post(f"{operator}/transfer", chat_id=chat, operator_id=ada.id)),
        )
        yield "complete_chat", lambda: ok(ada.post(f"{admin}/complete"))

    def sql(self, query: str, *parameters: object) -> None:
        self.database.rows(query, *parameters)

    def customer_writes(self) -> Json:
        return self.customer.writes(self.chat, f"message {uuid4()}")

    def ana_replies(self) -> None:
        ok(self.ana.replies(self.chat, f"reply {uuid4()}"))

    def sends_a_file(self, who: Person, route: str) -> None:
        path, chat = f"{self.chat['id']}/{uuid4()}.txt", self.chat["id"]
        ok(who.http.post(f"/storage/v1/object/attachments/{path}", content=b"a file"))
        ok(who.post(route, chat_id=chat, content="", client_message_id=str(uuid4()), attachments=[path]))

    def acts(self, action: str, **how: object) -> None:
        """Do something as an admin to many chats, of which this is one."""
        answer = ok(self.ada.post("/api/admin/chats/bulk", action=action, chat_ids=[self.chat["id"]], **how))
        assert answer.json()["data"][0]["is_done"], answer.text

    def reads(self, who: Person, seq: int) -> None:
        ok(who.post(f"/api/chats/{self.chat['id']}/read", seq=seq))

    def edits(self, who: Person) -> None:
        ok(who.patch(f"/api/messages/{self.newest_of(who)}", content="in other words"))

    def deletes(self, who: Person) -> httpx.Response:
        return ok(who.delete(f"/api/messages/{self.newest_of(who)}"))

    def notes(self, who: Person, mentioned: Person) -> None:
        body = {"content": f"note {uuid4()}", "client_note_id": str(uuid4()), "mentions": [mentioned.id]}
        ok(who.post(f"/api/chats/{self.chat['id']}/notes", **body))

    def note_of(self, who: Person) -> str:
        mine = "from chat_notes where chat_id = %s and author_id = %s and deleted_at is null"
        return str(self.database.value(f"select id {mine} order by created_at desc limit 1", self.chat["id"], who.id))

    def newest_of(self, who: Person) -> str:
        mine = "from messages where chat_id = %s and sender_id = %s and deleted_at is null"
        return str(self.database.value(f"select id {mine} order by seq desc limit 1", self.chat["id"], who.id))


def ok(answer: httpx.Response) -> httpx.Response:
    assert answer.is_success, answer.text
    return answer
