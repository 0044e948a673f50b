"""People, chats and refusals: the words in which the tests of the SQL surface are written."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import Connection
from psycopg.rows import DictRow
from psycopg.sql import SQL, Composed, Identifier
from psycopg.types.json import Jsonb

from tests.servers import Database

STATES = ("waiting_assignment", "assigned", "waiting_real_user_reply", "completed")

# Every table whose rows a refused change could leave behind.
TABLES = (
    "public.real_users",
    "public.fictional_users",
    "public.operators",
    "public.settings",
    "public.chats",
    "public.messages",
    "public.message_revisions",
    "public.read_marks",
    "public.chat_notes",
    "public.chat_mentions",
    "public.quick_responses",
    "public.agent_preferences",
    "public.chat_assignments",
    "public.operator_activity",
    "public.operator_stats",
    "public.chat_history",
    "public.chat_drafts",
    "public.chat_snoozes",
    "public.widget_settings",
    "public.chat_ratings",
    "public.tickets",
    "public.ticket_messages",
    "public.ticket_links",
    "public.audit_log",
    "private.operator_load",
    "private.operator_invitations",
    "private.events",
    "private.file_removals",
    "storage.objects",
    "private.erased_people",
)


@contextmanager
def refused(sqlstate: str, code: str | None = None) -> Iterator[None]:
    """Expect a refusal; `code` is the machine code in its DETAIL, or the constraint of a native one."""
    with pytest.raises(psycopg.Error) as caught:
        yield
    error = caught.value
    found = error.diag.message_detail if str(error.sqlstate).startswith("PT") else error.diag.constraint_name
    assert (error.sqlstate, found if code else code) == (sqlstate, code), str(error)


@contextmanager
def refused_for(field: str) -> Iterator[None]:
    """Expect invalid_argument with a hint that begins with this field."""
    with pytest.raises(psycopg.Error) as caught:
        yield
    diagnosis = caught.value.diag
    told = (diagnosis.message_detail, (diagnosis.message_hint or "").partition(":")[0])
    assert told == ("invalid_argument", field), str(caught.value)


@contextmanager
def refused_by_any_of(*sqlstates: str) -> Iterator[None]:
    """Expect a refusal where it does not matter which of several rules speaks first."""
    with pytest.raises(psycopg.Error) as caught:
        yield
    assert caught.value.sqlstate in sqlstates, str(caught.value)


@dataclass
class Caller:
    """Someone who calls SQL. Each call is a transaction of its own, as a request of the web is."""

    connection: Connection[DictRow]
    role: str | None = None  # None: the owner of the tables
    id: UUID | None = None
    claims: dict[str, Any] = field(default_factory=dict)

    @contextmanager
    def transaction(self) -> Iterator[Connection[DictRow]]:
        """Give a transaction as this caller; it is committed at the end."""
        token = {"role": self.role, "sub": str(self.id), **self.claims} if self.id else self.claims
        with self.connection.transaction():
            self.connection.execute(
                "select set_config('request.jwt.claims', %s, true), set_config('role', %s, true)",
                (json.dumps(token) if token else "", self.role or "none"),
            )
            yield self.connection

    def rows(self, query: str | SQL | Composed, *parameters: object) -> list[DictRow]:
        """Run a query and return its rows."""
        with self.transaction() as connection:
            cursor = connection.execute(query, parameters or None)
            return cursor.fetchall() if cursor.description is not None else []

    def row(self, query: str | SQL | Composed, *parameters: object) -> DictRow:
        """Return the only row of a query."""
        (row,) = self.rows(query, *parameters)
        return row

    def value(self, query: str | SQL | Composed, *parameters: object) -> Any:
        """Return the only value of a query's only row."""
        (value,) = self.row(query, *parameters).values()
        return value

    def does(self, query: str | SQL | Composed, *parameters: object) -> int:
        """Run a statement and return how many rows it touched."""
        with self.transaction() as connection:
            return connection.execute(query, parameters or None).rowcount

    def call_all(self, function: str, **arguments: object) -> list[DictRow]:
        """Call a public function by the names of its arguments and return its rows."""
        named = [SQL("{} => {}").format(Identifier(name), SQL("%s")) for name in arguments]
        query = SQL("select * from public.{}({})").format(Identifier(function), SQL(", ").join(named))
        values = [Jsonb(value) if isinstance(value, dict) else value for value in arguments.values()]
        return self.rows(query, *values)

    def call(self, function: str, **arguments: object) -> DictRow:
        """Call a public function and return its only row."""
        (row,) = self.call_all(function, **arguments)
        return row

    def ask(self, function: str, **arguments: object) -> Any:
        """Call a public function and return its only value."""
        (value,) = self.call(function, **arguments).values()
        return value


Person = TypeVar("Person", bound=Caller)


class Customer(Caller):
    """A customer, signed in."""

    def starts(self, content: str = "hey", client_message_id: UUID | None = None, **arguments: object) -> DictRow:
        """Start a chat and return it as the customer sees it."""
        return self.call("start_chat", p_content=content, p_client_message_id=client_message_id or uuid4(), **arguments)

    def writes(self, chat: UUID, content: str = "how are you?", client_message_id: UUID | None = None) -> DictRow:
        """Write into a chat and return the message."""
        return self.call(
            "send_real_user_message",
            p_chat_id=chat,
            p_content=content,
            p_client_message_id=client_message_id or uuid4(),
        )


class Operator(Caller):
    """An operator or admin, signed in."""

    def takes_next(self) -> UUID | None:
        """Ask for the next chat and return its id, or None when nothing waits."""
        chats = self.call_all("assign_chat_to_operator", p_operator_id=self.id)
        assert len(chats) <= 1
        return chats[0]["id"] if chats else None

    def replies(self, chat: UUID, content: str = "hello", client_message_id: UUID | None = None) -> DictRow:
        """Reply to a chat and return the message."""
        return self.call(
            "send_operator_message",
            p_chat_id=chat,
            p_content=content,
            p_client_message_id=client_message_id or uuid4(),
        )

    def hands_back(self, chat: UUID, reason: str | None = None) -> DictRow:
        """Release a chat and return it."""
        return self.call("release_and_reassign_chat", p_chat_id=chat, p_reason=reason)

    def notes(
        self, chat: UUID, content: str = "careful", *mentioned: "Operator", client_note_id: UUID | None = None
    ) -> DictRow:
        """Note something about a chat and return the note."""
        return self.call(
            "add_note",
            p_chat_id=chat,
            p_content=content,
            p_client_note_id=client_note_id or uuid4(),
            p_mentions=[operator.id for operator in mentioned],
        )

    def transfers(self, chat: UUID, to: "Operator", reason: str | None = None) -> DictRow:
        """Hand a chat over and return it."""
        return self.call("transfer_chat", p_chat_id=chat, p_operator_id=to.id, p_reason=reason)

    def reassigns(self, chat: UUID, to: "Operator", reason: str | None = None) -> DictRow:
        """As an admin, give a chat to an operator and return it."""
        return self.call("reassign_chat", p_chat_id=chat, p_operator_id=to.id, p_reason=reason)


class World:
    """A loaded database and the people in it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._connection = database.owner
        self._connections: list[Connection[DictRow]] = []
        self.owner = Caller(self._connection)
        self.service = Caller(self._connection, "service_role")
        self.anonymous = Caller(self._connection, "anon")

    # People

    def operator(self, name: str = "Ana", speaks_as: str | None = "authenticated", **columns: Any) -> Operator:
        """Make an operator. `speaks_as=None` lets him call as the owner, whose clock can be set."""
        person = Operator(self._connection, speaks_as, uuid4())
        self.insert("operators", id=person.id, name=name, **columns)
        return person

    def admin(self, name: str = "Ada", **columns: Any) -> Operator:
        """Make an admin."""
        return self.operator(name, role="admin", **columns)

    def customer(self, name: str = "Kim", speaks_as: str | None = "authenticated") -> Customer:
        """Make a customer with a row of his own."""
        person = Customer(self._connection, speaks_as, uuid4())
        self.insert("real_users", id=person.id, name=name)
        return person

    def stranger(self) -> Customer:
        """Someone signed in who never wrote."""
        return Customer(self._connection, "authenticated", uuid4())

    def persona(self, name: str = "Ava from Support", **columns: object) -> UUID:
        """Make a persona."""
        return self.insert("fictional_users", name=name, **columns)

    def elsewhere(self, person: Person) -> Person:
        """Return the same person on a connection of his own."""
        return type(person)(self.connect(), person.role, person.id, person.claims)

    def connect(self) -> Connection[DictRow]:
        """Connect as the owner; closed with the world."""
        connection = self.database.connect()
        self._connections.append(connection)
        return connection

    # Chats, by plain SQL

    def insert(self, table: str, **columns: object) -> UUID:
        """Insert a row by plain SQL and return its id."""
        query = SQL("insert into public.{} ({}) values ({}) returning id").format(
            Identifier(table),
            SQL(", ").join(map(Identifier, columns)),
            SQL(", ").join([SQL("%s")] * len(columns)),
        )
        values = [Jsonb(value) if isinstance(value, dict) else value for value in columns.values()]
        chat_id: UUID = self.owner.value(query, *values)
        return chat_id

    def chat(
        self,
        state: str = "waiting_assignment",
        holder: Operator | None = None,
        customer: Customer | None = None,
        **columns: object,
    ) -> UUID:
        """Make a chat with a first message, and bring it into its state; `holder` has it, or had it last."""
        chat = self.insert("chats", real_user_id=(customer or self.customer()).id, **columns)
        self.writes(chat)
        if holder:
            self.gives(chat, holder)
        if state == "waiting_real_user_reply":
            assert holder
            self.replies(chat, holder)
        elif state == "completed":
            self.completes(chat)
        # One that waits may already have been given away automatically.
        assert state == "waiting_assignment" or self.state(chat) == state
        return chat

    def waiting_chat(self, **columns: object) -> UUID:
        """Make a waiting chat without a message: its place in the queue is all that matters."""
        return self.insert("chats", real_user_id=self.customer().id, **columns)

    def writes(self, chat: UUID, content: str = "hey", **columns: object) -> UUID:
        """Let the chat's customer write, by plain SQL."""
        return self.insert("messages", chat_id=chat, sender_type="real", content=content, **columns)

    def floods(self, chat: UUID, count: int) -> None:
        """Let the chat's customer write very often. Not all at once: each message makes a new version of the chat."""
        for begin in range(0, count, 100):
            self.owner.does(
                "insert into messages (chat_id, sender_type, content)"
                " select %s, 'real', repeat('word ', 50) || n from generate_series(%s::integer, %s::integer) n",
                chat,
                begin + 1,
                min(begin + 100, count),
            )

    def replies(self, chat: UUID, operator: Operator, content: str = "hello", **columns: object) -> UUID:
        """Let an operator reply, by plain SQL."""
        return self.insert(
            "messages", chat_id=chat, sender_type="operator", sender_id=operator.id, content=content, **columns
        )

    def gives(self, chat: UUID, operator: Operator) -> None:
        """Give a chat to an operator, by plain SQL."""
        self.owner.does(
            "update chats set chat_state = 'assigned', assigned_operator_id = %s where id = %s", operator.id, chat
        )

    def completes(self, chat: UUID) -> None:
        """Complete a chat, by plain SQL."""
        self.owner.does("update chats set chat_state = 'completed', assigned_operator_id = null where id = %s", chat)

    # Files

    def brings(self, person: Caller, chat: UUID, file: str = "a.png", size: int = 10, **user_metadata: object) -> str:
        """Enter a file, as somebody who may; return its path. There are no bytes: that is the web's part."""
        path = f"{chat}/{file}"
        person.rows(
            "select storage.put_object('attachments', %s, '', %s, %s, false)",
            path,
            Jsonb({"mimetype": "image/png", "size": size}),
            Jsonb(user_metadata),
        )
        return path

    def sends(self, person: Caller, chat: UUID, *paths: str, content: str | None = "look") -> DictRow:
        """Send files as the chat's customer or its holder; return the message."""
        side = "real_user" if isinstance(person, Customer) else "operator"
        return person.call(
            f"send_{side}_attachments",
            p_chat_id=chat,
            p_content=content,
            p_client_message_id=uuid4(),
            p_attachments=list(paths),
        )

    def files(self, person: Caller) -> set[str]:
        """Return the paths of all files that somebody sees."""
        return {row["name"] for row in person.rows("select name from storage.objects")}

    # What there is

    def get(self, chat: UUID) -> DictRow:
        """Return the row of a chat."""
        return self.owner.row("select * from chats where id = %s", chat)

    def state(self, chat: UUID) -> str:
        """Return the state of a chat."""
        state: str = self.get(chat)["chat_state"]
        return state

    def holder(self, chat: UUID) -> UUID | None:
        """Return who holds a chat."""
        operator: UUID | None = self.get(chat)["assigned_operator_id"]
        return operator

    def holds(self, chat: UUID) -> list[tuple[UUID, str | None]]:
        """Return the holds of a chat in their order: operator, and why each ended (None: it is open)."""
        rows = self.owner.rows(
            "select operator_id, release_reason from chat_assignments where chat_id = %s"
            " order by assigned_at, released_at nulls last",
            chat,
        )
        return [(row["operator_id"], row["release_reason"]) for row in rows]

    def history(self, chat: UUID) -> list[tuple[str | None, str, str]]:
        """Return the changes of a chat in their order: from, to, reason."""
        rows = self.owner.rows("select * from chat_history where chat_id = %s order by id", chat)
        return [(row["from_state"], row["to_state"], row["reason"]) for row in rows]

    def last_change(self, chat: UUID) -> DictRow:
        """Return the latest row of a chat's history."""
        return self.owner.row("select * from chat_history where chat_id = %s order by id desc limit 1", chat)

    def messages(self, chat: UUID) -> list[DictRow]:
        """Return the messages of a chat by seq."""
        return self.owner.rows("select * from messages where chat_id = %s order by seq", chat)

    def stats(self, operator: Operator) -> tuple[int, int, int]:
        """Return the sums of an operator's messages sent, chats handled, idle incidents."""
        row = self.owner.row(
            "select coalesce(sum(messages_sent), 0)::int as sent, coalesce(sum(chats_handled), 0)::int as chats,"
            " coalesce(sum(idle_incidents), 0)::int as idle from operator_stats where operator_id = %s",
            operator.id,
        )
        return row["sent"], row["chats"], row["idle"]

    def queue(self) -> list[UUID]:
        """Return the queue in its order."""
        return [row["chat_id"] for row in self.owner.rows("select chat_id from assignment_queue order by position")]

    def dump(self) -> list[tuple[str, str]]:
        """Return every row of every table as text."""
        parts = [f"select '{table}' as name, to_jsonb(t)::text as row from {table} t" for table in TABLES]
        rows = self.owner.rows(" union all ".join(parts) + " order by 1, 2")
        return [(row["name"], row["row"]) for row in rows]

    def broken(self) -> list[DictRow]:
        """Return what check_invariants() has to say."""
        return self.owner.call_all("check_invariants")

    # Around them

    @contextmanager
    def refused(self, sqlstate: str, code: str | None = None) -> Iterator[None]:
        """Expect a refusal that has changed nothing."""
        with self.unchanged(), refused(sqlstate, code):
            yield

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """Expect every row of every table to be the same afterwards."""
        before = self.dump()
        yield
        assert self.dump() == before

    def set(self, name: str, value: object) -> None:
        """Change a setting."""
        self.owner.does("update settings set value = %s where name = %s", Jsonb(value), name)

    def clock(self, at: datetime) -> None:
        """Set the clock of this world's callers who are the service."""
        self._connection.execute("select set_config('baton.now', %s, false)", (at.isoformat(),))

    def now_is(self, connection: Connection[DictRow], at: datetime) -> None:
        """Set the clock of another connection."""
        connection.execute("select set_config('baton.now', %s, false)", (at.isoformat(),))

    def until(self, happens: Callable[[], object], seconds: float = 10) -> None:
        """Ask again until it has happened."""
        deadline = time.monotonic() + seconds
        while not happens():
            assert time.monotonic() < deadline, "it did not happen"

    def waits_for_a_lock(self, connection: Connection[DictRow]) -> bool:
        """Whether the connection's backend waits for another's lock."""
        blockers = self.owner.value("select cardinality(pg_blocking_pids(%s))", connection.info.backend_pid)
        return bool(blockers)

    def wipe(self, settings: Jsonb) -> None:
        """Take every row out again, put the settings back, and leave the owner's connection as a new one."""
        for connection in self._connections:
            connection.close()
        connection = self._connection
        connection.rollback()
        connection.autocommit = True
        connection.execute("discard all")
        with connection.transaction():
            connection.execute(EMPTY)
            connection.execute(
                "update settings s set value = was.value from jsonb_to_recordset(%s) as was (name text, value jsonb)"
                " where s.name = was.name and s.value <> was.value",
                (settings,),
            )
            connection.execute("set constraints all immediate")  # what all this says to the log
            with switched_off(connection):
                connection.execute("delete from audit_log where true")
                connection.execute("update private.audit_head set count = 0, last_hash = '' where true")


EMPTY = """
delete from real_users where true;
delete from quick_responses where true;
delete from operators where true;
delete from fictional_users where true;
delete from private.operator_invitations where true;
delete from widget_settings where true;
insert into widget_settings default values;
delete from storage.objects where true;
delete from private.rate_buckets where true;
delete from private.events where true;
delete from private.connections where true;
delete from private.file_removals where true;
delete from private.erased_people where true;
delete from private.jobs where true;
delete from auth.users where true;
"""


@contextmanager
def switched_off(connection: Connection[Any]) -> Iterator[None]:
    """Switch all triggers off for a while in the transaction, as a superuser can."""
    connection.execute("set local session_replication_role = replica")
    yield
    connection.execute("set local session_replication_role = origin")


NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def noon(minutes: float = 0) -> datetime:
    """Return so many minutes after a noon in the past."""
    return NOON + timedelta(minutes=minutes)
