"""`make supabase` and Supabase's own tool: what is pushed is what the loader loads, by either way and in any order."""

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from psycopg.errors import InsufficientPrivilege
from psycopg.rows import DictRow

from tests.servers import ROOT, Database, Server
from tests.supabase.projects import Tool, plain_database, schema_of, supabase_database
from web import loader, supabase_project
from web.loader import SQL_FOLDER, Loaded, LoadError, Source
from web.sqltext import statements

NOTHING = Loaded([], code=False)

FUNCTION = """
create or replace function private.added()
returns text
language sql
stable
set search_path = ''
as $$ select 'first'::text $$;
revoke execute on function private.added() from public;
"""

POLICY = """
drop policy if exists old on public.settings;
create policy old on public.settings using (private.added() = '');
"""

# What a later Baton could bring: a table that a view and a trigger are on is changed, a function is
# another one, a function and a policy are gone.
CHANGES = {
    "migrations/20990101000001_more.sql": """
        alter table public.fictional_users add column motto text;
        alter table public.chats alter column priority type bigint;
    """,
    "functions/added.sql": FUNCTION.replace("first", "second").replace("added", "other"),
}


ROLE_SETTINGS = """
select s.setrole::regrole::text as role, s.setconfig
from pg_db_role_setting s join pg_database d on d.oid = s.setdatabase
where d.datname = current_database()
"""


@pytest.fixture
def older(tmp_path: Path) -> Path:
    """All of sql/, with a function and a policy of its own."""
    folder = tmp_path / "older" / "sql"
    shutil.copytree(SQL_FOLDER, folder)
    (folder / "functions" / "added.sql").write_text(FUNCTION)
    policies = folder / "policies.sql"
    policies.write_text(f"{policies.read_text()}\n{POLICY}")
    return folder


@pytest.fixture
def newer(tmp_path: Path) -> Path:
    """What `older` becomes after an update of Baton."""
    folder = tmp_path / "newer" / "sql"
    shutil.copytree(SQL_FOLDER, folder)
    for name, text in CHANGES.items():
        (folder / name).write_text(text)
    return folder


def write(tool: Tool, sql: Path = SQL_FOLDER) -> list[str]:
    """Run `make supabase`, and return the names of the files it wrote."""
    return [path.name for path in supabase_project.write(sql, tool.folder / "supabase").files]


def contents(database: Database) -> dict[str, list[DictRow]]:
    """Return the rows that come with sql/, and what the loader remembers."""
    return {
        table: database.rows(f"select {columns} from {table} order by 1, 2")
        for table, columns in {
            "public.settings": "name, value, kind, description",
            "private.schema_migrations": "version, name, sha256",
            "private.loaded_code": "sha256, true",
            "private.loaded_objects": "kind, identity",
            "pg_publication_tables": "schemaname, tablename",
        }.items()
    }


def assert_same(one: Database, other: Database) -> None:
    """Compare everything that sql/ makes."""
    for schemas in (("public", "private"), ("auth",), ("storage",)):
        if one.value("select to_regnamespace(%s) is not null", schemas[0]):
            assert schema_of(one, *schemas) == schema_of(other, *schemas)
    assert contents(one) == contents(other)
    assert one.rows(ROLE_SETTINGS) == other.rows(ROLE_SETTINGS)


# --- what is pushed


def test_a_push_makes_what_a_load_makes(project: Database, server: Server, tool: Tool) -> None:
    assert write(tool) == ["config.toml", f"{newest_version()[:8]}120000_baton.sql"]
    assert tool.push(project) == [f"{newest_version()[:8]}120000_baton.sql"]
    assert not project.value("select rolsuper from pg_roles where rolname = current_user")
    with supabase_database(server) as loaded:
        assert loader.load(loaded.url).code
        assert_same(project, loaded)
    assert loader.load(project.url) == NOTHING


def newest_version() -> str:
    return max(migration.version for migration in Source.read(SQL_FOLDER).migrations)


@pytest.mark.one_postgres
def test_a_second_push_changes_nothing(project: Database, tool: Tool) -> None:
    write(tool)
    tool.push(project)
    before = schema_of(project, "public", "private")
    assert tool.push(project) == []
    assert schema_of(project, "public", "private") == before


@pytest.mark.one_postgres
def test_nothing_is_open_on_supabase_that_is_closed_elsewhere(project: Database, server: Server) -> None:
    # Supabase's default privileges in public give the API's roles everything that is not taken away.
    loader.load(project.url)
    with plain_database(server) as plain:
        loader.load(plain.url)
        ours, theirs = (sections(schema_of(database, "public", "private")) for database in (plain, project))
    assert [section for section in theirs if section not in ours] == []
    assert [section for section in ours if section not in theirs] == []


def sections(dump: str) -> list[str]:
    """Return the parts of a dump that make something, without the default privileges themselves."""
    parts = dump.partition("\n--\n-- PostgreSQL database dump complete")[0].split("\n--\n-- Name: ")[1:]
    return [part.strip() for part in parts if not part.startswith("DEFAULT PRIVILEGES")]


def test_what_is_pushed_works(project: Database, tool: Tool) -> None:
    write(tool)
    tool.push(project)
    project.rows((SQL_FOLDER / "seed.sql").read_text())
    assert project.rows("select * from public.check_invariants()") == []
    assert project.value("select count(*) from public.chats") > 0
    customer = project.connect("authenticated", "00000000-0000-4000-8000-00000000cccc", is_anonymous=True)
    started = customer.execute("select (public.start_chat('Hello', gen_random_uuid())).chat_state").fetchone()
    assert started
    assert started["chat_state"] in ("waiting_assignment", "assigned")


@pytest.mark.one_postgres
def test_a_push_that_fails_leaves_nothing(project: Database, older: Path, tool: Tool) -> None:
    (older / "platform.sql").write_text("select 1 / 0;")
    write(tool, older)
    answer = tool.run(project, "db", "push", "--yes")
    assert answer.code != 0
    assert "division by zero" in answer.out + answer.error
    assert project.value("select to_regnamespace('private') is null and to_regclass('public.chats') is null")


@pytest.mark.parametrize(
    "statement",
    [
        "alter system set work_mem = '64MB'",
        "create event trigger baton on ddl_command_end execute function private.tg_no_such()",
        "create table auth.baton ()",
        "set session_replication_role = replica",
        "create publication everything for all tables",
    ],
)
@pytest.mark.one_postgres
def test_what_needs_more_than_a_projects_owner_may_do_would_be_noticed(project: Database, statement: str) -> None:
    # Of what is pushed each statement is run as he: one that is refused ends the push, see above.
    with pytest.raises(InsufficientPrivilege):
        project.rows(statement)


OF_SUPABASE = re.compile(
    r"\b(?:on|table|function|view|index|type|sequence|schema)\s+(?:if\s+(?:not\s+)?exists\s+)?(?:auth|storage)\b(\.objects)?",
    re.IGNORECASE,
)


def test_nothing_of_supabases_own_is_made_or_changed_but_policies_of_files() -> None:
    # What the look-alike lets pass: its owner stands in for an extension that allows these policies only.
    source = Source.read(SQL_FOLDER)
    found = []
    for file in [*(migration.file for migration in source.migrations), *source.code]:
        for statement in statements(file.text):
            heading = file.text[statement.start : statement.body or statement.end]
            if statement.words[0] in ("create", "alter", "drop", "grant", "revoke", "comment"):
                target = OF_SUPABASE.search(heading)
                if target and not (statement.words[1] == "policy" and target[1]):
                    found.append((file.name, heading))
    assert found == []


@pytest.mark.parametrize(("statement", "is_found"), [
    ("alter table storage.objects enable row level security", True),
    ("create table if not exists auth.more ()", True),
    ("create trigger t after insert on auth.users execute function f()", True),
    ("grant usage on schema auth to anon", True),
    ("create policy p on public.chats using (auth.uid() is null)", False),
    ("create table public.t (id uuid references auth.users (id))", False),
])  # fmt: skip
def test_what_is_of_supabases_own_is_recognised(statement: str, is_found: bool) -> None:
    assert bool(OF_SUPABASE.search(statement)) == is_found


# --- upgrades


def test_an_upgrade_is_one_more_file_and_equals_a_load(
    project: Database, server: Server, older: Path, newer: Path, tool: Tool
) -> None:
    write(tool, older)
    tool.push(project)
    assert write(tool, newer) == ["20990101120000_baton.sql"]
    assert tool.push(project) == ["20990101120000_baton.sql"]
    with supabase_database(server) as loaded:
        loader.load(loaded.url, newer)
        assert_same(project, loaded)
    assert loader.load(project.url, newer) == NOTHING
    assert project.value("select private.other()") == "second"
    assert project.value("select to_regprocedure('private.added()') is null")
    assert project.rows("select from pg_policies where policyname = 'old'") == []


@pytest.mark.one_postgres
def test_changed_code_alone_is_pushed_after_what_is_there(project: Database, older: Path, tool: Tool) -> None:
    write(tool, older)
    tool.push(project)
    (older / "functions" / "added.sql").write_text(FUNCTION.replace("first", "third"))
    day = newest_version()[:8]
    assert write(tool, older) == [f"{day}120001_baton.sql"]
    assert tool.push(project) == [f"{day}120001_baton.sql"]
    assert project.value("select private.added()") == "third"
    assert loader.load(project.url, older) == NOTHING


@pytest.mark.one_postgres
def test_what_was_pushed_is_upgraded_by_the_loader_and_then_by_a_push(
    project: Database, server: Server, older: Path, newer: Path, tool: Tool
) -> None:
    write(tool, older)
    tool.push(project)
    assert loader.load(project.url, newer).migrations == ["sql/migrations/20990101000001_more.sql"]
    write(tool, newer)
    assert tool.push(project) == ["20990101120000_baton.sql"]
    with supabase_database(server) as loaded:
        loader.load(loaded.url, newer)
        assert_same(project, loaded)


@pytest.mark.one_postgres
def test_what_was_loaded_is_upgraded_by_a_push(
    project: Database, server: Server, older: Path, newer: Path, tool: Tool
) -> None:
    loader.load(project.url, older)
    write(tool, older)
    write(tool, newer)
    assert len(tool.push(project)) == 2
    with supabase_database(server) as loaded:
        loader.load(loaded.url, newer)
        assert_same(project, loaded)
    assert loader.load(project.url, newer) == NOTHING


@pytest.mark.one_postgres
def test_a_push_of_what_is_loaded_makes_nothing_anew(project: Database, tool: Tool) -> None:
    made = "select p.oid, p.xmin::text from pg_proc p where p.pronamespace = 'public'::regnamespace order by 1"
    triggers = "select t.oid from pg_trigger t order by 1"
    loader.load(project.url)
    before = project.rows(made), project.rows(triggers)
    write(tool)
    tool.push(project)
    assert (project.rows(made), project.rows(triggers)) == before


@pytest.mark.one_postgres
def test_older_code_does_not_replace_newer_code(project: Database, older: Path, newer: Path, tool: Tool) -> None:
    loader.load(project.url, newer)
    write(tool, older)
    tool.push(project)
    assert project.value("select private.other()") == "second"
    assert loader.load(project.url, newer) == NOTHING


@pytest.mark.one_postgres
def test_a_migration_alone_brings_the_code_back_that_was_in_its_way(project: Database, older: Path, tool: Tool) -> None:
    write(tool, older)
    tool.push(project)
    (older / "migrations" / "20990101000001_more.sql").write_text(CHANGES["migrations/20990101000001_more.sql"])
    before = project.value("select count(*) from pg_trigger where not tgisinternal")
    write(tool, older)
    tool.push(project)
    assert project.value("select count(*) from pg_trigger where not tgisinternal") == before
    assert loader.load(project.url, older) == NOTHING


@pytest.mark.one_postgres
def test_what_was_pushed_can_be_unloaded(project: Database, tool: Tool) -> None:
    write(tool)
    tool.push(project)
    loader.unload(project.url)
    assert project.value("select to_regnamespace('private') is null and to_regclass('public.chats') is null")
    assert project.value("select to_regclass('auth.users') is not null")
    assert project.rows(ROLE_SETTINGS) == []


# --- the folder


def test_writing_again_writes_nothing_and_what_is_there_stays(tmp_path: Path) -> None:
    folder = tmp_path / "supabase"
    folder.mkdir()
    (folder / "config.toml").write_text("project_id = 'theirs'\n")
    assert [path.name for path in supabase_project.write(SQL_FOLDER, folder).files] == [
        f"{newest_version()[:8]}120000_baton.sql"
    ]
    before = {path: path.read_bytes() for path in folder.rglob("*.*")}
    assert supabase_project.write(SQL_FOLDER, folder).files == []
    assert {path: path.read_bytes() for path in folder.rglob("*.*")} == before
    assert before[folder / "config.toml"] == b"project_id = 'theirs'\n"


def test_a_file_comes_after_those_of_the_project(tmp_path: Path) -> None:
    migrations = tmp_path / "supabase" / "migrations"
    migrations.mkdir(parents=True)
    (migrations / "20981231235959_theirs.sql").write_text("select 1;")
    written = supabase_project.write(SQL_FOLDER, tmp_path / "supabase")
    assert written.files[-1].name == "20990101000000_baton.sql"


def test_a_version_that_sorts_after_every_date_is_refused(tmp_path: Path) -> None:
    migrations = tmp_path / "supabase" / "migrations"
    migrations.mkdir(parents=True)
    (migrations / "9_theirs.sql").write_text("select 1;")
    with pytest.raises(supabase_project.ProjectError, match="the migration 9 sorts after every date"):
        supabase_project.write(SQL_FOLDER, tmp_path / "supabase")
    assert [path.name for path in migrations.iterdir()] == ["9_theirs.sql"]


@pytest.mark.parametrize(("change", "message"), [
    ("edited", r"sql/migrations/20990101000001_more\.sql:1: edited after it was written"),
    ("gone", r"has the migration 20990101000001_more\.sql, which is not here"),
])  # fmt: skip
def test_a_migration_that_was_written_is_not_changed(newer: Path, tmp_path: Path, change: str, message: str) -> None:
    folder = tmp_path / "supabase"
    supabase_project.write(newer, folder)
    before = sorted(folder.rglob("*"))
    migration = newer / "migrations" / "20990101000001_more.sql"
    if change == "edited":
        migration.write_text("select 1;")
    else:
        migration.unlink()
    with pytest.raises(supabase_project.ProjectError, match=message):
        supabase_project.write(newer, folder)
    assert sorted(folder.rglob("*")) == before


@pytest.mark.one_postgres
def test_a_text_that_quotes_as_we_do_is_quoted_otherwise(project: Database, older: Path, tool: Tool) -> None:
    (older / "platform.sql").write_text("do $baton$ begin perform $baton_$it's$baton_$; end $baton$;")
    write(tool, older)
    tool.push(project)
    assert loader.load(project.url, older) == NOTHING


def test_the_config_says_nothing_that_the_tool_does_not_know(tool: Tool, tmp_path: Path) -> None:
    # It passes over a key that it does not know; its own file has them all.
    assert tool.run(None, "init", "--yes").code == 0
    theirs = keys(tmp_path / "supabase" / "config.toml")
    write(Tool(tmp_path / "ours"))
    ours = keys(tmp_path / "ours" / "supabase" / "config.toml")
    assert len(ours) > 5
    assert ours.items() <= theirs.items()


def keys(config: Path) -> dict[str, str]:
    """Return every key of a TOML file with the type of its value."""

    def walk(prefix: str, table: dict[str, Any]) -> Iterator[tuple[str, str]]:
        for name, value in table.items():
            if isinstance(value, dict):
                yield from walk(f"{prefix}{name}.", value)
            else:
                yield prefix + name, type(value).__name__

    return dict(walk("", tomllib.loads(config.read_text())))


def test_the_command_says_what_it_wrote_and_gives_up_in_one_line(tmp_path: Path) -> None:
    folder = tmp_path / "a project" / "supabase"
    first, second = command(folder), command(folder)
    assert first.stdout.splitlines() == [f"wrote {path}" for path in sorted(folder.rglob("*.*"))]
    assert second.stdout == "nothing to write, the project is up to date\n"
    (path,) = folder.glob("migrations/*.sql")
    path.write_text(path.read_text().replace("_people.sql', '", "_people.sql', 'e"))
    third = command(folder)
    assert third.returncode == 1
    assert third.stderr.startswith("Error: sql/migrations/20261120000001_people.sql:1: edited after it was written")
    assert len(third.stderr.splitlines()) == 1


def command(folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run what stands behind `make supabase INTO=…`."""
    flask = [sys.executable, "-m", "flask", "--app", "wsgi", "supabase", "--into", str(folder)]
    return subprocess.run(flask, cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_folder_without_sql_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match="no folder with migrations"):
        supabase_project.write(tmp_path, tmp_path / "supabase")
    assert not (tmp_path / "supabase").exists()
