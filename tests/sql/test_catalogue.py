"""The SQL surface by its names, and the rules of the house that the catalogue can tell."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg.rows import DictRow

from tests.conftest import Servers
from tests.servers import Database
from tests.sql.helpers import World

SQL = Path(__file__).parents[2] / "sql"

# Section 4 of the specification, and what has been added to it since: arguments as \df shows them.
FUNCTIONS = {
    "start_chat": (
        "p_content text, p_client_message_id uuid, p_fictional_user_id uuid DEFAULT NULL::uuid,"
        " p_context jsonb DEFAULT '{}'::jsonb",
        "chats",
    ),
    "send_real_user_message": ("p_chat_id uuid, p_content text, p_client_message_id uuid", "messages"),
    "send_operator_message": ("p_chat_id uuid, p_content text, p_client_message_id uuid", "messages"),
    "send_real_user_attachments": (
        "p_chat_id uuid, p_content text, p_client_message_id uuid, p_attachments text[]",
        "messages",
    ),
    "send_operator_attachments": (
        "p_chat_id uuid, p_content text, p_client_message_id uuid, p_attachments text[]",
        "messages",
    ),
    "edit_message": ("p_message_id uuid, p_content text", "messages"),
    "delete_message": ("p_message_id uuid", "messages"),
    "mark_read": ("p_chat_id uuid, p_seq bigint", "void"),
    "assign_chat_to_operator": ("p_operator_id uuid", "SETOF chats"),
    "take_chat": ("p_chat_id uuid", "chats"),
    "release_and_reassign_chat": ("p_chat_id uuid, p_reason text", "chats"),
    "transfer_chat": ("p_chat_id uuid, p_operator_id uuid, p_reason text DEFAULT NULL::text", "chats"),
    "reassign_chat": ("p_chat_id uuid, p_operator_id uuid, p_reason text DEFAULT NULL::text", "chats"),
    "complete_chat": ("p_chat_id uuid, p_reason text DEFAULT 'completed'::text", "chats"),
    "set_operator_status": (
        "p_status text, p_reason text DEFAULT NULL::text, p_operator_id uuid DEFAULT NULL::uuid",
        "operators",
    ),
    "should_keep_assignment": ("p_chat_id uuid", "boolean"),
    "release_idle_assignments": ("p_idle interval DEFAULT '00:05:00'::interval", "SETOF chats"),
    "get_assignment_queue_status": (
        "",
        "TABLE(waiting_count bigint, assigned_count bigint, waiting_reply_count bigint,"
        " oldest_wait_seconds double precision, average_wait_seconds double precision,"
        " available_operators bigint, free_capacity bigint)",
    ),
    "get_queue_position": ("p_chat_id uuid", 'TABLE("position" bigint, expected_wait_seconds double precision)'),
    "detect_stuck_chats": (
        "p_hours numeric DEFAULT 1",
        "TABLE(chat_id uuid, chat_state text, since timestamp with time zone, hours_in_state numeric,"
        " assigned_operator_id uuid, problem text)",
    ),
    "check_invariants": ("", "TABLE(invariant text, chat_id uuid, operator_id uuid, detail text)"),
    "explain_assignment": (
        "p_operator_id uuid",
        "TABLE(rank bigint, chat_id uuid, priority integer, waiting_since timestamp with time zone,"
        " last_operator_id uuid, decision text, reason text)",
    ),
    # Not in the specification
    "add_note": (
        "p_chat_id uuid, p_content text, p_client_note_id uuid, p_mentions uuid[] DEFAULT '{}'::uuid[]",
        "chat_notes",
    ),
    "edit_note": ("p_note_id uuid, p_content text, p_mentions uuid[] DEFAULT NULL::uuid[]", "chat_notes"),
    "delete_note": ("p_note_id uuid", "chat_notes"),
    "list_notes": (
        "p_chat_id uuid, p_before_id uuid DEFAULT NULL::uuid, p_limit integer DEFAULT 50",
        "TABLE(id uuid, chat_id uuid, author_id uuid, content text, mentions uuid[], client_note_id uuid,"
        " created_at timestamp with time zone, edited_at timestamp with time zone,"
        " deleted_at timestamp with time zone, author_name text)",
    ),
    "list_mentions": (
        "p_unread_only boolean DEFAULT true",
        "TABLE(note_id uuid, chat_id uuid, author_id uuid, author_name text, content text,"
        " created_at timestamp with time zone, read_at timestamp with time zone)",
    ),
    "read_mentions": ("p_chat_id uuid", "void"),
    "get_chat_extras": ("p_chat_id uuid", "jsonb"),
    "save_quick_response": (
        "p_shortcut text, p_title text, p_content text, p_is_shared boolean DEFAULT false,"
        " p_id uuid DEFAULT NULL::uuid",
        "quick_responses",
    ),
    "delete_quick_response": ("p_id uuid", "void"),
    "list_quick_responses": ("", "SETOF quick_responses"),
    "get_preferences": ("", "agent_preferences"),
    "set_preferences": ("p_changes jsonb", "agent_preferences"),
    "check_request": ("", "void"),
    "act_on_chats": (
        "p_action text, p_chat_ids uuid[], p_operator_id uuid DEFAULT NULL::uuid, p_reason text DEFAULT NULL::text,"
        " p_priority integer DEFAULT NULL::integer",
        "TABLE(chat_id uuid, is_done boolean, code text, message text)",
    ),
    "begin_export": (
        "p_what text, p_format text, p_from timestamp with time zone DEFAULT NULL::timestamp with time zone,"
        " p_to timestamp with time zone DEFAULT NULL::timestamp with time zone",
        "void",
    ),
    "check_audit_log": ("", "TABLE(id bigint, problem text)"),
    "get_chat_panel": ("p_chat_id uuid", "jsonb"),
    "get_console": ("", "jsonb"),
    "get_metrics": (
        "p_from timestamp with time zone DEFAULT NULL::timestamp with time zone,"
        " p_to timestamp with time zone DEFAULT NULL::timestamp with time zone,"
        " p_bucket interval DEFAULT '01:00:00'::interval",
        "jsonb",
    ),
    "list_audit_log": ("p_cursor bigint DEFAULT NULL::bigint, p_limit integer DEFAULT 50", "SETOF audit_log"),
    "list_console_chats": (
        "p_filter jsonb DEFAULT '{}'::jsonb, p_cursor jsonb DEFAULT NULL::jsonb, p_limit integer DEFAULT 50",
        "TABLE(chat jsonb, cursor jsonb)",
    ),
    "search": (
        "p_query text, p_kind text DEFAULT NULL::text, p_limit integer DEFAULT 20",
        "TABLE(kind text, id uuid, chat_id uuid, seq bigint, title text, snippet text, at timestamp with time zone,"
        " rank bigint)",
    ),
    "erase_user_data": ("p_user_id uuid DEFAULT NULL::uuid", "jsonb"),
    "export_user_data": ("p_user_id uuid DEFAULT NULL::uuid", "jsonb"),
    "get_chat": ("p_chat_id uuid", "chats"),
    "get_draft": ("p_chat_id uuid", "SETOF chat_drafts"),
    "get_operator_inbox": ("", "jsonb"),
    "list_box": ("p_box text, p_cursor jsonb DEFAULT NULL::jsonb, p_limit integer DEFAULT 50", "SETOF jsonb"),
    "list_events": (
        "p_chat_id uuid, p_after_event bigint, p_limit integer DEFAULT 200",
        "TABLE(event_seq bigint, event text, at timestamp with time zone, detail jsonb, message messages, chat chats)",
    ),
    "list_read_marks": (
        "p_chat_id uuid",
        "TABLE(reader_type text, reader_id uuid, seq bigint, read_at timestamp with time zone)",
    ),
    "set_typing": ("p_chat_id uuid, p_is_typing boolean", "void"),
    "list_chats": (
        "p_chat_state text DEFAULT NULL::text, p_cursor uuid DEFAULT NULL::uuid, p_limit integer DEFAULT 50",
        "SETOF chats",
    ),
    "list_messages": (
        "p_chat_id uuid, p_after_seq bigint DEFAULT NULL::bigint, p_before_seq bigint DEFAULT NULL::bigint,"
        " p_around_seq bigint DEFAULT NULL::bigint, p_limit integer DEFAULT 50",
        "SETOF messages",
    ),
    "record_operator_activity": ("p_chat_id uuid", "void"),
    "register_operator": ("p_id uuid, p_name text, p_email text, p_role text DEFAULT 'operator'::text", "operators"),
    "save_draft": ("p_chat_id uuid, p_content text", "void"),
    "set_setting": ("p_name text, p_value jsonb", "settings"),
    "snooze_chat": ("p_chat_id uuid, p_until timestamp with time zone", "chat_snoozes"),
    "unsnooze_chat": ("p_chat_id uuid", "void"),
    "who_am_i": ("", "jsonb"),
    # The widget, and what belongs to it
    "get_widget_settings": ("", "jsonb"),
    "get_all_widget_settings": ("", "widget_settings"),
    "set_widget_settings": ("p_changes jsonb", "widget_settings"),
    "introduce_myself": ("p_name text DEFAULT NULL::text, p_email text DEFAULT NULL::text", "real_users"),
    "rate_chat": ("p_chat_id uuid, p_score integer, p_comment text DEFAULT NULL::text", "chat_ratings"),
    "get_rating": ("p_chat_id uuid", "SETOF chat_ratings"),
    "create_ticket": (
        "p_type text, p_title text, p_initial_message text DEFAULT NULL::text, p_context jsonb DEFAULT '{}'::jsonb,"
        " p_client_message_id uuid DEFAULT NULL::uuid",
        "tickets",
    ),
    "get_ticket": ("p_ticket_id uuid", "tickets"),
    "list_tickets": (
        "p_status text DEFAULT NULL::text, p_cursor uuid DEFAULT NULL::uuid, p_limit integer DEFAULT 50",
        "SETOF tickets",
    ),
    "list_ticket_messages": (
        "p_ticket_id uuid, p_after_seq bigint DEFAULT 0, p_limit integer DEFAULT 100",
        "SETOF ticket_messages",
    ),
    # Who joins, and what admins keep
    "invite_operator": (
        "p_email text, p_name text, p_role text DEFAULT 'operator'::text, p_capacity integer DEFAULT 1",
        "jsonb",
    ),
    "revoke_invitation": ("p_id uuid", "void"),
    "list_invitations": ("", "SETOF jsonb"),
    "find_invitation": ("p_token text", "TABLE(email text, name text, role text)"),
    "is_new": ("", "boolean"),
    "update_operator": ("p_operator_id uuid, p_changes jsonb", "operators"),
    "list_operators": ("", "SETOF jsonb"),
    "save_persona": (
        "p_name text, p_avatar_url text DEFAULT NULL::text, p_is_active boolean DEFAULT true,"
        " p_id uuid DEFAULT NULL::uuid",
        "fictional_users",
    ),
    "list_personas": ("", "SETOF fictional_users"),
    "list_settings": ("", "SETOF settings"),
    "set_settings": ("p_changes jsonb", "SETOF settings"),
}

# What somebody needs before he has signed in.
FOR_EVERYBODY = {"check_request", "get_widget_settings", "find_invitation", "is_new"}

COLUMNS = {
    "chats": "id real_user_id fictional_user_id chat_state handling priority assigned_operator_id last_operator_id"
    " assignment_time operator_replied_at waiting_since last_message_at created_at is_active headline context"
    " ip_address event_seq",
    "messages": "id chat_id seq sender_type sender_id content handled_by_operator_id client_message_id created_at"
    " edited_at deleted_at metadata",
    "chat_assignments": "id chat_id operator_id assigned_at released_at release_reason",
    "operators": "id name email role is_active capacity auto_assign status status_reason",
    "operator_activity": "operator_id chat_id last_activity_at",
    "operator_stats": "operator_id date messages_sent chats_handled idle_incidents chats_missed",
    "audit_log": "id at actor_id actor_kind action subject_id detail previous_hash hash",
    "chat_drafts": "chat_id operator_id content updated_at",
    "chat_snoozes": "chat_id operator_id until created_at",
    "chat_history": "chat_id at actor_id from_state to_state operator_id reason",
    "real_users": "id name",
    "fictional_users": "id name",
    "settings": "name value",
    "chat_notes": "id chat_id author_id content mentions client_note_id created_at edited_at deleted_at",
    "chat_mentions": "note_id operator_id chat_id created_at read_at",
    "quick_responses": "id shortcut title content owner_id created_at updated_at",
    "agent_preferences": "operator_id language theme sound desktop_notifications send_key density updated_at",
    "widget_settings": "title greeting offline_message colour position languages fictional_user_id is_open_always"
    " business_hours pre_chat mode handling allow_files allow_emoji ask_rating privacy_url updated_at",
    "chat_ratings": "chat_id score comment created_at updated_at",
    "tickets": "id real_user_id type title status priority contact_name contact_email context summary created_at"
    " updated_at resolved_at",
    "ticket_messages": "id ticket_id seq sender_type sender_id message_type content created_at metadata",
    "ticket_links": "ticket_id chat_id other_ticket_id",
    "chat_state_summary": "chat_state chat_count oldest_seconds average_seconds",
    "assignment_queue": "position chat_id priority waiting_since wait_seconds last_operator_id",
    "operator_assignment_history": "operator_id total_assignments completed active by_reason",
    "repeated_assignments": "chat_id operator_id assignment_count",
    "operator_performance": "operator_id date messages_sent chats_handled idle_incidents chats_missed",
    "assignment_metrics": "distribution wait_median_seconds wait_p95_seconds repeats stuck",
    "chat_volume": "bucket_start started completed messages_in messages_out",
    "wait_history": "bucket_start wait_median_seconds wait_p95_seconds assignments",
    "state_history": "bucket_start waiting_assignment assigned waiting_real_user_reply completed",
    "idle_history": "date operator_id operator_name idle_incidents",
    "assignment_distribution": "operator_id operator_name holds_24h holds_7d",
}

VIEWS = {
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
}

INDEXES = {"idx_chats_waiting_assignment", "idx_chats_last_operator", "idx_chats_operator_replied"}

# What an order or a list of one table's rows has to be exactly, for programs that read by position.
EXACTLY = ("chat_state_summary", "assignment_queue", "repeated_assignments")


# Names


def test_the_public_functions_are_these(world: World) -> None:
    rows = world.owner.rows(
        "select proname, pg_get_function_arguments(oid) as arguments, pg_get_function_result(oid) as result"
        " from pg_proc where pronamespace = 'public'::regnamespace"
    )
    assert {row["proname"]: (row["arguments"], row["result"]) for row in rows} == FUNCTIONS
    assert len(rows) == len(FUNCTIONS)


@pytest.mark.parametrize("relation", COLUMNS)
def test_a_table_or_view_has_the_columns_that_others_rely_on(world: World, relation: str) -> None:
    rows = world.owner.rows(
        "select attname::text as name from pg_attribute where attrelid = %s::regclass and attnum > 0"
        " and not attisdropped order by attnum",
        f"public.{relation}",
    )
    columns = [row["name"] for row in rows]
    assert [name for name in COLUMNS[relation].split() if name not in columns] == []
    if relation in EXACTLY:
        assert columns == COLUMNS[relation].split()


def test_the_views_are_these(world: World) -> None:
    rows = world.owner.rows("select viewname::text as name from pg_views where schemaname = 'public'")
    assert {row["name"] for row in rows} == VIEWS


def test_the_named_indexes_exist(world: World) -> None:
    rows = world.owner.rows("select indexname::text as name from pg_indexes where schemaname = 'public'")
    assert {row["name"] for row in rows} >= INDEXES


@pytest.mark.parametrize(
    ("condition", "order", "index"),
    [
        ("chat_state = 'waiting_assignment'", "priority desc, waiting_since, id", "idx_chats_waiting_assignment"),
        (
            "chat_state = 'waiting_assignment' and last_operator_id = '00000000-0000-0000-0000-000000000001'",
            "priority desc, waiting_since, id",
            "idx_chats_last_operator",
        ),
        ("chat_state = 'waiting_real_user_reply'", "operator_replied_at", "idx_chats_operator_replied"),
    ],
)
def test_the_named_indexes_serve_their_queries(world: World, condition: str, order: str, index: str) -> None:
    with world.owner.transaction() as connection:
        connection.execute("set local enable_seqscan = off")
        connection.execute("set local enable_sort = off")
        plan = connection.execute(f"explain select id from chats where {condition} order by {order} limit 8").fetchall()
    assert index in "\n".join(row["QUERY PLAN"] for row in plan)


def test_the_defaults_of_a_plain_operator_are_the_specifications(world: World) -> None:
    ana = world.operator()
    row = world.owner.row("select * from operators where id = %s", ana.id)
    told = {name: row[name] for name in ("role", "is_active", "capacity", "auto_assign", "status")}
    assert told == {"role": "operator", "is_active": True, "capacity": 1, "auto_assign": False, "status": "online"}


# The rules of the house

OURS = """
    select p.oid, n.nspname || '.' || p.oid::regprocedure::text as name, n.nspname as schema, p.proname, p.prosecdef,
        p.proconfig, p.proacl, p.prolang, p.prosrc, p.prokind, obj_description(p.oid, 'pg_proc') as comment,
        p.prorettype = 'trigger'::regtype as is_trigger
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname in ('public', 'private', 'auth')
"""


@pytest.fixture
def functions(world: World) -> list[DictRow]:
    """Every function that is ours."""
    return world.owner.rows(OURS)


def test_every_function_is_commented(functions: list[DictRow]) -> None:
    # What stands behind a public function of the same name is told there.
    public = {f["proname"] for f in functions if f["schema"] == "public"}
    silent = {f["name"] for f in functions if not f["comment"] and f["proname"] not in public}
    assert silent == set()
    assert {f["name"] for f in functions if f["schema"] == "public" and not f["comment"]} == set()


def test_every_function_has_a_search_path_of_its_own(functions: list[DictRow]) -> None:
    # auth.uid() and auth.jwt() have none, so that they are inlined; nothing in them depends on it.
    loose = {f["name"] for f in functions if 'search_path=""' not in (f["proconfig"] or [])}
    assert {name.removeprefix("auth.auth.") for name in loose} <= {"uid()", "jwt()", "auth.uid()", "auth.jwt()"}


def test_no_function_is_executable_by_everybody(world: World, functions: list[DictRow]) -> None:
    assert {f["name"] for f in functions if f["proacl"] is None} == set()
    rows = world.owner.rows(
        "select p.oid::regprocedure::text as name from pg_proc p cross join aclexplode(p.proacl) a"
        " where p.pronamespace in ('public'::regnamespace, 'private'::regnamespace, 'auth'::regnamespace)"
        " and a.grantee = 0"
    )
    assert rows == []


def test_definer_functions_are_not_in_public(functions: list[DictRow]) -> None:
    assert {f["name"] for f in functions if f["prosecdef"] and f["schema"] == "public"} == set()


def test_public_functions_only_call_those_behind_them(functions: list[DictRow]) -> None:
    for function in functions:
        if function["schema"] == "public" and function["proname"] != "who_am_i":
            assert f"private.{function['proname']}(" in function["prosrc"], function["name"]


def test_trigger_functions_and_inner_ones_are_granted_to_nobody_but_their_owner(world: World) -> None:
    rows = world.owner.rows(
        "select p.proname::text as name, r.rolname::text as role"
        " from pg_proc p cross join aclexplode(p.proacl) a join pg_roles r on r.oid = a.grantee"
        " where p.pronamespace = 'private'::regnamespace and a.grantee <> p.proowner"
    )
    granted = {row["name"] for row in rows}
    assert {name for name in granted if name.startswith("tg_")} == set()
    assert {row["name"] for row in rows if row["role"] == "anon"} == FOR_EVERYBODY


def test_whoever_may_call_a_public_function_may_call_the_one_behind_it(world: World) -> None:
    rows = world.owner.rows(
        "select p.oid::regprocedure::text as name, r.role from pg_proc p"
        " join pg_proc b on b.proname = p.proname and b.pronamespace = 'private'::regnamespace"
        " cross join unnest(array['anon', 'authenticated', 'service_role']) r (role)"
        " where p.pronamespace = 'public'::regnamespace"
        " and has_function_privilege(r.role, p.oid, 'execute') <> has_function_privilege(r.role, b.oid, 'execute')"
    )
    assert rows == []


def test_triggers_carry_their_order_in_their_names(world: World) -> None:
    rows = world.owner.rows(
        "select t.tgname::text as name, p.proname::text as function, c.relname::text as table"
        " from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_proc p on p.oid = t.tgfoid"
        " where not t.tgisinternal and c.relnamespace in ('public'::regnamespace, 'private'::regnamespace)"
    )
    assert rows
    for row in rows:
        assert re.fullmatch(r"_?\d{3}_[a-z_]+", row["name"]), row
        assert row["function"].startswith((f"tg_{row['table']}__", "tg_refuse_", "tg_note_")), row


@pytest.fixture
def container_database(servers: Servers) -> Iterator[Database]:
    """A loaded database in the container, which has plpgsql_check; the embedded Postgres has not."""
    with servers.server("postgres-15-container").loaded_database() as database:
        yield database


def test_plpgsql_check_has_nothing_to_say(container_database: Database) -> None:
    database = container_database
    database.owner.execute("create extension plpgsql_check")
    # Triggers are checked once for each table that they are on, with its transition tables.
    rows = database.rows(
        """
        select f.name, c.lineno, c.level, c.message, c.detail
        from (
            select distinct p.oid, p.oid::regprocedure::text as name,
                coalesce(t.tgrelid, 0) as relation, t.tgoldtable, t.tgnewtable
            from pg_proc p
            join pg_language l on l.oid = p.prolang and l.lanname = 'plpgsql'
            left join pg_trigger t on t.tgfoid = p.oid and not t.tgisinternal
            where p.pronamespace in ('public'::regnamespace, 'private'::regnamespace, 'auth'::regnamespace)
        ) f
        cross join lateral plpgsql_check_function_tb(
            f.oid, f.relation, oldtable => f.tgoldtable, newtable => f.tgnewtable,
            fatal_errors => false, extra_warnings => true, performance_warnings => false
        ) c
        """
    )
    assert rows == []
    checked = database.value(
        "select count(*) from pg_proc p join pg_language l on l.oid = p.prolang and l.lanname = 'plpgsql'"
        " where p.pronamespace = 'private'::regnamespace"
    )
    assert checked > 50


# Errors


def catalogue(world: World) -> dict[str, DictRow]:
    return {row["code"]: row for row in world.owner.rows("select * from private.error_catalogue()")}


# Section 4 of the specification, without what comes with the race.
CODES = {
    400: {"content_empty", "content_too_long"},
    401: {"not_signed_in"},
    403: {"not_your_chat", "not_allowed", "operator_inactive"},
    404: {"chat_not_found", "operator_not_found", "message_not_found"},
    409: {
        "operator_at_capacity",
        "not_the_holder",
        "chat_not_assigned",
        "chat_not_waiting",
        "chat_completed",
        "transition_refused",
        "client_message_id_reused",
        "conflict",
    },
    413: {"too_large"},
    429: {"rate_limited"},
}


def test_the_catalogue_has_every_code_of_the_specification(world: World) -> None:
    statuses = {code: row["status"] for code, row in catalogue(world).items()}
    for status, codes in CODES.items():
        for code in codes:
            assert statuses.get(code) == status, code


def test_every_code_has_a_message_and_a_hint(world: World) -> None:
    for code, row in catalogue(world).items():
        assert re.fullmatch(r"[a-z_]+", code)
        assert row["message"]
        assert row["hint"]


def test_every_error_that_functions_raise_is_in_the_catalogue_and_the_other_way_round(
    world: World, functions: list[DictRow]
) -> None:
    raised = {code for f in functions for code in re.findall(r"private\.refuse\(\s*'([a-z_]+)'", f["prosrc"])}
    calls = sum(f["prosrc"].count("private.refuse(") for f in functions)
    literal = sum(len(re.findall(r"private\.refuse\(\s*'", f["prosrc"])) for f in functions)
    assert calls == literal  # no code is computed
    assert raised == set(catalogue(world))


def test_errors_are_raised_in_one_place(functions: list[DictRow]) -> None:
    # But for a trigger that stands for a constraint, an error that its own function catches, and what the
    # loader says to whoever loads (web/loader.sql).
    raising = {
        f["proname"]: f["prosrc"]
        for f in functions
        if re.search(r"\braise\s+(exception|sqlstate|\w+_violation)\b", f["prosrc"])
    }
    elsewhere = {"refuse", "tg_chat_assignments__match_holder", "record_loaded_code", "apply_migration"}
    others = raising.keys() - elsewhere
    assert {name for name in others if "exception when sqlstate 'BT001'" not in raising[name]} == set()


def test_comments_name_only_codes_of_the_catalogue(world: World, functions: list[DictRow]) -> None:
    codes = set(catalogue(world))
    for function in functions:
        comment = function["comment"] or ""
        refuses = re.search(r"[Rr]efuses:? ([^.]*)", comment)
        named = set(re.findall(r"\b[a-z]+(?:_[a-z]+)+\b", refuses.group(1))) if refuses else set()
        arguments = set(re.findall(r"\bp_[a-z_]+", comment))
        unknown = {name for name in named - arguments if name not in codes}
        # Words with an underscore that are not codes: states, columns, functions, settings.
        assert {name for name in unknown if name.startswith(("chat_not", "not_", "operator_", "content_"))} == set(), (
            function["name"]
        )


def test_the_page_of_errors_equals_the_catalogue(world: World) -> None:
    page = (SQL / "README.md").read_text()
    table = re.findall(r"^\| `?([a-z_]+)`? \| (\d{3}) \| (.+?) \| (.+?) \|$", page, re.MULTILINE)
    written = {code: (int(status), message, hint) for code, status, message, hint in table}
    assert written == {c: (row["status"], row["message"], row["hint"]) for c, row in catalogue(world).items()}
    assert len(table) == len(written)
