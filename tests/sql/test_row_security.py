"""Who sees and may do what: every table, every kind of caller, and the functions beside them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from tests.servers import Server
from tests.sql.helpers import Caller, Customer, Operator, World, refused, refused_by_any_of

PEOPLE = ("kim", "lee", "stranger", "ana", "ben", "cleo", "gone", "ada", "anon", "nobody")


@dataclass
class House:
    """Two customers, their chats, and staff who have to do with them."""

    world: World
    people: dict[str, Caller]
    chats: dict[str, UUID]

    def __getitem__(self, name: str) -> Any:
        return self.people[name]

    def name(self, thing: UUID) -> str:
        """Return what a chat or a person is called here."""
        names = {chat: name for name, chat in self.chats.items()}
        names |= {person.id: name for name, person in self.people.items() if person.id}
        return names[thing]

    def names(self, who: str, query: str) -> set[str]:
        """Return the things that a query finds for somebody, by their names."""
        found = self.people[who].rows(query)
        return {" ".join(self.name(value) for value in row.values()) for row in found}


def furnished(world: World) -> House:
    """Let them all move in."""
    kim, lee = world.customer("Kim"), world.customer("Lee")
    ana, ben = world.operator("Ana"), world.operator("Ben")
    cleo, gone, ada = world.operator("Cleo"), world.operator("Gone"), world.admin()
    people: dict[str, Caller] = {
        "kim": kim,
        "lee": lee,
        "stranger": world.stranger(),
        "ana": ana,
        "ben": ben,
        "cleo": cleo,
        "gone": gone,
        "ada": ada,
        "anon": world.anonymous,
        "nobody": Caller(world.owner.connection, "authenticated", claims={"role": "authenticated"}),
    }
    chats = {
        "kim waits": world.chat(customer=kim),
        "kim is replied": world.chat("waiting_real_user_reply", ben, kim),
        "kim is done": world.chat("completed", ben, kim),
        "lee with cleo": world.chat("assigned", cleo, lee),
        "lee was forgotten": world.chat("completed", None, lee),
    }
    chats["kim with ana"] = world.chat("assigned", gone, kim)
    gone.call("mark_read", p_chat_id=chats["kim with ana"], p_seq=1)
    gone.transfers(chats["kim with ana"], ana)
    ana.call("mark_read", p_chat_id=chats["kim with ana"], p_seq=1)
    kim.call("mark_read", p_chat_id=chats["kim with ana"], p_seq=1)
    lee.call("mark_read", p_chat_id=chats["lee with cleo"], p_seq=1)
    message = lee.writes(chats["lee with cleo"], "psst")
    lee.call("edit_message", p_message_id=message["id"], p_content="hello")
    world.owner.does("update operators set is_active = false where id = %s", gone.id)
    kim.call("rate_chat", p_chat_id=chats["kim is replied"], p_score=5)
    ticket = kim.call("create_ticket", p_type="support", p_title="A lamp", p_initial_message="It is broken.")
    world.insert("ticket_links", ticket_id=ticket["id"], chat_id=chats["kim is done"])
    world.persona("Ava")
    world.persona("Gone", is_active=False)
    return House(world, people, chats)


@pytest.fixture
def house(world: World) -> House:
    return furnished(world)


@pytest.fixture(scope="module")
def showhouse(server: Server) -> Iterator[House]:
    """The same for all who only look, or are refused."""
    with server.loaded_database() as database:
        house = furnished(World(database))
        everything = house.world.dump()
        yield house
        assert house.world.broken() == []
        assert house.world.dump() == everything


@pytest.fixture
def busy_house(house: House) -> House:
    """The same, whose staff work together."""
    ana, cleo, gone, chats, owner = house["ana"], house["cleo"], house["gone"], house.chats, house.world.owner
    owner.does("update operators set is_active = true where id = %s", gone.id)
    house["ada"].notes(chats["lee with cleo"], "she is difficult", cleo)
    left = gone.notes(chats["kim with ana"], "all yours", ana)
    ana.notes(chats["kim waits"], "who takes it?", cleo, gone)
    for person in (ana, cleo, gone):
        person.call("save_quick_response", p_shortcut="hi", p_title="Hello", p_content="Hello!")
        person.call("set_preferences", p_changes={"theme": "dark"})
    for who, chat in (("ana", "kim with ana"), ("ben", "kim waits"), ("ada", "kim waits"), ("ben", "kim is replied")):
        house[who].call("save_draft", p_chat_id=chats[chat], p_content=f"{chat}, says {who}")
    later = datetime.now(UTC) + timedelta(hours=1)
    for who in ("ben", "ada"):
        house[who].call("snooze_chat", p_chat_id=chats["kim is replied"], p_until=later)
    for table, columns in (("drafts", "content, updated_at"), ("snoozes", "until, created_at")):  # that he cannot see
        owner.does(
            f"insert into chat_{table} (chat_id, operator_id, {columns}) values (%s, %s, %s, now())",
            *(chats["kim with ana"], cleo.id, "2100-01-01"),
        )
    # Ben was mentioned while it waited, and has lost sight of it.
    owner.does("insert into chat_mentions values (%s, %s, %s, now())", left["id"], house["ben"].id, left["chat_id"])
    owner.does("update operators set is_active = false where id = %s", gone.id)
    return house


# Reading

STAFF = {"ana", "ben", "cleo", "gone", "ada"}
CHATS = {"kim waits", "kim is replied", "kim is done", "lee with cleo", "lee was forgotten", "kim with ana"}
SEEN = {
    "ana": {"kim waits", "kim with ana"},
    "ben": {"kim waits", "kim is replied", "kim is done"},
    "cleo": {"kim waits", "lee with cleo"},
    "ada": CHATS,
}

TICKETS = {who: {"kim"} for who in ("ana", "ben", "cleo", "ada")}

# What each person finds in each table; who is not named finds nothing. Customers have no table of
# chats: get_chat, list_chats and list_messages give them their rows without what is the staff's.
READS: dict[str, tuple[str, dict[str, set[str]]]] = {
    "real_users": (
        "select id from real_users",
        {"kim": {"kim"}, "lee": {"lee"}, "ana": {"kim"}, "ben": {"kim"}, "cleo": {"kim", "lee"}, "ada": {"kim", "lee"}},
    ),
    "operators": ("select id from operators", dict.fromkeys(("ana", "ben", "cleo", "ada"), STAFF)),
    "chats": ("select id from chats", SEEN),
    "messages": ("select distinct chat_id from messages", SEEN),
    "chat_history": ("select distinct chat_id from chat_history", SEEN),
    "message_revisions": (
        "select m.chat_id from message_revisions r join messages m on m.id = r.message_id",
        {"ada": {"lee with cleo"}},
    ),
    "read_marks": (
        "select chat_id, reader_id from read_marks",
        {
            "kim": {"kim with ana kim"},
            "lee": {"lee with cleo lee"},
            "ana": {"kim with ana kim", "kim with ana ana", "kim with ana gone"},
            "cleo": {"lee with cleo lee"},
            "ada": {"kim with ana kim", "kim with ana ana", "kim with ana gone", "lee with cleo lee"},
        },
    ),
    "chat_notes": (
        "select chat_id, author_id from chat_notes",
        {
            "ana": {"kim with ana gone", "kim waits ana"},
            "ben": {"kim waits ana"},
            "cleo": {"lee with cleo ada", "kim waits ana"},
            "ada": {"lee with cleo ada", "kim with ana gone", "kim waits ana"},
        },
    ),
    "chat_mentions": (
        "select chat_id, operator_id from chat_mentions",
        {"ana": {"kim with ana ana"}, "cleo": {"lee with cleo cleo", "kim waits cleo"}},
    ),
    "quick_responses": ("select owner_id from quick_responses", {"ana": {"ana"}, "cleo": {"cleo"}}),
    "agent_preferences": ("select operator_id from agent_preferences", {"ana": {"ana"}, "cleo": {"cleo"}}),
    "chat_assignments": (
        "select chat_id, operator_id from chat_assignments",
        {
            "ana": {"kim with ana ana"},
            "ben": {"kim is replied ben", "kim is done ben"},
            "cleo": {"lee with cleo cleo"},
            "ada": {
                "kim with ana ana",
                "kim with ana gone",
                "kim is replied ben",
                "kim is done ben",
                "lee with cleo cleo",
            },
        },
    ),
    "operator_activity": (
        "select chat_id, operator_id from operator_activity",
        {
            "ana": {"kim with ana ana"},
            "cleo": {"lee with cleo cleo"},
            "ada": {"kim with ana ana", "lee with cleo cleo"},
        },
    ),
    "chat_drafts": (
        "select chat_id, operator_id from chat_drafts",
        {"ana": {"kim with ana ana"}, "ben": {"kim waits ben", "kim is replied ben"}, "ada": {"kim waits ada"}},
    ),
    "chat_snoozes": (
        "select chat_id, operator_id from chat_snoozes",
        {"ben": {"kim is replied ben"}, "ada": {"kim is replied ada"}},
    ),
    "operator_stats": ("select operator_id from operator_stats", {"ben": {"ben"}, "ada": {"ben"}}),
    "chat_ratings": ("select chat_id from chat_ratings", {"ben": {"kim is replied"}, "ada": {"kim is replied"}}),
    "tickets": ("select real_user_id from tickets", TICKETS),
    "ticket_messages": ("select sender_id from ticket_messages", TICKETS),
    "ticket_links": ("select chat_id from ticket_links", {"ben": {"kim is done"}, "ada": {"kim is done"}}),
    "audit_log": ("select subject_id from audit_log where action = 'operator.added'", {"ada": STAFF}),
}


def test_everyone_reads_his_rows_and_no_others(busy_house: House) -> None:
    signed_in = [who for who in PEOPLE if who != "anon"]
    for table, (query, seen) in READS.items():
        with refused("42501"):
            busy_house["anon"].rows(query)
        found = {who: busy_house.names(who, query) for who in signed_in}
        assert found == {who: seen.get(who, set()) for who in signed_in}, table


def test_personas_are_read_by_whoever_is_signed_in(showhouse: House) -> None:
    query = "select name from fictional_users"
    with refused("42501"):
        showhouse["anon"].rows(query)
    for who in PEOPLE:
        if who != "anon":
            names = {row["name"] for row in showhouse[who].rows(query)}
            assert names == ({"Ava", "Gone"} if who in STAFF - {"gone"} else {"Ava"}), who


def test_settings_are_read_by_admins(showhouse: House) -> None:
    with refused("42501"):
        showhouse["anon"].rows("select * from settings")
    for who in PEOPLE:
        if who != "anon":
            assert bool(showhouse[who].rows("select * from settings")) == (who == "ada"), who


def test_how_the_widget_is_set_up_is_read_by_the_staff(showhouse: House) -> None:
    with refused("42501"):
        showhouse["anon"].rows("select * from widget_settings")
    for who in PEOPLE:
        if who != "anon":
            assert bool(showhouse[who].rows("select * from widget_settings")) == (who in STAFF - {"gone"}), who


def test_the_tables_in_private_are_read_by_nobody(showhouse: House) -> None:
    for table in (
        "operator_load",
        "gate",
        "rate_buckets",
        "jobs",
        "erased_people",
        "audit_head",
        "audit_entries",
        "operator_invitations",
    ):
        for caller in (*showhouse.people.values(), showhouse.world.service):
            with refused("42501"):
                caller.rows(SQL("select * from private.{}").format(Identifier(table)))


def test_the_service_reads_everything(busy_house: House) -> None:
    for query, seen in READS.values():
        found = len(busy_house.world.owner.rows(query))
        assert len(busy_house.world.service.rows(query)) == found >= len(seen.get("ada", ()))


# Writing

PUBLIC_TABLES = (*READS, "fictional_users", "settings", "widget_settings")
OF_THE_LOADER = {"schema_migrations", "loaded_code", "loaded_objects"}  # its bookkeeping is its own


def test_nobody_but_the_service_writes_tables(showhouse: House) -> None:
    for table in PUBLIC_TABLES:
        is_written_by_nobody(showhouse, table)


def is_written_by_nobody(house: House, table: str) -> None:
    columns = [
        row["attname"]
        for row in house.world.owner.rows(
            "select attname::text from pg_attribute where attrelid = %s::regclass and attnum > 0"
            " and attgenerated = '' and attidentity = '' and not attisdropped",
            f"public.{table}",
        )
    ]
    every = SQL(", ").join(map(Identifier, columns))
    statements = [
        SQL("insert into {t} ({c}) select {c} from {t} where false").format(t=Identifier(table), c=every),
        SQL("delete from {t} where true").format(t=Identifier(table)),
        SQL("truncate {t} cascade").format(t=Identifier(table)),
    ]
    # Each column by itself: a grant on one would be enough.
    statements += [
        SQL("update {t} set {c} = {c} where true").format(t=Identifier(table), c=Identifier(c)) for c in columns
    ]
    for caller in house.people.values():
        for statement in statements:
            with refused("42501"):
                caller.does(statement)


def test_the_grants_on_tables_are_these(showhouse: House) -> None:
    rows = showhouse.world.owner.rows(
        "select c.relname as name, coalesce(r.rolname, 'PUBLIC') as grantee,"
        " string_agg(lower(a.privilege_type), ' ' order by a.privilege_type) as privileges"
        " from pg_class c join pg_namespace n on n.oid = c.relnamespace"
        " cross join aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) a"
        " left join pg_roles r on r.oid = a.grantee"
        " where n.nspname in ('public', 'private') and c.relkind in ('r', 'v') and a.grantee <> c.relowner"
        " group by 1, 2"
    )
    granted = {(row["name"], row["grantee"]): row["privileges"] for row in rows}
    everything = "delete insert select update"
    expected = {
        **{(table, "authenticated"): "select" for table in PUBLIC_TABLES},
        **{(view, role): "select" for view in VIEWS for role in ("authenticated", "service_role")},
        **{
            (table, "service_role"): everything
            for table in (
                "real_users",
                "fictional_users",
                "operators",
                "chats",
                "messages",
                "quick_responses",
                "tickets",
            )
        },
        **{
            (table, "service_role"): "select"
            for table in (
                "read_marks",
                "chat_mentions",
                "agent_preferences",
                "chat_assignments",
                "operator_activity",
                "operator_stats",
                "chat_history",
                "audit_log",
                "chat_drafts",
                "chat_snoozes",
                "chat_ratings",
            )
        },
        ("settings", "service_role"): "select update",
        ("chat_notes", "service_role"): "insert select update",
        ("widget_settings", "service_role"): "select update",
        ("ticket_messages", "service_role"): "insert select",
        ("ticket_links", "service_role"): "delete insert select",
        ("message_revisions", "service_role"): "delete select",
    }
    assert {key: value for key, value in granted.items() if key[0] not in OF_THE_LOADER} == expected


VIEWS = (
    "chat_state_summary",
    "assignment_queue",
    "operator_assignment_history",
    "repeated_assignments",
    "operator_performance",
    "assignment_metrics",
    "chat_volume",
    "wait_history",
    "state_history",
    "idle_history",
    "assignment_distribution",
)


def test_the_grants_on_columns_are_these(showhouse: House) -> None:
    rows = showhouse.world.owner.rows(
        "select c.relname as name, t.attname as column, r.rolname as grantee, a.privilege_type as privilege"
        " from pg_attribute t join pg_class c on c.oid = t.attrelid join pg_namespace n on n.oid = c.relnamespace"
        " cross join aclexplode(t.attacl) a left join pg_roles r on r.oid = a.grantee"
        " where n.nspname in ('public', 'private')"
    )
    columns = {row["column"] for row in rows}
    assert columns == {"chat_id", "sender_type", "content", "client_message_id", "metadata", "attachments"}
    assert {(row["name"], row["grantee"], row["privilege"]) for row in rows} == {
        ("messages", "authenticated", "INSERT")
    }


def test_every_table_has_row_level_security_and_every_view_is_its_readers(showhouse: House) -> None:
    rows = showhouse.world.owner.rows(
        "select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace"
        " where n.nspname in ('public', 'private') and (c.relkind = 'r' and not c.relrowsecurity"
        " or c.relkind = 'v' and coalesce(not 'security_invoker=true' = any (c.reloptions), true)"
        " or c.relkind in ('m', 'f', 'p'))"
    )
    assert {row["relname"] for row in rows} <= OF_THE_LOADER


def test_every_policy_names_its_roles(showhouse: House) -> None:
    rows = showhouse.world.owner.rows(
        "select tablename, policyname, roles from pg_policies where schemaname = 'public'"
    )
    assert {tuple(row["roles"]) for row in rows} == {("authenticated",), ("service_role",)}
    assert {row["tablename"] for row in rows} == set(PUBLIC_TABLES)


# The one plain write: a message


def insert(who: Caller, chat: UUID, sender_type: str | None, **more: object) -> int:
    columns = {"chat_id": chat, "sender_type": sender_type, "content": "plainly", **more}
    return who.does(
        SQL("insert into messages ({}) values ({})").format(
            SQL(", ").join(map(Identifier, columns)), SQL(", ").join([SQL("%s")] * len(columns))
        ),
        *columns.values(),
    )


def test_a_customer_inserts_a_message_into_his_chat(house: House) -> None:
    chat, key = house.chats["kim is replied"], uuid4()
    assert insert(house["kim"], chat, "real", client_message_id=key) == 1
    message = house.world.messages(chat)[-1]
    assert (message["sender_id"], message["client_message_id"], message["seq"]) == (house["kim"].id, key, 3)
    assert house.world.state(chat) == "waiting_assignment"


def test_the_holder_inserts_a_reply(house: House) -> None:
    chat = house.chats["kim with ana"]
    assert insert(house["ana"], chat, "operator") == 1
    assert house.world.messages(chat)[-1]["sender_id"] == house["ana"].id
    assert house.world.state(chat) == "waiting_real_user_reply"


@pytest.mark.parametrize(
    ("who", "chat", "sender_type", "sqlstate", "code"),
    [
        ("kim", "lee with cleo", "real", "PT404", "chat_not_found"),
        ("kim", "lee was forgotten", "real", "PT404", "chat_not_found"),
        ("kim", "kim with ana", "operator", "PT403", "not_allowed"),
        ("kim", "kim with ana", "system", "PT403", "not_allowed"),
        ("stranger", "kim waits", "real", "PT404", "chat_not_found"),
        ("nobody", "kim waits", "real", "PT404", "chat_not_found"),
        ("gone", "kim with ana", "operator", "PT404", "chat_not_found"),
        ("gone", "kim waits", "operator", "PT404", "chat_not_found"),
        ("cleo", "kim with ana", "operator", "PT404", "chat_not_found"),
        ("cleo", "kim is done", "operator", "PT404", "chat_not_found"),
        ("cleo", "kim waits", "operator", "PT409", "chat_not_assigned"),
        ("ana", "kim waits", "real", "PT403", "not_your_chat"),
        ("ana", "kim with ana", "real", "PT403", "not_your_chat"),
        ("ana", "kim with ana", "system", "PT403", "not_allowed"),
        ("ben", "kim is replied", "operator", "PT409", "chat_not_assigned"),
        ("ada", "kim with ana", "operator", "PT409", "not_the_holder"),
        ("ada", "kim with ana", "real", "PT403", "not_your_chat"),
    ],
)
def test_a_message_where_or_as_whom_one_may_not_write_is_refused(
    showhouse: House, who: str, chat: str, sender_type: str, sqlstate: str, code: str
) -> None:
    with showhouse.world.refused(sqlstate, code):
        insert(showhouse[who], showhouse.chats[chat], sender_type)


def test_a_message_of_an_unknown_kind_is_refused(showhouse: House) -> None:
    for sender_type in ("robot", "", None):
        with showhouse.world.unchanged(), pytest.raises(psycopg.Error):
            insert(showhouse["kim"], showhouse.chats["kim waits"], sender_type)
    with showhouse.world.refused("23514", "messages_sender_type_check"):
        insert(showhouse.world.owner, showhouse.chats["kim waits"], "robot")


@pytest.mark.parametrize(
    "column",
    ["id", "seq", "sender_id", "handled_by_operator_id", "created_at", "edited_at", "deleted_at", "owed_since"],
)
def test_what_the_database_says_of_a_message_cannot_be_claimed(showhouse: House, column: str) -> None:
    for who, chat, sender_type in (("kim", "kim waits", "real"), ("ana", "kim with ana", "operator")):
        with showhouse.world.refused("42501"):
            insert(showhouse[who], showhouse.chats[chat], sender_type, **{column: None})


def test_anonymous_callers_insert_nothing(showhouse: House) -> None:
    with showhouse.world.refused("42501"):
        insert(showhouse["anon"], showhouse.chats["kim waits"], "real")


# What the functions show

STAFF_ONLY_OF_A_CHAT = ("assigned_operator_id", "last_operator_id", "priority", "ip_address", "let_go_by")


def test_a_customers_chats_never_carry_who_works_on_them(house: House) -> None:
    kim: Customer = house["kim"]
    house.world.owner.does("update chats set ip_address = '10.0.0.1', priority = 3 where true")
    chats = kim.call_all("list_chats")
    assert {house.name(chat["id"]) for chat in chats} == {name for name in CHATS if name.startswith("kim")}
    chats += [kim.call("get_chat", p_chat_id=house.chats["kim with ana"]), kim.starts()]
    chats += [kim.call("complete_chat", p_chat_id=house.chats["kim with ana"])]
    for chat in chats:
        assert {name: chat[name] for name in STAFF_ONLY_OF_A_CHAT} == dict.fromkeys(STAFF_ONLY_OF_A_CHAT)
        assert chat["real_user_id"] == kim.id
        assert chat["chat_state"]


def test_a_customers_messages_never_carry_who_wrote_or_answers_them(house: House) -> None:
    kim: Customer = house["kim"]
    chat = house.chats["kim with ana"]
    house["ana"].replies(chat)
    house.world.insert("messages", chat_id=chat, sender_type="system", sender_id=house["ada"].id, content="Ana left.")
    messages = kim.call_all("list_messages", p_chat_id=chat)
    messages.append(kim.writes(chat))
    messages.append(kim.call("edit_message", p_message_id=messages[0]["id"], p_content="hello"))
    messages.append(kim.call("delete_message", p_message_id=messages[0]["id"]))
    assert {m["sender_type"] for m in messages} == {"real", "operator", "system"}
    for message in messages:
        assert message["handled_by_operator_id"] is None
        assert message["sender_id"] == (kim.id if message["sender_type"] == "real" else None)
        if message["sender_type"] != "real":
            assert message["client_message_id"] is None


@pytest.mark.parametrize("function", ["find_chat", "lock_chat"])
def test_nothing_inside_shows_a_customer_who_works_on_his_chat(showhouse: House, function: str) -> None:
    with showhouse.world.refused("42501"):
        showhouse["kim"].rows(f"select * from private.{function}(%s)", showhouse.chats["kim with ana"])


def test_staff_see_all_columns(showhouse: House) -> None:
    chat = showhouse.chats["kim with ana"]
    for who in ("ana", "ada"):
        assert showhouse[who].call("get_chat", p_chat_id=chat) == showhouse.world.get(chat)
    assert showhouse["ada"].call_all("list_messages", p_chat_id=chat) == showhouse.world.messages(chat)


def test_the_functions_show_chats_to_those_who_may_see_them(house: House) -> None:
    for who in (*PEOPLE, "service"):
        for chat in sorted(CHATS):
            shows_to_those_who_may_see_it(house, chat, who)


def shows_to_those_who_may_see_it(house: House, chat: str, who: str) -> None:
    caller = house.world.service if who == "service" else house[who]
    chat_id = house.chats[chat]
    calls: list[tuple[str, dict[str, object]]] = [
        ("get_chat", {}),
        ("list_messages", {}),
        ("get_queue_position", {}),
        ("should_keep_assignment", {}),
    ]
    if who not in ("service", "nobody"):
        calls.append(("mark_read", {"p_seq": 0}))
    for function, arguments in calls:
        if who == "anon":
            with refused("42501"):
                caller.call_all(function, p_chat_id=chat_id, **arguments)
        elif who == "service" or chat in SEEN.get(who, ()) or chat.startswith(f"{who} "):
            assert caller.call_all(function, p_chat_id=chat_id, **arguments)
        else:
            with refused("PT404", "chat_not_found"):
                caller.call_all(function, p_chat_id=chat_id, **arguments)


def test_release_takes_the_right_to_write_not_to_read(house: House) -> None:
    ana: Operator = house["ana"]
    chat = house.chats["kim with ana"]
    ana.replies(chat)
    assert ana.call("get_chat", p_chat_id=chat)["chat_state"] == "waiting_real_user_reply"
    assert len(ana.call_all("list_messages", p_chat_id=chat)) == 2
    with house.world.refused("PT409", "chat_not_assigned"):
        ana.replies(chat)


def test_access_ends_with_deactivation_and_comes_back_with_activation(house: House) -> None:
    ana = house["ana"]
    ana_query = "select id from chats"
    house.world.owner.does("update operators set is_active = false where id = %s", ana.id)
    assert ana.rows(ana_query) == []
    assert ana.call_all("list_chats") == []
    assert ana.call("who_am_i")["who_am_i"] == {"id": str(ana.id), "kind": "inactive"}
    house.world.owner.does("update operators set is_active = true where id = %s", ana.id)
    assert len(ana.rows(ana_query)) == 2


def test_an_admin_who_is_one_no_longer_sees_what_an_operator_sees(house: House) -> None:
    ada = house["ada"]
    house.world.owner.does("update operators set role = 'operator' where id = %s", ada.id)
    assert {house.name(chat["id"]) for chat in ada.call_all("list_chats")} == {"kim waits"}
    with house.world.refused("PT403", "not_allowed"):
        ada.call_all("check_invariants")


# Who may call what


def arguments_of(function: str, house: House) -> dict[str, object]:
    """Return arguments with which the right caller would be served."""
    chat, ana = house.chats["kim with ana"], house["ana"].id
    given: dict[str, dict[str, object]] = {
        "assign_chat_to_operator": {"p_operator_id": ana},
        "take_chat": {"p_chat_id": house.chats["kim waits"]},
        "send_operator_message": {"p_chat_id": chat, "p_content": "hello", "p_client_message_id": uuid4()},
        "release_and_reassign_chat": {"p_chat_id": chat, "p_reason": None},
        "transfer_chat": {"p_chat_id": chat, "p_operator_id": house["cleo"].id},
        "reassign_chat": {"p_chat_id": chat, "p_operator_id": house["ben"].id},
        "set_operator_status": {"p_status": "away", "p_operator_id": ana},
        "explain_assignment": {"p_operator_id": ana},
        "record_operator_activity": {"p_chat_id": chat},
        "register_operator": {"p_id": uuid4(), "p_name": "Eve", "p_email": "eve@example.com", "p_role": "admin"},
        "set_setting": {"p_name": "allow_take", "p_value": "true"},
        "list_box": {"p_box": "queue"},
        "save_draft": {"p_chat_id": chat, "p_content": "well"},
        "get_draft": {"p_chat_id": chat},
        "snooze_chat": {"p_chat_id": chat, "p_until": datetime.now(UTC) + timedelta(hours=1)},
        "unsnooze_chat": {"p_chat_id": chat},
        "set_settings": {"p_changes": {"allow_take": True}},
        "set_widget_settings": {"p_changes": {"title": "Ask us"}},
        "invite_operator": {"p_email": "eve@example.com", "p_name": "Eve"},
        "update_operator": {"p_operator_id": ana, "p_changes": {"capacity": 2}},
        "save_persona": {"p_name": "Theo"},
        **{function: {"p_user_id": house["lee"].id} for function in OF_ANYBODY},
    }
    return given.get(function, {})


FOR_STAFF = (
    "assign_chat_to_operator",
    "take_chat",
    "release_and_reassign_chat",
    "transfer_chat",
    "set_operator_status",
    "explain_assignment",
    "record_operator_activity",
    "get_operator_inbox",
    "get_assignment_queue_status",
    "list_box",
    "save_draft",
    "get_draft",
    "snooze_chat",
    "unsnooze_chat",
    "list_personas",
)
FOR_ADMINS = (
    "reassign_chat",
    "check_invariants",
    "register_operator",
    "set_setting",
    "check_audit_log",
    "list_settings",
    "set_settings",
    "get_all_widget_settings",
    "set_widget_settings",
    "invite_operator",
    "list_invitations",
    "list_operators",
    "update_operator",
    "save_persona",
)
OF_ANYBODY = ("export_user_data", "erase_user_data")  # for admins; without an argument of oneself


def test_what_is_for_staff_is_refused_to_everyone_else(showhouse: House) -> None:
    for function in (*FOR_STAFF, *FOR_ADMINS, *OF_ANYBODY):
        arguments = arguments_of(function, showhouse)
        for who in ("kim", "stranger"):
            with showhouse.world.refused("PT403", "not_allowed"):
                showhouse[who].call_all(function, **arguments)
        with showhouse.world.refused("PT403", "operator_inactive"):
            showhouse["gone"].call_all(function, **arguments)
        with showhouse.world.refused("PT401", "not_signed_in"):
            showhouse["nobody"].call_all(function, **arguments)
        with showhouse.world.refused("42501"):
            showhouse["anon"].call_all(function, **arguments)


@pytest.mark.parametrize("function", [*FOR_ADMINS, *OF_ANYBODY])
def test_what_is_for_admins_is_refused_to_operators(house: House, function: str) -> None:
    with house.world.refused("PT403", "not_allowed"):
        house["ana"].call_all(function, **arguments_of(function, house))
    house["ada"].call_all(function, **arguments_of(function, house))


def test_replying_is_refused_to_everyone_else_too(showhouse: House) -> None:
    arguments = arguments_of("send_operator_message", showhouse)
    with showhouse.world.refused("PT403", "not_allowed"):
        showhouse["kim"].call("send_operator_message", **arguments)
    for who in ("lee", "stranger", "gone"):
        with showhouse.world.unchanged(), refused_by_any_of("PT403", "PT404"):
            showhouse[who].call("send_operator_message", **arguments)
    with showhouse.world.refused("PT401", "not_signed_in"):
        showhouse["nobody"].call("send_operator_message", **arguments)


def test_retrying_a_message_as_an_operators_tells_a_customer_nothing(house: House) -> None:
    kim, chat, key = house["kim"], house.chats["kim with ana"], uuid4()
    kim.writes(chat, "who are you?", key)
    house["ana"].replies(chat)
    with house.world.unchanged(), refused_by_any_of("PT403", "PT404"):
        kim.call("send_operator_message", p_chat_id=chat, p_content="who are you?", p_client_message_id=key)


def test_retrying_a_reply_gives_a_deactivated_operator_nothing(house: House) -> None:
    ana, chat, key = house["ana"], house.chats["kim with ana"], uuid4()
    ana.replies(chat, "hello", key)
    house.world.owner.does("update operators set is_active = false where id = %s", ana.id)
    with house.world.refused("PT403", "operator_inactive"):
        ana.replies(chat, "hello", key)


def test_an_operator_sets_only_his_own_status(house: House) -> None:
    ana, ben = house["ana"], house["ben"]
    with house.world.refused("PT403", "not_allowed"):
        ana.call("set_operator_status", p_status="away", p_operator_id=ben.id)
    assert ana.call("set_operator_status", p_status="away", p_reason="lunch")["status_reason"] == "lunch"
    for caller in (house["ada"], house.world.service):
        caller.call("set_operator_status", p_status="offline", p_operator_id=ben.id)
    with house.world.refused("PT404", "operator_not_found"):
        house["ada"].call("set_operator_status", p_status="offline", p_operator_id=uuid4())
    with house.world.refused("PT401", "not_signed_in"):
        house.world.service.call("set_operator_status", p_status="offline")
    for status in ("asleep", "", None):
        with house.world.refused("PT400", "invalid_argument"):
            ana.call("set_operator_status", p_status=status)
    with house.world.refused("PT400", "content_too_long"):
        ana.call("set_operator_status", p_status="away", p_reason="x" * 501)


def test_an_invited_operator_starts_offline(house: House) -> None:
    new = house["ada"].call("register_operator", p_id=uuid4(), p_name="Eve", p_email="Eve@Example.com")
    assert (new["status"], new["role"], new["email"], new["is_active"]) == (
        "offline",
        "operator",
        "eve@example.com",
        True,
    )
    with house.world.refused("23505", "operators_email_key"):
        house["ada"].call("register_operator", p_id=uuid4(), p_name="Eve", p_email="EVE@example.com")
    with house.world.refused("23514", "operators_role_check"):
        house["ada"].call("register_operator", p_id=uuid4(), p_name="Eve", p_email="e@example.com", p_role="king")


def all_functions(house: House) -> list[tuple[str, str]]:
    """Return each public function: its signature, and a call of it with nulls."""
    rows = house.world.owner.rows(
        "select p.oid::regprocedure::text as signature, format('select * from public.%I(%s)', p.proname,"
        " (select string_agg('null::' || format_type(t, null), ', ' order by n)"
        " from unnest(p.proargtypes) with ordinality a (t, n))) as call"
        " from pg_proc p where p.pronamespace = 'public'::regnamespace order by 1"
    )
    return [(row["signature"], row["call"]) for row in rows]


# Nobody has signed in yet who is counted, looks at the widget, or is about to join.
FOR_EVERYBODY = ("check_request()", "get_widget_settings()", "find_invitation(text)", "is_new()")


def test_anonymous_callers_execute_nothing_but_what_is_for_everybody(showhouse: House) -> None:
    for signature, call in all_functions(showhouse):
        if signature == "find_invitation(text)":
            with refused("PT404", "invitation_not_found"):
                showhouse["anon"].rows(call)
        elif signature in FOR_EVERYBODY:
            showhouse["anon"].rows(call)
        else:
            with refused("42501"):
                showhouse["anon"].rows(call)


def test_signed_in_callers_execute_everything_but_jobs(showhouse: House) -> None:
    for signature, _ in all_functions(showhouse):
        for who in ("kim", "ana", "ada"):
            allowed = showhouse[who].value("select has_function_privilege(%s, 'execute')", f"public.{signature}")
            assert allowed == (not signature.startswith("release_idle_assignments"))


def test_no_call_of_a_stranger_with_nulls_changes_anything_or_breaks(showhouse: House) -> None:
    for signature, call in all_functions(showhouse):
        if signature in ("check_request()", "who_am_i()", *(f"{function}(uuid)" for function in OF_ANYBODY)):
            continue  # these are one's own
        with showhouse.world.unchanged():
            try:
                showhouse["stranger"].rows(call)
            except psycopg.Error as error:
                state = str(error.sqlstate)
                assert state.startswith("PT") or state == "42501", f"{signature}: {error}"  # noqa: PT017


JOBS = (
    "private.run_idle_detection()",
    "private.run_assignment_sweep()",
    "private.run_clean_up()",
    "private.run_customer_idle()",
    "private.run_retention()",
    "private.erased_among('{}')",
    "private.run_snooze_end()",
    "private.list_news('{}', '{}', '{}', '{}')",
    "private.claim_job('x', '1 s')",
    "private.identify_host_user('x', 'x', now(), now() + interval '1 minute', 'x', null, null)",
    "private.spend_token(gen_random_uuid())",
    "private.release_idle_assignments('0 s')",
    "private.setting('allow_take')",
    "private.list_rows('{}', gen_random_uuid())",
    "private.shared_rows('{}')",
    "private.own_marks('{}', '{}')",
    "private.left_queue('{}', '{}')",
    "private.next_chats('{}')",
    "private.note_list(gen_random_uuid())",
    "private.broken_invariants()",
    "private.set_cause('idle')",
    "private.release_chats('{}', 'idle')",
    "private.add_stats(gen_random_uuid(), now())",
    "private.give_chat(gen_random_uuid(), gen_random_uuid(), 'x')",
    "private.audit('user.erased', gen_random_uuid())",
    "private.forget_person(gen_random_uuid())",
    "private.forget_operator(gen_random_uuid())",
    "private.export_chats(gen_random_uuid())",
    "private.export_account(gen_random_uuid())",
    "private.erase_old_chats(now(), 1)",
    "public.release_idle_assignments('0 s')",
)


def test_nobody_but_the_service_calls_what_is_inside(showhouse: House) -> None:
    for who in PEOPLE:
        for job in JOBS:
            with showhouse.world.refused("42501"):
                showhouse[who].rows(f"select {job}")


@pytest.mark.parametrize("job", JOBS[:9])
def test_the_service_runs_jobs(house: House, job: str) -> None:
    house.world.service.rows(f"select {job}")


# Who is who


def kind(caller: Caller) -> str:
    told: dict[str, str] = caller.ask("who_am_i")
    return told["kind"]


def test_everyone_is_known_for_what_he_is(showhouse: House) -> None:
    kinds = {who: kind(showhouse[who]) for who in PEOPLE if who != "anon"}
    assert kinds == {
        "kim": "customer",
        "lee": "customer",
        "stranger": "customer",
        "ana": "operator",
        "ben": "operator",
        "cleo": "operator",
        "gone": "inactive",
        "ada": "admin",
        "nobody": "anonymous",
    }
    assert kind(showhouse.world.service) == kind(showhouse.world.owner) == "service"


@pytest.mark.parametrize(
    "claims",
    [
        {"role": "service_role"},
        {"role": "postgres"},
        {"role": "admin"},
        {"user_role": "admin", "app_metadata": {"role": "admin"}, "user_metadata": {"role": "service_role"}},
        {"is_anonymous": False, "aud": "service_role"},
    ],
)
def test_a_forged_claim_proves_nothing(showhouse: House, claims: dict[str, object]) -> None:
    for who, expected in (("kim", "customer"), ("ana", "operator"), ("gone", "inactive")):
        forger = Caller(showhouse[who].connection, "authenticated", showhouse[who].id, claims)
        assert kind(forger) == expected
        with showhouse.world.refused("42501"):
            forger.call_all("release_idle_assignments")
        with refused("PT403"):
            forger.call_all("check_invariants")
        assert len(forger.rows("select id from chats")) == len(SEEN.get(who, ()))
        assert forger.value("select private.is_service()") is False
        with refused("PT403"):
            forger.call_all("assign_chat_to_operator", p_operator_id=showhouse["ben"].id)
        if who != "ana":
            with refused("PT403"):
                forger.call_all("get_assignment_queue_status")
        seen = {row["operator_id"] for row in forger.rows("select operator_id from operator_assignment_history")}
        assert seen == ({forger.id} if who == "ana" else set())


def test_a_forged_claim_of_an_anonymous_caller_proves_nothing_either(showhouse: House) -> None:
    forger = Caller(showhouse["anon"].connection, "anon", showhouse["ada"].id, {"role": "service_role"})
    for query in (
        "select * from chats",
        "select * from get_chat(gen_random_uuid())",
        "select * from check_invariants()",
    ):
        with refused("42501"):
            forger.rows(query)


def test_a_setting_of_the_session_makes_nobody_the_service(showhouse: House) -> None:
    kim = showhouse["kim"]
    with kim.transaction() as connection:
        for name, value in (
            ("baton.kind", "idle"),
            ("baton.sides", "qf"),
            ("baton.now", "2999-01-01"),
            ("request.jwt.claim.role", "service_role"),
            ("request.jwt.claim.sub", str(showhouse["ada"].id)),
        ):
            connection.execute("select set_config(%s, %s, true)", (name, value))
        row = connection.execute("select who_am_i() as who").fetchone()
        assert row is not None
        assert row["who"] == {"id": str(kim.id), "kind": "customer"}


def test_who_logs_in_as_authenticator_is_nobody_until_he_becomes_somebody(showhouse: House) -> None:
    connection = showhouse.world.connect()
    connection.execute("set session authorization authenticator")
    caller = Caller(connection)
    for query in ("select * from chats", "select who_am_i()", "select private.is_service()"):
        with refused("42501"):
            caller.rows(query)
    assert kind(Caller(connection, "authenticated", showhouse["kim"].id)) == "customer"
    assert kind(Caller(connection, "service_role")) == "service"
    # And not because of whom he was a moment ago.
    assert kind(Caller(connection, "authenticated", showhouse["kim"].id)) == "customer"


def test_the_service_that_speaks_for_somebody_is_still_the_service(showhouse: House) -> None:
    speaker = Caller(showhouse.world.owner.connection, "service_role", showhouse["kim"].id)
    assert kind(speaker) == "service"
    assert len(speaker.rows("select id from chats")) == len(CHATS)


@pytest.mark.parametrize("token", ["", "null", "{}", '{"sub": ""}', '{"sub": null}'])
def test_an_empty_token_is_nobodys(showhouse: House, token: str) -> None:
    connection = showhouse.world.connect()
    with connection.transaction():
        connection.execute("select set_config('request.jwt.claims', %s, true)", (token,))
        connection.execute("set local role authenticated")
        row = connection.execute("select who_am_i() as who").fetchone()
        assert row == {"who": {"id": None, "kind": "anonymous"}}
        assert connection.execute("select * from chats").fetchall() == []


# Limits of requests


def test_a_user_who_asks_too_often_is_told_to_wait(house: House) -> None:
    world, kim = house.world, house["kim"]
    world.set("rate_limit_burst", 3)
    world.set("rate_limit_per_minute", 1)
    for _ in range(3):
        kim.call("check_request")
    with world.refused("PT429", "rate_limited"):
        kim.call("check_request")
    house["lee"].call("check_request")
    for caller in (world.service, world.anonymous):
        for _ in range(5):
            caller.call("check_request")


def test_tokens_come_back_with_time(house: House) -> None:
    world, kim = house.world, house["kim"]
    world.set("rate_limit_burst", 1)
    world.set("rate_limit_per_minute", 60)
    kim.call("check_request")
    with refused("PT429", "rate_limited"):
        kim.call("check_request")
    world.owner.does("update private.rate_buckets set refilled_at = refilled_at - interval '1 s' where true")
    kim.call("check_request")


def test_no_limit_is_a_limit_of_nought(house: House) -> None:
    house.world.set("rate_limit_burst", 1)
    house.world.set("rate_limit_per_minute", 0)
    for _ in range(3):
        house["kim"].call("check_request")


# Settings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("idle_limit", '"10 minutes"'),
        ("time_zone", '"Europe/Berlin"'),
        ("allow_take", "true"),
        ("rate_limit_burst", "5"),
    ],
)
def test_an_admin_changes_a_setting(house: House, name: str, value: str) -> None:
    changed = house["ada"].call("set_setting", p_name=name, p_value=value)
    assert changed["name"] == name
    assert house["ada"].value("select value::text from settings where name = %s", name) == value


def test_a_setting_that_does_not_parse_is_refused(showhouse: House) -> None:
    wrong: list[tuple[str, str | None]] = [
        ("idle_limit", '"soon"'),
        ("idle_limit", '"-1 minutes"'),
        ("idle_limit", '"0"'),
        ("time_zone", '"Middle/Earth"'),
        ("allow_take", '"yes"'),
        ("rate_limit_burst", "-1"),
        ("rate_limit_burst", '"5"'),
        ("rate_limit_burst", "null"),
        ("rate_limit_burst", None),
        ("idle_limit", "{}"),
    ]
    for name, value in wrong:
        with showhouse.world.refused("PT400", "invalid_argument"):
            showhouse["ada"].call("set_setting", p_name=name, p_value=value)


def test_an_unknown_setting_is_refused(showhouse: House) -> None:
    for name in ("colour", "", None):
        with showhouse.world.refused("PT404", "setting_not_found"):
            showhouse["ada"].call("set_setting", p_name=name, p_value="1")
