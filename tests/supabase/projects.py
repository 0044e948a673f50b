"""Databases that look like a Supabase project's, and Supabase's own command line tool.

The owner is no superuser, and what is in the schemas `auth` and `storage` belongs to somebody else.
Default privileges in `public` give everything to the API's roles, as they do on Supabase: whatever
sql/ leaves open there is open here.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.servers import ROOT, Database, Server
from web.loader import SQL_FOLDER
from web.postgres import program

TOOL = ROOT / "node_modules" / ".bin" / "supabase"
OWNER = "project_owner"
PASSWORD = "password"

MAKE_OWNER = f"""
do $$
begin
  if not exists (select from pg_roles where rolname = '{OWNER}') then
    create role {OWNER} login createrole createdb bypassrls password '{PASSWORD}';
  end if;
  if not exists (select from pg_roles where rolname = 'supabase_storage_admin') then
    create role supabase_storage_admin;
  end if;
end
$$
"""

# What Supabase sets up, as far as sql/ meets it. Policies on storage.objects are allowed to the owner of
# the project by an extension of theirs; here, by being a member of the table's owner.
SET_UP = f"""
comment on schema auth is null;
grant anon, authenticated, service_role, authenticator to {OWNER} with admin option;
do $$
declare
  v_schema text;
begin
  foreach v_schema in array array['auth', 'storage'] loop
    if to_regnamespace(v_schema) is not null then
      execute format('grant usage on schema %I to {OWNER}', v_schema);
      execute format('grant all on all tables in schema %I to {OWNER}', v_schema);
      execute format('grant all on all routines in schema %I to {OWNER}', v_schema);
    end if;
  end loop;
  if to_regclass('storage.objects') is not null then
    alter table storage.objects owner to supabase_storage_admin;
    grant supabase_storage_admin to {OWNER};
  end if;
end
$$;
alter default privileges for role {OWNER} in schema public
  grant all on tables to {OWNER}, anon, authenticated, service_role;
alter default privileges for role {OWNER} in schema public
  grant all on functions to {OWNER}, anon, authenticated, service_role;
alter default privileges for role {OWNER} in schema public
  grant all on sequences to {OWNER}, anon, authenticated, service_role;
grant set on parameter "pgrst.db_pre_request" to {OWNER};
set role {OWNER};
create publication supabase_realtime;
reset role;
"""


@contextmanager
def supabase_database(server: Server) -> Iterator[Database]:
    """Give a database as it is on a new Supabase project, reached as its owner, who is no superuser."""
    server.execute(MAKE_OWNER)
    with server.empty_database(owner=OWNER) as database:
        for path in sorted((SQL_FOLDER / "supabase").glob("*.sql")):
            database.rows(path.read_text())
        database.rows(SET_UP)
        yield as_owner(database)


@contextmanager
def plain_database(server: Server) -> Iterator[Database]:
    """Give an empty database of the same owner."""
    server.execute(MAKE_OWNER)
    with server.empty_database(owner=OWNER) as database:
        connection = database.connect()
        connection.execute((SQL_FOLDER / "supabase" / "1_roles.sql").read_text())
        connection.execute(f"grant anon, authenticated, service_role, authenticator to {OWNER} with admin option")
        yield as_owner(database)


def as_owner(database: Database) -> Database:
    """Return the database as its owner reaches it."""
    return Database(make_conninfo(database.url, user=OWNER, password=PASSWORD), database.name, database._connections)


@dataclass
class Answer:
    """What the tool has said."""

    code: int
    out: str
    error: str

    def json(self) -> Any:
        """Return the answer to a command that was asked for JSON."""
        return json.loads(self.out)


class Tool:
    """The Supabase command line tool in the folder of a project."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, database: Database | None, *arguments: str) -> Answer:
        """Run a command, on the database where it is given."""
        target = ["--remote", address(database)] if database else []
        common = [*target, "--workdir", str(self.folder), "--output-format", "json"]
        with tempfile.TemporaryDirectory(prefix="baton-test-") as home:
            result = subprocess.run(
                [TOOL, *arguments, *common],
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
                env={
                    **{name: value for name, value in os.environ.items() if not name.startswith(("PG", "SUPABASE_"))},
                    # Node.js comes with the development requirements.
                    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
                    "HOME": home,
                    "SUPABASE_TELEMETRY_DISABLED": "1",
                },
            )
        return Answer(result.returncode, result.stdout, result.stderr)

    def push(self, database: Database) -> list[str]:
        """Push, and return the migrations that were new. Fails with what the tool says."""
        answer = self.run(database, "db", "push", "--yes")
        assert answer.code == 0, answer.error + answer.out[:2000]
        return [str(name) for name in answer.json()["migrations"]]


def address(database: Database) -> str:
    """Return the address in the form that the tool takes, also where the server has only a socket."""
    parts = conninfo_to_dict(database.url)
    host = str(parts["host"])
    where = f"localhost:{parts['port']}/{parts['dbname']}?sslmode=disable&host={host}"
    if not host.startswith("/"):
        where = f"{host}:{parts['port']}/{parts['dbname']}?sslmode=disable"
    return f"postgresql://{parts['user']}:{parts.get('password', PASSWORD)}@{where}"


def schema_of(database: Database, *schemas: str) -> str:
    """Return everything in these schemas as pg_dump writes it, with owners and privileges."""
    chosen = [f"--schema={schema}" for schema in schemas]
    result = subprocess.run(
        [program("pg_dump"), "--schema-only", "--no-publications", *chosen, "--dbname", database.url],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    # A random word that keeps psql's own commands out of what is restored.
    dump = re.sub(r"^\\(un)?restrict \w+$", "", result.stdout, flags=re.MULTILINE)
    # The order in which privileges were given.
    return re.sub(
        r"(^GRANT .*\n)+", lambda grants: "".join(sorted(grants[0].splitlines(True))), dump, flags=re.MULTILINE
    )
