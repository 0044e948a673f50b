"""The loader: whole or not at all, once or twice, alone or at the same time, there and back."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import psycopg
import pytest
from psycopg import Connection

from tests.servers import Database, EmbeddedCluster, Server
from web import loader
from web.loader import SQL_FOLDER, LoadError, load, unload

FolderMaker = Callable[..., Path]

SMALL = {
    "migrations/20250101000001_things.sql": """
        create table public.things (id integer primary key, name text not null);
    """,
    "rollbacks/20250101000001_things.sql": "drop table public.things;",
    "migrations/20250101000002_parts.sql": """
        create table public.parts (thing_id integer references public.things, name text);
    """,
    "rollbacks/20250101000002_parts.sql": "drop table public.parts;",
    "functions/things.sql": """
create or replace function public.count_things()
returns bigint
language sql
stable
set search_path = ''
as $$ select count(*) from public.thing_names $$;

create or replace function private.tg_things()
returns trigger
language plpgsql
set search_path = ''
as $$
begin
  new.name := trim(new.name);
  return new;
end
$$;
""",
    "triggers.sql": """
create or replace trigger _100_trim before insert on public.things for each row execute function private.tg_things();
""",
    "views.sql": "create or replace view public.thing_names as select name from public.things;",
    "policies.sql": """
alter table public.things enable row level security;
drop policy if exists select_all on public.things;
create policy select_all on public.things using (public.count_things() is not null);
""",
}

# Everything in the catalog and in the loader's tables, with the transaction that wrote it.
FINGERPRINT = """
select 'class', oid::text, xmin::text from pg_class where relnamespace <> 'pg_toast'::regnamespace
union all select 'function', oid::text, xmin::text from pg_proc
union all select 'trigger', oid::text, xmin::text from pg_trigger
union all select 'policy', oid::text, xmin::text from pg_policy
union all select 'constraint', oid::text, xmin::text from pg_constraint
union all select 'schema', oid::text, xmin::text from pg_namespace
union all select 'comment', objoid::text || classoid || objsubid, xmin::text from pg_description
union all select 'rule', oid::text, xmin::text from pg_rewrite
"""


@pytest.fixture
def folder(tmp_path: Path) -> FolderMaker:
    """Make a sql/ folder: the small one, with some files changed, added, or (None) left out."""

    def make(changes: dict[str, str | None] | None = None, name: str = "sql") -> Path:
        root = tmp_path / name
        for path, text in {**SMALL, **(changes or {})}.items():
            file = root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            if text is None:
                file.unlink(missing_ok=True)
            else:
                file.write_text(text)
        return root

    return make


def fingerprint(database: Database) -> set[tuple[str, str, str]]:
    """Return what can tell whether anything was written."""
    with psycopg.connect(database.url) as connection:
        found = {(row[0], row[1], row[2]) for row in connection.execute(FINGERPRINT)}
        row = connection.execute("select to_regclass('private.schema_migrations')").fetchone()
        if row and row[0]:
            for table in ("schema_migrations", "loaded_code", "loaded_objects"):
                rows = connection.execute(f"select ctid::text, xmin::text from private.{table}")
                found |= {(table, row[0], row[1]) for row in rows}
    return found


def refusal(action: Callable[[], object]) -> str:
    """Return the message that the loader gives up with."""
    with pytest.raises(LoadError) as caught:
        action()
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- loading


def test_loading_makes_everything(empty_database: Database, folder: FolderMaker) -> None:
    loaded = load(empty_database.url, folder())
    assert loaded.code
    assert loaded.migrations == [
        "sql/migrations/20250101000001_things.sql",
        "sql/migrations/20250101000002_parts.sql",
    ]
    empty_database.rows("insert into public.things values (1, ' one ')")
    assert empty_database.value("select public.count_things()") == 1
    assert empty_database.value("select name from public.things") == "one"


def test_loading_twice_writes_nothing(empty_database: Database, folder: FolderMaker) -> None:
    load(empty_database.url, folder())
    before = fingerprint(empty_database)
    again = load(empty_database.url, folder())
    assert (again.migrations, again.code) == ([], False)
    assert fingerprint(empty_database) == before


def test_loading_the_real_sql_twice_writes_nothing(empty_database: Database) -> None:
    load(empty_database.url)
    before = fingerprint(empty_database)
    again = load(empty_database.url)
    assert (again.migrations, again.code) == ([], False)
    assert fingerprint(empty_database) == before


def test_two_loads_at_once_both_succeed(empty_database: Database) -> None:
    with ThreadPoolExecutor(2) as pool:
        loaded = list(pool.map(load, [empty_database.url] * 2))
    assert sorted(each.code for each in loaded) == [False, True]


def test_two_databases_of_a_new_cluster_can_be_loaded_at_once() -> None:
    # Roles belong to the cluster, and the lock to a database: both loads want to make the roles.
    cluster = EmbeddedCluster()
    try:
        server = Server("new", cluster)
        with server.empty_database() as one, server.empty_database() as other, ThreadPoolExecutor(2) as pool:
            loaded = list(pool.map(load, [one.url, other.url]))
        assert all(each.code for each in loaded)
        server.stop()
    finally:
        cluster.stop()


def test_changed_code_is_loaded_and_what_it_no_longer_makes_is_dropped(
    empty_database: Database, folder: FolderMaker
) -> None:
    load(empty_database.url, folder())
    empty_database.rows("create function public.not_ours() returns integer language sql as 'select 1'")
    without_policy = "alter table public.things enable row level security;"
    load(empty_database.url, folder({"functions/things.sql": "", "triggers.sql": "", "policies.sql": without_policy}))
    functions = empty_database.rows(
        "select proname from pg_proc where pronamespace = 'public'::regnamespace order by 1"
    )
    assert [row["proname"] for row in functions] == ["not_ours"]
    assert empty_database.rows("select from pg_policy") == []
    assert empty_database.value("select count(*) from public.thing_names") == 0


def test_a_migration_may_change_a_column_that_a_view_reads(empty_database: Database, folder: FolderMaker) -> None:
    load(empty_database.url, folder())
    load(
        empty_database.url,
        folder({"migrations/20250101000003_wider.sql": "alter table public.things alter name type varchar(10);"}),
    )
    column = "select data_type from information_schema.columns where table_name = 'thing_names'"
    assert empty_database.value(column) == "character varying"


def test_a_view_that_another_one_reads_is_made_anew(empty_database: Database, folder: FolderMaker) -> None:
    views = """
        drop view if exists public.names;
        create view public.names as select name from public.things;
        drop view if exists public.thing_names;
        create view public.thing_names as select name from public.names where {};
    """
    load(empty_database.url, folder({"views.sql": views.format("true")}))
    loaded = load(empty_database.url, folder({"views.sql": views.format("name <> ''")}))
    assert (loaded.migrations, loaded.code) == ([], True)
    assert "<>" in empty_database.value("select pg_get_viewdef('public.thing_names'::regclass)")


# --- failing


FAILURES = {
    "a syntax error": (
        "functions/things.sql",
        "select 1;\n\ncreate or replace funktion f() returns int language sql as 'select 1';\n",
        r"sql/functions/things\.sql:3: syntax error at or near \"funktion\"",
    ),
    "a missing column": (
        "views.sql",
        "-- ü is one character\ncreate view public.v as\nselect name,\n  nope\nfrom public.things;\n",
        r"sql/views\.sql:4: column \"nope\" does not exist",
    ),
    "a table that is there, which has no position": (
        "migrations/20250101000002_parts.sql",
        "create table public.parts (id integer);\n/* ; /* ; */ */\ncreate table public.things (id integer);\n",
        r"sql/migrations/20250101000002_parts\.sql:3: relation \"things\" already exists",
    ),
    "an exception in a do block": (
        "triggers.sql",
        "select 1;\ndo $$\nbegin\n  perform 1;\n  raise exception 'two\nlines' using hint = 'a hint';\nend\n$$;\n",
        r"sql/triggers\.sql:5: two lines; a hint$",
    ),
    "a query in a do block": (
        "triggers.sql",
        "do $x$\nbegin\n  perform count(*)\n  from nowhere;\nend\n$x$;\n",
        r"sql/triggers\.sql:4: relation \"nowhere\" does not exist",
    ),
    "the body of a sql function": (
        "functions/more.sql",
        "create or replace function public.f()\nreturns integer\nlanguage sql\nset search_path = ''\nas $$\n"
        "  select 1\n  from public.things\n  where nope = 1\n$$;\n",
        r"sql/functions/more\.sql:8: f\(\): column \"nope\" does not exist",
    ),
    "the body of a plpgsql function": (
        "functions/more.sql",
        "create or replace function public.f()\nreturns integer\nlanguage plpgsql\nas $$\nbegin\n"
        "  retrun 1;\nend\n$$;\n",
        r"sql/functions/more\.sql:6: f\(\): syntax error at or near \"retrun\"",
    ),
    "a name that is found by the search path of another function only": (
        "functions/more.sql",
        "create or replace function public.a() returns int language sql set search_path = '' as 'select 1';\n"
        "create or replace function public.b() returns int language sql as 'select id from things';\n"
        "create or replace function public.c() returns int language sql set search_path = ''\n"
        "as 'select max(id) from things';\n",
        r"sql/functions/more\.sql:4: c\(\): relation \"things\" does not exist",
    ),
    "a duplicate key": (
        "migrations/20250101000002_parts.sql",
        "insert into public.things values (1, 'a');\n\ninsert into public.things values (1, 'b');\n",
        r"sql/migrations/20250101000002_parts\.sql:3: duplicate key .* \(id\)=\(1\) already exists",
    ),
    "a deferred constraint": (
        "migrations/20250101000002_parts.sql",
        "create table public.parts (id integer references public.things deferrable initially deferred);\n"
        "insert into public.parts values (7);\n",
        r"sql/migrations/20250101000002_parts\.sql:1: insert or update on table \"parts\" violates",
    ),
    "a commit": (
        "policies.sql",
        "select 1;\ncommit;\n",
        r"sql/policies\.sql:2: commit: not allowed",
    ),
    "a null byte": ("policies.sql", "select 1;\nselect '\0';\n", r"sql/policies\.sql:2: a null byte"),
    "a copy from the client": ("policies.sql", "\ncopy public.things from stdin;\n", r"sql/policies\.sql:2: copy"),
}


@pytest.mark.parametrize("case", FAILURES)
def test_a_failing_file_names_its_line_and_changes_nothing(
    empty_database: Database, folder: FolderMaker, case: str
) -> None:
    path, text, message = FAILURES[case]
    before = fingerprint(empty_database)
    assert re.match(message, refusal(lambda: load(empty_database.url, folder({path: text}))))
    assert fingerprint(empty_database) == before


def test_a_failing_file_leaves_what_was_loaded_before(empty_database: Database, folder: FolderMaker) -> None:
    load(empty_database.url, folder())
    before = fingerprint(empty_database)
    changes = {"migrations/20250101000003_more.sql": "drop table public.parts;", "views.sql": "select nope;"}
    refusal(lambda: load(empty_database.url, folder(changes)))
    assert fingerprint(empty_database) == before


def test_a_file_that_is_not_utf8_is_named(empty_database: Database, folder: FolderMaker) -> None:
    root = folder()
    (root / "views.sql").write_bytes(b"select 1;\nselect '\xff';\n")
    assert refusal(lambda: load(empty_database.url, root)) == "sql/views.sql:2: not UTF-8"


# --- migrations


def test_an_edited_migration_is_refused(empty_database: Database, folder: FolderMaker) -> None:
    load(empty_database.url, folder())
    changes = {"migrations/20250101000001_things.sql": SMALL["migrations/20250101000001_things.sql"] + "-- more"}
    message = refusal(lambda: load(empty_database.url, folder(changes)))
    assert message.startswith("sql/migrations/20250101000001_things.sql:1: edited after it was applied")


def test_line_endings_are_no_edit(empty_database: Database, folder: FolderMaker) -> None:
    load(empty_database.url, folder())
    changes = {path: text.replace("\n", "\r\n") for path, text in SMALL.items()}
    root = folder()
    for path, text in changes.items():
        (root / path).write_bytes(text.encode())
    assert not load(empty_database.url, root).code


def test_a_database_of_a_newer_release_is_refused(empty_database: Database, folder: FolderMaker) -> None:
    load(empty_database.url, folder())
    older = folder({"migrations/20250101000002_parts.sql": None})
    assert "20250101000002_parts.sql, which is not here" in refusal(lambda: load(empty_database.url, older))


@pytest.mark.parametrize("name", ["1_short.sql", "20250101000003-dash.sql", "20250101000001_again.sql"])
def test_a_misnamed_migration_is_refused(empty_database: Database, folder: FolderMaker, name: str) -> None:
    message = refusal(lambda: load(empty_database.url, folder({f"migrations/{name}": "select 1;"})))
    assert message.startswith(f"sql/migrations/{'20250101000001_things.sql' if 'again' in name else name}:1: ")


# --- the way back


def test_unloading_leaves_nothing_of_ours_and_all_of_others(empty_database: Database, folder: FolderMaker) -> None:
    empty_database.rows("create table public.theirs (id integer)")
    load(empty_database.url, folder())
    empty_database.rows("insert into public.things values (1, 'one')")
    empty_database.rows("insert into public.parts values (1, 'part')")
    assert unload(empty_database.url, folder()) == ["20250101000002_parts.sql", "20250101000001_things.sql"]
    assert contents(empty_database) == {"public.theirs"}
    assert unload(empty_database.url, folder()) == []


def test_unloading_to_a_version_keeps_the_older_ones_and_can_be_loaded_again(
    empty_database: Database, folder: FolderMaker
) -> None:
    load(empty_database.url, folder())
    empty_database.rows("insert into public.things values (1, 'one')")
    assert unload(empty_database.url, folder(), to="20250101000001") == ["20250101000002_parts.sql"]
    assert load(empty_database.url, folder()).migrations == ["sql/migrations/20250101000002_parts.sql"]
    assert empty_database.value("select public.count_things()") == 1


def test_without_a_way_back_nothing_is_unloaded(empty_database: Database, folder: FolderMaker) -> None:
    load(empty_database.url, folder())
    before = fingerprint(empty_database)
    without = folder({"rollbacks/20250101000001_things.sql": None})
    assert "20250101000001_things.sql has no file in rollbacks/" in refusal(lambda: unload(empty_database.url, without))
    assert fingerprint(empty_database) == before


def test_a_function_that_a_table_needs_survives_until_the_table_goes(
    empty_database: Database, folder: FolderMaker
) -> None:
    changes = {
        "migrations/20250101000002_parts.sql": """
            create function private.new_name() returns text language sql as $$ select 'x' $$;
            create table public.parts (name text default private.new_name());
        """,
        "functions/names.sql": """
            create or replace function private.new_name() returns text language sql as $$ select 'y' $$;
        """,
    }
    root = folder(changes)
    load(empty_database.url, root)
    unload(empty_database.url, root)
    assert contents(empty_database) == set()


REAL_VERSIONS = [path.name[:14] for path in sorted((SQL_FOLDER / "migrations").glob("*.sql"))]


@pytest.mark.parametrize(
    "version", ["", *(pytest.param(each, marks=pytest.mark.one_postgres) for each in REAL_VERSIONS[:-1])]
)
def test_every_real_migration_has_its_way_back_with_data_in_the_tables(database: Database, version: str) -> None:
    database.rows((SQL_FOLDER / "seed.sql").read_text())
    unload(database.url, to=version)
    if not version:
        assert contents(database) == set()
    again = load(database.url)
    assert len(again.migrations) == len([each for each in REAL_VERSIONS if each > version])
    assert database.rows("select * from public.check_invariants()") == []


def test_every_real_migration_has_a_rollback_file() -> None:
    names = [{path.name for path in (SQL_FOLDER / part).glob("*.sql")} for part in ("migrations", "rollbacks")]
    assert names[0] == names[1]


def contents(database: Database) -> set[str]:
    """Return all that somebody has made in the database."""
    rows = database.rows(
        """
        select i.identity from pg_class c, pg_identify_object('pg_class'::regclass, c.oid, 0) i
        where c.relnamespace::regnamespace::text not in ('pg_catalog', 'information_schema', 'pg_toast')
        union all
        select p.oid::regprocedure::text from pg_proc p
        where p.pronamespace::regnamespace::text not in ('pg_catalog', 'information_schema')
        union all
        select nspname from pg_namespace
        where nspname not in ('public', 'pg_catalog', 'information_schema', 'pg_toast')
          and nspname !~ '^pg_(toast_)?temp_'
        """
    )
    return {row["identity"] for row in rows}


# --- where it is loaded


def test_an_owner_who_is_no_superuser_can_load_and_become_every_role(server: Server) -> None:
    # On Postgres 15 the maker of a role needs nothing more; from 16 on he must be given it.
    server.execute("drop role if exists plain_owner")
    server.execute("create role plain_owner login createrole password 'x'")
    missing = server_roles(server)
    try:
        for role in missing:
            server.execute(f"grant {role} to plain_owner with admin option")
        with server.empty_database(owner="plain_owner") as database:
            url = psycopg.conninfo.make_conninfo(database.url, user="plain_owner", password="x")
            assert load(url).code
            with psycopg.connect(url) as connection:
                for role in ("anon", "authenticated", "service_role"):
                    connection.execute(f"set local role {role}")
                    connection.execute("reset role")
    finally:
        server.execute("drop role plain_owner")


def server_roles(server: Server) -> list[str]:
    """Return which of Baton's roles the cluster has already."""
    with server.empty_database() as database:
        rows = database.rows(
            "select rolname from pg_roles where rolname in ('anon', 'authenticated', 'service_role', 'authenticator')"
        )
    return [row["rolname"] for row in rows]


def test_schema_auth_of_supabase_is_left_alone(empty_database: Database, folder: FolderMaker) -> None:
    empty_database.rows("create schema auth")
    empty_database.rows("create table auth.users (id uuid primary key)")
    root = folder({"supabase/1.sql": "create table auth.ours (id integer);"})
    load(empty_database.url, root)
    assert empty_database.value("select to_regclass('auth.ours')") is None
    unload(empty_database.url, root)
    assert empty_database.value("select to_regclass('auth.users')") is not None


def test_a_strangers_schema_auth_is_neither_used_nor_dropped(empty_database: Database, folder: FolderMaker) -> None:
    empty_database.rows("create schema auth")
    empty_database.rows("create table auth.tokens (id integer)")
    with pytest.raises(loader.LoadError, match="schema auth"):
        loader.load(empty_database.url, folder())
    assert loader.unload(empty_database.url, folder()) == []
    assert empty_database.value("select to_regclass('auth.tokens') is not null")


def test_unloading_where_nothing_was_loaded_does_nothing(empty_database: Database) -> None:
    assert loader.unload(empty_database.url) == []


@pytest.mark.parametrize(("version", "encoding", "message"), [
    (140011, "UTF8", "Postgres 15 to 18 is needed, the database is a Postgres 14"),
    (160002, "SQL_ASCII", "the database must have the encoding UTF8, not SQL_ASCII"),
])  # fmt: skip
def test_a_server_that_cannot_do_it_is_refused(version: int, encoding: str, message: str) -> None:
    assert refusal(lambda: loader.check_server(pretended(version, encoding))) == message


@pytest.mark.parametrize(("version", "warnings"), [(150000, 0), (189999, 0), (190000, 1)])
def test_a_newer_server_is_only_warned_of(caplog: pytest.LogCaptureFixture, version: int, warnings: int) -> None:
    loader.check_server(pretended(version, "UTF8"))
    assert len(caplog.records) == warnings


def pretended(version: int, encoding: str) -> Connection[Any]:
    """Return what looks like a connection to a server of this version."""
    info = SimpleNamespace(server_version=version, parameter_status=lambda name: encoding)
    return cast(Connection[Any], SimpleNamespace(info=info))


def test_a_database_that_cannot_be_reached_is_one_line_without_the_password() -> None:
    message = refusal(lambda: load("postgresql://user:secret@127.0.0.1:1/x"))
    assert message.startswith("the database at DATABASE_URL cannot be reached: ")
    assert "secret" not in message
    assert "secret" not in refusal(lambda: load("postgresql://user:secret@host:port/x"))
