"""Who is erased is gone from everywhere, does not come back, and nobody else loses anything."""

from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg.rows import dict_row
from psycopg.sql import SQL, Identifier

from tests.servers import Server
from tests.sql.helpers import Caller, Customer, Operator, World, refused
from tests.sql.test_export import with_account
from web.loader import load

# Where an id may stay: the log that says that it happened, the list of those who do not come back, and the
# signals that tell the relays.
MAY_STAY = {"public.audit_log", "private.erased_people", "private.events"}


def erase(who: Caller, whom: UUID | None = None) -> dict[str, int]:
    counts: dict[str, int] = who.ask("erase_user_data", **({"p_user_id": whom} if whom else {}))
    return counts


def traces(world: World, *things: object) -> dict[str, set[str]]:
    """Return which of these ids and texts are found where, in any row of any table of the database."""
    tables = world.owner.rows(
        "select n.nspname::text as schema, c.relname::text as name from pg_class c"
        " join pg_namespace n on n.oid = c.relnamespace"
        " where c.relkind = 'r' and n.nspname not in ('pg_catalog', 'information_schema')"
    )
    found: dict[str, set[str]] = {}
    for table in tables:
        for thing in map(str, things):
            query = SQL("select exists (select from {} t where position(%s in t::text) > 0)").format(
                Identifier(table["schema"], table["name"])
            )
            if world.owner.value(query, thing):
                found.setdefault(f"{table['schema']}.{table['name']}", set()).add(thing)
    return found


@pytest.fixture
def kim(world: World) -> Customer:
    """A customer with an account, signed in."""
    return with_account(world, world.customer("Kimberly"))


def lives_a_life(world: World, kim: Customer) -> tuple[list[UUID], list[object]]:
    """Let the customer leave something everywhere; return his chats, and what must not be found."""
    ana, ada = world.operator("Ana", capacity=3), world.admin()
    chats = [world.chat("waiting_real_user_reply", ana, kim), world.chat("completed", ana, kim)]
    chats.append(kim.starts("my cat's name is Mia", p_context={"phone": "030 1234"})["id"])
    with kim.transaction() as connection:
        connection.execute("select set_config('request.headers', %s, true)", ('{"x-forwarded-for": "192.0.2.7"}',))
        row = connection.execute("select id from start_chat('held', %s)", (uuid4(),)).fetchone()
    assert row
    chats.append(row["id"])
    ada.reassigns(chats[3], ana, "knows Kimberly")
    message = kim.writes(chats[3], "I live in Hiddensee")
    kim.call("edit_message", p_message_id=message["id"], p_content="I live elsewhere")
    world.owner.does("update chats set headline = 'Mia is ill' where id = %s", chats[2])
    world.owner.does("update chats set handling = 'session' where id = %s", chats[3])
    ana.replies(chats[3], "hello Kimberly")
    for reader in (kim, ana):
        reader.call("mark_read", p_chat_id=chats[3], p_seq=2)
    ana.notes(chats[3], "Kimberly has a cat", ada)
    kim.call("check_request")
    world.service.rows("select private.open_connection(%s, %s)", uuid4(), kim.id)
    world.sends(kim, chats[3], world.brings(kim, chats[3], name="hiddensee by night.png"), content="Hiddensee")
    world.brings(kim, chats[3], "unsent.png")
    kim.call("rate_chat", p_chat_id=chats[0], p_score=5, p_comment="Mia is well again")
    kim.call("introduce_myself", p_email="kimberly@elsewhere.example")
    ticket = kim.call("create_ticket", p_type="support", p_title="Mia's bowl", p_initial_message="030 1234")
    world.insert("ticket_links", ticket_id=ticket["id"], chat_id=chats[1])
    texts = ["Kimberly", "Mia", "030 1234", "192.0.2.7", "Hiddensee", "elsewhere", "shop.example", "blue"]
    return chats, [kim.id, *chats, message["id"], ticket["id"], *texts]


@pytest.mark.parametrize("who", ["himself", "an admin", "the service"])
def test_nothing_is_left_anywhere(world: World, kim: Customer, who: str) -> None:
    chats, things = lives_a_life(world, kim)
    sessions = [row["id"] for row in world.owner.rows("select id from auth.sessions where user_id = %s", kim.id)]
    before = traces(world, *things, *sessions)
    assert len(before) > 10
    ada = world.admin("Bo")
    caller = {"himself": kim, "an admin": ada, "the service": world.service}[who]
    counts = erase(caller, None if who == "himself" else kim.id)
    assert counts == {"chats": 4, "messages": 8, "tickets": 1, "files": 2, "sessions": 1, "accounts": 1, "operators": 0}
    # Files that nobody sees any more go with their bytes: what the job does.
    doomed = [row["name"] for row in world.service.rows("select name from private.claim_file_removals(10)")]
    assert len(doomed) == 2
    world.service.rows("select storage.delete_objects('attachments', %s)", doomed)
    world.service.rows("select private.finish_file_removals('attachments', %s)", doomed)
    after = traces(world, *things, *sessions)
    assert after.keys() <= MAY_STAY
    assert after["public.audit_log"] | after["private.erased_people"] == {str(kim.id)}
    assert after["private.events"] <= {str(kim.id), *map(str, chats)}
    # Of the events only signals are left, which go within the hour.
    assert world.owner.value("select count(event_seq) from private.events") == 0


def test_nobody_else_loses_anything(world: World, kim: Customer) -> None:
    lee = with_account(world, world.customer("Lee"))
    ana = world.operator("Ana", capacity=2)
    chat = world.chat("assigned", ana, lee)
    world.replies(world.chat("assigned", ana, kim), ana)
    lee.call("mark_read", p_chat_id=chat, p_seq=1)
    lee.call("check_request")
    world.service.rows("select private.open_connection(%s, %s)", uuid4(), lee.id)
    before = traces(world, lee.id, chat)
    numbers = world.stats(ana)
    assert numbers == (1, 1, 0)
    erase(kim)
    after = traces(world, lee.id, chat)
    assert after == before
    assert world.holder(chat) == ana.id
    assert world.stats(ana) == numbers


def test_the_hand_that_held_his_chat_is_free_and_is_given_the_next_one(world: World, kim: Customer) -> None:
    ana = world.operator("Ana", auto_assign=True)
    chat = kim.starts()["id"]
    assert world.holder(chat) == ana.id
    other = world.chat()
    assert world.holder(other) is None
    erase(kim)
    assert world.holder(other) == ana.id
    assert world.owner.value("select held from private.operator_load") == 1


def test_relays_are_told_of_his_chats_and_of_him(world: World, kim: Customer) -> None:
    ana = world.operator("Ana")
    chat = world.chat("assigned", ana, kim)
    world.owner.does("delete from private.events where true")
    erase(kim)
    left = world.owner.rows("select event, chat_id, person_id from private.events order by event")
    assert [tuple(row.values()) for row in left] == [
        ("chat.deleted", chat, ana.id),
        ("person.deleted", None, kim.id),
    ]


def test_it_is_logged_by_ids_and_numbers(world: World, kim: Customer) -> None:
    ada = world.admin()
    world.chat(customer=kim)
    erase(ada, kim.id)
    (row,) = world.owner.rows("select * from audit_log where action = 'user.erased'")
    assert (row["actor_id"], row["actor_kind"], row["subject_id"]) == (ada.id, "admin", kim.id)
    assert row["detail"] == {
        "chats": 1,
        "messages": 1,
        "tickets": 0,
        "files": 0,
        "sessions": 1,
        "accounts": 1,
        "operators": 0,
    }
    assert world.owner.call_all("check_audit_log") == []


def test_twice_is_harmless_and_logged_once(world: World, kim: Customer) -> None:
    kim.starts()
    erase(kim)
    for who, whom in ((kim, None), (world.service, kim.id), (world.admin(), kim.id)):
        assert set(erase(who, whom).values()) == {0}
    assert world.owner.value("select count(*) from audit_log where action = 'user.erased'") == 1


def test_what_came_into_being_meanwhile_goes_with_the_second_erasure(world: World, kim: Customer) -> None:
    erase(kim)
    kim.call("check_request")
    with_account(world, kim)
    assert erase(kim)["accounts"] == 1
    assert traces(world, kim.id).keys() <= MAY_STAY


def test_who_was_erased_does_not_come_back_by_a_token_that_is_still_good(world: World, kim: Customer) -> None:
    chat = kim.starts()["id"]
    erase(kim)
    with world.refused("PT401", "not_signed_in"):
        kim.starts()
    for deed in (
        lambda: kim.writes(chat),
        lambda: kim.call("get_chat", p_chat_id=chat),
        lambda: kim.call("mark_read", p_chat_id=chat, p_seq=1),
        lambda: kim.call_all("list_messages", p_chat_id=chat),
    ):
        with world.refused("PT404", "chat_not_found"):
            deed()
    assert kim.call_all("list_chats") == []
    assert kim.rows("select * from real_users") == []
    with world.refused("PT401", "not_signed_in"):
        world.insert("real_users", id=kim.id)


def test_who_never_wrote_does_not_begin_after_his_erasure(world: World) -> None:
    stranger = world.stranger()
    assert set(erase(stranger).values()) == {0}
    with world.refused("PT401", "not_signed_in"):
        stranger.starts()


def test_no_socket_is_opened_for_who_was_erased(world: World, kim: Customer) -> None:
    opens = "select private.open_connection(%s, %s)"
    assert world.service.value(opens, uuid4(), kim.id) == "customer"
    erase(kim)
    assert world.service.value(opens, uuid4(), kim.id) == "erased"
    world.service.rows("select private.renew_connections(%s, %s)", uuid4(), [kim.id])
    assert world.owner.value("select count(*) from private.connections") == 0
    asked = [kim.id, uuid4()]
    assert world.service.rows("select person_id from private.erased_among(%s)", asked) == [{"person_id": kim.id}]


def test_his_id_is_kept_as_long_as_a_token_may_live(world: World, kim: Customer) -> None:
    erase(kim)
    # Who was connecting just then, and whose process was killed before he was sent away.
    row = "insert into private.connections (person_id, process_id, seen_at, lease_until) values (%s, %s, now(), now())"
    world.owner.does(row, kim.id, uuid4())
    world.service.rows("select private.run_clean_up()")
    assert world.owner.value("select count(*) from private.erased_people") == 1
    assert world.owner.value("select count(*) from private.connections") == 0
    world.owner.does("update private.erased_people set erased_at = erased_at - interval '9 days' where true")
    world.service.rows("select private.run_clean_up()")
    assert world.owner.value("select count(*) from private.erased_people") == 0


def test_an_operator_is_deactivated_first_and_then_loses_his_name(world: World) -> None:
    ana, ada = with_account_of_staff(world, "Ana Ipek"), world.admin()
    chat = world.chat("waiting_real_user_reply", ana)
    ana.call("set_operator_status", p_status="away", p_reason="at the dentist's")
    ana.call("save_quick_response", p_shortcut="ill", p_title="Ill", p_content="I am at the dentist's.")
    ana.call("set_preferences", p_changes={"theme": "dark"})
    note = ada.notes(chat, "ask Ana", ana)["id"]
    for who, whom in ((ana, None), (ada, ana.id), (world.service, ana.id), (ada, None), (ada, ada.id)):
        with world.refused("PT409", "operator_active"):
            erase(who, whom)
    world.owner.does("update operators set is_active = false where id = %s", ana.id)
    with world.refused("PT403", "operator_inactive"):
        erase(ana)
    assert erase(ada, ana.id) == {
        "chats": 0,
        "messages": 0,
        "tickets": 0,
        "files": 0,
        "sessions": 1,
        "accounts": 1,
        "operators": 1,
    }
    assert traces(world, "Ana Ipek", "dentist", "ana.ipek@shop.example") == {}
    for table in ("agent_preferences", "quick_responses", "chat_mentions"):
        assert world.owner.value(f"select count(*) from {table}") == 0, table
    assert world.owner.value("select content from chat_notes where id = %s", note) == "ask Ana"
    row = world.owner.row("select * from operators where id = %s", ana.id)
    assert (row["name"], row["email"], row["is_active"]) == ("Former operator", None, False)
    assert len(world.messages(chat)) == 2
    assert set(erase(ada, ana.id).values()) == {0}


def with_account_of_staff(world: World, name: str) -> Operator:
    email = f"{name.lower().replace(' ', '.')}@shop.example"
    ana = world.operator(name, email=email)
    world.service.rows("select auth.create_user(%s, 'a hash', false, '{}', %s)", email, ana.id)
    world.service.rows("select auth.start_session(%s, %s)", ana.id, str(uuid4()))
    return ana


def test_a_customer_who_became_an_operator_and_left_is_erased_as_both(world: World, kim: Customer) -> None:
    kim.starts("my cat's name is Mia")
    world.insert("operators", id=kim.id, name="Kimberly", is_active=False)
    assert erase(world.service, kim.id) == {
        "chats": 1,
        "messages": 1,
        "tickets": 0,
        "files": 0,
        "sessions": 1,
        "accounts": 1,
        "operators": 1,
    }
    assert traces(world, "Mia", "Kimberly") == {}


def test_nobody_erases_somebody_else(world: World, kim: Customer) -> None:
    others: list[Caller] = [world.customer("Lee"), world.operator("Ana"), world.stranger()]
    for who in others:
        with world.refused("PT403", "not_allowed"):
            erase(who, kim.id)
    with world.refused("PT401", "not_signed_in"):
        erase(world.service)
    with world.refused("42501"):
        erase(world.anonymous)
    admins: list[Caller] = [world.admin(), world.service]
    for who in admins:
        with world.refused("PT404", "user_not_found"):
            erase(who, uuid4())


@pytest.mark.one_postgres
def test_with_ten_thousand_messages_it_is_still_one_transaction_of_seconds(world: World, kim: Customer) -> None:
    chat = world.chat(customer=kim)
    world.floods(chat, 9999)
    with kim.transaction() as connection:
        connection.execute("set local statement_timeout = '30 s'")
        row = connection.execute("select erase_user_data() as counts").fetchone()
    assert row is not None
    assert row["counts"]["messages"] == 10_000
    assert traces(world, kim.id, chat).keys() <= MAY_STAY


SUPABASE = """
create schema auth authorization auth_admin_of_the_test;
set role auth_admin_of_the_test;
create table auth.users (
  id uuid primary key, email varchar(255), encrypted_password varchar(255), phone text, is_anonymous boolean,
  raw_app_meta_data jsonb, raw_user_meta_data jsonb, created_at timestamptz, updated_at timestamptz,
  last_sign_in_at timestamptz, banned_until timestamptz, recovery_token varchar(255)
);
create table auth.identities (id uuid primary key, user_id uuid references auth.users on delete cascade);
create table auth.sessions (
  id uuid primary key, user_id uuid references auth.users on delete cascade, created_at timestamptz,
  updated_at timestamptz, user_agent text, ip inet
);
create table auth.refresh_tokens (
  id bigint primary key, user_id varchar(255), session_id uuid references auth.sessions on delete cascade
);
alter table auth.users enable row level security;
alter table auth.sessions enable row level security;
create function auth.jwt() returns jsonb language sql stable
  as $$ select nullif(current_setting('request.jwt.claims', true), '')::jsonb $$;
create function auth.uid() returns uuid language sql stable as $$ select (auth.jwt() ->> 'sub')::uuid $$;
grant usage on schema auth to project_owner, anon, authenticated, service_role;
grant all on all tables in schema auth to project_owner;
reset role;
create schema storage authorization project_owner;
set role project_owner;
create table storage.buckets (
  id text primary key, name text, public boolean, file_size_limit bigint, allowed_mime_types text[]
);
create table storage.objects (
  id uuid primary key default gen_random_uuid(), bucket_id text, name text, owner_id text, metadata jsonb,
  user_metadata jsonb, created_at timestamptz
);
alter table storage.objects enable row level security;
reset role;
insert into auth.users (id, email, recovery_token) values ('{kim}', 'kim@shop.example', 'a secret');
insert into auth.identities values (gen_random_uuid(), '{kim}');
insert into auth.sessions (id, user_id, ip) values ('{session}', '{kim}', '192.0.2.7');
insert into auth.refresh_tokens values (1, '{kim}', '{session}');
"""


def test_on_a_supabase_project_the_login_goes_too_though_it_is_not_ours(server: Server, world: World) -> None:
    # `world` has made the roles that such a project has.
    kim = uuid4()
    server.execute("create role project_owner login createrole bypassrls password 'x'")
    server.execute("create role auth_admin_of_the_test")
    try:
        with server.empty_database(owner="project_owner") as database:
            for role in ("anon", "authenticated", "service_role", "authenticator"):
                server.execute(f"grant {role} to project_owner with admin option")
            database.rows(SUPABASE.replace("{kim}", str(kim)).replace("{session}", str(uuid4())))
            url = make_conninfo(database.url, user="project_owner", password="x")
            load(url)
            with psycopg.connect(url, autocommit=True, row_factory=dict_row) as connection:
                caller = Caller(connection, "authenticated", kim)
                caller.rows("select start_chat('where is it?', gen_random_uuid())")
                account = caller.ask("export_user_data")["account"]
                assert (account["email"], account["sessions"][0]["ip"]) == ("kim@shop.example", "192.0.2.7")
                assert "a secret" not in str(account)
                assert erase(caller) == {
                    "chats": 1,
                    "messages": 1,
                    "tickets": 0,
                    "files": 0,
                    "sessions": 1,
                    "accounts": 1,
                    "operators": 0,
                }
            for table in ("users", "sessions", "identities", "refresh_tokens"):
                assert database.value(f"select count(*) from auth.{table}") == 0
    finally:
        for role in ("project_owner", "auth_admin_of_the_test"):
            server.execute(f"drop role {role}")


def test_editing_goes_on_after_earlier_texts_were_erased(world: World, kim: Customer) -> None:
    chat = kim.starts("one")["id"]
    message = world.messages(chat)[0]["id"]
    for text in ("two", "three"):
        kim.call("edit_message", p_message_id=message, p_content=text)
    world.service.rows("delete from message_revisions where revision = 1")
    kim.call("edit_message", p_message_id=message, p_content="four")
    revisions = world.owner.rows("select content from message_revisions order by revision")
    assert [row["content"] for row in revisions] == ["two", "three"]
    with refused("PT409", "client_message_id_reused"):
        kim.starts("something else", world.messages(chat)[0]["client_message_id"])
