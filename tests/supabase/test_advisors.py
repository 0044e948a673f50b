"""Supabase's advisors and its lint on what was pushed: nothing that is not known, with its reason."""

import tomllib
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.conftest import Servers
from tests.servers import Database
from tests.supabase.projects import Tool, supabase_database
from web import loader, supabase_project

ACCEPTED = tomllib.loads(Path(__file__).with_name("advisors.toml").read_text())["accepted"]


def test_the_advisors_say_nothing_but_what_is_listed_with_its_reason(project: Database, tool: Tool) -> None:
    supabase_project.write(loader.SQL_FOLDER, tool.folder / "supabase")
    tool.push(project)
    answer = tool.run(project, "db", "advisors", "--type", "all", "--level", "info", "--fail-on", "warn")
    assert answer.code == 0, answer.out
    findings = answer.json()["results"]
    assert {finding["level"] for finding in findings} <= {"INFO"}
    said = {(finding["name"], on(finding)) for finding in findings}
    listed = {(each["lint"], name) for each in ACCEPTED for name in each["on"]}
    assert said == listed
    assert all(each["reason"] for each in ACCEPTED)


def on(finding: dict[str, dict[str, str]]) -> str:
    """Return what a finding is about: any, where all of a kind are accepted."""
    if any(each["lint"] == finding["name"] and each["on"] == "*" for each in ACCEPTED):
        return "*"
    return f"{finding['metadata']['schema']}.{finding['metadata']['name']}"


def test_the_advisors_would_notice(project: Database, tool: Tool) -> None:
    project.rows("create table public.open (id integer primary key)")
    answer = tool.run(project, "db", "advisors", "--fail-on", "warn")
    assert answer.code != 0
    assert "rls_disabled_in_public" in {finding["name"] for finding in answer.json()["results"]}


@pytest.fixture
def container_project(servers: Servers) -> Iterator[Database]:
    """A project in the container, which has plpgsql_check; the embedded Postgres has not."""
    server = servers.server("postgres-15-container")
    with supabase_database(server) as database:
        with psycopg.connect(server.url(database.name)) as superuser:
            superuser.execute("create schema extensions")
            superuser.execute("create extension plpgsql_check schema extensions")
            superuser.execute("grant usage on schema extensions to public")
            superuser.execute(f'alter database {database.name} set search_path = "$user", public, extensions')
        yield database


def test_the_lint_finds_nothing(container_project: Database, tool: Tool) -> None:
    supabase_project.write(loader.SQL_FOLDER, tool.folder / "supabase")
    tool.push(container_project)
    answer = tool.run(container_project, "db", "lint", "--level", "warning", "--fail-on", "warning")
    assert (answer.code, answer.json()["results"]) == (0, []), answer.out
    assert "Linting schema: private" in answer.error


def test_the_lint_would_notice(container_project: Database, tool: Tool) -> None:
    container_project.rows(
        "create function public.wrong() returns void language plpgsql as"
        " $$ begin perform 1 from public.no_such_table; end $$"
    )
    answer = tool.run(container_project, "db", "lint", "--level", "warning", "--fail-on", "warning")
    assert answer.code != 0
    assert [each["function"] for each in answer.json()["results"]] == ["public.wrong"]
